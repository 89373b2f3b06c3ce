"""Runs tests/image and CPython's own test suite in images."""

from bakery.testing.image_tests import run_image_tests
from bakery.testing.regrtest import build_suite, run_suite

__all__ = [
    "build_suite", "run_image_tests", "run_suite",
]  # fmt: skip
