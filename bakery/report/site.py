"""A static site of all images: a start page with a filter, and a page for each image, from the published records.

The folder needs no server and no other files; scripts only filter the table and copy text.
"""

import json
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from bakery.errors import ConfigError, InputError, reason_of
from bakery.files import require_type, write_whole
from bakery.redaction import shorten
from bakery.regular_files import MEDIUM, SMALL, read_regular
from bakery.report.charts import all_sizes_chart, chart_of, sizes_chart, summaries_chart
from bakery.report.html import STYLE, TEMPLATES, templates
from bakery.report.published_tables import PARTS, key_rows
from bakery.report.rows import Page, Published, local_digests, pages_of, read_published, size_text
from bakery.report.svg import page_charts
from bakery.report.treemap import Tile, tiles
from bakery.workspace import Workspace

ASSETS = ("site.css", "site.js")
LIST = ".inv-site"
"""The file that lists the files of a site, one path on a line."""
OWN = re.compile(r"index\.html|(page|site)\.css|site\.js|images/[\w.+-]+\.html")
SECTIONS = ("Distribution packages", "Python and bundled libraries")


def packages_of(file: Path, page: Page) -> dict[str, list[tuple[str, str, str]]]:
    """Names, versions and declared licences of the packages in an SPDX document, by section; empty without the file.

    :exc:`ConfigError` if the file is not such a document, or is about another image than ``page``.
    """
    if not file.exists():
        return {}
    try:
        content = json.loads(read_regular(file, MEDIUM))
        packages: dict[str, list[tuple[str, str, str]]] = {section: [] for section in SECTIONS}
        subject = ""
        for package in content["packages"]:
            locators = [str(reference["referenceLocator"]) for reference in package.get("externalRefs", ())]
            if any(locator.startswith("pkg:oci/") for locator in locators):  # the image itself
                subject = f"{package['name']} {package['versionInfo']} {locators}"
            else:
                section = SECTIONS[0 if any(locator.startswith("pkg:deb/") for locator in locators) else 1]
                row = (package["name"], package.get("versionInfo", ""), package.get("licenseDeclared", ""))
                packages[section].append(row)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        hint = "`inv sbom --output=FILE` writes it."
        raise ConfigError(f"{file}: expected an SPDX document in JSON: {reason_of(error)}", hint=hint) from None
    name, architecture = page.record.image, page.record.platform.rpartition("/")[2]
    pattern = rf":{re.escape(name)}(-{architecture})? {page.digest or 'sha256:'}.*[?&]arch={architecture}\b"
    if not re.search(pattern, subject):
        problem = (
            f"{file} is about {shorten(subject, 300) or 'no image'}; expected {name} {page.digest} ({architecture})"
        )
        raise ConfigError(problem, hint="`inv sbom --output=FILE` for that image writes it again.")
    return packages


def map_of(name: str, parts: Mapping[str, tuple[int, int]]) -> tuple[str, list[Tile]]:
    """A treemap of the parts of an image by their size on disk; sizes are on disk and compressed."""
    groups = {part: {part.replace("_", " "): disk} for part, (disk, _) in parts.items()}
    return f"Map of {name}; the table has its figures.", tiles(groups)


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
        results = [result for kind in PARTS for result in published.measured(record, kind)]
        charts = page_charts(list(map(chart_of, results)))
        files[f"images/{page.file}"] = environment.get_template("site_image.html").render(
            common, page=page, record=record, charts=charts, results=results,
            map=map_of(record.image, record.anatomy) if record.anatomy else None,
            packages=packages_of(workspace.records / "sbom" / page.file.replace(".html", ".json"), page),
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


def write_page(file: str, markup: str) -> str:
    """Write a page to ``file``; returns a line about it. Raises as :func:`bakery.files.write_whole` does."""
    write_whole(Path(file), markup)
    return f"{file} written"


def write_site(workspace: Workspace, folder: Path) -> str:
    """Write the site into ``folder``, and its list of files; returns a line about it.

    A later site replaces the files of the list, and removes those that it does not have: pages of images that are no
    longer built. Raises :exc:`InputError` for a folder with other files.
    """
    listed = folder / LIST
    earlier = set(read_regular(listed, SMALL).decode(errors="replace").splitlines()) if listed.exists() else set()
    earlier = {name for name in earlier if OWN.fullmatch(name)}
    files = site_files(read_published(workspace.root), workspace)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    other = {name for name in present - {"CNAME"} if not name.startswith(".")} if not earlier else set()
    other |= {name for name in files.keys() - earlier if (folder / name).exists()}
    require_type(folder / "images", stat.S_IFDIR)  # in a folder that a link leads to, files would be replaced
    if other:
        raise InputError(
            f"--output={folder} has files that `inv site` did not write: {', '.join(sorted(other)[:5])}",
            hint="Give a new or empty folder, or one that this command has written before.",
        )
    (folder / "images").mkdir(parents=True, exist_ok=True)
    write_whole(listed, "".join(f"{name}\n" for name in sorted(earlier | files.keys())))
    for old in earlier - files.keys():
        (folder / old).unlink(missing_ok=True)
    for name, text in files.items():
        write_whole(folder / name, text)
    write_whole(listed, "".join(f"{name}\n" for name in sorted(files)))
    return f"{folder}/index.html written, with {sum(name.startswith('images/') for name in files)} image pages"
