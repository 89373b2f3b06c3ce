"""Invoke's lists of tasks and options, on terminals of any width and with any search path of modules."""

from __future__ import annotations

import os
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
