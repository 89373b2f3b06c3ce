"""CPython's own test suite, run in an image with a layer on top that holds the tests and their C modules.

The layer is a stage of the Dockerfile that nothing else builds. Below it lie the layers of the image, the very same:
what is tested is what ships.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bakery.build import Builder
from bakery.catalog import LABELS, Image, RecipeName, read_toml, references
from bakery.engine import CommandResult, run_container
from bakery.errors import BuildError, InputError
from bakery.records import SuiteRun, read_record, write_record
from bakery.testing.image_tests import image_labels

__all__ = ["Expected", "Suite", "Verdict", "build_suite", "expectations", "read_summary", "run_suite"]

STAGE = "regrtest"
"""The stage of each family's Dockerfile, and what its images have in their names."""

PASSED, NOTHING_RAN = 0, 4
"""Exit codes of regrtest for tests that do not fail; up to 3.11 it is 0 also where a pattern matches none."""

CHECK = 'set -f; for test; do python -m test --timeout=1200 $test >/dev/null 2>&1; echo "$? $test"; done'
"""Shell that runs each of its arguments by itself and prints its exit code before it."""


@dataclass(frozen=True)
class Expected:
    """A test file, or some of its tests by regrtest's patterns, that may fail, and why that is no defect."""

    file: str
    tests: tuple[str, ...]
    reason: str

    @property
    def single(self) -> tuple[str, ...]:
        """The arguments of regrtest for each of the tests by itself."""
        return tuple(f"-m {test} {self.file}" for test in self.tests) or (self.file,)


@dataclass(frozen=True)
class Summary:
    """Counts of test files, and the names of those that failed."""

    passed: int
    skipped: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """An image made ready for its test run."""

    image: Image
    id: str
    expected: tuple[Expected, ...]


