"""Fixtures of the tests of bakery/sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakery import urls
from bakery.bases import apt
from bakery.catalog.models import Catalog
from bakery.sources import providers, published
from bakery.workspace import Workspace
from tests.unit.sources.fake_upstream import FakePythonOrg, FakeUpstream


@pytest.fixture(autouse=True)
def no_failed_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the mirrors of earlier tests: a server of this test may have the port of one of them."""
    monkeypatch.setattr(providers, "FAILED", set())


@pytest.fixture
def upstream(
    workspace: Workspace, serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeUpstream:
    server = serve()
    monkeypatch.setattr(urls, "PYTHON_ORG", server.url)
    return FakeUpstream(workspace, server, tmp_path / "keys")


@pytest.fixture
def org(
    workspace: Workspace, serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> FakePythonOrg:
    server = serve()
    monkeypatch.setattr(urls, "PYTHON_ORG", server.url)
    monkeypatch.setattr(published, "API", f"{server.url}/api")
    monkeypatch.setattr(apt, "host_id", lambda: "fedora")
    upstream = FakePythonOrg(workspace, server, tmp_path / "keys", catalog)
    upstream.lock(upstream.publish("3.13.5"))
    return upstream
