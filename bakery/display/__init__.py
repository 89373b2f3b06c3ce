"""What a command prints while it runs and at its end: progress, tables."""

from bakery.display.phases import Clock
from bakery.display.progress import Display, duration, make_display, phases_text
from bakery.display.tables import UNLIMITED, Column, render

__all__ = [
    "UNLIMITED", "Clock", "Column", "Display", "duration", "make_display", "phases_text", "render",
]  # fmt: skip
