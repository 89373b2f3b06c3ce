"""What a command prints while it runs and at its end: progress, tables."""

from bakery.display.progress import Clock, Display, duration, make_display, phases_text
from bakery.display.tables import FORMATS, UNLIMITED, Column, Report, render, show, tell, terminal_width
