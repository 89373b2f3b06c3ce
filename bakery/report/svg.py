"""Charts as SVG: rows of dots with intervals, or of bars, as files that work in an ``<img>`` and inside a page.

A chart is 460 units wide, so that its text is readable on a phone. Each has a title and a description with all its
figures for screen readers. Ours is blue and a filled shape, others are grey and hollow: shape and label tell them apart
without colour. Styles follow the reader's light or dark scheme.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bakery.report.html import templates

WIDTH = 460
LEFT, RIGHT = 9, 14


@dataclass(frozen=True)
class Row:
    """A row of a chart: its value, as a number and as text, and its interval if there is one.

    ``kind`` is ``ours``, ``other`` or ``mean``; ``mark`` is the value of a tick to compare with.
    A row without a value is a heading.
    """

    label: str
    value: float | None = None
    text: str = ""
    low: float | None = None
    high: float | None = None
    kind: str = "ours"
    mark: float | None = None


@dataclass(frozen=True)
class Chart:
    """A chart: ``caption`` is the line below the title; ``dots`` compares ratios with 1 instead of bars from 0."""

    title: str
    caption: str
    rows: tuple[Row, ...]
    dots: bool = False

    @property
    def description(self) -> str:
        """All figures, for readers who do not see the chart."""
        return f"{self.caption} " + "; ".join(
            f"{row.label}: {row.text}" for row in self.rows if row.value is not None
        ).rstrip(".") + "."  # fmt: skip


def step_of(span: float, most: int) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that divides ``span`` into at most ``most`` steps."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most)


def scale_of(chart: Chart) -> tuple[float, float, list[float]]:
    """The ends of the axis, and the values at its lines."""
    values = [
        value
        for row in chart.rows
        for value in (row.value, row.low, row.high, row.mark)
        if value is not None
    ] or [1.0]  # fmt: skip
    low, high = (min([1.0, *values]), max([1.05, *values])) if chart.dots else (0.0, max(values))
    step = step_of(high - low, 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [number * step for number in range(first, last + 1)]


def lines_of(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` characters, broken at spaces."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def svg(chart: Chart, prefix: str = "") -> str:
    """The file's text, ends with a newline. ``prefix`` keeps the IDs of several charts on one page apart."""
    low, high, lines = scale_of(chart)
    left, right = LEFT, WIDTH - RIGHT

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * (right - left), 1)

    name = prefix + re.sub(r"[^a-z0-9]+", "-", chart.title.lower()).strip("-")
    labels = [(f"{value:g}" + ("x" if chart.dots else ""), x(value)) for value in lines]
    return templates().get_template("chart.svg").render(
        chart=chart, name=name, x=x, lines=labels, zero=x(1.0 if chart.dots else 0.0), width=WIDTH,
        title=lines_of(chart.title, 50), caption=lines_of(chart.caption, 66),
    )  # fmt: skip


def page_charts(charts: Sequence[Chart]) -> list[str]:
    """Charts for the inside of one page, with unique IDs."""
    return [svg(chart, f"c{number}-") for number, chart in enumerate(charts, 1)]
