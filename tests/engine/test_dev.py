"""The dev variant: the same interpreter as the default image, and sdists that need compilers build in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery.benchmarks.wheelhouse import settings_for
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.catalog.tags import references
from bakery.engine.containers import execute
from bakery.engine.engine import Engine
from bakery.workspace import Workspace

from .fixtures import output_of

pytestmark = pytest.mark.engine

REVISION = "org.opencontainers.image.revision"
LISTING = """
cd /usr/local
{ find . -type l -printf '%l  %p\\n'; find . -type f -print0 | xargs --null sha256sum; } | LC_ALL=C sort --key=2
"""
OWN = ("./bin/uv", "./bin/uvx", "./lib/tools/")
SCRIPT = Path(__file__).with_name("sdists.sh")
SDISTS = re.findall(r"(?m)^SDISTS=\((.+)\)$", SCRIPT.read_text())[0].split()


@pytest.fixture(scope="module")
def images(engine: Engine, catalog: Catalog) -> dict[str, str]:
    """The default and the dev image of 3.13, by variant."""
    names = {image.variant.name: references(catalog, image)[0]
             for image in select_images(catalog, ["3.13"], variants=["default", "dev"])}  # fmt: skip
    if missing := [name for name in names.values() if engine.find(name) is None]:
        pytest.skip(f"not built: {' '.join(missing)}")
    return names


def test_the_dev_image_has_the_interpreter_of_the_default_image(engine: Engine, images: dict[str, str]) -> None:
    labels = [engine.client.images.get(name).labels for name in images.values()]
    if labels[0].get(REVISION) != labels[1].get(REVISION):
        pytest.skip("the two images are of different commits: inv build --version=3.13 --variant=default,dev")
    default, dev = (output_of(engine, images[name], ["bash", "-c", LISTING]) for name in ("default", "dev"))
    lines = [line.partition("  ") for line in dev.splitlines()]
    same = [(what, path) for what, _, path in lines if path not in OWN and not path.startswith(OWN[-1])]
    assert same == [(what, path) for what, _, path in (line.partition("  ") for line in default.splitlines())]
    assert "libpython3.13.so" in default


@pytest.fixture(scope="module")
def builder(engine: Engine, images: dict[str, str], workspace: Workspace) -> Iterator[Any]:
    """A container of the dev image, without a network, that has the cached folder of sdists; it is filled first."""
    folder = workspace.home / "sdists"
    if not list(folder.glob("uwsgi-*")):
        folder.mkdir(parents=True, exist_ok=True)
        config = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
        )
        variables, paths = settings_for(config.stdout, os.environ)
        mounts = [f"{SCRIPT}:/sdists.sh:ro", f"{folder}:/sources", *(f"{path}:{path}:ro" for path in paths)]
        engine.client.containers.run(images["dev"], ["bash", "/sdists.sh", "fetch", "/sources"], remove=True,
                                     network_mode="host", environment=variables, volumes=mounts)  # fmt: skip
    mounts = [f"{SCRIPT}:/sdists.sh:ro", f"{folder}:/sources:ro"]
    container = engine.client.containers.run(images["dev"], ["sleep", "7200"], detach=True, init=True,
                                             network_mode="none", volumes=mounts)  # fmt: skip
    yield container
    container.remove(force=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SDISTS)
def test_an_sdist_builds_offline_from_a_folder_of_sources(builder: Any, name: str) -> None:
    done = execute(builder.client.api, builder.id, ["bash", "/sdists.sh", "build", "/sources", name])
    assert done.code == 0, done.output[-3000:]
