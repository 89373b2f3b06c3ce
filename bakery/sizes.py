"""How large an image is, from the image itself; and how large the official one is, from a recorded baseline."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from bakery.errors import ConfigError
from bakery.models import Catalog, Image

__all__ = ["Official", "Size", "megabytes", "official_size", "read_baseline", "saved_size"]


@dataclass(frozen=True)
class Size:
    """Bytes of all layers as they are pulled (``compressed``) and of all files in them (``disk``)."""

    compressed_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Official:
    """The official image's tag, release, and compressed size in bytes, as recorded in shared/official-sizes.json."""

    tag: str
    release: str
    compressed_bytes: int


def megabytes(size: int | None) -> str:
    """Millions of bytes with one decimal, as registries count: ``44.4 MB``; ``-`` where nothing is known."""
    return "-" if size is None else f"{size / 1e6:.1f} MB"


def read_baseline(root: Path) -> dict[tuple[str, str], Official]:
    """Recorded sizes of official images by (tag, platform); :exc:`ConfigError` where the file is not sound."""
    file = root / "shared" / "official-sizes.json"
    try:
        images = json.loads(file.read_text(encoding="utf-8"))["images"]
        return {
            (one["tag"], one["platform"]): Official(one["tag"], one["release"], int(one["compressed_bytes"]))
            for one in images
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{file}: expected images with tag, platform, release and compressed_bytes: {error!r}"
        ) from None


def official_size(baseline: dict[tuple[str, str], Official], catalog: Catalog, image: Image) -> Official | None:
    """The official image that ``image`` is compared with; for a series before its first release the ``-rc`` one."""
    pattern = catalog.family_of(image.target).official
    for series in (image.series.number, f"{image.series.number}-rc"):
        tag = pattern.format(series=series, target=image.target.name)
        if (tag, image.platform) in baseline:
            return baseline[tag, image.platform]
    return None


class _Chunks(io.RawIOBase):
    """A stream over chunks of bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self.chunks, self.rest = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest:
            self.rest = next(self.chunks, b"")
        data, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _packed_sizes(chunks: Iterable[bytes], sizes: list[int]) -> Iterator[bytes]:
    """Pass ``chunks`` on and append to ``sizes`` what gzip -6 makes of them all."""
    packer, size = zlib.compressobj(6, wbits=31), 0
    for chunk in chunks:
        size += len(packer.compress(chunk))
        yield chunk
    sizes.append(size + len(packer.flush()))


def saved_size(chunks: Iterable[bytes]) -> Size:
    """Sizes from the stream of ``docker save`` (an OCI image layout in a tar).

    An engine without the containerd image store keeps layers uncompressed: then ``compressed_bytes`` is what gzip -6
    makes of them, the level that registries are commonly served with.
    """
    compressed = disk = 0
    with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks), 1 << 20), mode="r|") as outer:
        for member in outer:
            stream = outer.extractfile(member) if member.isfile() else None
            if stream is None:
                continue
            head = stream.read(512)
            blob: Iterator[bytes] = itertools.chain([head], iter(lambda s=stream: s.read(1 << 20), b""))  # type: ignore[misc]
            packed: list[int] = []
            if head.startswith(b"\x1f\x8b"):
                packed.append(member.size)
                layer: Any = gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(blob), 1 << 20))
            elif head[257:262] == b"ustar":  # the magic of a POSIX tar header
                layer = io.BufferedReader(_Chunks(_packed_sizes(blob, packed)), 1 << 20)
            elif head.startswith(b"\x28\xb5\x2f\xfd"):
                packed.append(member.size)
                chunked = io.BufferedReader(_Chunks(blob), 1 << 20)
                layer = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(chunked), 1 << 20)
            else:
                continue
            with tarfile.open(fileobj=layer, mode="r|") as files:
                disk += sum(file.size for file in files if file.isfile())
            while layer.read(1 << 20):
                pass
            compressed += packed[0]
    return Size(compressed, disk)
