"""Runs tests/image and CPython's own test suite in images."""

from bakery.testing.image_tests import image_test_failure, run_image_tests
from bakery.testing.regrtest import build_suite, run_suite, suite_failure

__all__ = ["build_suite", "image_test_failure", "run_image_tests", "run_suite", "suite_failure"]
