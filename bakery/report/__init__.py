"""Tables, pages and charts of results and records."""

from bakery.report.charts import benchmark_page
from bakery.report.html import page
from bakery.report.pages import render_pages
from bakery.report.rows import image_report, release_report, tag_report
from bakery.report.site import write_page, write_site
from bakery.report.text import comparison_report
