"""What a machine is told that it lacks, and that nothing secret is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakery.catalog.models import Catalog
from bakery.errors import EngineError
from bakery.machine import doctor
from bakery.machine.doctor import State, examine_machine, platforms_in
from bakery.workspace import Workspace

INSPECTED = """Name:   far
Driver: docker-container

Nodes:
Name:      far0
Endpoint:  ssh://one
Platforms: linux/amd64*, linux/amd64/v2, linux/386
Name:      far1
Endpoint:  ssh://two
Platforms: linux/arm64, linux/arm/v7
"""


def test_platforms_of_all_nodes_are_read() -> None:
    assert platforms_in(INSPECTED) == ("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7")


@pytest.fixture
def findings(workspace: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> dict[str, doctor.Finding]:
    """What is said of a machine without an engine, behind a proxy."""

    def absent(*_: object, **__: object) -> None:
        raise EngineError("too old", hint="Upgrade it.")

    monkeypatch.setattr(doctor, "running_engine", absent)
    monkeypatch.setattr(doctor, "_addresses", lambda _: iter(()))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:marker@127.0.0.1:9")
    return {one.about: one for one in examine_machine(workspace, catalog, "", "/nowhere.pem").findings}


def test_unusable_engine_is_missing_with_a_remedy(findings: dict[str, doctor.Finding]) -> None:
    assert findings["engine"].row == {"about": "engine", "state": "missing", "found": "too old", "todo": "Upgrade it."}


def test_proxy_credentials_are_hidden(findings: dict[str, doctor.Finding]) -> None:
    assert findings["https_proxy"].found == "http://...@127.0.0.1:9"


def test_unreadable_ca_bundle_is_missing(findings: dict[str, doctor.Finding]) -> None:
    assert findings["CA bundle"].state is State.MISSING
    assert "/nowhere.pem" in findings["CA bundle"].found


def test_low_disk_space_is_reported(workspace: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(Path("/"))
    monkeypatch.setattr(doctor, "running_engine", lambda *_, **__: None)
    monkeypatch.setattr(doctor, "_addresses", lambda _: iter(()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000_000))
    found = {one.about: one.state for one in examine_machine(workspace, catalog, "", None).findings}
    assert found["disk, cache"] is State.MISSING
