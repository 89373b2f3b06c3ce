"""A real engine for the tests that talk to one: the user's or the machine's, else the embedded one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.catalog.tags import references
from bakery.engine.discovery import find_engine
from bakery.engine.engine import Engine
from bakery.errors import BakeryError, EngineError
from bakery.workspace import Workspace, find_workspace

from .registry import running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    return find_workspace(ROOT)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog(ROOT)


@pytest.fixture(scope="session")
def engine(workspace: Workspace, catalog: Catalog) -> Iterator[Engine]:
    """The engine that `inv build` would use. It is left running, as `inv build` leaves it."""
    try:
        found = find_engine(workspace, catalog)
    except EngineError as error:
        pytest.skip(f"no engine: {error.message}")
    yield found
    found.close()


@pytest.fixture(scope="session")
def reference(engine: Engine, catalog: Catalog) -> str:
    """The image that tests look at: $BAKERY_IMAGE, else the default series' where it is built."""
    named = os.environ.get("BAKERY_IMAGE") or references(catalog, select_images(catalog, ["3.13"])[0])[0]
    if not engine.find(named):
        pytest.skip(f"{named} is not built")
    return named


@pytest.fixture(scope="module")
def registry(workspace: Workspace, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty registry on the loopback interface."""
    try:
        with running(workspace, catalog, tmp_path_factory.mktemp("registry")) as host:
            yield host
    except BakeryError as error:
        pytest.skip(f"no registry to run: {error.message}")
