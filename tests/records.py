"""Build records for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from bakery.catalog.models import Image
from bakery.catalog.recipes import RecipeName
from bakery.records.builds import BaseRecord, LocalRecord, SourceRecord, TestRun, read_record
from bakery.workspace import Workspace

RECORD = LocalRecord(
    image="3.13.15-bookworm", series="3.13", release="3.13.15", target="bookworm", platform="linux/amd64",
    recipe=RecipeName.FULL, built="2026-11-01T00:00:00+00:00", seconds=1.0,
    base=BaseRecord(name="debian:bookworm-slim", digest="sha256:1", origin="mmdebstrap"),
    source=SourceRecord(file="Python-3.13.15.tar.xz", sha256="2"), compressed_bytes=100, disk_bytes=300, id="sha256:0",
)  # fmt: skip


def local_record(**changes: Any) -> LocalRecord:
    """A full build of 3.13.15 on Debian 12 that was not tested, with ``changes`` to its fields."""
    return msgspec.structs.replace(RECORD, **changes)


def passed_build(
    release: str = "3.13.15", recipe: str = "full", built: str = "2026-01-01", **changes: Any
) -> LocalRecord:
    """A build on Debian 12 that passed 180 tests, with ``changes`` to its fields."""
    return local_record(**{
        "image": f"{release}-bookworm", "series": release.rpartition(".")[0], "release": release,
        "recipe": RecipeName(recipe), "built": built, "tests": run_of_tests(180, skipped=2), **changes,
    })  # fmt: skip


def run_of_tests(passed: int, failed: int = 0, skipped: int = 0) -> TestRun:
    """A run of tests/image with these numbers of tests."""
    return TestRun(when="2026-11-01T01:00:00+00:00", passed=passed, failed=failed, skipped=skipped)


def recorded(workspace: Workspace, image: Image) -> LocalRecord:
    """The record of ``image``, which must have one."""
    record = read_record(workspace, image)
    assert record is not None, f"{image.name} has no valid record"
    return record
