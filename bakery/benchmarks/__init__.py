"""Speed and cold starts of two images, measured side by side."""

from bakery.benchmarks.pair import free_pair, pair_of
from bakery.benchmarks.results import COLUMNS, notes_of, rows_of, save
from bakery.benchmarks.run import run_benchmarks
from bakery.benchmarks.session import Session, Settings
from bakery.benchmarks.startup import run_startup

__all__ = [
    "COLUMNS", "Session", "Settings", "free_pair", "notes_of", "pair_of", "rows_of", "run_benchmarks", "run_startup",
    "save",
]  # fmt: skip
