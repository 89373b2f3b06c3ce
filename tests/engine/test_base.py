"""The base made from packages is as small as the published image and behaves like it."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from bakery.bases import apt
from bakery.bases.base_images import BaseResolver
from bakery.catalog.models import Catalog
from bakery.platforms import host_platform
from bakery.workspace import Workspace

from .conftest import ROOT

pytestmark = pytest.mark.engine

COMPRESSED, ON_DISK = 29_000_000, 78_000_000
"""Bytes; debian:bookworm-slim has 28.2 MB (gzip) and 75 MB."""


@pytest.fixture(scope="module")
def layer(workspace: Workspace, catalog: Catalog) -> Path:
    """The only layer of bookworm's base as mmdebstrap makes it here, or as it is cached."""
    if os.geteuid() != 0 or apt.host_id() != "debian":
        pytest.skip("making a base needs root on Debian")
    (target,) = (target for target in catalog.targets if target.name == "bookworm")
    base = BaseResolver(workspace, catalog).resolve(target, host_platform())
    if base.origin != "mmdebstrap":
        pytest.skip("the registry answers: the published base is used")
    folder = Path(base.context.removeprefix("oci-layout://").partition("@")[0])
    manifest = json.loads((folder / "blobs" / base.digest.replace(":", "/")).read_text())
    return folder / "blobs" / manifest["layers"][0]["digest"].replace(":", "/")


def test_base_is_not_larger_than_the_published_image(layer: Path) -> None:
    assert layer.stat().st_size <= COMPRESSED
    with tarfile.open(layer) as tar:
        assert sum(member.size for member in tar if member.isfile()) <= ON_DISK


def test_base_has_the_settings_of_slim_images(layer: Path) -> None:
    overlay = ROOT / "shared" / "rootfs"
    with tarfile.open(layer) as tar:
        for file in (path for path in overlay.rglob("*") if path.is_file()):
            stored = tar.getmember(f"./{file.relative_to(overlay)}")
            stream = tar.extractfile(stored)
            assert stream is not None
            assert stream.read() == file.read_bytes(), file
            assert stored.mode & 0o111 == file.stat().st_mode & 0o111, file


def test_base_has_no_docs_caches_logs_or_host_data(layer: Path) -> None:
    with tarfile.open(layer) as tar:
        files = {member.name.removeprefix("./"): member for member in tar if not member.isdir()}
    unwanted = ("usr/share/man/", "usr/share/info/", "usr/share/locale/", "var/cache/apt/", "var/lib/apt/lists/")
    assert [name for name in files if name.startswith(unwanted)] == []
    docs = [name for name in files if name.startswith("usr/share/doc/")]
    assert {Path(name).name for name in docs} == {"copyright"}
    assert [name for name, file in files.items() if name.startswith("var/log/") and file.size] == []
    assert not {"etc/hostname", "etc/resolv.conf", "etc/apt/preferences.d/bootstrap"} & set(files)


def test_apt_uses_signed_sources(layer: Path) -> None:
    with tarfile.open(layer) as tar:
        stream = tar.extractfile("./etc/apt/sources.list.d/debian.sources")
        assert stream is not None
        text = stream.read().decode()
        assert text.count("Signed-By: /usr/share/keyrings/debian-archive-keyring.") == text.count("Types: deb")
        names = tar.getnames()
    keyring = text.split("Signed-By: ")[1].split()[0]
    assert f".{keyring}" in names
