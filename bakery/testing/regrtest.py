"""CPython's own test suite, run in an image with a layer on top that holds the tests and their C modules.

The layer is a stage of the Dockerfile that no other build uses. All layers below it are the image's own, so the
published bits are tested.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from bakery.build import Builder
from bakery.catalog import Image, references, require_match
from bakery.engine import run_container
from bakery.errors import BuildError, InputError
from bakery.records import SuiteRun, amend_record, manifest_digest_of, read_record
from bakery.redaction import shorten
from bakery.testing.image_tests import as_built
from bakery.toml import Rule, read_toml

STAGE = "regrtest"
"""The stage of each family's Dockerfile; also part of the names of its images."""

PASSED, NOTHING_RAN = 0, 4
"""Exit codes of regrtest for tests that do not fail; up to 3.11 it also exits with 0 if a pattern matches no test."""

CHECK = 'set -f; for test; do python -m test --timeout=1200 $test >/dev/null 2>&1; echo "$? $test"; done'
"""Shell script that runs regrtest for each of its arguments and prints the exit code and the argument."""


@dataclass(frozen=True)
class ExpectedFailure:
    """A test file, or its ``tests`` (regrtest's patterns), that may fail in ``versions``, and why it may.

    A version is a series, a release, or the commit of a source tree (``0edaa75...``).
    """

    file: Annotated[str, Rule("a test file's name without .py", r"test\w+")]
    reason: Annotated[str, Rule("a reason of at least four words", r"\S+( \S+){3,}")]
    versions: tuple[str, ...]
    tests: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The arguments of one run of regrtest for each of the tests."""
        return tuple(f"-m {test} {self.file}" for test in self.tests) or (self.file,)


@dataclass(frozen=True)
class Summary:
    """Numbers of test files, and the names of those that failed."""

    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """An image with the tests on top: the image that it was made from, its own identity, and what may fail.

    ``below`` is the digest of the image that it was made from, as records have it.
    """

    image: Image
    id: str
    expected: tuple[ExpectedFailure, ...]
    below: str


@dataclass(frozen=True)
class SuiteResult:
    """The result of one run: numbers of test files, those that failed, and expected failures that no longer fail."""

    image: Image
    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    expected: int = 0
    recovered: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """A line for each test that did not end as expected."""
        recovered = "no longer fails: remove it from shared/regrtest.toml"
        lines = [f"{test} failed" for test in self.failed] + [f"{test} {recovered}" for test in self.recovered]
        return [f"{self.image.name}: {line}" for line in lines]

    @property
    def ended_as_expected(self) -> bool:
        """Whether the suite ended as expected."""
        return not self.failed and not self.recovered

    @property
    def row(self) -> dict[str, object]:
        """A row of a report."""
        return {
            "image": self.image.name, "result": "as expected" if self.ended_as_expected else "failed",
            "passed": self.passed, "failed": len(self.failed), "skipped": self.skipped, "expected": self.expected,
            "failures": self.failed, "recovered": self.recovered,
        }  # fmt: skip


def expected_failures(root: Path, image: Image) -> tuple[ExpectedFailure, ...]:
    """What may fail in ``image`` (shared/regrtest.toml); :exc:`bakery.errors.ConfigError` for an invalid entry."""
    entries = read_toml(root / "shared" / "regrtest.toml").entries("expected")
    failures = [entry.read(ExpectedFailure) for entry in entries]
    names = {image.series.name, image.version, image.pin.local.removeprefix("git ")}
    return tuple(failure for failure in failures if names & set(failure.versions))


def read_summary(output: str) -> Summary | None:
    """The summary at the end of regrtest's output, ``None`` if the run ended before it."""
    if not re.search(r"(?m)^(Tests result|Result): ", output):
        return None
    ending = output[output.rindex("== Tests result") :] if "== Tests result" in output else output
    passed = re.search(r"(?m)^(?:All )?(\d+) tests? OK\.", ending)
    skipped = sum(map(int, re.findall(r"(?m)^(\d+) tests? skipped\b.*:$", ending)))
    failed = set()
    for block in re.findall(r"(?m)^\d+ tests? failed.*:\n((?: {4}.*\n)+)", ending):
        failed |= set(block.split())
    return Summary(int(passed[1]) if passed else 0, skipped, tuple(sorted(failed)))


def main_arguments(expected: Iterable[ExpectedFailure], only: Sequence[str], jobs: int) -> list[str] | None:
    """The arguments of regrtest for all tests except ``expected``; ``None`` if no file of ``only`` is left to run."""
    whole_files = {failure.file for failure in expected if not failure.tests}
    arguments = [f"-j{jobs}", "--timeout=1200", "-w"]
    for failure in expected:
        arguments += [word for test in failure.tests for word in ("-i", test)]
    if not only:
        return [*arguments, "-x", *sorted(whole_files)] if whole_files else arguments
    files = [file for file in only if file not in whole_files]
    return [*arguments, *files] if files else None


