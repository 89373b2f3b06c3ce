"""Invoke's lists of tasks and options, on terminals of any width and with any search path of modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invoke import terminals
from invoke.program import Program

from tasks import namespace


@pytest.mark.parametrize("columns", [1, 20, 60, 65535])
@pytest.mark.parametrize("arguments", [["--list"], ["build", "--help"]])
def test_lists_fit_a_terminal_of_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, arguments: list[str]
) -> None:
    monkeypatch.setattr(terminals, "_pty_size", lambda: (columns, 1))
    Program(namespace=namespace).run(["inv", *arguments], exit=False)
    assert ("Build images" if arguments == ["--list"] else "--version") in capsys.readouterr().out


def test_tasks_are_found_with_a_safe_path_and_from_any_folder(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, str(root / "tasks.py"), "--list"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "Build images" in done.stdout


@pytest.mark.parametrize("program", ["inv", "tasks.py", "nox"])
def test_modules_in_the_clone_and_in_the_current_folder_do_not_replace_libraries(
    root: Path, tmp_path: Path, program: str
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("bakery", "commands", "shared", "debian", "ubuntu"):
        shutil.copytree(root / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tasks.py", "noxfile.py"):
        shutil.copy(root / name, clone)
    for name in ("docker", "requests", "packaging", "jinja2", "msgspec", "rich", "signal", "tomllib", "difflib"):
        (clone / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')")
    # inv and nox as pip installs them: with another folder on sys.path than the current one.
    command = {
        "inv": ["-Pc", "from invoke.main import program; program.run(['inv', 'tags', '--version=3.13'])"],
        "tasks.py": ["tasks.py", "tags", "--version=3.13"],
        "nox": ["-P", "-m", "nox", "-l"],
    }[program]
    environment = {**os.environ, "BAKERY_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, *command], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "was imported" not in done.stderr and "bookworm" in done.stdout
