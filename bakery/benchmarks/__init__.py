"""Speed and cold starts of two images, measured side by side."""

from bakery.benchmarks.results import BenchmarkResult
from bakery.benchmarks.run import run_benchmarks
from bakery.benchmarks.session import Session, free_pair, pair_of
from bakery.benchmarks.startup import run_startup

__all__ = [
    "BenchmarkResult", "Session", "free_pair", "pair_of", "run_benchmarks", "run_startup",
]  # fmt: skip
