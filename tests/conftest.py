"""Fixtures of all tests: the repository's own data, and temporary folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The repository's own data."""
    return load_catalog(ROOT)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The repository as root, but with a separate cache for the test."""
    return Workspace(root=ROOT, home=tmp_path / "home")
