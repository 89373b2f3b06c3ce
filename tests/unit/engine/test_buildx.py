"""buildx's arguments for the user's builder and caches, and how many images a machine can build at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.engine.buildx import BuildxOptions, BuildxProcesses, buildx_options, default_jobs
from bakery.errors import BuildError, InputError
from bakery.files import IN_USE, holder_of
from bakery.options import Building
from bakery.workspace import Workspace


def test_a_cache_repository_has_a_tag_for_each_image() -> None:
    options = BuildxOptions(builder="far", cache_from=("127.0.0.1:5000/cache",), cache_to=("127.0.0.1:5000/cache",))
    assert options.arguments("3.13.15-bookworm-amd64") == [
        "--builder",
        "far",
        "--cache-from",
        "type=registry,ref=127.0.0.1:5000/cache:3.13.15-bookworm-amd64",
        "--cache-to",
        "type=registry,ref=127.0.0.1:5000/cache:3.13.15-bookworm-amd64,mode=max",
    ]


def test_cache_options_are_passed_on_with_the_name_of_the_image() -> None:
    options = BuildxOptions(cache_to=("type=s3,bucket=x,name={image}",))
    assert options.arguments("3.13.15-bookworm-amd64")[1] == "type=s3,bucket=x,name=3.13.15-bookworm-amd64"


def test_no_cache_is_passed_on() -> None:
    assert BuildxOptions(no_cache=True).arguments("3.13.15-bookworm-amd64") == ["--no-cache"]


@pytest.mark.parametrize(
    ("cores", "memory", "jobs"), [(1, 1e9, 1), (2, 64e9, 1), (4, 16e9, 2), (64, 16e9, 4), (64, 256e9, 32), (8, 0, 1)]
)
def test_jobs_fit_processors_and_memory(cores: int, memory: float, jobs: int) -> None:
    assert default_jobs(cores, int(memory)) == jobs


def test_no_process_starts_after_an_interruption(tmp_path: Path) -> None:
    running = BuildxProcesses(tmp_path)
    tracker, code = running.run(["sh", "-c", "echo a >&2; exit 3"], tmp_path, {}, tmp_path / "log", lambda _: None)
    assert (code, tracker.text, running.processes) == (3, ["a"], set())
    running.stop()
    with pytest.raises(BuildError, match="interrupted"):
        running.run(["touch", "started"], tmp_path, {}, tmp_path / "log", lambda _: None)
    assert not (tmp_path / "started").exists()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_buildx_that_outlives_a_killed_command_keeps_the_cache_in_use(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from bakery.engine import BuildxProcesses
home = Path({str(tmp_path)!r})
BuildxProcesses(home).run(["sh", "-c", "echo $$ >pid; exec sleep 60"], home, {{}}, home / "log", print)
"""
    with subprocess.Popen([sys.executable, "-c", script]) as command:
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        command.kill()
    buildx = int((tmp_path / "pid").read_text())
    try:
        assert holder_of(tmp_path / IN_USE) == "another process"
    finally:
        os.kill(buildx, signal.SIGKILL)
    wait_for(lambda: not holder_of(tmp_path / IN_USE))


LOST = "ERROR: failed to solve: failed to get edge: inconsistent graph state"


@pytest.mark.parametrize(("failures", "code", "attempts"), [(1, 0, 2), (2, 0, 3), (9, 1, 3)])
def test_a_build_that_buildkit_lost_track_of_is_repeated(
    failures: int, code: int, attempts: int, tmp_path: Path
) -> None:
    (tmp_path / "buildx").write_text(  # a fake buildx, because BuildKit fails in this way only occasionally
        f"echo attempt >>attempts\n[ $(wc -l <attempts) -gt {failures} ] || {{ echo '{LOST}' >&2; exit 1; }}\n"
    )
    tracker, status = BuildxProcesses(tmp_path).run(
        ["sh", "buildx"], tmp_path, {"PATH": os.defpath}, tmp_path / "log", print
    )
    assert (status, (tmp_path / "attempts").read_text().count("attempt")) == (code, attempts)
    assert (tmp_path / "log").read_text().count(LOST) == min(failures, 3), "the log has each attempt"
    assert tracker.text == ([LOST] if code else []), "the result is the last attempt's"


def test_a_build_that_failed_for_another_reason_is_not_repeated(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo attempt >>attempts; echo ERROR: no such stage >&2; exit 1"]
    BuildxProcesses(tmp_path).run(command, tmp_path, {"PATH": os.defpath}, tmp_path / "log", print)
    assert (tmp_path / "attempts").read_text() == "attempt\n"


def test_the_users_options_reach_buildx(tmp_path: Path) -> None:
    building = Building(no_cache=True, builder="far", cache_from=("r",), cache_to=("t",), apt_mirror="http://m/")
    options = buildx_options(building, Workspace(tmp_path, tmp_path))
    assert (options.no_cache, options.builder, options.cache_from, options.cache_to) == (True, "far", ("r",), ("t",))
    assert options.network.texts["apt.mirror"] == r"s#https?://[^/ ]+/([^/ ]+)#http://m/\1#"


@pytest.mark.parametrize("cache", ["ftp://host/cache", "host/cache:tag", "https://host/cache"])
def test_a_cache_that_is_neither_a_repository_nor_a_list_of_options_is_refused(cache: str) -> None:
    with pytest.raises(InputError, match="is not a repository without a tag"):
        BuildxOptions(cache_from=(cache,)).arguments("")
