"""Rows for people and for programs: every table that a command prints exists as text and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from bakery.builder import Result
from bakery.distributions import Stability
from bakery.errors import InputError
from bakery.models import Catalog, Image, Layout, RecipeName
from bakery.progress import duration
from bakery.records import read_record
from bakery.select import select_images
from bakery.sizes import Official, megabytes, official_size
from bakery.support import flag, support
from bakery.tags import latest_series, tags_of

__all__ = ["Column", "catalog_rows", "release_rows", "render", "result_rows", "tag_rows"]

FORMATS = ("table", "json", "markdown")
UNLIMITED = 10_000
"""Columns of a table in a file or a pipe."""


@dataclass(frozen=True)
class Column:
    """A heading, the key of the rows that it shows, and how."""

    heading: str
    key: str
    right: bool = False


def cell(value: Any) -> str:
    """How a value stands in a table: lists joined, nothing as ``-``."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(str(one) for one in value)
    return str(value)


def render(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], form: str = "table", width: int = UNLIMITED
) -> str:
    """``rows`` as ``table`` or ``markdown`` (only ``columns``), or ``json`` (everything); ends with a newline.

    Where a table is wider than ``width`` columns, its last one is wrapped.
    """
    if form not in FORMATS:
        raise InputError(f"unknown format {form!r}", hint=f"There are: {', '.join(FORMATS)}.")
    if form == "json":
        return json.dumps(list(rows), indent=1) + "\n"
    cells = [[cell(row.get(column.key)) for column in columns] for row in rows]
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


TAG_COLUMNS = (Column("image", "image"), Column("tags", "tags"))


def tag_rows(catalog: Catalog, images: Iterable[Image]) -> list[dict[str, Any]]:
    """Each image with its tags and the repository that they belong to."""
    return [
        {"image": image.name, "repository": catalog.repository, "tags": list(tags_of(catalog, image))}
        for image in images
    ]


IMAGE_COLUMNS = (
    Column("image", "image"),
    Column("series", "series"),
    Column("status", "status"),
    Column("until", "support"),
    Column("target", "target"),
    Column("distribution", "distribution"),
    Column("built", "built"),
    Column("recipe", "recipe"),
    Column("compressed", "compressed", right=True),
)


def catalog_rows(catalog: Catalog, layout: Layout, images: Iterable[Image], today: date) -> list[dict[str, Any]]:
    """Each image with the state of its series and target on ``today``, and what is recorded of its last build here."""
    rows = []
    for image in images:
        record = read_record(layout, image)
        note = flag(image.target.until, today) if image.target.status is Stability.STABLE else " (unstable)"
        rows.append(
            {
                "image": image.name,
                "series": image.series.name,
                "release": image.version,
                "status": f"{image.series.status}{', pre-release pinned' if image.pin.version.is_prerelease else ''}",
                "until": image.series.until,
                "support": support(image.series.until, today),
                "latest": image.series == latest_series(catalog),
                "target": image.target.name,
                "variant": image.variant.name,
                "target_status": str(image.target.status),
                "target_until": image.target.until,
                "distribution": f"{image.target.family} {image.target.version}{note}",
                "platform": image.platform,
                "built": record.get("built"),
                "recipe": record.get("recipe"),
                "compressed": megabytes(record["compressed_bytes"]) if "compressed_bytes" in record else None,
                "compressed_bytes": record.get("compressed_bytes"),
                "disk_bytes": record.get("disk_bytes"),
            }
        )
    return rows


RELEASE_COLUMNS = (
    Column("release", "release"),
    Column("series", "series"),
    Column("default", "default"),
    Column("pool", "in_pool"),
    Column("sha256", "sha256"),
)


def release_rows(catalog: Catalog, versions: Sequence[str]) -> list[dict[str, Any]]:
    """Every pinned release of the series that ``versions`` name (all without any), newest first."""
    wanted = {image.series.name for image in select_images(catalog, versions, everything=True)}
    return [
        {
            "release": f"{pin.release}{series.suffix}",
            "series": series.name,
            "default": pin == series.default,
            "in_pool": pin.pool is not None,
            "file": pin.file,
            "sha256": pin.sha256,
        }
        for series in catalog.series
        if series.name in wanted
        for pin in series.pins
    ]


RESULT_COLUMNS = (
    Column("image", "image"),
    Column("result", "result"),
    Column("recipe", "recipe"),
    Column("compressed", "compressed", right=True),
    Column("on disk", "disk", right=True),
    Column("official, compressed", "official"),
    Column("time", "time", right=True),
    Column("tags", "tags"),
)


def result_rows(
    catalog: Catalog, results: Iterable[Result], baseline: dict[tuple[str, str], Official]
) -> list[dict[str, Any]]:
    """What became of each image, its sizes beside the recorded size of the official one."""
    rows = []
    for result in results:
        official = official_size(baseline, catalog, result.image)
        beside = None
        if official:
            ours = result.size if result.image.recipe is not RecipeName.QUICK else None
            share = f" ({ours.compressed_bytes / official.compressed_bytes:.2f}x)" if ours else ""
            beside = f"{megabytes(official.compressed_bytes)} {official.tag}{share}"
        state = "failed" if result.error else "built" if result.compiled else "up to date"
        rows.append(
            {
                "image": result.image.name,
                "result": state,
                "recipe": str(result.image.recipe),
                "variant": result.image.variant.name,
                "id": result.id,
                "platform": result.image.platform,
                "compressed": megabytes(result.size.compressed_bytes) if result.size else None,
                "disk": megabytes(result.size.disk_bytes) if result.size else None,
                "compressed_bytes": result.size.compressed_bytes if result.size else None,
                "disk_bytes": result.size.disk_bytes if result.size else None,
                "official": beside,
                "official_compressed_bytes": official.compressed_bytes if official else None,
                "time": duration(result.seconds),
                "seconds": round(result.seconds, 1),
                "phases": {phase: round(seconds, 1) for phase, seconds in result.phases.items()},
                "tags": [] if result.error else list(result.tags),
                "log": str(result.log),
                "error": result.error or None,
            }
        )
    return rows
