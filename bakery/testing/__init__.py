"""Runs tests/image and CPython's own test suite in images, and compares what users can observe in them."""

from bakery.testing.differences import differences_part, differences_report
from bakery.testing.image_tests import run_tests
from bakery.testing.regrtest import run_suites
