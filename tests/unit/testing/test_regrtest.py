"""CPython's own test suite: what is run, what counts as a failure, and what may fail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Image
from bakery.errors import ConfigError
from bakery.testing.regrtest import (
    CHECK,
    Expected,
    Verdict,
    expectations,
    main_arguments,
    read_summary,
    recovered_tests,
)

ROOT = Path(__file__).resolve().parents[3]

OUTPUT = """\
0:00:10 load avg: 1.00 [ 1/480] test_grammar passed
0:00:12 load avg: 1.00 [ 2/480/1] test_gdb failed (1 failure)

== Tests result: FAILURE ==

3 tests failed:
    test_gdb test_site
    test.test_asyncio.test_events

20 tests skipped:
    test_winreg test_winapi

10 tests skipped (resource denied):
    test_curses

1 re-run test:
    test_gdb

450 tests OK.

Total duration: 10 sec
Result: FAILURE
"""
RERUN = """\
== Tests result: FAILURE ==

1 test failed:
    test_flaky

374 tests OK.

== Tests result: FAILURE then SUCCESS ==

375 tests OK.

1 test altered the execution environment:
    test_site

20 tests skipped:
    test_winreg

Tests result: FAILURE then SUCCESS
"""
OLDEST = "== Tests result: SUCCESS ==\n\nAll 2 tests OK.\n\nTotal duration: 1 sec\nTests result: SUCCESS\n"

WHOLE = Expected("test_gdb", (), "it needs a debugger")
SOME = Expected("test_os", ("*.A.test_b", "test.test_os.C.test_d"), "they need a clock")


def entry(tmp_path: Path, lines: str) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "regrtest.toml").write_text(f"schema = 1\n[[expected]]\n{lines}\n")
    return tmp_path


def test_the_summary_counts_files_and_names_those_that_failed() -> None:
    summary = read_summary(OUTPUT)
    assert summary
    assert (summary.passed, summary.skipped) == (450, 30)
    assert summary.failed == ("test.test_asyncio.test_events", "test_gdb", "test_site")


def test_what_passes_when_it_is_run_again_has_not_failed() -> None:
    summary = read_summary(RERUN)
    assert summary
    assert (summary.passed, summary.skipped, summary.failed) == (375, 20, ())


def test_a_run_in_which_all_pass_is_read_too() -> None:
    summary = read_summary(OLDEST)
    assert summary
    assert summary.passed == 2


def test_a_run_that_was_ended_has_no_summary() -> None:
    assert read_summary(OUTPUT.partition("Total duration")[0]) is None


def test_the_run_leaves_out_what_is_expected_to_fail_and_nothing_else_of_the_same_file() -> None:
    arguments = main_arguments([WHOLE, SOME], [], 2)
    assert arguments is not None
    assert arguments[0] == "-j2"
    assert arguments[-6:] == ["-i", "*.A.test_b", "-i", "test.test_os.C.test_d", "-x", "test_gdb"]


def test_without_expectations_the_whole_suite_is_run() -> None:
    assert "-x" not in (main_arguments([], [], 0) or [])


def test_a_chosen_file_is_run_without_its_expected_failures() -> None:
    assert (main_arguments([SOME], ["test_os"], 0) or [])[-3:] == ["-i", "test.test_os.C.test_d", "test_os"]


def test_nothing_is_run_where_the_chosen_file_is_expected_to_fail_as_a_whole() -> None:
    assert main_arguments([WHOLE], ["test_gdb"], 0) is None


def test_each_expected_failure_is_run_by_itself() -> None:
    assert WHOLE.single == ("test_gdb",)
    assert SOME.single == ("-m *.A.test_b test_os", "-m test.test_os.C.test_d test_os")


def test_an_expected_failure_that_passes_or_is_not_there_any_more_is_told() -> None:
    lines = ["2 test_gdb", "0 -m *.A.test_b test_os", "4 -m test.test_os.C.test_d test_os", "139 test_crash", ""]
    assert recovered_tests(lines) == ["*.A.test_b test_os", "test.test_os.C.test_d test_os"]


def test_the_shell_keeps_patterns_as_they_are_and_each_test_s_exit_code(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho noise\necho "$@" >>calls\n[ "$*" != "-m test --timeout=1200 test_gdb" ]\n')
    python.chmod(0o755)
    (tmp_path / "a.A.test_b").touch()
    done = subprocess.run(
        ["sh", "-c", CHECK, "sh", *WHOLE.single, *SOME.single],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["1 test_gdb", "0 -m *.A.test_b test_os"]
    assert (tmp_path / "calls").read_text().splitlines()[1] == "-m test --timeout=1200 -m *.A.test_b test_os"


def test_a_verdict_is_good_only_without_failures_and_without_needless_entries(image: object) -> None:
    assert Verdict(image).good  # type: ignore[arg-type]
    assert not Verdict(image, failed=("test_os",)).good  # type: ignore[arg-type]
    assert not Verdict(image, recovered=["test_gdb"]).good  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "holds"), [("3.13", True), ("3.13.5", True), ("3.13t", False), ("3.11.2", True), ("3.11", False)]
)
def test_an_entry_holds_for_the_series_and_releases_that_it_names(
    tmp_path: Path, image: Callable[..., Image], version: str, holds: bool
) -> None:
    root = entry(tmp_path, 'file = "test_gdb"\nversions = ["3.13", "3.11.2"]\nreason = "it needs a debugger"')
    assert expectations(root, image(version)) == ((WHOLE,) if holds else ())


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('file = "gdb"\nversions = ["3.13"]\nreason = "it needs a debugger"', r"expected\[0\]\.file"),
        ('file = "test_gdb"\nversions = ["3.13"]\nreason = "broken"', r"expected\[0\]\.reason"),
        ('file = "test_gdb"\nreason = "it needs a debugger"', r"expected\[0\]\.versions"),
        ('file = "test_gdb"\ntest = ["a"]\nversions = []\nreason = "it needs a debugger"', "unknown key"),
        ('file = "test_gdb"\ntests = ["a b"]\nversions = []\nreason = "it needs a debugger"', r"expected\[0\]\.tests"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, image: Callable[..., Image], lines: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        expectations(entry(tmp_path, lines), image("3.13"))


@pytest.mark.parametrize("version", ["3.9.2", "3.9", "3.11.2", "3.13", "3.13t"])
def test_the_committed_list_is_sound_and_short(image: Callable[..., Image], version: str) -> None:
    found = expectations(ROOT, image(version))
    assert len(found) <= 10
    tests = [test for one in found for test in one.single]
    assert len(set(tests)) == len(tests)
