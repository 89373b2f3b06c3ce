"""An image as it is pushed: manifests and compressed layers, byte for byte as the engine stores them."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bakery import oci
from bakery.catalog import Compression
from bakery.engine import Engine
from bakery.errors import PublishError
from bakery.files import disk_full
from bakery.platforms import Platform
from bakery.workspace import Workspace


class Payload:
    """An image for one platform: ``entries`` are its descriptors in an index, the image first, then attestations."""

    def __init__(self, archive: tarfile.TarFile, platform: Platform) -> None:
        self.archive, self.digest = archive, ""
        index = oci.parse_index(oci.read_object(archive, "index.json"))
        while len(index["manifests"]) == 1 and oci.is_index(index["manifests"][0]):
            self.digest = index["manifests"][0]["digest"]
            index = oci.parse_index(oci.read_object(archive, oci.blob_path(self.digest)))
        self.entries = oci.entries_for(index, platform)
        self.digest = self.digest or self.entries[0]["digest"]
        self.manifests = {entry["digest"]: oci.read_blob(archive, entry["digest"]) for entry in self.entries}

    def _parsed(self) -> list[oci.ImageManifest]:
        return [oci.parse_manifest(oci.parse_object(data)) for data in self.manifests.values()]

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of everything that the manifests refer to: layers and configurations."""
        return {
            blob["digest"]: blob["size"]
            for manifest in self._parsed()
            for blob in (*manifest["layers"], manifest["config"])
            if not blob.get("urls")  # stored elsewhere, under a licence that forbids distribution
        }

    @property
    def config(self) -> str:
        """The digest of the image's configuration, by which an engine without containerd's store identifies it."""
        return self._parsed()[0]["config"]["digest"]

    def open(self, digest: str) -> IO[bytes]:
        """The bytes of a blob."""
        return oci.open_member(self.archive, oci.blob_path(digest))


@contextmanager
def open_payload(
    workspace: Workspace, engine: Engine, identity: str, platform: Platform, packing: Compression
) -> Iterator[Payload]:
    """The image ``identity`` of ``engine``, in unnamed files that disappear with the block or the process.

    If the engine stores layers uncompressed, they are compressed by ``packing``. Raises :exc:`PublishError` if the
    engine cannot write OCI layouts (Docker before 25).
    """
    workspace.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workspace.build) as saved, tempfile.TemporaryFile(dir=workspace.build) as packed:
        with disk_full(workspace.build):
            saved.writelines(engine.save(identity))
            saved.seek(0)
            with tarfile.open(fileobj=saved) as tar:
                has_manifests = "index.json" in tar.getnames()
            if not has_manifests:
                raise PublishError(
                    f"the Docker engine at {engine.host} writes images without their manifests",
                    hint="Docker Engine 25 or newer writes them; so does the embedded engine.",
                )
            if not engine.keeps_layers:
                source, target = (Path(f"/dev/fd/{file.fileno()}") for file in (saved, packed))
                oci.recompress(source, target, packing, workspace.home / "layers")
        layout = saved if engine.keeps_layers else packed
        layout.seek(0)
        with tarfile.open(fileobj=layout) as archive:
            yield Payload(archive, platform)
