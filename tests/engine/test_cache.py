"""A second engine builds from the cache that the first one left in a registry: nothing is compiled twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.engine.buildx import BuildxOptions
from bakery.engine.daemons import SYSTEM_SOCKET, answers, foreign_daemon
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.engine.scratch import another
from bakery.errors import BakeryError, EngineError
from bakery.workspace import Workspace

from .registry import running

pytestmark = pytest.mark.engine

DOCKERFILE = """FROM base AS build
RUN echo compiled %s >/out
FROM scratch
COPY --from=build /out /out
"""


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace, catalog: Catalog) -> Iterator[Engine]:
    """An engine with an empty cache of its own, beside the one in use; its packages are the embedded engine's."""
    if answers(SYSTEM_SOCKET) or foreign_daemon() is not None:
        pytest.skip("a Docker of the machine's own is running")
    first = Embedded(workspace, catalog)
    try:
        first.prepare()
    except EngineError as error:
        pytest.skip(f"no embedded engine here: {error.message}")
    with another(first, tmp_path_factory.mktemp("second")) as own:
        engine = Engine("embedded", own.host, own)
        yield engine
        engine.close()


def build(engine: Engine, folder: Path, base: Path, how: list[str]) -> str:
    """What buildx says of a build on ``engine``."""
    command = [*engine.buildx, "build", "--progress=plain", "--network=host", *how]
    done = subprocess.run(
        [*command, "--build-context", f"base=oci-layout://{base}", "--output=type=cacheonly", str(folder)],
        env=engine.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_what_one_engine_compiled_another_takes_from_the_registry(
    engine: Engine, second: Engine, workspace: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    found = next((workspace.home / "bases").glob("*/oci-layout"), None)
    if found is None or not engine.keeps_layers:
        pytest.skip("no base made here to build on, or an engine that cannot export caches")
    base.symlink_to(found.parent)
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE % time.time_ns())
    (image,) = select_images(catalog, ["3.13"])
    data = tmp_path / "registry"
    data.mkdir()
    try:
        with running(workspace, catalog, data) as host:
            cache = (f"{host}/cache",)
            first = build(engine, folder, base, BuildxOptions(cache_from=cache, cache_to=cache).arguments(image.slug))
            assert "RUN echo compiled" in first
            assert "CACHED" not in first.partition("RUN echo compiled")[2].partition("#")[0]
            again = build(second, folder, base, BuildxOptions(cache_from=cache).arguments(image.slug))
    except BakeryError as error:
        pytest.skip(f"no registry to run: {error.message}")
    number = again.partition("] RUN echo compiled")[0].rpartition("#")[2].split()[0]
    assert f"#{number} CACHED" in again
