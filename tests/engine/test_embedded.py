"""The embedded engine: images survive restarts, it restarts after a kill, and never runs next to another Docker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bakery.bases.base_images import BaseResolver
from bakery.catalog.models import Catalog
from bakery.engine.buildx import BuildxProcesses
from bakery.engine.daemons import processes
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import BakeryError, EngineError
from bakery.platforms import host_platform
from bakery.workspace import Workspace
from tests.archives import make_tar

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, first_embedded: Embedded) -> Iterator[Embedded]:
    """A second embedded engine, in a path with spaces and a quote, which shares the packages of the first one."""
    workspace = replace(first_embedded.workspace, home=tmp_path_factory.mktemp("a user's home"))
    second = Embedded(workspace)
    second.folder.mkdir()
    second.root.symlink_to(first_embedded.root)
    yield second
    second.down()


def client(embedded: Embedded) -> Engine:
    return Engine("embedded", embedded.host, embedded)


def test_images_survive_down_and_up(embedded: Embedded) -> None:
    embedded.up()
    engine = client(embedded)
    layer = make_tar({"hello": b"hello"})
    engine.client.api.import_image_from_data(layer, repository="bakery-tests/hello", tag="1")
    engine.close()
    assert embedded.down()
    assert not embedded.running()
    assert not embedded.down()
    embedded.up()
    engine = client(embedded)
    assert engine.find("bakery-tests/hello:1")
    engine.close()


def test_it_restarts_after_being_killed(embedded: Embedded) -> None:
    embedded.up()
    pid = embedded.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while embedded.pid() is not None:
        time.sleep(0.05)
    embedded.up()
    assert embedded.running()
    assert embedded.pid() != pid


def test_up_starts_only_one_engine(embedded: Embedded) -> None:
    embedded.up()
    pid = embedded.pid()
    embedded.up()
    assert embedded.pid() == pid


def test_its_environment_can_be_evaluated(embedded: Embedded) -> None:
    embedded.up()
    script = 'set -e; lines=$(inv engine.env); eval "$lines"; docker buildx inspect'
    outside = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], env={**outside, "BAKERY_HOME": str(embedded.workspace.home), "PATH": path},
        cwd=embedded.workspace.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "running" in done.stdout


def test_it_is_never_started_next_to_another_daemon(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.down()
    monkeypatch.setattr("bakery.engine.daemons.foreign_daemon", lambda: 4711)
    with pytest.raises(EngineError, match="4711"):
        embedded.up()
    assert not embedded.running()


@pytest.fixture
def base(workspace: Workspace, catalog: Catalog) -> str:
    """A build context with a base image, for steps that run programs."""
    (target,) = (target for target in catalog.targets if target.name == "bookworm")
    try:
        return BaseResolver(workspace, catalog).resolve(target, host_platform()).context
    except BakeryError as error:
        pytest.skip(f"no base image is available: {error.message}")


def building(embedded: Embedded, base: str, command: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a build with a single step, which runs ``command`` and is not cached."""
    folder = embedded.workspace.home / "step"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM base\nRUN {command}\n")
    engine = client(embedded)
    arguments = ["build", "--no-cache", "--network=host", "--build-context", f"base={base}", str(folder)]
    return [*engine.buildx, *arguments], engine.environment


@contextmanager
def step(embedded: Embedded, base: str, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The running build of :func:`building`."""
    words, environment = building(embedded, base, command)
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
        yield build


def wait_for(command: str, argument: str) -> None:
    """Wait for a process of a build step."""
    deadline = time.monotonic() + 60
    while not any(argument in arguments for _, arguments in processes(command)) and time.monotonic() < deadline:
        time.sleep(0.2)


def groups(embedded: Embedded) -> list[str]:
    """The control groups of an engine, in all hierarchies."""
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if embedded.group in path.split("/")]


@pytest.mark.extended
def test_build_steps_of_a_killed_daemon_are_ended(embedded: Embedded, base: str) -> None:
    embedded.up()
    with step(embedded, base, "sleep 4711") as build:
        wait_for("sleep", "4711")
        assert groups(embedded)
        pid = embedded.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        build.wait()
    embedded.up()
    assert [arguments for _, arguments in processes("sleep") if "4711" in arguments] == []
    assert groups(embedded) == []


@pytest.mark.extended
@pytest.mark.parametrize("crash", [True, False])
def test_a_build_continues_if_its_engine_crashes_but_not_if_it_was_stopped(
    embedded: Embedded, base: str, tmp_path: Path, crash: bool
) -> None:
    embedded.up()
    arguments, environment = building(embedded, base, "sleep 4.712 && echo done")
    running, before = BuildxProcesses(embedded.workspace.home, embedded), embedded.pid()
    with ThreadPoolExecutor() as pool:
        build = pool.submit(
            running.run, [*arguments, "--progress=rawjson"], tmp_path, environment, tmp_path / "log", lambda _: None
        )
        wait_for("sleep", "4.712")
        assert before is not None
        if crash:
            os.kill(before, signal.SIGABRT)  # Go's runtime ends as in a panic
        else:
            embedded.down()
        _, code = build.result(120)
    text = (tmp_path / "log").read_text()
    assert (code == 0, "the engine crashed: attempt 1 of 3" in text, embedded.running()) == (crash, crash, crash)
    if crash:
        assert b"SIGABRT: abort" in embedded.last_log.read_bytes()


def test_down_removes_the_control_groups_of_this_engine_only(embedded: Embedded, base: str) -> None:
    embedded.up()
    with step(embedded, base, "true") as build:
        assert build.wait() == 0
    own = groups(embedded)
    assert own
    others = {path.replace(embedded.group, "infra7-python-of-another") for path in own}
    try:
        for path in others:
            os.makedirs(path, exist_ok=True)
        embedded.sweep()
        assert groups(embedded) == own, "it is running"
        embedded.down()
        assert groups(embedded) == []
        assert all(map(os.path.isdir, others))
    finally:
        for path in sorted(others, reverse=True):
            os.rmdir(path)
