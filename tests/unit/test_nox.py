"""Nox has a build and a test session for each image, with exact names and tags."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog


@pytest.fixture(scope="module")
def sessions(root: Path) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list", "--json", "--tags", "builds", "tests"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {one["session"]: one for one in json.loads(done.stdout)}


def test_each_image_has_a_session_to_build_and_one_to_test(
    sessions: dict[str, dict[str, Any]], catalog: Catalog
) -> None:
    assert set(sessions) == {
        f"{verb}-{series.name}-{infix}{target.name}"
        for verb in ("build", "test")
        for series in catalog.series
        for target in catalog.targets
        for infix in ("", "minimal-", "minimal-debug-")
    }
    assert {"test-3.11-jammy", "build-3.9-trixie"} <= set(sessions)


def test_sessions_are_tagged_by_series_target_family_and_verb(sessions: dict[str, dict[str, Any]]) -> None:
    assert sessions["test-3.11-jammy"]["tags"] == ["py311", "jammy", "ubuntu", "tests"]
    assert sessions["build-3.9-trixie"]["tags"] == ["py39", "trixie", "debian", "builds"]
    assert sessions["test-3.13-minimal-noble"]["tags"] == ["py313", "noble", "ubuntu", "tests", "minimal"]


def test_cpythons_own_suite_runs_in_the_default_variant_only(root: Path, catalog: Catalog) -> None:
    command = [sys.executable, "-m", "nox", "--list", "--json", "--tags", "regrtests"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)) == len(catalog.series) * len(catalog.targets)


def test_sessions_need_no_interpreter_of_their_series_and_say_what_they_do(
    sessions: dict[str, dict[str, Any]],
) -> None:
    assert {one["python"] for one in sessions.values()} == {False}
    assert {one["name"] for one in sessions.values()} == set(sessions)
    assert all(one["description"] for one in sessions.values())
