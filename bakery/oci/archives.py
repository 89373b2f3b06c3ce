"""Opens an image archive (`docker save`, or an OCI layout in a tar): its manifest, its configuration, its layers."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from bakery.catalog import Platform
from bakery.errors import BakeryError
from bakery.oci.manifests import ManifestError, is_index, manifest_of, pick

__all__ = ["CHUNK", "ImageArchive", "blob_path", "image_archive", "method_of", "open_layer", "open_member", "unpacked"]

CHUNK = 1 << 20
UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error, LookupError, TypeError, ValueError)
"""What a damaged archive raises on the way."""


@dataclass(frozen=True)
class ImageArchive:
    """The image for one platform: its manifest's digest, where the archive has manifests, and its layers' members."""

    tar: tarfile.TarFile
    digest: str
    config: dict[str, Any] = field(hash=False)
    layers: tuple[str, ...]


@contextmanager
def image_archive(archive: IO[bytes], platform: Platform) -> Iterator[ImageArchive]:
    """The image for ``platform`` in a tar that can be read at any place; :exc:`BakeryError` where there is none.

    Manifests tell the layers where the archive has them (Docker Engine 25 and newer), else ``manifest.json`` does.
    What the block raises because the archive is damaged becomes a :exc:`BakeryError` as well.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            yield _image(tar, platform)
    except UNREADABLE as error:
        raise BakeryError(f"an image archive cannot be read: {error!r}") from None


def _image(tar: tarfile.TarFile, platform: Platform) -> ImageArchive:
    names = set(tar.getnames())
    digest, manifest = "", None
    if "index.json" in names:
        digest, manifest = _manifest(tar, names, platform)
    if manifest is not None:
        parsed = manifest_of(manifest)
        config, layers = _json(tar, blob_path(parsed.config)), [blob_path(layer.digest) for layer in parsed.layers]
    else:
        docker = _json(tar, "manifest.json")[0]
        config, layers = _json(tar, docker["Config"]), list(docker["Layers"])
    return ImageArchive(tar, digest, config, tuple(layers))


def _manifest(tar: tarfile.TarFile, names: set[str], platform: Platform) -> tuple[str, dict[str, Any] | None]:
    """The manifest for ``platform`` and its digest, through nested indexes; ``None`` where the index is empty."""
    digest, content = "", _json(tar, "index.json")
    while is_index(content):
        if not content.get("manifests"):
            return "", None
        descriptor = pick(content, platform)
        digest = str(descriptor["digest"])
        if blob_path(digest) not in names:
            raise ManifestError(f"the archive does not hold {platform}: {digest} is missing")
        content = _json(tar, blob_path(digest))
    return digest, content


def blob_path(digest: str) -> str:
    """Where a layout has the blob of ``digest``."""
    return f"blobs/{digest.replace(':', '/')}"


def open_member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """The file ``name`` of the archive; :exc:`bakery.oci.manifests.ManifestError` where that is none."""
    stream = tar.extractfile(name)
    if stream is None:
        raise ManifestError(f"{name} in the archive is no file")
    return stream


def _json(tar: tarfile.TarFile, name: str) -> Any:
    return json.load(open_member(tar, name))


def method_of(head: bytes) -> str:
    """How a layer is packed, by its first bytes; :exc:`ManifestError` where they are of no kind that is known."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head[257:262] == b"ustar" or not head.strip(b"\0"):
        return "none"
    raise ManifestError("a layer is packed in a way that is not known: expected gzip, zstd or a tar as it is")


@contextmanager
def unpacked(stream: IO[bytes], method: str) -> Iterator[tarfile.TarFile]:
    """The tar in a layer, to be read from its beginning to its end."""
    opened: Any = stream
    if method == "gzip":
        opened = gzip.GzipFile(fileobj=stream)
    elif method == "zstd":
        from zstandard import ZstdDecompressor

        opened = ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    with opened, tarfile.open(fileobj=io.BufferedReader(opened, CHUNK), mode="r|") as files:
        yield files


def open_layer(tar: tarfile.TarFile, name: str) -> AbstractContextManager[tarfile.TarFile]:
    """The tar in the layer ``name`` of an archive; :exc:`ManifestError` where it is packed in a way not known."""
    return unpacked(open_member(tar, name), method_of(open_member(tar, name).read(512)))
