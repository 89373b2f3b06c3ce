"""Runs tests/image inside an image, by the interpreter that was built, without a network."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bakery.catalog import LABELS, Catalog, Image, RecipeName, references
from bakery.engine import Engine, run_container
from bakery.errors import BuildError
from bakery.oci import attested
from bakery.records import TestRun, read_record, read_status, write_record
from bakery.sizes import budget_of, compact, saved_image, verdict
from bakery.workspace import Workspace

__all__ = ["Outcome", "image_labels", "over_budget", "run_image_tests"]

FOLDER = "image-tests"
PASSED, FAILED, NOTHING_SELECTED, ALL_SKIPPED = 0, 1, 3, 4
"""Exit codes of tests/image/run.py."""


@dataclass
class Outcome:
    """Counts of one run of tests/image, and what failed or was skipped, each with its reason."""

    image: Image
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    @property
    def row(self) -> dict[str, Any]:
        """The same for a report."""
        return {
            "image": self.image.name,
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "failures": self.failures,
            "skips": self.skips,
        }


def image_labels(engine: Engine, reference: str) -> dict[str, str]:
    """The labels of ``reference`` and its identity under ``id``; :exc:`BuildError` where there is no such image."""
    found = engine.require(reference)
    return {**found.labels, "id": attested(engine.embedded.workspace.home, found.id)}


def over_budget(workspace: Workspace, catalog: Catalog, engine: Engine, image: Image, labels: dict[str, str]) -> str:
    """Why the image is over its size budget, with what grew since the last recorded build; empty where it is not.

    The recipe is what the image's labels say, and its size the one of its record, or measured where there is none.
    """
    recipe = labels.get(f"{LABELS}.recipe", "")
    image = dataclasses.replace(image, recipe=RecipeName(recipe)) if recipe in list(RecipeName) else image
    if budget_of(catalog, image) is None:
        return ""
    record = read_record(workspace, image)
    if record and record.id == labels["id"] and record.anatomy:
        size, parts = record.size, record.anatomy
    else:
        saved = saved_image(engine.save(references(catalog, image)[0]), image.platform)
        size, parts = saved.size, compact(saved.parts)
    return verdict(catalog, image, size, parts, read_status(workspace.root))


def _archive(folder: Path) -> bytes:
    """The tests as a tar that puts them below ``FOLDER``, owned by root, without byte code."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(folder, arcname=FOLDER, filter=_plain)
    return buffer.getvalue()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def run_image_tests(
    workspace: Workspace,
    catalog: Catalog,
    engine: Engine,
    image: Image,
    patterns: Sequence[str],
    write: Callable[[str], object],
) -> Outcome:
    """Run the tests whose names match ``patterns`` (all without any) in ``image``; their output goes to ``write``.

    A run of all tests checks the size budget too, as one more that can fail, and is recorded. Raises
    :exc:`BuildError` where the tests could not be run at all.
    """
    reference = references(catalog, image)[0]
    arguments = [word for pattern in patterns for word in ("-k", pattern)]
    labels = image_labels(engine, reference)
    finished = run_container(
        engine,
        reference,
        ["python", "-B", f"/tmp/{FOLDER}/run.py", *arguments],
        files=("/tmp", _archive(workspace.root / "tests" / "image")),
        write=write,
        environment={
            "IMAGE_RECIPE": labels.get(f"{LABELS}.recipe", ""),
            "IMAGE_LACKS": " ".join(image.variant.lacks),
        },
    )
    code = finished.code
    last = next((line for line in reversed(finished.stdout.splitlines()) if line.startswith("{")), "")
    try:
        counts = json.loads(last)
        outcome = Outcome(image, *(counts[key] for key in ("passed", "failed", "skipped", "failures", "skips")))
    except (ValueError, LookupError, TypeError):
        raise BuildError(f"the tests in {reference} ended with code {code} and without a summary") from None
    if code not in (PASSED, FAILED, NOTHING_SELECTED, ALL_SKIPPED):
        raise BuildError(f"the tests in {reference} were ended with code {code}")
    if code == NOTHING_SELECTED:
        raise BuildError(
            f"no test in tests/image matches {' '.join(patterns)}", hint="-k takes a part of a test's name."
        )
    if not patterns:
        over = over_budget(workspace, catalog, engine, image, labels)
        outcome.failed += bool(over)
        outcome.failures += [over] if over else []
    record = read_record(workspace, image)
    if not patterns and record and record.id == labels["id"]:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        tests = TestRun(when=when, passed=outcome.passed, failed=outcome.failed, skipped=outcome.skipped)
        write_record(workspace, image, record, tests=tests)
    return outcome
