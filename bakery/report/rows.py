"""Rows of the tables that commands print and README shows. JSON has all keys of a row, a table only its columns'."""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from packaging.version import Version

from bakery.benchmarks import BenchmarkResult, markdown, read_results
from bakery.catalog import (
    UNVERIFIED,
    Catalog,
    Image,
    Pin,
    RecipeName,
    Series,
    Stability,
    aliases_of,
    latest_series,
    load_catalog,
    select_images,
    support,
    support_note,
    tags_of,
)  # fmt: skip
from bakery.display import Column, Report, render, tell
from bakery.errors import listed
from bakery.platforms import AMD64, Platform
from bakery.records import BuildRecord, ComparedWith, TestRun, local_records, read_record, read_status
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


OVERVIEW_COLUMNS = (
    Column("series"), Column("release"), Column("status"), Column("until", "support"), Column("built here", "built"),
)  # fmt: skip


def image_report(
    catalog: Catalog, workspace: Workspace, images: Sequence[Image], today: date | None = None, *,
    overview: bool = False,
) -> Report:  # fmt: skip
    """Each image with the state of its series and target ``today``, and its last build in this clone.

    The ``overview`` has a row for each series.
    """
    rows, today = list[Row](), today or date.today()
    trees = [
        replace(image, pin=replace(image.pin, release=record.release, local=UNVERIFIED), recipe=record.recipe)
        for image, record in itertools.product(images, local_records(workspace))
        if (image.series.name, image.target.name, image.variant.name, image.platform, UNVERIFIED)
        == (record.series, record.target, record.variant, record.platform, record.source.signature)
    ]  # what --source built
    for image in {image.name: image for image in (*images, *trees)}.values():
        record = read_record(workspace, image, tell)
        note = support_note(image.target.until, today) if image.target.status is Stability.STABLE else " (unstable)"
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
    if not overview:
        return Report(rows, IMAGE_COLUMNS)
    names = (listed(dict.fromkeys(str(row[key]) for row in rows)) for key in ("target", "variant"))
    notes = (
        "Each series on {} as {}.".format(*names),
        f"Without --target and --variant: {catalog.default_target}, {catalog.default_variant.name}.",
        "`inv images --version=3.13` lists the images of a series.",
    )
    return Report([_overview(series, rows) for series in catalog.series], OVERVIEW_COLUMNS, notes=notes)


def _overview(series: Series, rows: Sequence[Row]) -> Row:
    """The row of a series: what the rows of its images have in common, and the sizes of those that are built."""
    own, built = [row for row in rows if row["series"] == series.name], dict[object, list[str]]()
    for row in own:
        if row["built"]:
            tree = " (source tree)" if row["release"] != own[0]["release"] else ""
            built.setdefault(row["target"], []).append(f"{row['variant']}{tree} {row['compressed']}")
    return {**own[0], "built": "; ".join(f"{target}: {', '.join(sizes)}" for target, sizes in built.items())}


RELEASE_COLUMNS = (
    Column("release"), Column("series"), Column("default"), Column("pool", "in_pool"),
    Column("available from", "where"), Column("sha256"),
)  # fmt: skip


def release_report(catalog: Catalog, versions: Sequence[str], where: Callable[[Pin], str]) -> Report:
    """The pinned releases that ``versions`` name, all of a series, or of all series; newest first.

    ``where`` says where this machine can get a tarball; see :meth:`bakery.sources.SourceCache.where`.
    """
    where = functools.cache(where)  # a free-threaded build has the same tarballs
    selected = {(image.series.name, image.pin.release) for image in select_images(catalog, versions, everything=True)}
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
        for pin in series.pins
        if (series.name, pin.release) in selected or series.name in versions or not versions
    ]
    return Report(rows, RELEASE_COLUMNS)


NOT_BUILT = "not yet built"


