"""How large an image is, from the image itself; and how large the official one is, from a recorded baseline."""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

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
            (one["tag"], one["platform"]): Official(one["tag"], one["release"], int(one["compressed_bytes"])) for one in images
        }
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{file}: expected images with tag, platform, release and compressed_bytes: {error!r}") from None


def official_size(baseline: dict[tuple[str, str], Official], catalog: Catalog, image: Image) -> Official | None:
    """The official image that ``image`` is compared with; for a series before its first release the ``-rc`` one."""
    pattern = catalog.family_of(image.target).official
    for series in (image.series.name, f"{image.series.name}-rc"):
        tag = pattern.format(series=series, target=image.target.name)
        if (tag, image.platform) in baseline:
            return baseline[tag, image.platform]
    return None


class _Chunks:
    """Turns an iterable of byte strings into something with ``read``."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks, self.rest = iter(chunks), b""

    def read(self, size: int) -> bytes:
        while len(self.rest) < size:
            try:
                self.rest += next(self.chunks)
            except StopIteration:
                break
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


class _Counting:
    """Counts the bytes read through it, and those that gzip -6 would make of them where ``pack`` is set."""

    def __init__(self, stream: IO[bytes], *, pack: bool) -> None:
        self.stream, self.size = stream, 0
        self.packer = zlib.compressobj(6, wbits=31) if pack else None

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.size += len(self.packer.compress(data)) if self.packer else len(data)
        return data

    def finish(self) -> int:
        while self.read(1 << 20):
            pass
        return self.size + (len(self.packer.flush()) if self.packer else 0)


def saved_size(chunks: Iterable[bytes]) -> Size:
    """Sizes from the stream of ``docker save`` (an OCI image layout in a tar).

    An engine without the containerd image store keeps layers uncompressed: then ``compressed_bytes`` is what gzip -6
    makes of them, the level that registries are commonly served with.
    """
    compressed = disk = 0
    with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as outer:  # type: ignore[arg-type]
        for member in outer:
            stream = outer.extractfile(member) if member.isfile() else None
            if stream is None or member.size < 4:
                continue
            magic = stream.read(2)
            stream.seek(0)
            packed = magic == b"\x1f\x8b"
            if magic[:1] in b"{[" or not (packed or _is_tar(stream, member.size)):
                continue
            counting = _Counting(stream, pack=not packed)
            source: Any = gzip.GzipFile(fileobj=counting) if packed else counting  # type: ignore[call-overload]
            with tarfile.open(fileobj=source, mode="r|") as layer:
                disk += sum(entry.size for entry in layer if entry.isfile())
            compressed += counting.finish()
    return Size(compressed, disk)


def _is_tar(stream: IO[bytes], size: int) -> bool:
    """Whether a POSIX tar header stands at the start; the stream is left there."""
    header = stream.read(512) if size >= 512 else b""
    stream.seek(0)
    return header[257:262] == b"ustar"
