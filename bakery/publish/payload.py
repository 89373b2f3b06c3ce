"""An image as it goes to a registry: the bytes that the engine keeps, manifests and layers as they are packed."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bakery.catalog import Compression, Platform
from bakery.engine import Engine
from bakery.errors import PublishError
from bakery.files import disk_full
from bakery.oci import ManifestError, blob_path, entries_for, is_index, recompress
from bakery.workspace import Workspace

__all__ = ["Parcel", "parcel"]


class Parcel:
    """One image for one platform: ``entries`` are its descriptors in an index, attestations behind the image's own."""

    def __init__(self, archive: tarfile.TarFile, platform: Platform) -> None:
        self.archive = archive
        index, self.digest = self._json("index.json"), ""
        while True:
            listed = index.get("manifests") or []
            if len(listed) != 1 or not is_index(listed[0]):
                break
            self.digest = listed[0]["digest"]
            index = self._json(blob_path(self.digest))
        self.entries = entries_for(index, platform)
        self.digest = self.digest or self.entries[0]["digest"]
        self.manifests = {one["digest"]: self.read(one["digest"]) for one in self.entries}

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of everything below the manifests: layers and configurations."""
        found: dict[str, int] = {}
        for data in self.manifests.values():
            manifest = json.loads(data)
            for one in (*manifest["layers"], manifest["config"]):
                if not one.get("urls"):  # lies elsewhere, and nobody may pass it on
                    found[one["digest"]] = one["size"]
        return found

    @property
    def config(self) -> str:
        """The digest of the image's configuration, by which an engine without containerd's store knows it."""
        return str(json.loads(self.manifests[self.entries[0]["digest"]])["config"]["digest"])

    def open(self, digest: str) -> IO[bytes]:
        """The bytes of a blob."""
        return self._open(blob_path(digest))

    def read(self, digest: str) -> bytes:
        """The same for a small one."""
        with self.open(digest) as stream:
            return stream.read()

    def _open(self, name: str) -> IO[bytes]:
        try:
            stream = self.archive.extractfile(name)
        except KeyError:
            stream = None
        if stream is None:
            raise ManifestError(f"the engine's archive of the image has no {name}")
        return stream

    def _json(self, name: str) -> dict[str, Any]:
        with self._open(name) as stream:
            return dict(json.load(stream))


@contextmanager
def parcel(
    workspace: Workspace, engine: Engine, identity: str, platform: Platform, packing: Compression
) -> Iterator[Parcel]:
    """The image ``identity`` of ``engine``, in files without a name that are gone with the block or the process.

    An engine that unpacks layers has them packed anew by ``packing``. Raises :exc:`PublishError` where the engine
    cannot write OCI layouts (Docker below 25).
    """
    workspace.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workspace.build) as saved, tempfile.TemporaryFile(dir=workspace.build) as packed:
        with disk_full(workspace.build):
            saved.writelines(engine.save(identity))
            saved.seek(0)
            with tarfile.open(fileobj=saved) as tar:
                readable = "index.json" in tar.getnames()
            if not readable:
                raise PublishError(
                    f"the Docker engine at {engine.host} writes images without their manifests",
                    hint="Docker Engine 25 or newer writes them; so does the embedded one.",
                )
            if not engine.keeps_layers:
                files = [Path(f"/dev/fd/{one.fileno()}") for one in (saved, packed)]
                recompress(files[0], files[1], packing, workspace.home / "layers")
        source = saved if engine.keeps_layers else packed
        source.seek(0)
        with tarfile.open(fileobj=source) as archive:
            yield Parcel(archive, platform)
