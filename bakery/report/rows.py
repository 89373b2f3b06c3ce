"""Rows for people and for programs: every table that a command prints exists as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from bakery.build import BuildResult
from bakery.catalog import Catalog, Image, RecipeName, Stability, flag, latest_series, select_images, support, tags_of
from bakery.display import Column, duration
from bakery.records import read_record
from bakery.sizes import OfficialImage, megabytes, official_size
from bakery.workspace import Workspace

__all__ = ["catalog_rows", "release_rows", "result_rows", "tag_rows"]

VERDICT_COLUMNS = (
    Column("image", "image"), Column("result", "same"), Column("manifest", "digest"),
    Column("differences", "differences", right=True),
)  # fmt: skip
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


def catalog_rows(catalog: Catalog, workspace: Workspace, images: Iterable[Image], today: date) -> list[dict[str, Any]]:
    """Each image with the state of its series and target on ``today``, and what is recorded of its last build here."""
    rows = []
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
                "built": record.built if record else None,
                "recipe": str(record.recipe) if record else None,
                "compressed": megabytes(record.compressed_bytes) if record else None,
                "compressed_bytes": record.compressed_bytes if record else None,
                "disk_bytes": record.disk_bytes if record else None,
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
    catalog: Catalog, results: Iterable[BuildResult], baseline: dict[tuple[str, str], OfficialImage]
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
