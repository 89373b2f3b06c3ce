"""Runs tests/image inside an image, with the interpreter that was built and without a network."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bakery.catalog import LABELS, Catalog, Image, RecipeName, all_references, references, require_match
from bakery.engine import LONGEST_START, ContainerOptions, Engine, EngineImage, run_container, tar_of
from bakery.errors import BuildError, InputError
from bakery.records import TestRun, amend_record, manifest_digest_of, read_status, record_of
from bakery.sizes import budget_of, explain_excess, size_and_anatomy
from bakery.workspace import Workspace

FOLDER = "image-tests"
LONGEST_TEST = 900.0
"""Seconds without output after which tests/image has failed; emulated tests may take minutes each."""
PASSED, FAILED, NOTHING_SELECTED, ALL_SKIPPED = 0, 1, 3, 4
"""Exit codes of tests/image/run.py."""


@dataclass(frozen=True)
class ImageTestResult:
    """Counts of one run of tests/image, and the failed and the skipped tests, each with its reason."""

    image: Image
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """A line for each failed test."""
        return [f"{self.image.name}: {failure}" for failure in self.failures]

    @property
    def row(self) -> dict[str, object]:
        """A row of a report."""
        return vars(self) | {"image": self.image.name}


def as_built(image: Image, built: EngineImage) -> Image:
    """``image`` with the recipe that the labels of ``built`` name."""
    recipe = built.labels.get(f"{LABELS}.recipe", "")
    return replace(image, recipe=RecipeName(recipe)) if recipe in list(RecipeName) else image


def over_budget(workspace: Workspace, catalog: Catalog, engine: Engine, image: Image, identity: str) -> str:
    """Why ``image``, ``identity`` in the engine, is over its recipe's size budget, and what grew; else empty.

    Its size is the recorded one, else it is measured.
    """
    if budget_of(catalog, image) is None:
        return ""
    record = record_of(workspace, image, identity)
    size, anatomy = size_and_anatomy(engine, image, identity, record)
    return explain_excess(catalog, image, size, anatomy, read_status(workspace.root))


def twin_failure(engine: Engine, tested: EngineImage, twin: str, home: Path, digest: str) -> str:
    """Why ``twin`` is not the image recorded with ``digest``, or differs from the ``tested`` image; else empty.

    The tests run once; the twin must have the same layers and configuration, and start.
    """
    image = engine.find(twin)
    if image is None or manifest_digest_of(home, image.id) != digest:
        return f"{twin} is not the image that was built together with this one: run `inv build` again"
    expected, actual = (replace(each, id="", tags=(), layers=each.layers[:-1]) for each in (tested, image))
    if actual != expected or len(image.layers) != len(tested.layers):  # the last layer is marked
        return f"{twin} has different layers or a different configuration"
    options = ContainerOptions(silence=LONGEST_START)
    code = run_container(engine, image.id, ["python", "-c", ""], write=str, options=options).code
    return f"{twin}: python exited with code {code}" if code else ""


def run_image_tests(
    workspace: Workspace, catalog: Catalog, engine: Engine, image: Image, patterns: Sequence[str],
    write: Callable[[str], object],
) -> ImageTestResult:  # fmt: skip
    """Run the tests in ``image`` whose names match ``patterns`` (all by default); their output goes to ``write``.

    A run of all tests is recorded, and also checks the size budget and the gzip twin; a failed check counts as a failed
    test. Raises :exc:`BuildError` if the tests could not be run at all, :exc:`InputError` if no test matches.
    """
    write(f"testing {image.name}")
    reference = references(catalog, image)[0]
    built = require_match(image, engine.require(reference))
    environment = {
        "IMAGE_RECIPE": built.labels.get(f"{LABELS}.recipe", ""),
        "IMAGE_VARIANT": image.variant.name,
        "IMAGE_LACKS": " ".join(image.variant.lacks),
    }
    finished = run_container(
        engine,
        built.id,  # a build may give its name to another image meanwhile
        ["python", "-B", f"/tmp/{FOLDER}/run.py", *(word for pattern in patterns for word in ("-k", pattern))],
        files=("/tmp", tar_of(workspace.root / "tests" / "image", FOLDER)),
        write=write,
        options=ContainerOptions(environment=environment, silence=LONGEST_TEST),
    )
    result = _result(image, reference, finished.code, finished.stdout)
    if finished.code == NOTHING_SELECTED:
        raise InputError(f"no test in tests/image matches {' '.join(patterns)}", hint="-k takes part of a test's name.")
    if patterns:
        return result
    reasons = [over_budget(workspace, catalog, engine, as_built(image, built), built.id)]
    record = record_of(workspace, image, built.id)
    if not record:
        write(
            f"{reference} is not the image that this clone built last: the result is not recorded (`inv build` first)"
        )
    if record and record.twin:
        twin = all_references(catalog, image)[1][0]
        reasons.append(twin_failure(engine, built, twin, workspace.home, record.twin))
    for reason in filter(None, reasons):
        result = replace(result, failed=result.failed + 1, failures=(*result.failures, reason))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    tests = TestRun(when=when, passed=result.passed, failed=result.failed, skipped=result.skipped)
    tested = (manifest_digest_of(workspace.home, built.id), record.twin if record else "")
    amend_record(workspace, image, lambda now: (now.id, now.twin) == tested, write, tests=tests)
    return result


def _result(image: Image, reference: str, code: int, output: str) -> ImageTestResult:
    """The summary that tests/image/run.py prints last; :exc:`BuildError` if there is none."""
    summary = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    try:
        counts = json.loads(summary)
        failures, skips = (tuple(map(str, counts[key])) for key in ("failures", "skips"))
        passed, failed, skipped = (int(counts[key]) for key in ("passed", "failed", "skipped"))
        result = ImageTestResult(image, passed, failed, skipped, failures, skips)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        raise BuildError(f"the tests in {reference} exited with code {code} and printed no summary") from None
    if code not in (PASSED, FAILED, NOTHING_SELECTED, ALL_SKIPPED):
        raise BuildError(f"the tests in {reference} were terminated with code {code}")
    return result


def run_tests(
    workspace: Workspace, catalog: Catalog, engine: Engine, images: Sequence[Image], patterns: Sequence[str],
    write: Callable[[str], object],
) -> tuple[list[ImageTestResult], BuildError | None]:  # fmt: skip
    """The result of :func:`run_image_tests` in each of ``images``, and the error to end with if a test failed."""
    results = [run_image_tests(workspace, catalog, engine, image, patterns, write) for image in images]
    return results, image_test_failure(results)


def image_test_failure(results: Sequence[ImageTestResult]) -> BuildError | None:
    """The error that a run ends with; ``None`` if every test passed in every image."""
    failed = sum(bool(result.failures) for result in results)
    return BuildError(f"tests failed in {failed} of {len(results)} images") if failed else None