@dataclass
class Verdict:
    """What became of one run: counts of test files, those that failed, and entries that no longer fail."""

    image: Image
    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    expected: int = 0
    recovered: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the suite ended as expected."""
        return not self.failed and not self.recovered

    @property
    def row(self) -> dict[str, Any]:
        """The same for a report."""
        return {
            "image": self.image.name,
            "result": "as expected" if self.good else "failed",
            "passed": self.passed,
            "failed": len(self.failed),
            "skipped": self.skipped,
            "expected": self.expected,
            "failures": list(self.failed),
            "recovered": self.recovered,
        }


def expectations(root: Path, image: Image) -> tuple[Expected, ...]:
    """What may fail on ``image`` by shared/regrtest.toml; :exc:`bakery.errors.ConfigError` for a wrong entry."""
    found = []
    for entry in read_toml(root / "shared" / "regrtest.toml").entries("expected"):
        file = entry.text("file", "a test file's name without .py", r"test\w+")
        tests = entry.words("tests") if "tests" in entry.data else ()
        versions, reason = entry.words("versions"), entry.text("reason", "a reason of some words", r"\S+( \S+){3,}")
        entry.done()
        if {image.series.name, image.version} & set(versions):
            found.append(Expected(file, tests, reason))
    return tuple(found)


def read_summary(output: str) -> Summary | None:
    """What regrtest says at its end, ``None`` where it did not come to its end."""
    if not re.search(r"(?m)^(Tests result|Result): ", output):
        return None
    ending = output[output.rindex("== Tests result") :] if "== Tests result" in output else output
    passed = re.search(r"(?m)^(?:All )?(\d+) tests? OK\.", ending)
    skipped = sum(map(int, re.findall(r"(?m)^(\d+) tests? skipped\b.*:$", ending)))
    failed = set()
    for block in re.findall(r"(?m)^\d+ tests? failed.*:\n((?: {4}.*\n)+)", ending):
        failed |= set(block.split())
    return Summary(int(passed[1]) if passed else 0, skipped, tuple(sorted(failed)))


def main_arguments(expected: Iterable[Expected], only: Sequence[str], jobs: int) -> list[str] | None:
    """The arguments of regrtest for everything but ``expected``; ``None`` where of ``only`` nothing is left to run."""
    whole = {one.file for one in expected if not one.tests}
    arguments = [f"-j{jobs}", "--timeout=1200", "-w"]
    for one in expected:
        arguments += [word for test in one.tests for word in ("-i", test)]
    if not only:
        return [*arguments, "-x", *sorted(whole)] if whole else arguments
    files = [file for file in only if file not in whole]
    return [*arguments, *files] if files else None


def recovered_tests(lines: Iterable[str]) -> list[str]:
    """Of the lines that ``CHECK`` printed, the tests that do not fail."""
    ends = [re.fullmatch(r"(\d+) (?:-m )?(test\w+|\S+ \S+)", line) for line in lines]
    return [end[2] for end in ends if end and int(end[1]) in (PASSED, NOTHING_RAN)]


def build_suite(builder: Builder, image: Image) -> Suite:
    """Put the tests on top of ``image``, which must be in the engine.

    Raises :exc:`BuildError` where the result is another image than the one in the engine with layers on top.
    """
    reference = references(builder.catalog, image)[0]
    recipe = RecipeName(image_labels(builder.engine, reference).get(f"{LABELS}.recipe", image.recipe))
    image = replace(image, recipe=recipe)
    found = builder.stage(image, STAGE, f"{builder.catalog.repository}-{STAGE}:{image.name}")
    below, above = (builder.engine.require(name).layers for name in (reference, found))
    if above[: len(below)] != below:
        raise BuildError(
            f"{reference} is not what a build makes now, so its tests cannot be built on it",
            hint="Build it first, with `inv build` and the options that you gave here.",
        )
    return Suite(image, found, expectations(builder.workspace.root, image))


def run_suite(
    builder: Builder, suite: Suite, only: Sequence[str], jobs: int, write: Callable[[str], object]
) -> Verdict:
    """Run the suite (or the test files of ``only``), then each test that is expected to fail by itself.

    A run of the whole suite is recorded. Raises :exc:`BuildError` where it does not come to its end.
    """
    image, verdict = suite.image, Verdict(suite.image)
    expected = [one for one in suite.expected if not only or one.file in only]
    arguments = main_arguments(expected, only, jobs)
    if arguments:
        finished = _run(builder, suite, ["python", "-m", "test", *arguments], write)
        summary = read_summary(f"{finished.stdout}\n")
        if finished.code == NOTHING_RAN:
            raise InputError(f"no tests in {' '.join(only)}", hint="Expected names of test files, such as test_ssl.")
        if summary is None or (finished.code and not summary.failed):
            raise BuildError(f"CPython's test suite in {image.name} ended with code {finished.code} before its end")
        verdict.passed, verdict.skipped, verdict.failed = summary.passed, summary.skipped, summary.failed
    single = [test for one in expected for test in one.single]
    if single:
        write(f"running {len(single)} tests that are expected to fail, each by itself")
        lines = _run(
            builder, suite, ["sh", "-c", CHECK, "sh", *single], lambda line: write(f"exit code {line}")
        ).stdout.splitlines()
        verdict.expected, verdict.recovered = len(single), recovered_tests(lines)
    if not only:
        _record(builder, suite, verdict)
    return verdict


def _run(builder: Builder, suite: Suite, command: list[str], write: Callable[[str], object]) -> CommandResult:
    return run_container(builder.engine, suite.id, command, write=write)


def _record(builder: Builder, suite: Suite, verdict: Verdict) -> None:
    """Add the verdict to the record of the image, where that is the one that was tested."""
    record = read_record(builder.workspace, suite.image)
    labels = image_labels(builder.engine, references(builder.catalog, suite.image)[0])
    if record is None or record.id != labels["id"]:
        return
    suite_run = SuiteRun(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        passed=verdict.passed,
        failed=len(verdict.failed),
        skipped=verdict.skipped,
        expected=verdict.expected,
        recovered=len(verdict.recovered),
    )
    write_record(builder.workspace, suite.image, record, regrtest=suite_run)
