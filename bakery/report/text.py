"""Comparisons as tables with headings, for the terminal and as Markdown."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bakery.display import UNLIMITED, Column, Report, render
from bakery.errors import BuildError
from bakery.sizes import Comparison, FileSize, Part, Share, SizeReport, document, files_only_in, megabytes, ratio

METHOD = (
    "On disk: the bytes of all files in all layers. Compressed: the bytes of the layers as they are pulled, from the "
    "manifest. The size of a layer is divided among the parts in proportion to their sizes when each part is "
    "compressed separately with the layer's method."
)
PROSE = 120  # characters after which sentences are wrapped, unless the terminal is narrower
MOST_NAMES = 5  # of images that are not built
MOST_FILES = 10  # that are listed one by one; the JSON and the HTML page have more


def _times(ours: int | None, other: int | None) -> str | None:
    value = ratio(ours, other)
    return f"{value:.2f}x" if value else None


# The whole definition of each column, for `inv compare` (terminal, Markdown, HTML) and for README's table of sizes.
SUMMARY_COLUMNS = (
    Column("image", value=lambda row: row.name),
    Column("compressed", right=True, value=lambda row: megabytes(row.compressed)),
    Column("official", right=True, value=lambda row: megabytes(row.official)),
    Column("ratio", right=True, value=lambda row: _times(row.compressed, row.official)),
    Column("on disk", right=True, value=lambda row: megabytes(row.disk)),
    Column("reference", right=True, value=lambda row: megabytes(row.reference)),
    Column("ratio", right=True, value=lambda row: _times(row.disk, row.reference)),
    Column("compared with", value=lambda row: row.compared_with),
)


def _bytes(size: int | None) -> str | None:
    return None if size is None else f"{size:,}"


LAYER_COLUMNS = (
    Column("layer", value=lambda row: row[0]),
    Column("bytes", right=True, value=lambda row: _bytes(row[1])),
    Column("compression", value=lambda row: row[2]),
    Column("created by", value=lambda row: row[3]),
)


def layer_rows(image: SizeReport) -> list[tuple[object, int, str, str]]:
    """The layers of an image: number, compressed bytes, compression, build step; then their sum."""
    rows = [(at, layer.compressed_bytes, layer.method, layer.label) for at, layer in enumerate(image.layers, 1)]
    return [*rows, ("all", image.compressed_bytes, "", "")]


@dataclass(frozen=True)
class _PartRow:
    title: str
    ours: Share
    reference: Share | None

    def difference(self, key: str) -> str | None:
        return None if self.reference is None else f"{getattr(self.ours, key) - getattr(self.reference, key):+,}"


PART_COLUMNS = (
    Column("part", value=lambda row: row.title),
    Column("on disk", right=True, value=lambda row: _bytes(row.ours.disk_bytes)),
    Column("reference", right=True, value=lambda row: row.reference and _bytes(row.reference.disk_bytes)),
    Column("difference", right=True, value=lambda row: row.difference("disk_bytes")),
    Column("compressed", right=True, value=lambda row: _bytes(row.ours.compressed_bytes)),
    Column("reference", right=True, value=lambda row: row.reference and _bytes(row.reference.compressed_bytes)),
    Column("difference", right=True, value=lambda row: row.difference("compressed_bytes")),
    Column("files", right=True, value=lambda row: _bytes(row.ours.files)),
)
REFERENCE_FILES = Column("reference", right=True, value=lambda row: row.reference and _bytes(row.reference.files))


def part_rows(ours: SizeReport, reference: SizeReport | None) -> list[_PartRow]:
    """The parts that are not empty in one of the images, and their sum."""
    others = reference.parts if reference and reference.parts else None
    rows = [_PartRow(part.label, ours.parts[part], others[part] if others else None) for part in Part]
    filled = [row for row in rows if row.ours != Share() or (row.reference or Share()) != Share()]
    total = sum(others.values(), Share()) if others else None
    return [*filled, _PartRow("All", sum(ours.parts.values(), Share()), total)]


def parts_of(reports: Iterable[SizeReport]) -> list[Part]:
    """The parts that are not empty in one of the images."""
    return [part for part in Part if any(report.parts.get(part, Share()) != Share() for report in reports)]


FILE_COLUMNS = (Column("bytes", right=True, value=lambda row: _bytes(row[0])), Column("path", value=lambda row: row[1]))
FILE_PART = Column("part", value=lambda row: row[2])


def file_rows(files: Sequence[FileSize], most: int) -> list[tuple[int, str, str]]:
    """Files as bytes, path, part: the ``most`` largest, then one row for the rest."""
    rows = [(file.disk_bytes, file.path, file.part.label) for file in files[:most]]
    if rest := files[most:]:
        rows.append((sum(file.disk_bytes for file in rest), f"{len(rest):,} smaller files", ""))
    return rows


def full_report(comparisons: Iterable[Comparison], form: str = "table", width: int = UNLIMITED) -> str:
    """Layers, breakdown, files of one image only, budget and notes of each comparison; ends with a newline."""
    heading = "### {}\n\n" if form == "markdown" else "{}\n\n"
    text: list[str] = []

    def section(title: str, rows: Sequence[object], columns: tuple[Column, ...]) -> None:
        if rows:
            text.append(heading.format(title) + render(rows, columns, form, width) + "\n")

    for comparison in comparisons:
        ours, official, reference = comparison.ours, comparison.official, comparison.reference
        for image in dict.fromkeys((ours, official)):
            if image and image.layers:
                section(f"Layers of {image.reference} ({image.about})", layer_rows(image), LAYER_COLUMNS)
        if ours and ours.parts:
            other = f", compared with {reference.reference}" if reference else ""
            section(f"Breakdown of {ours.reference}{other}, in bytes", part_rows(ours, reference), PART_COLUMNS)
            text.append(f"{textwrap.fill(METHOD, min(width, PROSE))}\n\n")
        for image, files in ((reference, files_only_in(reference, ours)), (ours, files_only_in(ours, reference))):
            if image and files:
                total = sum(file.disk_bytes for file in files)
                title = f"Only in {image.reference}: {len(files):,} files, {total:,} bytes"
                section(title, file_rows(files, MOST_FILES), FILE_COLUMNS)
        if budget := comparison.budget:
            result = "exceeded" if comparison.over_budget else "met"
            limits = f"{budget.compressed_bytes:,} bytes compressed, {budget.disk_bytes:,} on disk"
            text.append(f"Budget of {comparison.name}: {limits}: {result}.\n\n")
        text += [f"{textwrap.fill(note, min(width, PROSE), break_on_hyphens=False)}\n\n" for note in comparison.notes]
    return "".join(text).rstrip("\n") + "\n"


def comparison_report(comparisons: Sequence[Comparison], form: str, width: int, *, brief: bool, check: bool) -> Report:
    """The summary and, unless ``brief``, the full report; full JSON is what docs/compare.schema.json describes.

    It fails if an image is not built or, with ``check``, over its size budget.
    """
    documents = form == "json" and not brief
    rows = [document(comparison) if documents else comparison.summary for comparison in comparisons]
    detailed = form in ("table", "markdown") and not brief
    text = f"\n{full_report(comparisons, form, width)}" if detailed else ""
    absent = [comparison.image for comparison in comparisons if comparison.ours is None]
    over = [f"{comparison.name}: {comparison.over_budget}" for comparison in comparisons if comparison.over_budget]
    failure = BuildError("\n".join(over)) if check and over else None
    if absent:
        more = f" and {len(absent) - MOST_NAMES} more" if len(absent) > MOST_NAMES else ""
        names = ", ".join(image.name for image in absent[:MOST_NAMES]) + more
        failure = BuildError(f"not built: {names}", hint=f"Build them first, such as: inv build {absent[0].selection}")
    return Report(rows, SUMMARY_COLUMNS, text, failure=failure)
