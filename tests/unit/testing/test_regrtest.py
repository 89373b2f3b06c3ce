"""CPython's own test suite: which tests are run, what counts as a failure, and which may fail."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bakery.build.builder import Builder
from bakery.catalog.models import Image
from bakery.errors import ConfigError, InputError
from bakery.testing.regrtest import (
    CHECK,
    ExpectedFailure,
    SuiteResult,
    build_suites,
    expected_failures,
    main_arguments,
    read_summary,
    recovered_tests,
    suite_failure,
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

WHOLE = ExpectedFailure("test_gdb", "it needs a debugger", ())
SOME = ExpectedFailure("test_os", "they need a clock", (), ("*.A.test_b", "test.test_os.C.test_d"))


def entry(tmp_path: Path, lines: str) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "regrtest.toml").write_text(f"schema = 1\n[[expected]]\n{lines}\n")
    return tmp_path


def test_the_summary_counts_files_and_lists_those_that_failed() -> None:
    summary = read_summary(OUTPUT)
    assert summary
    assert (summary.passed, summary.skipped) == (450, 30)
    assert summary.failed == ("test.test_asyncio.test_events", "test_gdb", "test_site")


def test_a_test_that_passes_when_rerun_has_not_failed() -> None:
    summary = read_summary(RERUN)
    assert summary
    assert (summary.passed, summary.skipped, summary.failed) == (375, 20, ())


def test_a_run_in_which_all_tests_pass_has_a_summary() -> None:
    summary = read_summary(OLDEST)
    assert summary
    assert summary.passed == 2


def test_an_interrupted_run_has_no_summary() -> None:
    assert read_summary(OUTPUT.partition("Total duration")[0]) is None


def test_expected_failures_are_excluded_and_other_tests_of_the_same_file_are_not() -> None:
    arguments = main_arguments([WHOLE, SOME], [], 2)
    assert arguments is not None
    assert arguments[0] == "-j2"
    assert arguments[-6:] == ["-i", "*.A.test_b", "-i", "test.test_os.C.test_d", "-x", "test_gdb"]


def test_without_expected_failures_the_whole_suite_is_run() -> None:
    assert "-x" not in (main_arguments([], [], 0) or [])


def test_a_chosen_file_is_run_without_its_expected_failures() -> None:
    assert (main_arguments([SOME], ["test_os"], 0) or [])[-3:] == ["-i", "test.test_os.C.test_d", "test_os"]


def test_nothing_is_run_if_the_whole_chosen_file_is_expected_to_fail() -> None:
    assert main_arguments([WHOLE], ["test_gdb"], 0) is None


def test_each_expected_failure_runs_separately() -> None:
    assert WHOLE.runs == ("test_gdb",)
    assert SOME.runs == ("-m *.A.test_b test_os", "-m test.test_os.C.test_d test_os")


def test_expected_failures_that_pass_or_no_longer_exist_are_reported() -> None:
    lines = ["2 test_gdb", "0 -m *.A.test_b test_os", "4 -m test.test_os.C.test_d test_os", "139 test_crash", ""]
    assert recovered_tests(lines) == ("*.A.test_b test_os", "test.test_os.C.test_d test_os")


def test_the_shell_script_passes_patterns_unchanged_and_prints_each_exit_code(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho noise\necho "$@" >>calls\n[ "$*" != "-m test --timeout=1200 test_gdb" ]\n')
    python.chmod(0o755)
    (tmp_path / "a.A.test_b").touch()
    done = subprocess.run(
        ["sh", "-c", CHECK, "sh", *WHOLE.runs, *SOME.runs],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["1 test_gdb", "0 -m *.A.test_b test_os"]
    assert (tmp_path / "calls").read_text().splitlines()[1] == "-m test --timeout=1200 -m *.A.test_b test_os"


def test_a_run_ended_as_expected_only_without_failures_and_without_obsolete_entries(image: object) -> None:
    assert SuiteResult(image).ended_as_expected  # type: ignore[arg-type]
    assert not SuiteResult(image, failed=("test_os",)).ended_as_expected  # type: ignore[arg-type]
    assert not SuiteResult(image, recovered=("test_gdb",)).ended_as_expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "applies"), [("3.13", True), ("3.13.5", True), ("3.13t", False), ("3.11.2", True), ("3.11", False)]
)
def test_an_entry_applies_to_the_series_and_releases_that_it_lists(
    tmp_path: Path, image: Callable[..., Image], version: str, applies: bool
) -> None:
    root = entry(tmp_path, 'file = "test_gdb"\nversions = ["3.13", "3.11.2"]\nreason = "it needs a debugger"')
    whole = dataclasses.replace(WHOLE, versions=("3.13", "3.11.2"))
    assert expected_failures(root, image(version)) == ((whole,) if applies else ())


def test_an_entry_can_be_for_a_source_tree(tmp_path: Path, image: Callable[..., Image]) -> None:
    root = entry(tmp_path, 'file = "test_gdb"\nversions = ["0edaa75"]\nreason = "it needs a debugger"')
    release = image("3.13")
    tree = dataclasses.replace(release, pin=dataclasses.replace(release.pin, local="git 0edaa75"))
    assert [len(expected_failures(root, each)) for each in (release, tree)] == [0, 1]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ('file = "gdb"\nversions = ["3.13"]\nreason = "it needs a debugger"', r"expected\[0\]\.file"),
        ('file = "test_gdb"\nversions = ["3.13"]\nreason = "broken"', r"expected\[0\]\.reason"),
        ('file = "test_gdb"\nreason = "it needs a debugger"', r"expected\[0\]\.versions"),
        ('file = "test_gdb"\ntest = ["a"]\nversions = []\nreason = "it needs a debugger"', "unknown key"),
        ('file = "test_gdb"\ntests = ["a b"]\nversions = []\nreason = "it needs a debugger"', r"expected\[0\]\.tests"),
    ],
)
def test_an_invalid_entry_is_rejected_with_its_location(
    tmp_path: Path, image: Callable[..., Image], lines: str, error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        expected_failures(entry(tmp_path, lines), image("3.13"))


@pytest.mark.parametrize("version", ["3.9.2", "3.9", "3.11.2", "3.13", "3.13t"])
def test_the_committed_list_is_valid_and_short(image: Callable[..., Image], version: str) -> None:
    failures = expected_failures(ROOT, image(version))
    assert len(failures) <= 10
    tests = [test for failure in failures for test in failure.runs]
    assert len(set(tests)) == len(tests)


def test_a_run_of_suites_fails_for_failed_tests_and_obsolete_entries(image: Callable[..., Image]) -> None:
    good = SuiteResult(image("3.13"), passed=400)
    bad = SuiteResult(image("3.12"), failed=("test_os",), recovered=("test_ssl",))
    assert suite_failure([good]) is None
    assert bad.image.name in str(suite_failure([good, bad]))
    assert bad.notes == [
        f"{bad.image.name}: test_os failed",
        f"{bad.image.name}: test_ssl no longer fails: remove it from shared/regrtest.toml",
    ]


@pytest.mark.parametrize("file", ["--help", "-h", "ssl", "", "/etc/passwd", "test_ssl\n"])
def test_a_name_that_no_test_file_has_is_refused_before_anything_is_built(
    image: Callable[..., Image], file: str
) -> None:
    with pytest.raises(InputError, match=r"(?s)^--only=.*: expected the name of a test file"):
        build_suites(cast(Builder, None), [image("3.13")], ["test_os", file])


def test_a_damaged_list_is_reported_before_anything_is_built(tmp_path: Path, image: Callable[..., Image]) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "regrtest.toml").write_text("[[expected]]\nfile = 1\n")
    builder = SimpleNamespace(workspace=SimpleNamespace(root=tmp_path))
    with pytest.raises(ConfigError, match=r"regrtest\.toml"):
        build_suites(cast(Builder, builder), [image("3.13")], ["test_ssl", "test.test_asyncio.test_futures"])
