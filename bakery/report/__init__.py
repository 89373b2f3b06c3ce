"""Tables, pages and charts of results and records."""

from bakery.report.html import page
from bakery.report.readme import update_readme
from bakery.report.rows import build_report, image_report, readme_parts, release_report, tag_report
from bakery.report.text import comparison_report

__all__ = [
    "build_report", "comparison_report", "image_report", "page", "readme_parts", "release_report", "tag_report",
    "update_readme",
]  # fmt: skip
