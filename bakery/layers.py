"""Reads an image as ``docker save`` writes it, or an OCI layout in a tar: exact sizes, and what lies in each layer."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from bakery.anatomy import Entry, FileSize, Part, Share, anatomy, classify, final_files, is_base
from bakery.errors import BakeryError
from bakery.manifests import LayerSize, ManifestError, is_index, labelled, manifest_of, pick
from bakery.sizes import Size

__all__ = ["SavedImage", "read_image", "saved_image"]

GZIP_LEVEL = 6
"""The level that registries are commonly served with."""
ZSTD_LEVEL = 9
"""Level at which parts are weighed. Their proportions hardly depend on it, and level 19 would take a minute."""
CHUNK = 1 << 20
UNREADABLE = (tarfile.TarError, EOFError, OSError, zlib.error, LookupError, TypeError, ValueError)
"""What a damaged archive raises on the way."""


@dataclass(frozen=True)
class SavedImage:
    """An image from an archive.

    ``estimated`` says that the engine keeps layers unpacked and their sizes as pulled are what gzip -6 makes of them.
    """

    digest: str
    layers: tuple[LayerSize, ...]
    parts: Mapping[Part, Share] = field(hash=False)
    files: Mapping[str, FileSize] = field(hash=False)
    config: Mapping[str, Any] = field(hash=False)
    estimated: bool = False

    @property
    def size(self) -> Size:
        """Bytes as pulled and on disk."""
        disk = sum(share.disk_bytes for share in self.parts.values())
        return Size(sum(layer.compressed_bytes for layer in self.layers), disk)


def saved_image(chunks: Iterable[bytes], platform: str) -> SavedImage:
    """The image in the stream of ``docker save``; see :func:`read_image`. The stream is kept in a temporary file."""
    with tempfile.TemporaryFile() as spool:
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        return read_image(spool, platform)


def read_image(archive: IO[bytes], platform: str) -> SavedImage:
    """The image for ``platform`` in a tar that can be read at any place; :exc:`BakeryError` where there is none.

    Manifests tell the layers where the archive has them (Docker Engine 25 and newer), else ``manifest.json`` does.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            return _read(tar, platform)
    except UNREADABLE as error:
        raise BakeryError(f"an image archive cannot be read: {error!r}") from None


def _read(tar: tarfile.TarFile, platform: str) -> SavedImage:
    names = set(tar.getnames())
    digest, manifest = "", None
    if "index.json" in names:
        digest, manifest = _manifest(tar, names, platform)
    if manifest is not None:
        parsed = manifest_of(manifest)
        config, blobs = _json(tar, _blob(parsed.config)), [_blob(layer.digest) for layer in parsed.layers]
    else:
        docker = _json(tar, "manifest.json")[0]
        config, blobs = _json(tar, docker["Config"]), list(docker["Layers"])
    read = [_Layer(tar, name, first=number == 0) for number, name in enumerate(blobs)]
    sizes = tuple(layer.size for layer in read)
    return SavedImage(
        digest=digest,
        layers=labelled(sizes, config),
        parts=anatomy([(layer.entries, layer.size.compressed_bytes, layer.weights) for layer in read]),
        files=final_files(layer.entries for layer in read),
        config=config,
        estimated=any(size.method == "none" for size in sizes),
    )


def _manifest(tar: tarfile.TarFile, names: set[str], platform: str) -> tuple[str, dict[str, Any] | None]:
    """The manifest for ``platform`` and its digest, through nested indexes; ``None`` where the index is empty."""
    digest, content = "", _json(tar, "index.json")
    while is_index(content):
        if not content.get("manifests"):
            return "", None
        descriptor = pick(content, platform)
        digest = str(descriptor["digest"])
        if _blob(digest) not in names:
            raise ManifestError(f"the archive does not hold {platform}: {digest} is missing")
        content = _json(tar, _blob(digest))
    return digest, content


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _open(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = tar.extractfile(name)
    if stream is None:
        raise ManifestError(f"{name} in the archive is no file")
    return stream


def _json(tar: tarfile.TarFile, name: str) -> Any:
    return json.load(_open(tar, name))


class _Layer:
    """A layer read once: its entries, and each part packed by itself where it is not a base, which is one part."""

    def __init__(self, tar: tarfile.TarFile, name: str, *, first: bool) -> None:
        self.entries: list[Entry] = []
        self.weights: dict[Part, int] = {}
        method = _method(_open(tar, name).read(512))
        if first:
            with _unpacked(_open(tar, name), method) as files:
                self.entries = [_entry(member) for member in files]
        if not (first and is_base(self.entries)):
            self._weigh(tar, name, method)
        packed = tar.getmember(name).size if method != "none" else _gzip_size(_open(tar, name))
        algorithm, _, digest = name.removeprefix("blobs/").partition("/")
        self.size = LayerSize(f"{algorithm}:{digest}" if name.startswith("blobs/") else name, method, packed)

    def _weigh(self, tar: tarfile.TarFile, name: str, method: str) -> None:
        packers: dict[Part, Any] = {}
        self.entries = []
        with _unpacked(_open(tar, name), method) as files:
            for member in files:
                entry = _entry(member)
                self.entries.append(entry)
                part = classify(f"{entry.path}/" if entry.folder else entry.path)
                if part not in packers:
                    packers[part] = _packer(method)
                packer = packers[part]
                weight = len(packer.compress(member.tobuf()))
                stream = files.extractfile(member) if member.isfile() else None
                while stream is not None and (chunk := stream.read(CHUNK)):
                    weight += len(packer.compress(chunk))
                self.weights[part] = self.weights.get(part, 0) + weight
        for part, packer in packers.items():
            self.weights[part] += len(packer.flush())


def _method(head: bytes) -> str:
    """How a layer is packed, by its first bytes; :exc:`ManifestError` where they are of no kind that is known."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    if head[257:262] == b"ustar" or not head.strip(b"\0"):
        return "none"
    raise ManifestError("a layer is packed in a way that is not known: expected gzip, zstd or a tar as it is")


@contextmanager
def _unpacked(stream: IO[bytes], method: str) -> Iterator[tarfile.TarFile]:
    """The tar in a layer, to be read from its beginning to its end."""
    opened: Any = stream
    if method == "gzip":
        opened = gzip.GzipFile(fileobj=stream)
    elif method == "zstd":
        from zstandard import ZstdDecompressor

        opened = ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    with opened, tarfile.open(fileobj=io.BufferedReader(opened, CHUNK), mode="r|") as files:
        yield files


def _packer(method: str) -> Any:
    """An object with ``compress`` and ``flush``, for one part of a layer."""
    if method == "zstd":
        from zstandard import ZstdCompressor

        return ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    return zlib.compressobj(GZIP_LEVEL, wbits=31)


def _gzip_size(stream: IO[bytes]) -> int:
    packer, size = zlib.compressobj(GZIP_LEVEL, wbits=31), 0
    while chunk := stream.read(CHUNK):
        size += len(packer.compress(chunk))
    return size + len(packer.flush())


def _entry(member: tarfile.TarInfo) -> Entry:
    path = member.name.removeprefix("./").strip("/")
    link = member.linkname if member.issym() else ""
    return Entry(path, member.size if member.isreg() else 0, link, member.isdir())
