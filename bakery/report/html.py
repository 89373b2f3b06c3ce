"""Comparisons as one self-contained HTML page: styles inside, no script, light and dark, real tables.

The markup is in ``templates/``, where everything from data is escaped. The functions here return the arguments of the
macros that the templates call: of ``table`` (headings, rows, numbers of the right-aligned columns, whether the last row
is a sum) and of the charts (a text for screen readers, and the geometry).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bakery.report.charts import Bar, DeltaBar, PairedBar, Tile, delta_bars, paired_bars, stacked_bars, tiles
from bakery.report.text import METHOD, SUMMARY_COLUMNS, summary_rows
from bakery.sizes import TITLES, Comparison, FileSize, Measured, Part, Share, megabytes, only_in, ratio

__all__ = ["STYLE", "page", "templates"]

TEMPLATES = Path(__file__).with_name("templates")
STYLE = TEMPLATES / "page.css"
MOST_FILES = 400
"""Files of one list on the page; the last row sums up the rest. The JSON has all of them."""
LAYER_COLOURS = 6
"""Colours of layers in page.css: ``layer1`` and so on. All layers from the sixth on have the last one."""

Table = tuple[Sequence[str], Sequence[Sequence[str]], Sequence[int], bool]


def templates() -> Any:
    """The Jinja environment of the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "chart_of_all": chart_of_all, "count": count, "difference_chart": difference_chart, "file_table": file_table,
        "layer_chart": layer_chart, "layer_table": layer_table, "map_chart": map_chart, "megabytes": megabytes,
        "only_in": only_in, "part_chart": part_chart, "part_table": part_table, "parts_of": parts_of,
        "percent": percent, "ratio": ratio, "summary_table": summary_table, "titles": TITLES,
    }  # fmt: skip
    return environment


def page(comparisons: Sequence[Comparison]) -> str:
    """The whole page, ends with a newline."""
    names = ", ".join(dict.fromkeys(comparison.image.name for comparison in comparisons)) or "nothing compared"
    text: str = (
        templates()
        .get_template("page.html")
        .render(
            title=f"Image sizes: {names}",
            comparisons=comparisons,
            method=METHOD,
        )
    )
    return text


def count(number: int) -> str:
    """``1,234,567``."""
    return f"{number:,}"


def percent(share: float) -> str:
    """A share as CSS has it: ``12.5%``, with up to three decimals."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def _label(what: str, sizes: Iterable[tuple[str, int]]) -> str:
    return f"{what}: " + "; ".join(f"{name}: {megabytes(size)}" for name, size in sizes)


def chart_of_all(comparisons: Sequence[Comparison]) -> tuple[str, list[PairedBar]]:
    """The compressed size of each image and of the one that it is compared with."""
    sizes = [
        (one.name, one.ours.compressed_bytes, one.official.compressed_bytes if one.official else None)
        for one in comparisons
        if one.ours
    ]
    told = "; ".join(f"{name}: {megabytes(size)} beside {megabytes(other)}" for name, size, other in sizes)
    return f"Bytes to pull: {told}", paired_bars(sizes)


def summary_table(comparisons: Sequence[Comparison]) -> Table:
    """The summary that the terminal shows."""
    rows = [[str(row[column.key] or "-") for column in SUMMARY_COLUMNS] for row in summary_rows(comparisons)]
    return [column.heading for column in SUMMARY_COLUMNS], rows, range(1, 7), False


def layer_chart(sides: Sequence[Measured]) -> tuple[str, list[Bar]]:
    """The layers of each image."""
    rows = [
        (
            side.reference,
            [
                (f"layer {at}", layer.compressed_bytes, f"layer{min(at, LAYER_COLOURS)}")
                for at, layer in enumerate(side.layers, 1)
            ],
        )
        for side in sides
    ]
    return _label("Bytes to pull", [(side.reference, side.compressed_bytes) for side in sides]), stacked_bars(rows)


def layer_table(side: Measured) -> Table:
    """The layers of an image, and their sum."""
    rows = [
        (str(at), count(layer.compressed_bytes), layer.method, layer.label or "-")
        for at, layer in enumerate(side.layers, 1)
    ]
    return ("Layer", "Bytes", "Packed", "Made by"), [*rows, ("All", count(side.compressed_bytes), "", "")], (1,), True


def parts_of(sides: Iterable[Measured]) -> list[Part]:
    """The parts that are not empty in all of the images."""
    return [part for part in Part if any(side.parts.get(part, Share()) != Share() for side in sides)]


def part_chart(sides: Sequence[Measured], title: str, key: str) -> tuple[str, list[Bar]]:
    """The parts of each image; ``key`` is ``disk_bytes`` or ``compressed_bytes``."""
    rows = [
        (side.reference, [(TITLES[part], getattr(share, key), str(part)) for part, share in side.parts.items()])
        for side in sides
    ]
    return _label(title, [(side.reference, getattr(side, key) or 0) for side in sides]), stacked_bars(rows)


def part_table(sides: Sequence[Measured]) -> Table:
    """The parts of each image, and their sums."""
    heads = ["Part", *(head for side in sides for head in (f"{side.reference}, on disk", "compressed", "files"))]
    rows = []
    for title, parts in [*((TITLES[part], [part]) for part in parts_of(sides)), ("All", list(Part))]:
        shares = [sum((side.parts.get(part, Share()) for part in parts), Share()) for side in sides]
        figures = [(share.disk_bytes, share.compressed_bytes, share.files) for share in shares]
        rows.append([title, *(count(figure) for side in figures for figure in side)])
    return heads, rows, range(1, len(heads)), True


def difference_chart(ours: Measured, reference: Measured) -> tuple[str, list[DeltaBar]] | None:
    """The parts whose size on disk differs; ``None`` if no part does."""
    changes = [(part, ours.parts[part].disk_bytes - reference.parts[part].disk_bytes) for part in Part]
    rows = [(TITLES[part], size, str(part)) for part, size in changes if size]
    text = "Difference on disk by part: " + "; ".join(f"{name}: {size:+,} bytes" for name, size, _ in rows)
    return (text, delta_bars(rows)) if rows else None


def map_chart(image: Measured) -> tuple[str, list[Tile]]:
    """A treemap of an image."""
    text = f"Treemap of {image.reference}; its figures stand in the table of the anatomy."
    return text, tiles(image.files.values())


def file_table(files: Sequence[FileSize]) -> Table:
    """Files of only one of two images."""
    rows = [(file.path, count(file.disk_bytes), TITLES[file.part]) for file in files[:MOST_FILES]]
    rest = files[MOST_FILES:]
    if rest:
        rows.append((f"{len(rest):,} more, in the JSON", count(sum(file.disk_bytes for file in rest)), ""))
    return ("Path", "Bytes", "Part"), rows, (1,), False
