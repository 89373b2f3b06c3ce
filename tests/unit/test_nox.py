"""Nox has a build and a test session for each image, with exact names and tags."""

from __future__ import annotations

import ast
import json
import runpy
import shutil
import subprocess
import sys
from contextlib import nullcontext
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
    return {session["session"]: session for session in json.loads(done.stdout)}


def test_each_image_has_a_build_session_and_a_test_session(
    sessions: dict[str, dict[str, Any]], catalog: Catalog
) -> None:
    assert set(sessions) == {
        f"{verb}-{series.name}-{infix}{target.name}"
        for verb in ("build", "test")
        for series in catalog.series
        for target in catalog.targets
        for infix in ("", *(f"{variant.infix}-" for variant in catalog.variants if variant.infix))
    }
    assert {"test-3.11-jammy", "build-3.9-trixie", "test-3.13-minimal-debug-noble"} <= set(sessions)


def test_sessions_are_tagged_by_series_target_family_and_verb(sessions: dict[str, dict[str, Any]]) -> None:
    assert sessions["test-3.11-jammy"]["tags"] == ["py311", "jammy", "ubuntu", "tests"]
    assert sessions["build-3.9-trixie"]["tags"] == ["py39", "trixie", "debian", "builds"]
    assert sessions["test-3.13-minimal-noble"]["tags"] == ["py313", "noble", "ubuntu", "tests", "minimal"]


def test_cpythons_own_suite_runs_only_in_the_default_variant(root: Path, catalog: Catalog) -> None:
    command = [sys.executable, "-m", "nox", "--list", "--json", "--tags", "regrtests"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)) == len(catalog.series) * len(catalog.targets)


def test_sessions_need_no_interpreter_of_their_series_and_have_a_description(
    sessions: dict[str, dict[str, Any]],
) -> None:
    assert {session["python"] for session in sessions.values()} == {False}
    assert {session["name"] for session in sessions.values()} == set(sessions)
    assert all(session["description"] for session in sessions.values())


@pytest.fixture(scope="module")
def noxfile(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "noxfile.py"))


class FakeSession:
    """Records the commands that a session runs."""

    def __init__(self, env_dir: Path, *posargs: str) -> None:
        self.env_dir, self.posargs = env_dir, posargs
        self.commands, self.installed, self.messages = list[tuple[str, ...]](), list[tuple[str, ...]](), list[str]()

    def install(self, *arguments: str) -> None:
        """Install nothing."""
        self.installed.append(arguments)

    def run(self, *command: str, **_: object) -> None:
        self.commands.append(command)

    def error(self, message: str) -> None:
        raise RuntimeError(message)

    def log(self, message: str) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(("processors", "workers"), [(None, "4"), (2, "4"), (6, "6"), (64, "8")])
def test_tests_run_in_four_to_eight_processes(root: Path, processors: int | None, workers: str) -> None:
    script = f"import os, runpy; os.cpu_count = lambda: {processors}; print(*runpy.run_path('noxfile.py')['PYTEST'])"
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pytest", "-n", workers, "--dist", "loadscope", "--no-loadscope-reorder", "-m"]


def test_all_tests_run_in_parallel_and_what_is_left_out_is_listed(noxfile: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    noxfile["tests"].func(session)
    assert session.commands == [
        (*noxfile["PYTEST"], "not extended and not slow"),
        ("pytest", "--collect-only", "-qq", "-m", "extended or slow", "tests/engine"),
    ]
    assert "`nox -s extended`" in " ".join(session.messages)


def test_extended_tests_run_in_a_separate_session_all_or_some(noxfile: dict[str, Any], tmp_path: Path) -> None:
    whole, some = FakeSession(tmp_path), FakeSession(tmp_path, "tests/engine/test_use.py", "-k", "embedder")
    for session in (whole, some):
        noxfile["extended"].func(session)
    assert whole.commands == [(*noxfile["PYTEST"], "extended", "tests/engine")]
    assert some.commands == [(*noxfile["PYTEST"], "extended", "tests/engine/test_use.py", "-k", "embedder")]


def test_every_file_of_engine_tests_has_a_test_in_the_default_session_except_two_that_take_minutes(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-m", "not extended and not slow", "tests/engine"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    collected = {line.partition(":")[0] for line in done.stdout.splitlines() if line.startswith("tests/")}
    files = {str(file.relative_to(root)) for file in root.glob("tests/engine/test_*.py")}
    assert files - collected == {"tests/engine/test_cache_damage.py", "tests/engine/test_secrets.py"}, done.stdout


def test_packages_for_checks_are_installed_once_for_each_pyproject(noxfile: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    for _ in range(2):
        noxfile["install"](session)
    assert session.installed == [("-q", "-e", ".[dev]")]
    (tmp_path / "installed-for").write_text("another pyproject.toml")
    noxfile["install"](session)
    assert len(session.installed) == 2


def test_arguments_go_to_one_run_of_pytest(noxfile: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path, "-k", "sources")
    noxfile["tests"].func(session)
    assert session.commands == [("pytest", "-k", "sources")]


@pytest.mark.parametrize("code", [0, 3])
def test_arguments_of_an_image_session_go_to_its_task_and_no_login_is_shown(
    noxfile: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    commands = []
    done = subprocess.CompletedProcess([], code)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: (commands.append(command), done)[1])
    mirror = "--mirror=https://user:S3cr3t@mirror.example/"
    session = FakeSession(tmp_path, "--quick", mirror)
    (minimal,) = (variant for variant in noxfile["CATALOG"].variants if variant.name == "minimal")
    with pytest.raises(RuntimeError, match="exit code 3") if code else nullcontext():
        noxfile["invoke"](session, "build", "3.13", "noble", minimal)
    options = ["--version=3.13", "--target=noble", "--variant=minimal", "--quick", mirror]
    assert commands == [[sys.executable, "tasks.py", "build", *options]]
    assert "--variant=minimal --quick --mirror=https://" in session.messages[0] and "S3cr3t" not in str(
        session.messages
    )


@pytest.mark.parametrize("arguments", [["-l"], ["-s", "no-such-session"]])
def test_nox_with_a_damaged_lock_or_a_full_disk_ends_without_a_traceback(
    root: Path, tmp_path: Path, arguments: list[str]
) -> None:
    for name in ("bakery", "debian", "ubuntu", "noxfile.py", "pyproject.toml"):
        (tmp_path / name).symlink_to(root / name)
    shutil.copytree(root / "shared", tmp_path / "shared")
    (tmp_path / "noxfile.py").unlink()
    shutil.copy(root / "noxfile.py", tmp_path)
    command = [sys.executable, "-m", "nox", "-f", str(tmp_path / "noxfile.py"), *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode and "Traceback" not in done.stderr
    (tmp_path / "shared" / "lock.toml").write_text("schema = 2")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "lock.toml: schema: expected 1, found 2" in done.stderr


def test_the_files_of_engine_tests_that_are_started_first_exist(root: Path) -> None:
    text = (root / "tests/engine/conftest.py").read_text()
    first = ast.literal_eval(text.partition("\nFIRST = ")[2].partition("\n")[0])
    assert first and all((root / f"tests/engine/test_{name}.py").is_file() for name in first)
