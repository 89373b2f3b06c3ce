"""What a build is doing, from buildx's ``--progress=rawjson`` and the markers that compile.sh prints.

``StatusStream`` turns bytes into BuildKit's status messages, ``Tracker`` turns those into phases and a log, and a
``Display`` shows the phases: one live line for each image on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import base64
import codecs
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Protocol

__all__ = ["Display", "PlainDisplay", "StatusStream", "Tracker", "duration", "make_display", "phases_text"]

MARKER = "##phase "
STAGES = (
    ("[toolchain", "toolchain"),
    ("[compiler", "toolchain"),
    ("[packages", "packages"),
    ("[installed", "install"),
    ("exporting to ", "export"),
)
"""Names of build steps that have no marker of their own, and the phase that they belong to."""


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 05 s``, ``1 h 02 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def phases_text(phases: Mapping[str, float]) -> str:
    """How long each phase took, in the order of their beginning; those under a second are left out."""
    return ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases.items() if seconds >= 1)


class StatusStream:
    """Splits what buildx writes to stderr into JSON objects and lines of plain text.

    buildx 0.13 spreads an object over many lines, later ones use one line each; errors come as text between them.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._json = json.JSONDecoder()
        self._rest = ""

    def feed(self, data: bytes, *, end: bool = False) -> Iterator[dict[str, Any] | str]:
        """Yield what is complete after ``data``; with ``end`` whatever is left as text."""
        self._rest += self._decode(data, end)
        while self._rest:
            text = self._rest.lstrip()
            if text.startswith("{"):
                try:
                    value, used = self._json.raw_decode(text)
                except json.JSONDecodeError:
                    if not end:
                        return
                    yield text.rstrip()
                    self._rest = ""
                    return
                self._rest = text[used:]
                yield value
            else:
                line, newline, rest = text.partition("\n")
                if not newline and not end:
                    self._rest = text
                    return
                self._rest = rest
                if line.strip():
                    yield line.rstrip()


class Tracker:
    """Follows one build: calls ``enter`` at each new phase, writes a readable log, keeps what a failure needs."""

    def __init__(self, log: IO[str], enter: Callable[[str], None]) -> None:
        self.log, self.enter = log, enter
        self.numbers: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.tails: dict[str, list[str]] = {}
        self.partial: dict[str, str] = {}
        self.decoders: dict[str, codecs.IncrementalDecoder] = {}
        self.started: set[str] = set()
        self.failed: str | None = None
        self.compiled = False
        self.text: list[str] = []

    def take(self, status: dict[str, Any] | str) -> None:
        """Take one message of :class:`StatusStream`."""
        if isinstance(status, str):
            self.text.append(status)
            self.log.write(f"{status}\n")
            return
        for vertex in status.get("vertexes") or ():
            self._vertex(vertex)
        for entry in status.get("logs") or ():
            decoder = self.decoders.setdefault(entry["vertex"], codecs.getincrementaldecoder("utf-8")("replace"))
            data = decoder.decode(base64.b64decode(entry.get("data") or ""))
            *lines, self.partial[entry["vertex"]] = (self.partial.get(entry["vertex"], "") + data).split("\n")
            for line in lines:
                self._line(entry["vertex"], line.rstrip("\r"))
        self.log.flush()

    def _vertex(self, vertex: dict[str, Any]) -> None:
        digest, name = vertex["digest"], vertex.get("name", "")
        number = self.numbers.setdefault(digest, len(self.numbers) + 1)
        self.names[digest] = name
        if vertex.get("started") and digest not in self.started:
            self.started.add(digest)
            self.log.write(f"#{number} {name}{' (cached)' if vertex.get('cached') else ''}\n")
            if not vertex.get("cached"):
                for start, phase in STAGES:
                    if name.startswith(start) and not name.endswith(" FROM base"):
                        self.enter(phase)
        if vertex.get("completed") and self.partial.get(digest):
            self._line(digest, self.partial.pop(digest))
        error = vertex.get("error") or ""
        if error and not error.endswith("context canceled") and self.failed is None:
            self.failed = digest
            self.log.write(f"#{number} ERROR {error}\n")

    def _line(self, digest: str, line: str) -> None:
        self.log.write(f"#{self.numbers.get(digest, 0)} {line}\n")
        if line.startswith(MARKER):
            self.compiled = True
            self.enter(line.removeprefix(MARKER).strip())
            return
        tail = self.tails.setdefault(digest, [])
        tail.append(line)
        del tail[:-40]

    def failure(self, lines: int = 20) -> list[str]:
        """The failing step's name and its last ``lines`` lines; what buildx said itself where no step failed."""
        if self.failed is None:
            return self.text[-lines:]
        rest = self.partial.get(self.failed, "")
        tail = self.tails.get(self.failed, []) + ([rest] if rest else [])
        return [self.names[self.failed], *(tail[-lines:] or self.text[-lines:])]


class Display(Protocol):
    """Where progress is shown; ``name`` is an image's or whatever else a line is about."""

    def __enter__(self) -> Display: ...

    def __exit__(self, *_: object) -> None: ...

    def phase(self, name: str, phase: str) -> None:
        """``name`` begins ``phase``."""

    def note(self, name: str, text: str) -> None:
        """Something that stays readable after the phase is over."""

    def done(self, name: str, text: str, *, ok: bool = True) -> None:
        """``name`` is finished."""


class PlainDisplay:
    """Lines with the time since the start: for pipes, logs and CI."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream, self.start = stream, time.monotonic()

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, name: str, text: str) -> None:
        elapsed = int(time.monotonic() - self.start)
        # In one piece: other images are built beside this one.
        self.stream.write(f"[{elapsed // 60:3}:{elapsed % 60:02}] {name + ': ' if name else ''}{text}\n")
        self.stream.flush()

    phase = note

    def done(self, name: str, text: str, *, ok: bool = True) -> None:
        self.note(name, text)


class LiveDisplay:
    """One line for each image with its phase and two clocks, drawn by rich; notes scroll by above."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self.spinner = Spinner("dots")
        self.rows: dict[str, list[Any]] = {}
        self.start = time.monotonic()
        self.console = Console(file=stream, highlight=False, markup=False)
        self.live = Live(console=self.console, get_renderable=self._render, refresh_per_second=8, transient=False)

    def __enter__(self) -> LiveDisplay:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def _render(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, (began, entered, phase, mark, ended) in list(self.rows.items()):
            clock = "" if ended else duration(now - entered)
            table.add_row(mark or self.spinner, name, phase, clock, duration((ended or now) - began))
        return table

    def phase(self, name: str, phase: str) -> None:
        now = time.monotonic()
        began = self.rows[name][0] if name in self.rows else now
        self.rows[name] = [began, now, phase, None, None]

    def note(self, name: str, text: str) -> None:
        self.console.print(f"{name + ': ' if name else ''}{text}", soft_wrap=True)

    def done(self, name: str, text: str, *, ok: bool = True) -> None:
        now = time.monotonic()
        began = self.rows[name][0] if name in self.rows else now
        self.rows[name] = [began, now, text, "ok" if ok else "failed", now]


def make_display(stream: IO[str]) -> Display:
    """The live one on a terminal that can move its cursor, else the plain one."""
    import os

    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveDisplay(stream)
    return PlainDisplay(stream)
