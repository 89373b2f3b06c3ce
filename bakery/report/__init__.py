"""Tables, pages and charts of results and records."""

from bakery.report.html import page
from bakery.report.readme import drift, fill
from bakery.report.rows import (
    IMAGE_COLUMNS,
    RELEASE_COLUMNS,
    RESULT_COLUMNS,
    TAG_COLUMNS,
    VERDICT_COLUMNS,
    catalog_rows,
    recorded_rows,
    release_rows,
    result_rows,
    status_table,
    tag_rows,
)
from bakery.report.text import SUMMARY_COLUMNS, full_report, summary_rows

__all__ = [
    "IMAGE_COLUMNS", "RELEASE_COLUMNS", "RESULT_COLUMNS", "SUMMARY_COLUMNS", "TAG_COLUMNS", "VERDICT_COLUMNS",
    "catalog_rows", "drift", "fill", "full_report", "page", "recorded_rows", "release_rows", "result_rows",
    "status_table", "summary_rows", "tag_rows",
]  # fmt: skip
