"""Makes image archives in the format of `docker save` from the files of each layer, and tarballs of a release."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import zstandard

from bakery.catalog.labels import ANNOTATIONS, LABELS
from bakery.oci.archives import blob_path
from bakery.oci.attestations import STATEMENT
from bakery.oci.indexes import digest_of
from bakery.oci.layout import LayoutWriter, describe, to_json
from bakery.oci.manifests import CONFIG, INDEX, MANIFEST

__all__ = ["INDEX", "LAYER", "MANIFEST", "PACKERS", "Archive", "digest_of", "make_release", "make_tar"]

LAYER = "application/vnd.oci.image.layer.v1.tar"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(level=19).compress,
    "none": lambda data: data,
}
ENDS = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


def make_tar(files: Mapping[str, bytes | str], folders: Iterable[str] = (), **header: int) -> bytes:
    """A tar: bytes become files with the fields ``header``, text becomes the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in folders:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                tar.addfile(member)
            else:
                member.size = len(data)
                for field, value in header.items():
                    setattr(member, field, value)
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_release(folder: Path, files: Mapping[str, str]) -> Path:
    """The tarball of 3.13.15 in ``folder``, with these files only."""
    file = folder / "Python-3.13.15.tar.xz"
    tree = {f"Python-3.13.15/{name}": text.encode() for name, text in files.items()}
    file.write_bytes(lzma.compress(make_tar(tree)))
    return file


NAMED = {
    "Labels": {
        f"{ANNOTATIONS}.version": "3.13.15", f"{LABELS}.series": "3.13", f"{LABELS}.target": "bookworm",
        f"{LABELS}.variant": "default",
    }
}  # fmt: skip
"""The configuration of an image that is named 3.13.15-bookworm."""


class Archive:
    """An image archive under construction: blobs by digest, and the descriptors of the index."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.descriptors: list[Any] = []

    def blob(self, data: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
        descriptor = describe(data, media_type)
        self.blobs[descriptor["digest"]] = data
        return {**descriptor, **fields}

    def json(self, content: Any, media_type: str, **fields: Any) -> dict[str, Any]:
        return self.blob(to_json(content), media_type, **fields)

    def image(
        self, layers: Iterable[bytes], method: str = "gzip", platform: str = "linux/amd64", **config: Any
    ) -> dict[str, Any]:
        """Add an image to the index; ``config`` has fields of its configuration."""
        system, _, machine = platform.partition("/")
        layers = list(layers)
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
        content = {"os": system, "architecture": machine, "rootfs": rootfs, **config}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json(content, CONFIG),
            "layers": [self.blob(PACKERS[method](layer), LAYER + ENDS[method]) for layer in layers],
        }
        descriptor = self.json(manifest, MANIFEST, platform={"os": system, "architecture": machine})
        self.descriptors.append(descriptor)
        return descriptor

    def attestation(self, image: Mapping[str, Any], kind: str = "https://spdx.dev/Document") -> dict[str, Any]:
        """Add an attestation of ``image``, a descriptor, with a statement of this type, as BuildKit does."""
        subject = [{"name": "_", "digest": {"sha256": image["digest"].removeprefix("sha256:")}}]
        statement = {"predicateType": kind, "subject": subject, "predicate": {}}
        layer = self.json(statement, STATEMENT, annotations={"in-toto.io/predicate-type": kind})
        platform = {"os": "unknown", "architecture": "unknown"}
        config = {**platform, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.json(config, CONFIG), "layers": [layer]}
        notes = {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"],
        }  # fmt: skip
        descriptor = self.json(manifest, MANIFEST, platform=platform, annotations=notes)
        self.descriptors.append(descriptor)
        return descriptor

    def index(self) -> bytes:
        return to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.descriptors})

    def save(self, **more: bytes) -> bytes:
        """The archive as a tar; ``more`` has further files by name."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            writer = LayoutWriter(tar)
            for digest, data in self.blobs.items():
                writer.file(blob_path(digest), data)
            for name, data in {"index.json": self.index(), **more}.items():
                writer.file(name, data)
            writer.finish({"manifests": []})
        return buffer.getvalue()