def recovered_tests(lines: Iterable[str]) -> tuple[str, ...]:
    """The tests that do not fail, from the lines that ``CHECK`` printed."""
    matches = [re.fullmatch(r"(\d+) (?:-m )?(test\w+|\S+ \S+)", line) for line in lines]
    return tuple(match[2] for match in matches if match and int(match[1]) in (PASSED, NOTHING_RAN))


def build_suites(builder: Builder, images: Sequence[Image], only: Sequence[str]) -> list[Suite]:
    """Build the tests on each of ``images``, and missing images before.

    Raises :exc:`InputError` if ``only`` has no name of a test file, and as :func:`expected_failures`,
    :meth:`Builder.build_missing` and :func:`build_suite` do.
    """
    for file in only:
        if not re.fullmatch(r"test[\w.]+", file):
            problem = f"--only={shorten(file, 100)}: expected the name of a test file"
            raise InputError(problem, hint="For example --only=test_ssl.")
    for image in images:  # a damaged file is reported before a build that takes minutes
        expected_failures(builder.workspace.root, image)
    builder.build_missing(images)
    with builder.display:
        return [build_suite(builder, image) for image in images]


def build_suite(builder: Builder, image: Image) -> Suite:
    """Build the tests on ``image``; :exc:`BuildError` if a build would not make the image that is in the engine."""
    reference = references(builder.catalog, image)[0]
    below = require_match(image, builder.engine.require(reference))
    image = as_built(image, below)
    identity = builder.stage(image, STAGE, f"{builder.catalog.suite_repository}:{image.name}")
    if builder.engine.require(identity).layers[: len(below.layers)] != below.layers:
        raise BuildError(
            f"{reference} is not the image that a build makes now, so its tests cannot be built on it",
            hint="Build it first, with `inv build` and the options that you gave here.",
        )
    digest = manifest_digest_of(builder.workspace.home, below.id)
    return Suite(image, identity, expected_failures(builder.workspace.root, image), digest)


def run_suite(
    builder: Builder, suite: Suite, only: Sequence[str], jobs: int, write: Callable[[str], object]
) -> SuiteResult:
    """Run the suite, or the test files of ``only``, then each test that is expected to fail, in a separate run.

    A run of the whole suite is recorded, unless the image was replaced while it ran. Raises :exc:`BuildError` if the
    run does not complete.
    """
    reference, record = references(builder.catalog, suite.image)[0], read_record(builder.workspace, suite.image)
    if not only and not (record and record.id == suite.below):
        write(f"{reference} was not built in this clone: the result will not be recorded (`inv build` first)")
    expected = [failure for failure in suite.expected if not only or failure.file in only]
    arguments, summary = main_arguments(expected, only, jobs), Summary()
    if arguments:
        command = ["python", "-m", "test", *arguments]
        finished = run_container(builder.engine, suite.id, command, write=write)
        if finished.code == NOTHING_RAN:
            raise InputError(
                f"regrtest found no tests in {' '.join(only) or suite.image.name}",
                hint="--only takes names of test files, such as test_ssl.",
            )
        complete = read_summary(f"{finished.stdout}\n")
        if complete is None or (finished.code and not complete.failed):
            raise BuildError(
                f"CPython's test suite in {suite.image.name} exited with code {finished.code} before it was complete"
            )
        summary = complete
    runs = [run for failure in expected for run in failure.runs]
    recovered: tuple[str, ...] = ()
    if runs:
        write(f"running {len(runs)} tests that are expected to fail, one at a time")
        command = ["sh", "-c", CHECK, "sh", *runs]
        finished = run_container(builder.engine, suite.id, command, write=lambda line: write(f"exit code {line}"))
        recovered = recovered_tests(finished.stdout.splitlines())
    result = SuiteResult(suite.image, summary.passed, summary.skipped, summary.failed, len(runs), recovered)
    if not only:
        suite_run = SuiteRun(
            when=datetime.now(UTC).isoformat(timespec="seconds"), passed=result.passed, failed=len(result.failed),
            skipped=result.skipped, expected=result.expected, recovered=len(result.recovered),
        )  # fmt: skip
        amend_record(builder.workspace, suite.image, lambda record: record.id == suite.below, write, regrtest=suite_run)
    return result


def run_suites(
    builder: Builder, images: Sequence[Image], only: Sequence[str], jobs: int, write: Callable[[str], object]
) -> tuple[list[SuiteResult], BuildError | None]:
    """The result of :func:`run_suite` on each of ``images``, and the error to end with if a test failed."""
    results = [run_suite(builder, suite, only, jobs, write) for suite in build_suites(builder, images, only)]
    return results, suite_failure(results)


def suite_failure(results: Sequence[SuiteResult]) -> BuildError | None:
    """The error that a run ends with; ``None`` if every suite ended as expected."""
    names = [result.image.name for result in results if not result.ended_as_expected]
    return BuildError(f"CPython's test suite did not end as expected in {', '.join(names)}") if names else None
