"""Rows of the tables that commands print and README has. JSON has all keys of a row, a table those of its columns."""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from packaging.version import Version

from bakery.build import Builder, BuildResult, failure_of
from bakery.catalog import (
    UNVERIFIED,
    Catalog,
    Image,
    Pin,
    RecipeName,
    Stability,
    aliases_of,
    flag,
    latest_series,
    select_images,
    support,
    tags_of,
)  # fmt: skip
from bakery.display import Column, Report, duration, render
from bakery.platforms import AMD64, Platform
from bakery.records import BuildRecord, ComparedWith, TestRun, local_records, read_record
from bakery.report.text import SUMMARY_COLUMNS
from bakery.sizes import OfficialImage, Summary, megabytes, official_size, read_baseline
from bakery.workspace import Workspace

Row = dict[str, object]

TAG_COLUMNS = (Column("image"), Column("tags"))
TAG_NOTES = ("Aliases: the official image's names (3.13-slim, slim). All have twins with gzip layers (3.13-gzip).",)


def tag_report(catalog: Catalog, images: Iterable[Image]) -> Report:
    """The tags of each image, their aliases, and their repository."""
    rows = [
        {
            "image": image.name, "repository": catalog.repository, "tags": list(tags_of(catalog, image)),
            "aliases": list(aliases_of(catalog, image)),
        }
        for image in images
    ]  # fmt: skip
    return Report(rows, TAG_COLUMNS, notes=TAG_NOTES)


IMAGE_COLUMNS = (
    Column("image"), Column("series"), Column("status"), Column("until", "support"), Column("target"),
    Column("distribution"), Column("built"), Column("recipe"), Column("compressed", right=True),
    Column("gzip", right=True),
)  # fmt: skip


def image_report(catalog: Catalog, workspace: Workspace, images: Sequence[Image], today: date | None = None) -> Report:
    """Each image with the state of its series and target ``today``, and its last build in this clone."""
    rows, today = list[Row](), today or date.today()
    trees = [
        replace(image, pin=replace(image.pin, release=record.release, local=UNVERIFIED), recipe=record.recipe)
        for image, record in itertools.product(images, local_records(workspace))
        if (image.series.name, image.target.name, image.variant.name, image.platform, UNVERIFIED)
        == (record.series, record.target, record.variant, record.platform, record.source.signature)
    ]  # what --source built
    for image in {image.name: image for image in (*images, *trees)}.values():
        record = read_record(workspace, image)
        note = flag(image.target.until, today) if image.target.status is Stability.STABLE else " (unstable)"
        row: Row = {
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
            "gzip": megabytes(record.gzip_bytes) if record and record.gzip_bytes else None,
            "gzip_bytes": (record and record.gzip_bytes) or None,
            "disk_bytes": record and record.disk_bytes,
        }
        rows.append(row)
    return Report(rows, IMAGE_COLUMNS)


RELEASE_COLUMNS = (
    Column("release"), Column("series"), Column("default"), Column("pool", "in_pool"),
    Column("available from", "where"), Column("sha256"),
)  # fmt: skip


def release_report(catalog: Catalog, versions: Sequence[str], where: Callable[[Pin], str]) -> Report:
    """All pinned releases of the series of ``versions``, or of all series, newest first.

    ``where`` says where this machine can get a tarball; see :meth:`bakery.sources.SourceCache.where`.
    """
    where = functools.cache(where)  # a free-threaded build has the same tarballs
    selected = {image.series.name for image in select_images(catalog, versions, everything=True)}
    rows = [
        {
            "release": f"{pin.release}{series.suffix}",
            "series": series.name,
            "default": pin == series.default,
            "in_pool": pin.pool is not None,
            "where": where(pin) or None,
            "file": pin.file,
            "sha256": pin.sha256,
        }
        for series in catalog.series
        if series.name in selected
        for pin in series.pins
    ]
    return Report(rows, RELEASE_COLUMNS)


RESULT_COLUMNS = (
    Column("image"), Column("result"), Column("recipe"), Column("compressed", right=True),
    Column("gzip", right=True), Column("on disk", "disk", right=True), Column("official, compressed", "official"),
    Column("time", right=True), Column("tags"),
)  # fmt: skip


