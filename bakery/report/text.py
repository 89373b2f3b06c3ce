"""A comparison in full as tables with headings, for the terminal and as Markdown. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from bakery.catalog import Catalog, Platform, RecipeName
from bakery.display import UNLIMITED, Column, render
from bakery.records import BuildRecord
from bakery.sizes import (
    TITLES,
    Comparison,
    FileSize,
    Measured,
    Official,
    Part,
    Share,
    megabytes,
    official_tags,
    only_in,
    ratio,
)

__all__ = ["METHOD", "SUMMARY_COLUMNS", "full_report", "recorded_rows", "summary_rows"]

METHOD = (
    "On disk: the bytes of all files in all layers. Compressed: the bytes of the layers as they are pulled, from the "
    "manifest; a part's share of a layer is the layer's size in proportion to what each part makes when it is packed "
    "by itself with the layer's method."
)
PROSE = 120
"""Columns that sentences are wrapped at, where the terminal is not narrower."""
MOST = 10
"""Files that are listed one by one; all of them are in the JSON and in the HTML page."""


def _bytes(size: int | None) -> str | None:
    return None if size is None else f"{size:,}"


def _signed(ours: int | None, theirs: int | None) -> str | None:
    return None if ours is None or theirs is None else f"{ours - theirs:+,}"


def _layers(one: Measured) -> list[dict[str, Any]]:
    rows = [
        {"layer": number, "bytes": _bytes(layer.compressed_bytes), "method": layer.method, "label": layer.label}
        for number, layer in enumerate(one.layers, 1)
    ]
    return [*rows, {"layer": "all", "bytes": _bytes(one.compressed_bytes)}]


LAYER_COLUMNS = (
    Column("layer", "layer"),
    Column("compressed bytes", "bytes", right=True),
    Column("packed", "method"),
    Column("made by", "label"),
)
PART_COLUMNS = (
    Column("part", "part"),
    Column("on disk", "disk", right=True),
    Column("reference", "their_disk", right=True),
    Column("difference", "disk_change", right=True),
    Column("compressed", "compressed", right=True),
    Column("reference", "their_compressed", right=True),
    Column("difference", "compressed_change", right=True),
    Column("files", "files", right=True),
)
FILE_COLUMNS = (Column("bytes", "bytes", right=True), Column("path", "path"))


def _parts(ours: Measured, theirs: Measured | None) -> list[dict[str, Any]]:
    rows = []
    for part in Part:
        here, there = ours.parts[part], theirs.parts[part] if theirs and theirs.parts else None
        if here != Share() or (there and there != Share()):
            rows.append(_part(TITLES[part], here, there))
    everything = sum(ours.parts.values(), Share())
    beside = sum(theirs.parts.values(), Share()) if theirs and theirs.parts else None
    return [*rows, _part("All", everything, beside)]


def _part(title: str, here: Share, there: Share | None) -> dict[str, Any]:
    return {
        "part": title,
        "disk": _bytes(here.disk_bytes),
        "their_disk": _bytes(there.disk_bytes if there else None),
        "disk_change": _signed(here.disk_bytes, there.disk_bytes if there else None),
        "compressed": _bytes(here.compressed_bytes),
        "their_compressed": _bytes(there.compressed_bytes if there else None),
        "compressed_change": _signed(here.compressed_bytes, there.compressed_bytes if there else None),
        "files": _bytes(here.files),
    }


def _files(files: list[FileSize]) -> list[dict[str, Any]]:
    rest = files[MOST:]
    rows = [{"bytes": _bytes(one.disk_bytes), "path": one.path} for one in files[:MOST]]
    if rest:
        rows.append({"bytes": _bytes(sum(one.disk_bytes for one in rest)), "path": f"in {len(rest):,} smaller ones"})
    return rows


SUMMARY_COLUMNS = (
    Column("image", "image"),
    Column("compressed", "compressed", right=True),
    Column("official", "official", right=True),
    Column("ratio", "compressed_ratio", right=True),
    Column("on disk", "disk", right=True),
    Column("reference", "reference", right=True),
    Column("ratio", "disk_ratio", right=True),
    Column("compared with", "compared_with"),
)


def _summary(
    name: str, ours: tuple[int | None, int | None], official: int | None, reference: int | None, beside: str | None
) -> dict[str, Any]:
    smaller, on_disk = ratio(ours[0], official), ratio(ours[1], reference)
    return {
        "image": name,
        "compressed": megabytes(ours[0]),
        "official": megabytes(official),
        "compressed_ratio": f"{smaller:.2f}x" if smaller else None,
        "disk": megabytes(ours[1]),
        "reference": megabytes(reference),
        "disk_ratio": f"{on_disk:.2f}x" if on_disk else None,
        "compared_with": beside,
    }


def summary_rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """A row for each comparison, of words: the figures that most people look for."""
    rows = []
    for one in comparisons:
        ours, official, reference = one.ours, one.official, one.reference
        quick = " (quick)" if one.image.recipe is not RecipeName.FULL else ""
        how = " (recorded)" if official and official.source == "recorded" else ""
        rows.append(
            _summary(
                f"{one.image.name}{quick}, {one.image.platform.architecture}",
                (ours.compressed_bytes, ours.disk_bytes) if ours else (None, None),
                official.compressed_bytes if official else None,
                reference.disk_bytes if reference else None,
                f"{official.reference}{how}" if official else None,
            )
        )
    return rows


def recorded_rows(
    catalog: Catalog,
    records: Iterable[BuildRecord],
    baseline: Mapping[tuple[str, str], Official],
    platform: Platform,
) -> list[dict[str, Any]]:
    """The same for the full builds in shared/status.json: README's table of sizes.

    A build that `inv compare` has not measured is put beside the recorded size of the official image.
    """
    rows = []
    series, targets = {one.name: one for one in catalog.series}, {one.name: one for one in catalog.targets}
    for record in records:
        known = record.series in series and record.target in targets
        if not known or record.recipe is not RecipeName.FULL or record.platform != platform:
            continue
        tags = official_tags(catalog, series[record.series], targets[record.target])
        recorded = next((baseline[tag, platform] for tag in tags if (tag, platform) in baseline), None)
        official = record.compared and record.compared.official
        reference = record.compared and record.compared.reference
        compared_with = None
        if official:
            compared_with = f"{official.reference} of {official.date}"
        elif recorded:
            compared_with = f"{recorded.tag} of {recorded.date}"
        size = official or recorded
        rows.append(
            _summary(
                record.image,
                (record.compressed_bytes, record.disk_bytes),
                size.compressed_bytes if size else None,
                reference.disk_bytes if reference else None,
                compared_with,
            )
        )
    return rows


def full_report(comparisons: Iterable[Comparison], form: str = "table", width: int = UNLIMITED) -> str:
    """Layers, anatomy, files that only one of two has, budget and notes of each comparison; ends with a newline."""
    heading = "### {}\n\n" if form == "markdown" else "{}\n\n"
    text: list[str] = []

    def section(title: str, rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> None:
        if rows:
            text.append(heading.format(title) + render(rows, columns, form, width) + "\n")

    for one in comparisons:
        ours, official, reference = one.ours, one.official, one.reference
        for measured in dict.fromkeys((ours, official)):
            if measured and measured.layers:
                section(f"Layers of {measured.reference} ({measured.about})", _layers(measured), LAYER_COLUMNS)
        if ours and ours.parts:
            beside = f" beside {reference.reference}" if reference else ""
            section(f"Anatomy of {ours.reference}{beside}, in bytes", _parts(ours, reference), PART_COLUMNS)
            text.append(f"{textwrap.fill(METHOD, min(width, PROSE))}\n\n")
        if ours and reference:
            theirs, extra = only_in(reference, ours), only_in(ours, reference)
            section(f"In {reference.reference} only: {_total(theirs)}", _files(theirs), FILE_COLUMNS)
            section(f"In {ours.reference} only: {_total(extra)}", _files(extra), FILE_COLUMNS)
        if one.budget:
            limits = f"{one.budget.compressed_bytes:,} bytes compressed, {one.budget.disk_bytes:,} on disk"
            text.append(f"Budget of {one.name}: {limits}: {'exceeded' if one.over else 'kept'}.\n\n")
        text += [f"{textwrap.fill(note, min(width, PROSE), break_on_hyphens=False)}\n\n" for note in one.notes]
    return "".join(text).rstrip("\n") + "\n"


def _total(files: list[FileSize]) -> str:
    return f"{len(files):,} files, {sum(one.disk_bytes for one in files):,} bytes"
