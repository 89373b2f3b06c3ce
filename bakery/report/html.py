"""Comparisons as one self-contained HTML page: styles inside, no script, light and dark, real tables.

The markup is in ``templates/``, where everything from data is escaped. The functions here return the arguments of the
macros for charts: a label for screen readers, and the sizes. Tables are those of :mod:`bakery.report.text`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.report import text
from bakery.report.treemap import Tile, tiles
from bakery.sizes import Comparison, Part, SizeReport, files_only_in, label_of, megabytes, ratio

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
STYLE = TEMPLATES / "page.css"
LAYER_COLOURS = 6  # layer1 and so on in page.css; all layers from the sixth on have the last one
Piece = tuple[str, int, str]  # a title, bytes, and a colour as a class in page.css
Bars = list[tuple[str, list[Piece]]]


def templates() -> "Environment":
    """The Jinja environment of the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    functions = (
        compressed_chart, difference_chart, files_only_in, label_of, layer_chart, map_chart, megabytes, part_chart,
        percent, ratio,
    )  # fmt: skip
    names = {function.__name__: function for function in functions}
    environment.globals |= {**names, "count": "{:,}".format, "text": text}
    return environment


def page(comparisons: Sequence[Comparison]) -> str:
    """The whole page, ends with a newline."""
    names = ", ".join(dict.fromkeys(comparison.image.name for comparison in comparisons)) or "nothing compared"
    template = templates().get_template("page.html")
    return template.render(title=f"Image sizes: {names}", comparisons=comparisons, method=text.METHOD)


def percent(share: float) -> str:
    """A share in CSS: ``12.5%``, with up to three decimals."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def _sizes(title: str, sizes: Iterable[tuple[str, int | None]]) -> str:
    return f"{title}: {'; '.join(f'{name}: {megabytes(size or 0)}' for name, size in sizes)}"


def compressed_chart(comparisons: Sequence[Comparison]) -> tuple[str, list[tuple[str, int | None, int | None]]]:
    """The compressed size of each image, and of the image that it is compared with."""
    rows = [(comparison.name, comparison.summary) for comparison in comparisons if comparison.ours]
    sizes = [(name, row.compressed, row.official) for name, row in rows]
    label = "; ".join(f"{name}: {megabytes(size)}, compared with {megabytes(other)}" for name, size, other in sizes)
    return f"Bytes to pull: {label}", sizes


def layer_chart(images: Sequence[SizeReport]) -> tuple[str, Bars]:
    """The layers of each image."""

    def pieces(image: SizeReport) -> list[Piece]:
        numbered = enumerate(image.layers, 1)
        return [(f"layer {at}", layer.compressed_bytes, f"layer{min(at, LAYER_COLOURS)}") for at, layer in numbered]

    label = _sizes("Bytes to pull", ((image.reference, image.compressed_bytes) for image in images))
    return label, [(image.reference, pieces(image)) for image in images]


def part_chart(images: Sequence[SizeReport], title: str, key: str) -> tuple[str, Bars]:
    """The parts of each image by size; ``key`` is ``disk_bytes`` or ``compressed_bytes``."""
    return _sizes(title, ((image.reference, getattr(image, key)) for image in images)), [
        (image.reference, [(part.label, getattr(share, key), str(part)) for part, share in image.parts.items()])
        for image in images
    ]


def difference_chart(ours: SizeReport, reference: SizeReport) -> tuple[str, Sequence[Piece]] | None:
    """The parts whose size on disk differs; ``None`` if no part differs."""
    changes = [(part, ours.parts[part].disk_bytes - reference.parts[part].disk_bytes) for part in Part]
    rows = [(part.label, size, str(part)) for part, size in changes if size]
    label = "; ".join(f"{name}: {size:+,} bytes" for name, size, _ in rows)
    return (f"Difference on disk by part: {label}", rows) if rows else None


def map_chart(image: SizeReport) -> tuple[str, list[Tile]]:
    """A treemap of an image."""
    groups: dict[str, dict[str, int]] = {}
    for path, file in image.files.items():
        groups.setdefault(str(file.part), {})[path] = file.disk_bytes
    return f"Treemap of {image.reference}; the breakdown table has its figures.", tiles(groups)
