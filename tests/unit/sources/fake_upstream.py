"""A fake upstream: releases with OpenPGP and Sigstore signatures, and a client that trusts their signers."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.version import Version

from bakery.catalog.models import Catalog
from bakery.catalog.pins import Pin
from bakery.sources.signatures import SignatureChecker
from bakery.sources.tarballs import SourceCache
from bakery.sources.trust import Identity, SignaturePolicy, Signers, Trust
from bakery.sources.update import Discovery, Subjects
from bakery.workspace import Workspace
from tests.unit.sources.forge_openpgp import Key
from tests.unit.sources.forge_sigstore import Fault, Sigstore

MADE = int(datetime(2025, 1, 1, 23, 30, tzinfo=UTC).timestamp())
"""The modification time of the files in a tarball."""
NOW = datetime(2026, 11, 24, tzinfo=UTC)
MANAGER = Identity("manager@example.org", "https://issuer.example/oauth")


def tar_of(files: dict[str, bytes]) -> bytes:
    """An uncompressed tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), MADE
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def files_of(release: str, pip: str = "26.0.1", top: str = "") -> dict[str, bytes]:
    """The few files of a release that the code reads."""
    top = top or f"Python-{release}"
    return {
        f"{top}/README.rst": b"This is Python",
        f"{top}/Include/patchlevel.h": f'/* */\n#define PY_VERSION      "{release}"\n'.encode(),
        f"{top}/Lib/ensurepip/_bundled/pip-{pip}-py3-none-any.whl": b"a wheel",
    }


def tarball(release: str, **more: str) -> bytes:
    """A .tar.xz of ``release``."""
    return lzma.compress(tar_of(files_of(release, **more)), preset=0)


def tgz(release: str) -> bytes:
    """A .tgz of ``release``."""
    return gzip.compress(tar_of(files_of(release)))


class FakeUpstream:
    """``server`` acts as python.org; ``3.13`` is signed with OpenPGP and ``3.14`` with Sigstore."""

    def __init__(self, workspace: Workspace, server: Any, keys: Path) -> None:
        self.workspace, self.server, self.keys, self.messages = workspace, server, keys, list[str]()
        self.manager, self.other = Key(), Key("Another Manager <other@example.org>")
        self.mallory = Key("Release Manager <rm@example.org>")
        self.sigstore = Sigstore()
        keys.mkdir()
        self.publish_key(self.manager)
        self.publish_key(self.other)
        self.root = self.sigstore.trusted_root(keys / "root.json")
        signers = {
            "3.12": Signers((self.other.fingerprint,), (), prereleases=False),
            "3.13": Signers((self.manager.fingerprint,), (), prereleases=False),
            "3.14": Signers((), (MANAGER,), prereleases=False),
        }
        self.trust = Trust(SignaturePolicy.WHEN_AVAILABLE, keys, (), signers)

    def publish_key(self, key: Key, **more: Any) -> None:
        (self.keys / f"{key.fingerprint}.asc").write_bytes(key.public(**more))

    def require(self) -> None:
        self.trust = dataclasses.replace(self.trust, policy=SignaturePolicy.REQUIRE)

    @property
    def signatures(self) -> SignatureChecker:
        sources = SourceCache(self.workspace, None, self.messages.append)
        return SignatureChecker(sources, self.trust, self.root, lambda: NOW)

    def pin(self, release: str, data: bytes, **more: Any) -> Pin:
        return Pin(release, f"Python-{release}.tar.xz", hashlib.sha256(data).hexdigest(), "a test", **more)

    def path(self, pin: Pin, suffix: str = "") -> str:
        return f"/{pin.version.base_version}/{pin.file}{suffix}"

    def serve(self, pin: Pin, data: Any, suffix: str = "") -> None:
        self.server.routes[self.path(pin, suffix)] = data

    def bundle(
        self, data: bytes, identity: str = MANAGER.identity, issuer: str = MANAGER.issuer, **fault: Any
    ) -> bytes:
        return json.dumps(self.sigstore.bundle(data, identity, issuer, Fault(**fault))).encode()

    def cached_files(self) -> list[str]:
        """Names of the files in the cache, except locks and notes of missing signatures."""
        paths = (self.workspace.home / "sources").rglob("*")
        return sorted(path.name for path in paths if path.is_file() and path.suffix not in (".lock", ".none"))


class FakePythonOrg(FakeUpstream):
    """An upstream whose server also has the API and the directory; ``publish`` adds a release to both."""

    def __init__(self, workspace: Workspace, server: Any, keys: Path, catalog: Catalog) -> None:
        super().__init__(workspace, server, keys)
        # Without profiles: their own test says what is noted about them.
        self.catalog = self.whole = dataclasses.replace(catalog, profiles={})
        self.api: list[dict[str, Any]] = []
        self.folders: list[str] = []
        self.files: dict[str, list[dict[str, Any]]] = {}

    def publish(self, release: str, data: bytes | None = None, *, signed: bool = True, **more: Any) -> Pin:
        """Announce ``release`` with its size in the API, and serve its tarball and signature from its folder."""
        data = tarball(release) if data is None else data
        pin = self.pin(release, data)
        number = str(len(self.api) + 100)
        self.announce(release, number)
        self.list_folder(release)
        self.serve(pin, data)
        if signed and pin.version < Version("3.14"):
            self.serve(pin, self.manager.sign(data), ".asc")
        elif signed:
            self.serve(pin, self.bundle(data), ".sigstore")
        self.files[number] = [{"url": f"https://x.example/{pin.file}", "filesize": len(data), **more}]
        return pin

    def announce(self, release: str, number: str = "7", published: bool = True) -> None:
        uri = f"https://x.example/api/v2/downloads/release/{number}/"
        self.api.append({"name": f"Python {release}", "is_published": published, "resource_uri": uri})
        self.server.routes["/api/release/"] = lambda _: json.dumps(self.api).encode()
        self.server.routes["/api/release_file/"] = lambda request: json.dumps(
            self.files.get(request.path.rpartition("=")[2], [])
        ).encode()

    def list_folder(self, release: str) -> None:
        self.folders.append(Version(release).base_version)
        rows = lambda: "".join(f'<a href="{name}/">{name}/</a>    01-Jan-2026 -\n' for name in self.folders)  # noqa: E731
        self.server.routes["/"] = lambda _: f'<html><a href="../">../</a>\n{rows()}</html>'.encode()

    def lock(self, *pins: Pin) -> None:
        """Pin only ``pins``."""
        pinned = []
        for series in self.whole.series:
            releases = [pin for pin in pins if f"{pin.version.major}.{pin.version.minor}" == series.number]
            releases.sort(key=lambda pin: pin.version, reverse=True)
            if releases:
                pinned.append(dataclasses.replace(series, pins=tuple(releases)))
        self.catalog = dataclasses.replace(self.catalog, series=tuple(pinned))

    def find(self, *names: str, targets: Any = (), pins: Any = (), wheels: Any = ()) -> Discovery:
        discovery = Discovery(self.catalog, self.signatures)
        series = tuple(series for series in self.catalog.series if not names or series.name in names)
        discovery.find(Subjects(series, tuple(pins), tuple(targets), tuple(wheels)))
        return discovery