def result_rows(
    catalog: Catalog, results: Iterable[BuildResult], baseline: Mapping[tuple[str, str], OfficialImage]
) -> list[Row]:
    """The result of each build, and the recorded size of the official image; a quick build is not compared with it."""
    rows = []
    for result in results:
        image, size, official = result.image, result.size, official_size(baseline, catalog, result.image)
        compared = official.compressed_bytes if official and image.recipe is not RecipeName.QUICK else 0
        share, twin = (
            f" ({part.compressed_bytes / compared:.2f}x)" if compared and part else "" for part in (size, result.twin)
        )
        row: Row = {
            "image": image.name,
            "result": "failed" if result.error else "built" if result.compiled else "up to date",
            "recipe": str(image.recipe),
            "variant": image.variant.name,
            "id": result.id,
            "platform": image.platform,
            "compressed": size and megabytes(size.compressed_bytes),
            "disk": size and megabytes(size.disk_bytes),
            "compressed_bytes": size and size.compressed_bytes,
            "gzip": result.twin and f"{megabytes(result.twin.compressed_bytes)}{twin}",
            "gzip_bytes": result.twin and result.twin.compressed_bytes,
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
        rows.append(row)
    return rows


def recorded_rows(
    catalog: Catalog, records: Iterable[BuildRecord], baseline: Mapping[tuple[str, str], OfficialImage],
    platform: Platform,
) -> list[Summary]:  # fmt: skip
    """Rows for the full builds in shared/status.json: README's table of sizes.

    A build that ``inv compare`` has not measured is compared with the recorded size of the official image.
    """
    rows = []
    series = {series.name: series for series in catalog.series}
    targets = {target.name: target for target in catalog.targets}
    for record in records:
        known = record.series in series and record.target in targets
        if not known or record.recipe is not RecipeName.FULL or record.platform != platform:
            continue
        own = series[record.series]
        image = Image(own, own.default, targets[record.target], catalog.default_variant, platform)
        compared = record.compared or ComparedWith()
        official = compared.official or official_size(baseline, catalog, image)
        reference = compared.reference
        row = Summary(
            record.image, record.compressed_bytes, official.compressed_bytes if official else None,
            record.disk_bytes, reference.disk_bytes if reference else None,
            f"{official.reference} of {official.date}" if official else None,
        )  # fmt: skip
        rows.append(row)
    return rows


NOT_BUILT = "not yet built"


def status_table(catalog: Catalog, records: Sequence[BuildRecord], platform: Platform) -> str:
    """Markdown: a row for each series, a column for each target, with the tested builds of the default variant."""
    default = catalog.default_variant.name  # of records from before there were variants, which do not name theirs
    builds = [record for record in records if record.platform == platform and record.variant in ("", default)]
    heads = ["", *(f"{target.name}<br>{target.family} {target.version}" for target in catalog.targets)]
    lines = [heads, ["---"] * len(heads)]
    for series in catalog.series:
        mine = [record for record in builds if record.series == series.name]
        cells = (_cell([record for record in mine if record.target == target.name]) for target in catalog.targets)
        lines.append([f"**{series.name}**<br>{series.status}, {series.until}", *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(builds: Sequence[BuildRecord]) -> str:
    """The newest tested build, with its tests and its run of CPython's own test suite.

    A full build is preferred, then one of a release to one of a source tree (``--source``).
    """

    def rank(pair: tuple[BuildRecord, TestRun]) -> tuple[bool, bool, Version]:
        record = pair[0]
        return record.recipe is RecipeName.FULL, record.source.signature != UNVERIFIED, record.version

    tested = [(record, record.tests) for record in builds if record.tests]
    if not tested:
        return NOT_BUILT
    best, tests = max(tested, key=rank)
    quick = "" if best.recipe is RecipeName.FULL else ", quick"
    quick += ", tarball not verified" if best.source.signature == UNVERIFIED else ""
    failed = f", {tests.failed} failed" if tests.failed else ""
    text = f"{'✗' if failed else '✓'} {best.release}{quick}<br>{tests.passed} passed{failed}"
    if suite := best.regrtest:
        unexpected = suite.failed + suite.recovered
        text += f"<br>suite: {suite.passed} files" + (f", {unexpected} not as expected" if unexpected else "")
    return text


def build_report(builder: Builder, images: Sequence[Image]) -> Report:
    """Build ``images``; the result of each, why some failed, and the error that the run ends with."""
    with builder.display:
        results = builder.build(images)
    rows = result_rows(builder.catalog, results, read_baseline(builder.workspace.root))
    notes = [f"\n{result.image.name}: {result.error}" for result in results if result.error]
    return Report(rows, RESULT_COLUMNS, notes=notes, failure=failure_of(results))


def readme_parts(
    catalog: Catalog, records: Sequence[BuildRecord], baseline: Mapping[tuple[str, str], OfficialImage]
) -> dict[str, str]:
    """The tables of README.md by the name of their markers: tags, build status and sizes on amd64."""
    images = select_images(catalog, variants=[catalog.default_variant.name], everything=True)
    sizes = recorded_rows(catalog, records, baseline, AMD64)
    return {
        "tags": render(tag_report(catalog, images).rows, TAG_COLUMNS, "markdown"),
        "status": status_table(catalog, records, AMD64),
        "sizes": render(sizes, SUMMARY_COLUMNS, "markdown"),
    }
