"""A root file system as an OCI image layout (https://specs.opencontainers.org/image-spec/image-layout/).

buildx takes such a folder as a named context with any builder, local or remote, under a digest that says what it is.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bakery.errors import InputError

__all__ = ["check_root_file_system", "is_whole", "layout_digest", "open_tar", "write_layout"]

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
GZIP_LEVEL = 6
UNPACKING = (EOFError, OSError, lzma.LZMAError, tarfile.TarError, zlib.error)
"""What a damaged file raises on the way."""


class _Digesting:
    """Writes through to a stream and keeps SHA-256 and size of what passed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.sha256, self.size = stream, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def write_layout(folder: Path, tar: IO[bytes], *, architecture: str, created: str) -> str:
    """Make ``folder`` an image layout with one gzip layer from the uncompressed ``tar``; return the manifest's digest.

    ``architecture`` as OCI spells it (amd64, arm64), ``created`` as RFC 3339. The same tar gives the same digest.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    diff = hashlib.sha256()
    with (blobs / "layer").open("wb") as raw:
        layer = _Digesting(raw)
        with gzip.GzipFile(fileobj=layer, mode="wb", compresslevel=GZIP_LEVEL, mtime=0, filename="") as packed:
            while chunk := tar.read(1 << 20):
                diff.update(chunk)
                packed.write(chunk)
    (blobs / "layer").rename(blobs / layer.sha256.hexdigest())

    def put(media_type: str, content: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    config = put(
        CONFIG,
        {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff.hexdigest()}"]},
            "history": [{"created": created, "created_by": "root file system from the distribution's archive"}],
        },
    )
    layers = [{"mediaType": LAYER, "digest": f"sha256:{layer.sha256.hexdigest()}", "size": layer.size}]
    manifest = put(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    return str(manifest["digest"])


def layout_digest(folder: Path) -> str:
    """The digest of the first manifest of an image layout; :exc:`InputError` where ``folder`` is none."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return str(index["manifests"][0]["digest"])
    except (OSError, ValueError, LookupError, TypeError):
        raise InputError(f"{folder} is no OCI image layout: expected index.json with a manifest in it") from None


def is_whole(folder: Path) -> bool:
    """Whether every blob that the layout's manifest names is there with its size; digests are buildx's to check."""
    blobs = folder / "blobs" / "sha256"
    try:
        digest = layout_digest(folder).removeprefix("sha256:")
        manifest = json.loads((blobs / digest).read_text(encoding="utf-8"))
        parts = [manifest["config"], *manifest["layers"]]
        return (folder / "oci-layout").exists() and all(
            (blobs / part["digest"].removeprefix("sha256:")).stat().st_size == part["size"] for part in parts
        )
    except (InputError, OSError, ValueError, LookupError, TypeError):
        return False


def open_tar(file: Path) -> IO[bytes]:
    """The bytes of a tar file without its compression (gzip, bzip2, xz); :exc:`InputError` where it is none."""
    with file.open("rb") as stream:
        magic = stream.read(6)
    opener: Any = open
    for start, one in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open)):
        if magic.startswith(start):
            opener = one
    try:
        if tarfile.is_tarfile(file):
            return opener(file, "rb")  # type: ignore[no-any-return]
    except UNPACKING:
        pass
    raise InputError(
        f"{file} is no tar file", hint="Expected a root file system as .tar, .tar.gz, .tar.bz2 or .tar.xz."
    )


def check_root_file_system(tar: Path) -> None:
    """Raise :exc:`InputError` unless ``tar`` can be read to its end and holds a root file system (it has ``etc``)."""
    try:
        with open_tar(tar) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
            names = {PurePosixPath(member.name).parts[:1] for member in members}
    except UNPACKING as error:
        raise InputError(f"{tar} is no tar file, or breaks off: {error}") from None
    if ("etc",) not in names:
        raise InputError(
            f"{tar} is no root file system: it has no etc",
            hint="What `docker save` writes is an image: give --base=IMAGE, or `docker export` of a container.",
        )
