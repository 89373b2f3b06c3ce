"""README.md, the generated pages of docs/ and their charts: which parts each has, and where they are."""

from collections.abc import Mapping
from pathlib import Path

from bakery.platforms import AMD64
from bakery.report.charts import chart_files
from bakery.report.published_tables import key_figures, measured_tables, series_table
from bakery.report.readme import update_files, update_readme
from bakery.report.rows import long_tables, read_published, result_pages


def render_pages(root: Path, differences: Mapping[str, str], *, check: bool) -> str:
    """Render all of them in the repository ``root``; returns a line about each.

    ``differences`` are the parts of docs/differences.md, which :mod:`bakery.testing` makes.

    With ``check`` nothing is written, and :exc:`bakery.errors.BuildError` shows what differs from the data.
    """
    published = read_published(root)
    tables, docs = long_tables(published, AMD64), root / "docs"
    sizes = {"sizes": tables.pop("sizes"), **measured_tables(published)}
    lines = [
        update_readme(
            root / "README.md", {"figures": key_figures(published), "series": series_table(published)}, check=check
        ),
        update_readme(docs / "images.md", tables, check=check),
        update_readme(docs / "figures.md", sizes, check=check),
        update_files(docs / "images", ".svg", chart_files(published), check=check),
        update_files(docs / "results", ".md", result_pages(published), check=check),
        update_readme(docs / "differences.md", differences, check=check),
    ]
    return "\n".join(lines)
