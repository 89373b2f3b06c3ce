"""Renders rows as a table for the terminal, as Markdown or as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bakery.errors import InputError

__all__ = ["FORMATS", "UNLIMITED", "Column", "render"]

FORMATS = ("table", "json", "markdown")
UNLIMITED = 10_000
"""Columns of a table in a file or a pipe."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and the value in each row: ``value(row)`` or ``row[key]``.

    The default of ``key`` is the heading. Columns of numbers are aligned ``right``.
    """

    heading: str
    key: str = ""
    right: bool = False
    value: Callable[[Any], object] | None = None

    def text(self, row: Any) -> str:
        """The text of the column's cell in ``row``."""
        return cell(self.value(row) if self.value else row.get(self.key or self.heading))


def cell(value: object) -> str:
    """The text of a value in a table: lists are joined, an empty value is ``-``."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return str(value)


def render(rows: Sequence[object], columns: Sequence[Column], form: str = "table", width: int = UNLIMITED) -> str:
    """``rows`` as ``table`` or ``markdown`` (only ``columns``), or ``json`` (everything); ends with a newline.

    The last column of a table that is wider than ``width`` characters is wrapped.
    """
    if form not in FORMATS:
        raise InputError(f"unknown format {form!r}", hint=f"There are: {', '.join(FORMATS)}.")
    if form == "json":
        return json.dumps(list(rows), indent=1) + "\n"
    cells = [[column.text(row) for column in columns] for row in rows]
    if form == "markdown":
        lines = [
            [column.heading for column in columns],
            ["---:" if column.right else "---" for column in columns],
            *cells,
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        last = column is columns[-1]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.heading, justify=justify, no_wrap=not last, overflow="fold")
    for line in cells:
        table.add_row(*line)
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False, force_terminal=False, color_system=None).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())
