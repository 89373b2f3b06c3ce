"""Speed and cold starts of two images, measured side by side."""

from bakery.benchmarks.pair import free_pair, pair_of
from bakery.benchmarks.results import COLUMNS, notes_of, rows_of, summarised, write_result
from bakery.benchmarks.run import Settings, run_benchmarks
from bakery.benchmarks.startup import run_fresh, run_startup

__all__ = [
    "COLUMNS", "Settings", "free_pair", "notes_of", "pair_of", "rows_of", "run_benchmarks", "run_fresh", "run_startup",
    "summarised", "write_result",
]  # fmt: skip
