"""What a tarball says it is, before anybody trusts it: its release, its day, and the pip that ensurepip brings."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import tarfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bakery.errors import SourceError

__all__ = ["Contents", "inspect"]

LARGEST = 600_000_000
"""Bytes that a tarball may unpack to; CPython's are below 200 MB."""
MEMORY = 256 << 20
"""Bytes of memory that xz may ask for; -9 needs 65 MiB."""
CHUNK = 1 << 18
XZ, GZIP = b"\xfd7zXZ\x00", b"\x1f\x8b"


@dataclass(frozen=True)
class Contents:
    """What is read out of a tarball of CPython. ``pip`` is empty where ensurepip bundles none.

    ``date`` is the day of its newest file (UTC, ``YYYY-MM-DD``): upstream packs a release on the day that it is made.
    """

    release: str
    pip: str
    date: str


class _Xz:
    """One stream of xz, within ``MEMORY``: the standard library's file object lets a file ask for 4 GiB."""

    def __init__(self, file: Path) -> None:
        self.raw, self.inner = file.open("rb"), lzma.LZMADecompressor(memlimit=MEMORY)
        self.close = self.raw.close

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, none at the end."""
        data = b""
        while not data and not self.inner.eof:
            more = self.raw.read(CHUNK) if self.inner.needs_input else b""
            if self.inner.needs_input and not more:
                raise EOFError("it ends in the middle")
            data = self.inner.decompress(more, size)
        return data


class _Unpacked(io.RawIOBase):
    """The tar inside a .tar.xz or .tgz, read in pieces that stay small whatever the file says of itself."""

    def __init__(self, file: Path) -> None:
        with file.open("rb") as stream:
            head = stream.read(6)
        if not head.startswith((XZ, GZIP)):
            raise ValueError(f"it is neither xz nor gzip: it begins with {head!r}")
        self.stream = _Xz(file) if head == XZ else gzip.GzipFile(file)
        self.size = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(min(len(buffer), CHUNK))
        buffer[: len(data)] = data
        self.size += len(data)
        if self.size > LARGEST:
            raise ValueError(f"it unpacks to more than {LARGEST} bytes")
        return len(data)


def inspect(file: Path, release: str) -> Contents:
    """What the tarball ``file`` holds; :exc:`SourceError` unless that is CPython's ``release``, whole and in order.

    The whole archive is read, nothing is written. A good signature says whose file it is, not which: an older release
    under a newer one's name is told by its own ``patchlevel.h``.
    """
    top, found, wheels, newest = f"Python-{release}", "", list[str](), 0
    try:
        with _Unpacked(file) as unpacked, tarfile.open(fileobj=io.BufferedReader(unpacked, CHUNK), mode="r|") as tar:
            for member in tar:
                if member.name != top and not member.name.startswith(f"{top}/"):
                    raise ValueError(f"it holds {member.name!r}; expected everything below {top}/")
                newest = max(newest, int(member.mtime))
                if member.name == f"{top}/Include/patchlevel.h":
                    text = tar.extractfile(member)
                    assert text is not None
                    line = re.search(rb'(?m)^#define PY_VERSION\s+"([^"]*)"', text.read(CHUNK))
                    found = line[1].decode("ascii", "replace") if line else ""
                wheel = re.fullmatch(rf"{re.escape(top)}/Lib/ensurepip/_bundled/pip-([^-]+)-.*\.whl", member.name)
                wheels += [wheel[1]] if wheel else []
        date = f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d}"
    except (
        ValueError,
        OverflowError,
        EOFError,
        OSError,
        AssertionError,
        lzma.LZMAError,
        tarfile.TarError,
        zlib.error,
    ) as error:
        raise SourceError(f"{file.name} is no tarball of Python {release}: {error}") from None
    if found != release:
        raise SourceError(f"{file.name} is not Python {release}: its Include/patchlevel.h says {found or 'nothing'}")
    return Contents(found, wheels[-1] if wheels else "", date)
