"""Speed and cold starts of two images, measured side by side."""

from bakery.benchmarks.results import (
    AGAINST,
    COLUMNS,
    FIRST_LINE,
    TITLES,
    BenchmarkResult,
    markdown,
    notes_of,
    read_results,
    rows_of,
    seconds_text,
)
from bakery.benchmarks.run import run_benchmarks
from bakery.benchmarks.session import Session, free_pair, pairs_of, require_usable
from bakery.benchmarks.startup import run_startup
