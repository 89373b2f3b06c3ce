"""A second engine builds from the cache that the first one pushed to a registry: nothing is compiled twice."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bakery.engine.buildx import BuildxOptions
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.engine.scratch import second_engine
from bakery.workspace import Workspace

pytestmark = pytest.mark.engine

DOCKERFILE = """FROM base AS build
RUN echo compiled %s >/out
FROM scratch
COPY --from=build /out /out
"""


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory, first_embedded: Embedded) -> Iterator[Engine]:
    """A second engine with an empty cache, from the packages of the embedded engine."""
    with second_engine(first_embedded, tmp_path_factory.mktemp("second")) as embedded:
        engine = Engine("embedded", embedded.host, embedded)
        yield engine
        engine.close()


@pytest.fixture
def base(engine: Engine, workspace: Workspace) -> Path:
    """The OCI layout of a base image that an earlier build left in the cache."""
    if not engine.keeps_layers:
        pytest.skip("this engine cannot export caches")
    layout = next((workspace.home / "bases").glob("*/oci-layout"), None)
    if layout is None:
        pytest.skip("no base image was made on this machine")
    return layout.parent


def build(engine: Engine, folder: Path, base: Path, options: Sequence[str]) -> str:
    """The progress that buildx prints during a build with ``engine``."""
    command = [*engine.buildx, "build", "--progress=plain", "--network=host", *options]
    link = folder.parent / "base"
    link.unlink(missing_ok=True)
    link.symlink_to(base)
    done = subprocess.run(
        [*command, "--build-context", f"base=oci-layout://{link}", "--output=type=cacheonly", str(folder)],
        env=engine.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def is_cached(progress: str) -> bool:
    """Whether the step that compiles was in a cache: `#5 [build 2/2] RUN echo compiled...`, then `#5 CACHED`."""
    before, step, _ = progress.partition("] RUN echo compiled")
    assert step, progress
    number = before.rpartition("#")[2].split()[0]
    return f"#{number} CACHED" in progress


def test_a_second_engine_reuses_the_cache_in_the_registry(
    engine: Engine, second: Engine, base: Path, registry: str, tmp_path: Path
) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE % time.time_ns())
    cache, slug = (f"{registry}/cache",), "3.13.15-bookworm-amd64"
    first = build(engine, folder, base, BuildxOptions(cache_from=cache, cache_to=cache).arguments(slug))
    assert not is_cached(first)
    again = build(second, folder, base, BuildxOptions(cache_from=cache).arguments(slug))
    assert is_cached(again)