def status_table(catalog: Catalog, records: Sequence[BuildRecord], platform: Platform) -> str:
    """Markdown: a row for each series, a column for each target, with the tested builds of the default variant."""
    default = catalog.default_variant.name  # records from before there were variants name none, and are of this one
    builds = [record for record in records if record.platform == platform and record.variant in ("", default)]
    heads = ["", *(f"{target.name}<br>{target.family} {target.version}" for target in catalog.targets)]
    lines = [heads, ["---"] * len(heads)]
    for series in catalog.series:
        own = [record for record in builds if record.series == series.name]
        cells = (_cell([record for record in own if record.target == target.name]) for target in catalog.targets)
        lines.append([f"**{series.name}**<br>{series.status}, {series.until}", *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(builds: Sequence[BuildRecord]) -> str:
    """The newest tested build, with its tests and its run of CPython's own test suite.

    A full build is preferred, then one of a release to one of a source tree (``--source``).
    """

    def rank(pair: tuple[BuildRecord, TestRun]) -> tuple[bool, bool, Version]:
        record = pair[0]
        return record.recipe is RecipeName.FULL, not is_tree(record), record.version

    tested = [(record, record.tests) for record in builds if record.tests]
    if not tested:
        return NOT_BUILT
    best, tests = max(tested, key=rank)
    remarks = "" if best.recipe is RecipeName.FULL else ", quick"
    remarks += ", tarball not verified" if is_tree(best) else ""
    failed = f", {tests.failed} failed" if tests.failed else ""
    text = f"{'✗' if failed else '✓'} {best.release}{remarks}<br>{tests.passed} passed{failed}"
    if suite := best.regrtest:
        unexpected = suite.failed + suite.recovered
        text += f"<br>suite: {suite.passed} files" + (f", {unexpected} not as expected" if unexpected else "")
    return text


@dataclass(frozen=True)
class Published:
    """What the repository publishes: records of tested builds, sizes of official images, results of benchmarks.

    ``results`` are those of docs/results.
    """

    catalog: Catalog
    records: tuple[BuildRecord, ...]
    baseline: Mapping[tuple[str, str], OfficialImage]
    results: tuple[BenchmarkResult, ...]

    @property
    def full(self) -> list[BuildRecord]:
        """The full builds of known series, targets and variants."""
        tables = (self.catalog.series, self.catalog.targets, self.catalog.variants)
        series, targets, variants = ({entry.name for entry in table} for table in tables)
        return [
            record for record in self.records
            if record.recipe is RecipeName.FULL and record.series in series and record.target in targets
            and variant_of(record) in variants
        ]  # fmt: skip

    def builds(self, series: str = "", target: str = "", variant: str = "", platform: str = "") -> list[BuildRecord]:
        """The full builds of known series, targets and variants, the best first.

        Releases come before trees, newer ones before older ones, and the default target before others.
        """
        default = self.catalog.default_target
        criteria = {"series": series, "target": target, "platform": platform}
        matching = [
            record for record in self.full
            if all(value in ("", getattr(record, key)) for key, value in criteria.items())
            and variant in ("", variant_of(record))
        ]  # fmt: skip
        return sorted(matching, reverse=True, key=lambda record: (
            not is_tree(record), record.version, record.target == default, record.built
        ))  # fmt: skip

    def official(self, record: BuildRecord) -> OfficialImage | None:
        """The official image that ``record`` is compared with by compressed size."""
        series = next(series for series in self.catalog.series if series.name == record.series)
        target = next(target for target in self.catalog.targets if target.name == record.target)
        image = Image(series, series.default, target, self.catalog.default_variant, Platform(record.platform))
        return official_size(self.baseline, self.catalog, image)

    def measured(self, record: BuildRecord, kind: str) -> list[BenchmarkResult]:
        """The results of ``kind`` (bench, startup) for the image of ``record``, in order of their files."""
        name = f"{record.image}-{record.platform.rpartition('/')[2]}"
        return [result for result in self.results if (result.kind, result.name) == (kind, name)]

    def tags(self, record: BuildRecord) -> tuple[str, ...]:
        """The tags and aliases of a build; only its name if it is of a source tree or a release no longer pinned."""
        series = next(series for series in self.catalog.series if series.name == record.series)
        if is_tree(record) or record.release not in [pin.release for pin in series.pins]:
            return (record.image,)
        version, names = f"{record.release}{series.suffix}", ([record.target], [variant_of(record)])
        (image,) = select_images(self.catalog, [version], *names, platform=Platform(record.platform))
        return (*tags_of(self.catalog, image), *aliases_of(self.catalog, image))

    @property
    def featured(self) -> BuildRecord | None:
        """The image whose figures come first: the best default one whose speed and cold starts were measured."""
        default = self.catalog.default_variant.name
        builds = self.builds(target=self.catalog.default_target, variant=default, platform=AMD64)
        kinds = ("bench", "startup")
        return next((record for record in builds if all(self.measured(record, kind) for kind in kinds)), None)


def variant_of(record: BuildRecord) -> str:
    """The variant's name, even in records that are older than variants."""
    return record.variant or "default"


def is_tree(record: BuildRecord) -> bool:
    """Whether a build is of a source tree (``--source``), not of a release whose digest is pinned."""
    return record.source.signature == UNVERIFIED


def name_of(record: BuildRecord) -> str:
    """The image in prose: ``3.13.15 on bookworm``, with a remark if it is of a source tree."""
    variant = variant_of(record)
    release = f"{record.release}{'t' if record.series.endswith('t') else ''}"
    extra = f" {variant}" if variant != "default" else ""
    return f"{release}{extra} on {record.target}{' (source tree)' if is_tree(record) else ''}"


def size_text(size: int, other: int | None = None) -> str:
    """A size and its ratio to another: ``35.5 MB, 0.74x``; ``35.5 MB`` if the other is unknown."""
    return megabytes(size) + (f", {size / other:.2f}x" if other else "")


def local_digests(workspace: Workspace) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Digests of the manifests of builds in this clone and of their gzip twins, by image, platform and time."""
    records = local_records(workspace)
    return {(record.image, record.platform, record.built): (record.id, record.twin) for record in records}


@dataclass(frozen=True)
class Page:
    """What the page of an image shows, in addition to its record."""

    record: BuildRecord
    name: str
    file: str
    tree: bool
    variant: str
    tags: tuple[str, ...]
    digest: str
    twin: str
    size: str
    official: str
    speed: str


def pages_of(published: Published, digests: Mapping[tuple[str, str, str], tuple[str, str]]) -> list[Page]:
    """A page for each full build, in the order of the start page: newest series first."""
    pages = []
    for record in published.builds():
        official, results = published.official(record), published.measured(record, "bench")
        mean = next((result.summary for result in results if result.summary), None)
        digest, twin = digests.get((record.image, record.platform, record.built), ("", ""))
        architecture = record.platform.rpartition("/")[2]
        page = Page(
            record, name_of(record), f"{record.image}-{architecture}.html", is_tree(record), variant_of(record),
            published.tags(record), digest, twin,
            size_text(record.compressed_bytes, official.compressed_bytes if official else None),
            f"{official.reference} of {official.date}: {size_text(official.compressed_bytes)}" if official else "",
            f"{mean.geometric_mean:.3f}x" if mean else "",
        )  # fmt: skip
        pages.append(page)
    order = [series.name for series in reversed(published.catalog.series)]
    return sorted(pages, key=lambda page: (order.index(page.record.series), page.tree))


def read_published(root: Path) -> Published:
    """What the repository ``root`` publishes; :exc:`bakery.errors.ConfigError` if a file is missing or not valid."""
    results = tuple(read_results(root / "docs" / "results"))
    return Published(load_catalog(root), tuple(read_status(root)), read_baseline(root), results)


def recorded_rows(published: Published, platform: Platform) -> list[Summary]:
    """Rows for the full builds in shared/status.json: the table of sizes in docs/figures.md.

    A build that ``inv compare`` has not measured is compared with the recorded size of the official image.
    """
    rows = []
    for record in (record for record in published.full if record.platform == platform):
        compared = record.compared or ComparedWith()
        official, reference = compared.official or published.official(record), compared.reference
        row = Summary(
            record.image, record.compressed_bytes, official.compressed_bytes if official else None,
            record.disk_bytes, reference.disk_bytes if reference else None,
            f"{official.reference} of {official.date}" if official else None,
        )  # fmt: skip
        rows.append(row)
    return rows


def result_pages(published: Published) -> dict[str, str]:
    """The pages of results in docs/results: the text of each file by its name."""
    return {f"{result.stem}.md": markdown(result) for result in published.results}


def long_tables(published: Published, platform: Platform) -> dict[str, str]:
    """The tables of docs/ by the name of their markers: tags, build status and sizes on ``platform``."""
    catalog, records = published.catalog, published.records
    images = select_images(catalog, variants=[catalog.default_variant.name], everything=True)
    return {
        "tags": render(tag_report(catalog, images).rows, TAG_COLUMNS, "markdown"),
        "status": status_table(catalog, records, platform),
        "sizes": render(recorded_rows(published, platform), SUMMARY_COLUMNS, "markdown"),
    }
