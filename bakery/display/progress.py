"""Shows the phases of builds: one live line for each image on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import IO, Any, Protocol

__all__ = ["Display", "PlainDisplay", "duration", "make_display", "phases_text"]


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
