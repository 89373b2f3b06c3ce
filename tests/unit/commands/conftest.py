"""`inv` in a fork of a process that has imported what tasks need, which takes 0.2 to 0.4 s of processor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SERVER = """
import atexit, json, os, runpy, signal, sys
import bakery.benchmarks, bakery.build, bakery.engine.client, bakery.report, bakery.sbom, bakery.sources
import commands.building, commands.comparing, commands.upkeep, invoke.main

for module in [name for name in sys.modules if name.startswith("commands")]:
    del sys.modules[module]  # they find the cache when they are imported
for line in sys.stdin:
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    arguments, environment, streams = json.loads(line)
    for number, file in enumerate([os.devnull, *streams]):
        os.dup2(os.open(file, os.O_RDWR), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tasks.py", *arguments]
    signal.alarm(60)
    try:
        runpy.run_path("tasks.py", run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        atexit._run_exitfuncs()
        os._exit(end.code or 0)  # without tearing down all modules, which takes longer than most tasks
    break
"""


@pytest.fixture(scope="session")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that forks for each line on its stdin, and writes the exit code to stdout."""
    command, environment = (
        [sys.executable, "-c", SERVER],
        {**os.environ, "BAKERY_HOME": str(tmp_path_factory.mktemp("home"))},
    )
    with subprocess.Popen(
        command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.fixture
def inv(root: Path, tmp_path: Path, server: subprocess.Popen[str]) -> Run:
    """Runs `inv` in the repository with a separate cache; with Python's own variables, in a new process."""

    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BAKERY_HOME": str(tmp_path / "home"), "NO_COLOR": "1", **extra}
        if any(name.startswith("PYTHON") for name in extra):
            done = subprocess.run(
                [sys.executable, "tasks.py", *arguments],
                cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
        else:
            streams = [tmp_path / "stdout", tmp_path / "stderr"]
            for stream in streams:
                stream.write_bytes(b"")
            assert server.stdin is not None and server.stdout is not None
            print(json.dumps([arguments, environment, [*map(str, streams)]]), file=server.stdin, flush=True)
            code = int(server.stdout.readline())
            done = subprocess.CompletedProcess(arguments, code, *(stream.read_text() for stream in streams))
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    return run
