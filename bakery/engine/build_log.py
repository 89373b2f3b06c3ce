"""Follows a build by the output of ``buildx --progress=rawjson`` and the markers that compile.sh prints.

``StatusStream`` parses bytes into BuildKit's status messages, ``Tracker`` derives phases and a log from them.
"""

import base64
import codecs
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

MARKER = "##phase "
STAGES = (
    ("[toolchain", "toolchain"),
    ("[compiler", "toolchain"),
    ("[packages", "packages"),
    ("[installed", "install"),
    ("exporting to ", "export"),
)
"""Prefixes of the names of build steps that print no marker, and the phases that these steps belong to."""


class StatusStream:
    """Splits buildx's standard error into JSON objects and lines of plain text.

    buildx 0.13 spreads an object over many lines, later versions write one per line; errors are text between objects.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._json = json.JSONDecoder()
        self._pending = ""

    def feed(self, data: bytes, *, end: bool = False) -> Iterator[dict[str, Any] | str]:
        """Yield the objects and lines that ``data`` completes; with ``end``, also an incomplete rest as text."""
        self._pending += self._decode(data, end)
        while self._pending:
            text = self._pending.lstrip()
            if text.startswith("{"):
                try:
                    value, used = self._json.raw_decode(text)
                except json.JSONDecodeError:
                    if not end:
                        return
                    yield text.rstrip()
                    self._pending = ""
                    return
                self._pending = text[used:]
                yield value
            else:
                line, newline, rest = text.partition("\n")
                if not newline and not end:
                    self._pending = text
                    return
                self._pending = rest
                if line.strip():
                    yield line.rstrip()


class Tracker:
    """Follows one build: calls ``enter`` at each new phase, writes a readable log, keeps each step's last lines."""

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
        """Process one message of :class:`StatusStream`."""
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
        """The failing step's name and its last ``lines`` lines; buildx's own messages if no step failed."""
        if self.failed is None:
            return self.text[-lines:]
        rest = self.partial.get(self.failed, "")
        tail = self.tails.get(self.failed, []) + ([rest] if rest else [])
        return [self.names[self.failed], *(tail[-lines:] or self.text[-lines:])]
