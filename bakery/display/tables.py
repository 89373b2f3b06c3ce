"""Renders rows in the formats that ``--format`` offers: :data:`FORMATS` lists them."""

import io
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bakery.errors import BakeryError, unknown_value
from bakery.redaction import redact, redacted, shorten

NARROW = 80  # maximum width of the lines below a row
UNLIMITED = 10_000  # width of a table in a file or a pipe
LONGEST = 2_000  # characters of a cell
WRAPPED = 1_000  # maximum rows of a wrapped table, because rich takes 0.5 ms for each row


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and the value in each row: ``value(row)`` or ``row[key]``.

    The default of ``key`` is the heading. Columns of numbers are aligned ``right``. In a table for the terminal, values
    of columns ``below`` follow on separate lines, so that the table is not wider than :data:`NARROW` characters.
    """

    heading: str
    key: str = ""
    right: bool = False
    value: Callable[[Any], object] | None = None
    below: bool = False

    def text(self, row: Any) -> str:
        """The text of the column's cell in ``row``: one line of at most :data:`LONGEST` characters."""
        text = cell(self.value(row) if self.value else row.get(self.key or self.heading))
        return " ".join(shorten(text, LONGEST).splitlines())


def cell(value: object) -> str:
    """The text of a value in a table: lists are joined, an empty value is ``-``."""
    if value in (None, "", [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return str(value)


def _table(rows: Sequence[object], columns: Sequence[Column], width: int) -> str:
    """A table for the terminal; if it is wider than ``width`` characters, its last column is wrapped."""
    below, columns = ([column for column in columns if column.below is side] for side in (True, False))
    cells = [[column.heading for column in columns], *([column.text(row) for column in columns] for row in rows)]
    lines = _fitting(cells, columns)
    if len(lines[1]) > width and len(rows) <= WRAPPED:
        lines = _wrapped(cells, columns, width, last=not below)
    if below:
        heading, rule, *body = lines  # a row is one line
        lines = [heading, rule]
        for number, (row, line) in enumerate(zip(rows, body, strict=True)):
            lines += ["", line] if number else [line]
            for column in below:
                lines += _below(column, row, width) if column.text(row) != "-" else []
    return "".join(f"{line}\n" for line in lines)


def _fitting(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> list[str]:
    """The lines of a table as wide as its ``cells``: the heading, a rule, and the rows."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, texts)) for texts in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = []
        for text, column, width in zip(row, columns, widths, strict=True):
            space = " " * (width - cell_len(text))
            padded.append(space + text if column.right else text + space)
        lines.append("   ".join(padded).rstrip())
    lines.insert(1, "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * (sum(widths) + 3 * (len(widths) - 1)))
    return lines


def _wrapped(cells: Sequence[Sequence[str]], columns: Sequence[Column], width: int, *, last: bool) -> list[str]:
    """The lines of a table of ``width`` characters; if ``last``, its last column is wrapped."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        wraps = last and column is columns[-1]
        table.add_column(column.heading, justify=justify, no_wrap=not wraps, overflow="fold")
    for row in cells[1:]:
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False, force_terminal=False, color_system=None).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _below(column: Column, row: object, width: int) -> list[str]:
    """The lines of a value below its row, wrapped between words if one line is too short."""
    head, room = f"    {column.heading}: ", min(width, NARROW)
    return textwrap.wrap(
        head + column.text(row), room, subsequent_indent=" " * len(head), break_long_words=False, break_on_hyphens=False
    )


def _escaped(text: str) -> str:
    """``text`` escaped for a cell of a Markdown table: it neither ends the cell nor begins code."""
    return re.sub(r"([\\|`])", r"\\\1", text)


def _markdown(rows: Sequence[object], columns: Sequence[Column], width: int) -> str:
    headings = [column.heading for column in columns]
    rule = ["---:" if column.right else "---" for column in columns]
    cells = [[_escaped(column.text(row)) for column in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, rule, *cells))


def _json(rows: Sequence[object], columns: Sequence[Column], width: int) -> str:
    """The whole rows, including values that have no column."""
    return json.dumps(redacted(list(rows)), indent=1) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[object], Sequence[Column], int], str]] = {
    "table": _table,
    "markdown": _markdown,
    "json": _json,
}
"""The output formats, each with a function that renders rows and columns in a given width. A new format is added only
here: the help text of ``--format`` and its check come from this table."""


def render(rows: Sequence[object], columns: Sequence[Column], form: str = "table", width: int = UNLIMITED) -> str:
    """``rows`` in one of :data:`FORMATS`, ending with a newline; :exc:`bakery.errors.InputError` for another name."""
    if form not in FORMATS:
        raise unknown_value("format", form, FORMATS)
    return FORMATS[form](rows, columns, width)


def terminal_width() -> int:
    """Width of the terminal; :data:`UNLIMITED` if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED


def tell(text: str) -> None:
    """Print a message to stderr: stdout is for results only."""
    print(redact(text), file=sys.stderr, flush=True)


def show(rows: Sequence[object], columns: Sequence[Column], form: str) -> None:
    """Print ``rows`` to stdout in one of :data:`FORMATS`, no wider than the terminal."""
    sys.stdout.write(render(rows, columns, form, terminal_width()))
    sys.stdout.flush()


@dataclass(frozen=True)
class Report:
    """The output of a command: a table and ``text`` for stdout, notes for stderr, and the error to raise, if any."""

    rows: Sequence[object]
    columns: Sequence[Column]
    text: str = ""
    notes: Sequence[str] = ()
    failure: BakeryError | None = None

    @classmethod
    def of(
        cls, keys: str, rows: Sequence[Mapping[str, object]], notes: Sequence[str] = (),
        failure: BakeryError | None = None,
    ) -> "Report":  # fmt: skip
        """A report whose columns are the ``keys`` of the rows; columns of numbers are aligned right."""
        numbers = {key for key in keys.split() if rows and isinstance(rows[0].get(key), int)}
        columns = [Column(key, key, right=key in numbers) for key in keys.split()]
        return cls(rows, columns, notes=notes, failure=failure)

    @classmethod
    def of_results(cls, keys: str, results: Sequence[Any], failure: BakeryError | None) -> "Report":
        """A report of results, each of which has a ``row`` with these ``keys`` and ``notes``."""
        notes = [note for result in results for note in result.notes]
        return cls.of(keys, [result.row for result in results], notes, failure)

    def show(self, form: str = "table") -> None:
        """Print the report with its table in one of :data:`FORMATS`; raises its ``failure``."""
        show(self.rows, self.columns, form)
        print(redact(self.text), end="", flush=True)
        for note in self.notes:
            tell(note)
        if self.failure:
            raise self.failure
