"""CPython's own test suite: which tests go into the image, and what counts as a failure."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from bakery.regrtest import expected_failures, failed_tests, suite_archive

OUTPUT = """\
0:00:10 load avg: 1.00 [ 1/480] test_grammar passed
0:00:12 load avg: 1.00 [ 2/480/1] test_gdb failed (1 failure)

== Tests result: FAILURE ==

2 tests failed:
    test_gdb test_site

1 test timed out:
    test_slow

20 tests skipped:
    test_winreg test_winapi

Total duration: 10 sec
Result: FAILURE
"""


def test_failed_and_timed_out_tests_are_failures_and_skipped_ones_are_not() -> None:
    assert failed_tests(OUTPUT) == {"test_gdb", "test_site", "test_slow"}


def test_a_clean_run_has_no_failures() -> None:
    assert failed_tests("== Tests result: SUCCESS ==\n\n2 tests skipped:\n    test_a test_b\n") == set()


def test_only_the_test_package_of_the_tarball_is_taken(tmp_path: Path) -> None:
    tarball = tmp_path / "Python-3.13.15.tar.xz"
    with tarfile.open(tarball, "w:xz") as tar:
        for name in ("Lib/os.py", "Lib/test/test_os.py", "Lib/idlelib/test/a.py", "Modules/Lib.c"):
            tar.addfile(tarfile.TarInfo(f"Python-3.13.15/{name}"), io.BytesIO())
    with tarfile.open(fileobj=io.BytesIO(suite_archive(tarball, "lib/python3.13"))) as tests:
        assert tests.getnames() == ["lib/python3.13/test/test_os.py"]


def test_every_expected_failure_has_a_reason() -> None:
    root = Path(__file__).resolve().parents[2]
    for series in ("3.9", "3.11", "3.13"):
        assert all(len(reason) > 20 for reason in expected_failures(root, series).values())
