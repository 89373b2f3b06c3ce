"""Runs tests/image and CPython's own test suite in images, and compares what users can observe in them."""

from bakery.testing.differences import differences_part, differences_report
from bakery.testing.image_tests import image_test_failure, run_image_tests
from bakery.testing.regrtest import build_suites, run_suite, suite_failure

__all__ = [
    "build_suites", "differences_part", "differences_report", "image_test_failure", "run_image_tests", "run_suite",
    "suite_failure",
]  # fmt: skip
