"""A python.org of the tests' own: releases, their signatures by either kind, and a client that trusts their signers."""

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

from bakery.catalog.pins import Pin
from bakery.sources.signatures import Signatures
from bakery.sources.tarballs import Sources
from bakery.sources.trust import Identity, Policy, Signers, Upstream
from bakery.workspace import Workspace
from tests.unit.sources.forge_openpgp import Key
from tests.unit.sources.forge_sigstore import Sigstore

MADE = int(datetime(2025, 1, 1, 23, 30, tzinfo=UTC).timestamp())
"""When a release's files were packed."""
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
    """The few files of a release that anybody here reads."""
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


class House:
    """``server`` plays python.org; ``3.13`` is signed with OpenPGP and ``3.14`` with Sigstore."""

    def __init__(self, workspace: Workspace, server: Any, keys: Path) -> None:
        self.workspace, self.server, self.keys, self.said = workspace, server, keys, list[str]()
        self.manager, self.other = Key(), Key("Another Manager <other@example.org>")
        self.mallory = Key("Release Manager <rm@example.org>")
        self.sigstore = Sigstore()
        keys.mkdir()
        self.publish_key(self.manager)
        self.publish_key(self.other)
        self.root = self.sigstore.trusted_root(keys / "root.json")
        signers = {
            "3.12": Signers(openpgp=(self.other.fingerprint,)),
            "3.13": Signers(openpgp=(self.manager.fingerprint,)),
            "3.14": Signers(sigstore=(MANAGER,)),
        }
        self.trust = Upstream(Policy.WHEN_AVAILABLE, keys, (), signers)

    def publish_key(self, key: Key, **more: Any) -> None:
        (self.keys / f"{key.fingerprint}.asc").write_bytes(key.public(**more))

    def require(self) -> None:
        self.trust = dataclasses.replace(self.trust, policy=Policy.REQUIRE)

    @property
    def signatures(self) -> Signatures:
        sources = Sources(self.workspace, None, self.said.append)
        return Signatures(sources, self.trust, self.said.append, self.root, lambda: NOW)

    def pin(self, release: str, data: bytes, **more: Any) -> Pin:
        return Pin(release, f"Python-{release}.tar.xz", hashlib.sha256(data).hexdigest(), "a test", **more)

    def path(self, pin: Pin, suffix: str = "") -> str:
        return f"/{pin.version.base_version}/{pin.file}{suffix}"

    def serve(self, pin: Pin, data: Any, suffix: str = "") -> None:
        self.server.routes[self.path(pin, suffix)] = data

    def bundle(self, data: bytes, identity: str = MANAGER.identity, issuer: str = MANAGER.issuer, **more: Any) -> bytes:
        return json.dumps(self.sigstore.bundle(data, identity, issuer, **more)).encode()

    def left(self) -> list[str]:
        """What lies in the cache, without locks and without notes of what nobody had."""
        found = (self.workspace.home / "sources").rglob("*")
        return sorted(one.name for one in found if one.is_file() and one.suffix not in (".lock", ".none"))
