"""Fixtures of the engine tests: a real engine, which is the user's or the system's, else the embedded one."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import apt
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.catalog.tags import references
from bakery.engine.buildx import BuildxProcesses
from bakery.engine.daemons import SYSTEM_SOCKET, answers, foreign_daemon
from bakery.engine.discovery import find_engine, running_engine
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import BakeryError
from bakery.files import locked
from bakery.workspace import Workspace, find_workspace

from .fixtures import ROOT, SALT, Bench, remove_images
from .registry import program, running

FIRST = ("packages", "cache_damage", "builder", "secrets", "push", "regrtest", "attestations", "twins")
"""The slowest files, 50 to 300 s on two processors.

A worker of pytest-xdist runs a whole file, so if a slow file started last, all other workers would wait for it.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run engine tests first, starting with the slowest files; unit tests, if any, keep the other workers busy."""
    folder = Path(__file__).parent
    first = [folder / f"test_{name}.py" for name in FIRST]
    items.sort(
        key=lambda item: (folder != item.path.parent, first.index(item.path) if item.path in first else len(first))
    )


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    return find_workspace(ROOT)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog(ROOT)


def skip_unless_embedded_engine_can_start() -> None:
    """Skip on a host that the embedded engine does not support; on any other host its errors fail the test."""
    if os.geteuid() != 0:
        pytest.skip("starting the embedded engine needs root")
    if apt.host_id() not in ("debian", "ubuntu"):
        pytest.skip("the embedded engine needs Debian or Ubuntu")


@pytest.fixture(scope="session")
def engine(workspace: Workspace) -> Iterator[Engine]:
    """The engine that `inv build` would use. It keeps running, as it does after `inv build`."""
    if running_engine(workspace) is None:
        skip_unless_embedded_engine_can_start()
    engine = find_engine(workspace)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def first_embedded(workspace: Workspace) -> Embedded:
    """The embedded engine's packages, unpacked, for tests that start a second engine from them."""
    if answers(SYSTEM_SOCKET) or foreign_daemon() is not None:
        pytest.skip("the system's own Docker is running")
    skip_unless_embedded_engine_can_start()
    embedded = Embedded(workspace)
    embedded.prepare()
    return embedded


@pytest.fixture(scope="module")
def images_removed(engine: Engine) -> Iterator[None]:
    """Removes the images of a module's tests at its end: removing a tag makes the engine collect its garbage."""
    yield
    remove_images(engine)


class BuildLock:
    """Lets only one worker build at a time; the threads of a worker share the lock.

    Docker 26.1.5's BuildKit can panic (solver/edge.go: "interface {} is nil, not *solver.edgeRequest") while builds of
    several workers have steps in common. Builds continue after it, but other tests lose their connection to the engine.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.mutex, self.users, self.held = file, threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self.mutex:
            self.users += 1
            if self.users == 1:
                self.held.enter_context(locked(self.file, "building", lambda _: None))

    def __exit__(self, *_: object) -> None:
        with self.mutex:
            self.users -= 1
            if not self.users:
                self.held.close()


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True, scope="session")
def build_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildLock]:
    """Held during each run of buildx; tests that start `inv build` hold it themselves."""
    lock = BuildLock(shared_folder(tmp_path_factory) / "building.lock")
    follow = BuildxProcesses._follow

    def follow_locked(*arguments: Any) -> int:
        with lock:
            return follow(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildxProcesses, "_follow", follow_locked)
        yield lock


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of compressed layers for all builds of this run: each would spend seconds on compressing the base."""
    folder = shared_folder(tmp_path_factory) / "layers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def resolution(engine: Engine, workspace: Workspace, layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution's packages of an image, which the first worker resolves for all builds of this run."""
    file = layers.with_name("resolution.json")
    with locked(layers.with_name("resolution.lock"), "resolving packages", lambda _: None):
        if not file.exists():
            bench = Bench(tmp_path_factory.mktemp("packages"), engine, workspace.home, salt=SALT, layers=layers)
            (result,) = bench.builder().build([bench.image()])
            assert result.error == ""
            (recorded,) = (bench.workspace.records / "packages").iterdir()
            shutil.copyfile(recorded, file)
            bench.remove_images()
    return file


@pytest.fixture(scope="session")
def compilers(engine: Engine, reference: str) -> Iterator[str]:
    """The image under test with compilers. Its layer stays in the build cache, for other workers and the next run."""
    name = f"bakery-tests/compilers-{os.getpid()}:latest"
    install = "apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev make pkg-config"
    done = subprocess.run(
        [*engine.buildx, "build", "--network=host", "--provenance=false", "-",
         f"--output=type=image,name={name},compression=uncompressed"],
        input=f"FROM {reference}\nRUN {install}\n",
        env=engine.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"apt cannot install packages in a container: {done.stderr[-300:]}")
    yield name
    engine.remove(name)


@pytest.fixture(scope="session")
def reference(engine: Engine, catalog: Catalog) -> str:
    """The image under test: $BAKERY_IMAGE, else the default series' image if it is built."""
    reference = os.environ.get("BAKERY_IMAGE") or references(catalog, select_images(catalog, ["3.13"])[0])[0]
    if not engine.find(reference):
        pytest.skip(f"{reference} is not built")
    return reference


@pytest.fixture(scope="module")
def registry(workspace: Workspace, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty registry on the loopback interface."""
    try:
        program(workspace, catalog)
    except BakeryError as error:
        pytest.skip(f"the package docker-registry is not available: {error.message}")
    with running(workspace, catalog, tmp_path_factory.mktemp("registry")) as host:
        yield host
