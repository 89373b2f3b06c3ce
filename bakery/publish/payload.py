"""An image as it is pushed: manifests and compressed layers, byte for byte as the engine stores them."""

import tarfile
from typing import IO

from bakery import oci
from bakery.platforms import Platform


class Payload:
    """An image for one platform: ``entries`` are its descriptors in an index, the image first, then attestations."""

    def __init__(self, archive: tarfile.TarFile, platform: Platform) -> None:
        self.archive = archive
        digest, index = oci.find_index(archive, platform)
        self.entries = oci.entries_for(index, platform)
        self.digest = digest or self.entries[0]["digest"]
        self.manifests = {entry["digest"]: oci.read_blob(archive, entry["digest"]) for entry in self.entries}

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of everything that the manifests refer to: layers and configurations."""
        return {
            blob["digest"]: blob["size"]
            for manifest in map(oci.parse_manifest, self.manifests.values())
            for blob in (*manifest["layers"], manifest["config"])
            if not blob.get("urls")  # stored elsewhere, under a licence that forbids distribution
        }

    @property
    def config(self) -> str:
        """The digest of the image's configuration, by which an engine without containerd's store identifies it."""
        return oci.parse_manifest(self.manifests[self.entries[0]["digest"]])["config"]["digest"]

    def open(self, digest: str) -> IO[bytes]:
        """A blob, after its bytes were compared with its digest."""
        return oci.open_blob(self.archive, digest)
