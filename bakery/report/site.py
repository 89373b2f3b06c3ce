"""A static site of all images: a start page with a filter, and a page for each image, from the published records.

The folder needs no server and no other files; scripts only filter the table and copy text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.errors import ConfigError
from bakery.files import write_whole
from bakery.regular_files import read_regular
from bakery.report.charts import Tile, tiles
from bakery.report.figures import all_sizes_chart, key_rows, sizes_chart, speed_chart, startup_chart, summaries_chart
from bakery.report.html import STYLE, TEMPLATES, templates
from bakery.report.rows import Published, is_tree, local_digests, name_of, read_published, size_text, variant_of
from bakery.report.svg import page_charts
from bakery.workspace import Workspace

if TYPE_CHECKING:
    from bakery.records import BuildRecord

ASSETS = ("site.css", "site.js")
SECTIONS = ("Distribution packages", "Python and bundled libraries")


@dataclass(frozen=True)
class Page:
    """What the page of an image shows, in addition to its record."""

    record: "BuildRecord"
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


def packages_of(file: Path) -> dict[str, list[tuple[str, str, str]]]:
    """Names, versions and declared licences of the packages in an SPDX document, by section; empty without the file.

    :exc:`ConfigError` if the file is not such a document.
    """
    if not file.exists():
        return {}
    try:
        content = json.loads(read_regular(file))
        packages: dict[str, list[tuple[str, str, str]]] = {section: [] for section in SECTIONS}
        for package in content["packages"]:
            locators = [str(reference["referenceLocator"]) for reference in package.get("externalRefs", ())]
            if not any(locator.startswith("pkg:oci/") for locator in locators):  # the image itself
                section = SECTIONS[0 if any(locator.startswith("pkg:deb/") for locator in locators) else 1]
                row = (package["name"], package.get("versionInfo", ""), package.get("licenseDeclared", ""))
                packages[section].append(row)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        hint = "`inv sbom --output=FILE` writes it."
        raise ConfigError(f"{file}: expected an SPDX document in JSON: {error}", hint=hint) from None
    return packages


def map_of(record: "BuildRecord") -> tuple[str, list[Tile]]:
    """A treemap of the parts of an image by their size on disk."""
    parts = {part: {part.replace("_", " "): size.disk_bytes} for part, size in record.anatomy.items()}
    return f"Map of {record.image}; the table has its figures.", tiles(parts)


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


def site_files(published: Published, workspace: Workspace) -> dict[str, str]:
    """All files of the site by path."""
    environment = templates()
    pages = pages_of(published, local_digests(workspace))
    common = {"repository": published.catalog.repository, "size_text": size_text}
    overview = [sizes_chart(published), summaries_chart(published.results), all_sizes_chart(published)]
    files = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ASSETS}
    files["page.css"] = STYLE.read_text(encoding="utf-8")
    files["index.html"] = environment.get_template("site_index.html").render(
        common, pages=pages, figures=key_rows(published), featured=published.featured,
        choices=choices_of(pages), charts=page_charts([chart for chart in overview if chart]),
        missing=[series for series in published.catalog.series if not published.builds(series.name)],
    )  # fmt: skip
    for page in pages:
        record = page.record
        speed, starts = (published.measured(record, kind) for kind in ("bench", "startup"))
        charts = page_charts([*map(speed_chart, speed), *map(startup_chart, starts)])
        files[f"images/{page.file}"] = environment.get_template("site_image.html").render(
            common, page=page, record=record, charts=charts, results=[*speed, *starts],
            map=map_of(record) if record.anatomy else None,
            packages=packages_of(workspace.build / "sbom" / page.file.replace(".html", ".json")),
        )  # fmt: skip
    return files


def choices_of(pages: Sequence[Page]) -> dict[str, list[str]]:
    """The values that the filter offers, in the order of the pages."""
    values = {
        "series": [page.record.series for page in pages],
        "target": [page.record.target for page in pages],
        "variant": [page.variant for page in pages],
        "platform": [str(page.record.platform) for page in pages],
    }
    return {name: list(dict.fromkeys(column)) for name, column in values.items()}


def write_site(workspace: Workspace, folder: Path) -> str:
    """Write the site into ``folder``; returns a line about it."""
    files = site_files(read_published(workspace.root), workspace)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for old in folder.glob("images/*.html"):
        if f"images/{old.name}" not in files:
            old.unlink()
    for name, text in files.items():
        write_whole(folder / name, text)
    return f"{folder}/index.html written, and {sum(name.startswith('images/') for name in files)} pages of images"
