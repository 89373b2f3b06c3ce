"""Makes image archives as `docker save` writes them, from the files of each layer, and tarballs of a release."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import zstandard

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(level=19).compress,
    "none": lambda data: data,
}
ENDS = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


def make_tar(files: Mapping[str, bytes | str], folders: Iterable[str] = (), **header: int) -> bytes:
    """A tar: bytes become files, text becomes a symbolic link to it; ``header`` are fields of the former."""
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
                for name_of_field, value in header.items():
                    setattr(member, name_of_field, value)
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_release(folder: Path, files: Mapping[str, str]) -> Path:
    """The tarball of 3.13.15 in ``folder``, with these files and no others."""
    file = folder / "Python-3.13.15.tar.xz"
    tree = {f"Python-3.13.15/{name}": text.encode() for name, text in files.items()}
    file.write_bytes(lzma.compress(make_tar(tree)))
    return file


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Archive:
    """An image archive under construction: blobs, and one manifest for each platform."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.descriptors: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        self.blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def image(
        self, layers: Iterable[bytes], method: str = "gzip", platform: str = "linux/amd64", **config: Any
    ) -> dict[str, Any]:
        system, _, machine = platform.partition("/")
        layers = list(layers)
        rootfs = {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}
        content = {"os": system, "architecture": machine, "rootfs": rootfs, **config}
        parts = [self.blob(PACKERS[method](layer), LAYER + ENDS[method]) for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(content).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": parts,
        }
        one = self.blob(json.dumps(manifest).encode(), MANIFEST)
        one["platform"] = {"os": system, "architecture": machine}
        self.descriptors.append(one)
        return one

    def index(self) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.descriptors}).encode()

    def save(self, **more: bytes) -> bytes:
        files = {f"blobs/{digest.replace(':', '/')}": data for digest, data in self.blobs.items()}
        return make_tar({**files, "index.json": self.index(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}', **more})
