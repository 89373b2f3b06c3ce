"""Rows of the tables that commands print. JSON has all keys of a row, tables only those of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from bakery.build import BuildResult
from bakery.catalog import Catalog, Image, RecipeName, Stability, flag, latest_series, select_images, support, tags_of
from bakery.display import Column, duration
from bakery.records import read_record
from bakery.sizes import OfficialImage, megabytes, official_size
from bakery.workspace import Workspace

__all__ = [
    "IMAGE_COLUMNS", "RELEASE_COLUMNS", "RESULT_COLUMNS", "TAG_COLUMNS", "VERDICT_COLUMNS", "catalog_rows",
    "release_rows", "result_rows", "tag_rows",
]  # fmt: skip

Row = dict[str, object]

VERDICT_COLUMNS = (
    Column("image"),
    Column("result", "same"),
    Column("manifest", "digest"),
    Column("differences", right=True),
)

TAG_COLUMNS = (Column("image"), Column("tags"))


def tag_rows(catalog: Catalog, images: Iterable[Image]) -> list[Row]:
    """The tags of each image, and their repository."""
    return [
        {"image": image.name, "repository": catalog.repository, "tags": list(tags_of(catalog, image))}
        for image in images
    ]


IMAGE_COLUMNS = (
    Column("image"),
    Column("series"),
    Column("status"),
    Column("until", "support"),
    Column("target"),
    Column("distribution"),
    Column("built"),
    Column("recipe"),
    Column("compressed", right=True),
)


def catalog_rows(catalog: Catalog, workspace: Workspace, images: Iterable[Image], today: date) -> list[Row]:
    """Each image with the state of its series and target on ``today``, and its last build in this clone."""
    rows: list[Row] = []
    for image in images:
        record = read_record(workspace, image)
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
                "built": record and record.built,
                "recipe": record and str(record.recipe),
                "compressed": record and megabytes(record.compressed_bytes),
                "compressed_bytes": record and record.compressed_bytes,
                "disk_bytes": record and record.disk_bytes,
            }
        )
    return rows


RELEASE_COLUMNS = (
    Column("release"),
    Column("series"),
    Column("default"),
    Column("pool", "in_pool"),
    Column("sha256"),
)


def release_rows(catalog: Catalog, versions: Sequence[str]) -> list[Row]:
    """All pinned releases of the series of ``versions``, or of all series, newest first."""
    selected = {image.series.name for image in select_images(catalog, versions, everything=True)}
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
        if series.name in selected
        for pin in series.pins
    ]


RESULT_COLUMNS = (
    Column("image"),
    Column("result"),
    Column("recipe"),
    Column("compressed", right=True),
    Column("on disk", "disk", right=True),
    Column("official, compressed", "official"),
    Column("time", right=True),
    Column("tags"),
)


def result_rows(
    catalog: Catalog, results: Iterable[BuildResult], baseline: Mapping[tuple[str, str], OfficialImage]
) -> list[Row]:
    """The result of each build, and the recorded size of the official image; a quick build is not compared with it."""
    rows: list[Row] = []
    for result in results:
        image, size, official = result.image, result.size, official_size(baseline, catalog, result.image)
        comparable = size if official and image.recipe is not RecipeName.QUICK else None
        share = f" ({comparable.compressed_bytes / official.compressed_bytes:.2f}x)" if official and comparable else ""
        rows.append(
            {
                "image": image.name,
                "result": "failed" if result.error else "built" if result.compiled else "up to date",
                "recipe": str(image.recipe),
                "variant": image.variant.name,
                "id": result.id,
                "platform": image.platform,
                "compressed": size and megabytes(size.compressed_bytes),
                "disk": size and megabytes(size.disk_bytes),
                "compressed_bytes": size and size.compressed_bytes,
                "disk_bytes": size and size.disk_bytes,
                "official": official and f"{megabytes(official.compressed_bytes)} {official.reference}{share}",
                "official_compressed_bytes": official and official.compressed_bytes,
                "time": duration(result.seconds),
                "seconds": round(result.seconds, 1),
                "phases": {phase: round(seconds, 1) for phase, seconds in result.phases.items()},
                "tags": [] if result.error else list(result.tags),
                "log": str(result.log),
                "error": result.error or None,
            }
        )
    return rows
