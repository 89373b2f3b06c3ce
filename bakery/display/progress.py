"""Measures the phases of builds and shows them: a live line for each image on a terminal, plain lines otherwise."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple, Self

from bakery.redaction import redact

if TYPE_CHECKING:
    from rich.table import Table


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 05 s``, ``1 h 02 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def phases_text(phases: Mapping[str, float]) -> str:
    """The duration of each phase in the order of ``phases``; phases under a second are left out.

    >>> phases_text({"source": 0.4, "compile": 75})
    'compile 1 min 15 s'
    """
    return ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases.items() if seconds >= 1)


class Clock:
    """Adds up the wall time of phases, in seconds."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.show, self.phases, self.current, self.since = show, dict[str, float](), "", time.monotonic()

    def enter(self, phase: str) -> None:
        """Begin ``phase`` and end the current one."""
        if phase == self.current:
            return
        self.stop()
        self.current = phase
        self.show(phase)

    def stop(self) -> dict[str, float]:
        """End the current phase and return the seconds of all phases, in the order of their first beginning."""
        now = time.monotonic()
        if self.current:
            self.phases[self.current] = self.phases.get(self.current, 0.0) + now - self.since
        self.since, self.current = now, ""
        return self.phases


class Display:
    """Prints progress as lines with the time since the start, for pipes, logs and CI; ``name`` is often an image's."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream, self.start = stream, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the display."""

    def phase(self, name: str, phase: str) -> None:
        """``name`` begins ``phase``."""
        self.note(name, phase)

    def note(self, name: str, text: str) -> None:
        """Print a message that stays visible after the phase is over."""
        elapsed = int(time.monotonic() - self.start)
        # One write for each line: images that are built at the same time share the stream.
        self.stream.write(f"[{elapsed // 60:3}:{elapsed % 60:02}] {name + ': ' if name else ''}{redact(text)}\n")
        self.stream.flush()

    def done(self, name: str, text: str, *, ok: bool = True) -> None:
        """``name`` is finished."""
        self.note(name, text)


class _Row(NamedTuple):
    """When an image's build began and entered its phase (monotonic seconds); ``state`` is empty until it has ended."""

    started: float
    entered: float
    text: str
    state: str


class LiveDisplay(Display):
    """Draws a line for each image with its phase and two clocks, below the notes (rich)."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        super().__init__(stream)
        self.spinner = Spinner("dots")
        self.rows: dict[str, _Row] = {}
        self.console = Console(file=stream, highlight=False, markup=False)
        self.live = Live(console=self.console, get_renderable=self._render, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a closed terminal must not hide the exception that ended the block (SIGHUP)
            self.live.stop()

    def _render(self) -> "Table":
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, row in list(self.rows.items()):
            clock = "" if row.state else duration(now - row.entered)
            end = row.entered if row.state else now
            table.add_row(row.state or self.spinner, name, row.text, clock, duration(end - row.started))
        return table

    def phase(self, name: str, phase: str) -> None:
        self._set(name, phase, "")

    def note(self, name: str, text: str) -> None:
        self.console.print(f"{name + ': ' if name else ''}{redact(text)}", soft_wrap=True)

    def done(self, name: str, text: str, *, ok: bool = True) -> None:
        self._set(name, text, "ok" if ok else "failed")

    def _set(self, name: str, text: str, state: str) -> None:
        now = time.monotonic()
        self.rows[name] = _Row(self.rows[name].started if name in self.rows else now, now, redact(text), state)


def make_display(stream: IO[str]) -> Display:
    """A live display on a terminal that can move its cursor, else a plain one."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveDisplay(stream)
    return Display(stream)
