"""Reads an image as ``docker save`` writes it, or an OCI layout in a tar: exact sizes, and what lies in each layer."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from bakery.catalog import Platform
from bakery.files import spooled
from bakery.oci import CHUNK, LayerSize, image_archive, labelled, method_of, open_member, unpacked
from bakery.records import Size
from bakery.sizes.breakdown import Entry, FileSize, Part, Share, anatomy, classify, final_files, is_base

__all__ = ["SavedImage", "read_image", "saved_image"]

GZIP_LEVEL = 6
"""The level that registries are commonly served with."""
ZSTD_LEVEL = 9
"""Level at which parts are weighed. Their proportions hardly depend on it, and level 19 would take a minute."""


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


def saved_image(chunks: Iterable[bytes], platform: Platform) -> SavedImage:
    """The image in the stream of ``docker save``; see :func:`read_image`. The stream is kept in a temporary file."""
    with spooled(chunks) as spool:
        return read_image(spool, platform)


def read_image(archive: IO[bytes], platform: Platform) -> SavedImage:
    """The image for ``platform`` in a tar that can be read at any place; :exc:`BakeryError` where there is none.

    Manifests tell the layers where the archive has them (Docker Engine 25 and newer), else ``manifest.json`` does.
    """
    with image_archive(archive, platform) as image:
        read = [_Layer(image.tar, name, first=number == 0) for number, name in enumerate(image.layers)]
        sizes = tuple(layer.size for layer in read)
        return SavedImage(
            digest=image.digest,
            layers=labelled(sizes, image.config),
            parts=anatomy([(layer.entries, layer.size.compressed_bytes, layer.weights) for layer in read]),
            files=final_files(layer.entries for layer in read),
            config=image.config,
            estimated=any(size.method == "none" for size in sizes),
        )


class _Layer:
    """A layer read once: its entries, and each part packed by itself where it is not a base, which is one part."""

    def __init__(self, tar: tarfile.TarFile, name: str, *, first: bool) -> None:
        self.entries: list[Entry] = []
        self.weights: dict[Part, int] = {}
        method = method_of(open_member(tar, name).read(512))
        if first:
            with unpacked(open_member(tar, name), method) as files:
                self.entries = [_entry(member) for member in files]
        if not (first and is_base(self.entries)):
            self._weigh(tar, name, method)
        packed = tar.getmember(name).size if method != "none" else _gzip_size(open_member(tar, name))
        algorithm, _, digest = name.removeprefix("blobs/").partition("/")
        self.size = LayerSize(f"{algorithm}:{digest}" if name.startswith("blobs/") else name, method, packed)

    def _weigh(self, tar: tarfile.TarFile, name: str, method: str) -> None:
        packers: dict[Part, Any] = {}
        self.entries = []
        with unpacked(open_member(tar, name), method) as files:
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
