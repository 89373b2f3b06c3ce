"""Tables, pages and charts of results and records."""

from bakery.report.html import page
from bakery.report.readme import update_readme
from bakery.report.rows import (
    IMAGE_COLUMNS,
    RELEASE_COLUMNS,
    VERDICT_COLUMNS,
    build_report,
    catalog_rows,
    readme_parts,
    release_rows,
    tag_report,
)
from bakery.report.text import comparison_report

__all__ = [
    "IMAGE_COLUMNS", "RELEASE_COLUMNS", "VERDICT_COLUMNS", "build_report", "catalog_rows", "comparison_report", "page",
    "readme_parts", "release_rows", "tag_report", "update_readme",
]  # fmt: skip
