"""Compresses streams, and decompresses files, whose compression is recognised by their first bytes."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol, Self, cast

import deflate

from bakery.oci.manifests import ManifestError
from bakery.xz import XzReader

CHUNK = 1 << 20
ZLIB_BEST = 9
LARGEST = 32 << 30
"""Bytes of the largest layer, uncompressed. A layer of 1 MB can unpack to 1 GB and more."""
LONGEST_HEADER, HEADERS = 128 << 10, 64 << 20
"""Bytes of an extended header, and of all names plus 200 for each member: enough for 300,000 ordinary files."""
TOO_LARGE = "an archive is damaged or hostile: it has too many files, too long names, or too much data"
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Compressor(Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Compress ``data``; returns what is complete."""

    def flush(self) -> bytes:
        """The end of the compressed stream."""


def compressor(method: str, level: int | None, threads: int = 0) -> Compressor:
    """A zstd compressor if that is the ``method``, else a gzip one; without a ``level``, with the library's default.

    With one thread or more, the output of zstd does not depend on their number; without threads it differs.
    """
    if method == "zstd":
        from zstandard import ZstdCompressor

        return ZstdCompressor(level=level or 0, threads=threads).compressobj()
    return zlib.compressobj(level or -1, wbits=31)


def compressed(chunks: Iterable[bytes], method: str, level: int | None) -> Iterator[bytes]:
    """``chunks`` as a compressed stream: by libdeflate, which takes them as a whole, if zlib has no such ``level``.

    Layers of 3.13.15 on bookworm (127.8 MB): libdeflate's level 12 makes 43.94 MB in 16 s of CPU time, zlib's level 9
    45.90 MB in 14 s, zopfli with 5 iterations 44.16 MB in 170 s.
    """
    if method == "gzip" and level and level > ZLIB_BEST:
        yield bytes(deflate.gzip_compress(b"".join(chunks), level))
        return
    packer = compressor(method, level, os.cpu_count() or 1)
    yield from map(packer.compress, chunks)
    yield packer.flush()


def library_of(method: str, level: int | None) -> str:
    """The version of the library that compresses, on which the bytes depend."""
    from zstandard import ZSTD_VERSION

    zlib_or_deflate = deflate.__version__ if (level or 0) > ZLIB_BEST else zlib.ZLIB_RUNTIME_VERSION
    return ".".join(map(str, ZSTD_VERSION)) if method == "zstd" else zlib_or_deflate


def method_of(head: bytes) -> str:
    """The compression of a file that begins with ``head``: gzip, bzip2, xz, zstd or none."""
    return next((method for magic, method in MAGIC.items() if head.startswith(magic)), "none")


def is_tar(head: bytes) -> bool:
    """Whether an uncompressed file that begins with ``head``, 512 bytes, is a tar; an empty tar is all zeros."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return len(head) == tarfile.BLOCKSIZE and not head.strip(b"\0")
    return True


@contextmanager
def decompressed(stream: IO[bytes]) -> Iterator[io.BufferedReader]:
    """The decompressed content of ``stream``, which is read from its start and closed at the end."""
    raw = io.BufferedReader(cast(io.RawIOBase, stream), CHUNK)
    method, opened = method_of(raw.peek()), cast(Any, raw)
    if method == "zstd":
        from zstandard import ZstdDecompressor

        opened = ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    elif method != "none":
        openers: dict[str, Callable[[Any], Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": XzReader}
        opened = openers[method](raw)
    with raw, opened, io.BufferedReader(opened, CHUNK) as buffered:
        yield buffered


class _Member(tarfile.TarInfo):
    """A header of limited size; sparse files, whose maps are not limited, do not occur in layers."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if (member.type in b"xgXLK" and member.size > LONGEST_HEADER) or member.type == tarfile.GNUTYPE_SPARSE:
            raise ManifestError(TOO_LARGE)
        return member

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise ManifestError(TOO_LARGE)


class WholeMember(_Member):
    """A header of a tar that must be complete: one that is cut between two members otherwise seems to end there."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        if not buf:
            raise tarfile.ReadError("it was cut off: the zeros that end a tar are missing")
        return super().frombuf(buf, encoding, errors)


class _Layer(tarfile.TarFile):
    """A tar that is read once from beginning to end, without a list of its members, and within limits."""

    tarinfo = _Member
    members: list[tarfile.TarInfo]
    total = 0

    def next(self) -> tarfile.TarInfo | None:
        try:
            member = super().next()
        except RecursionError:  # a header that extends a header that extends a header
            raise ManifestError(TOO_LARGE) from None
        self.members.clear()
        if member is not None:
            self.total += sum(map(len, (member.name, member.linkname, *member.pax_headers.values()))) + 200
            if max(self.total, len(self.pax_headers) << 20) > HEADERS or member.offset_data + member.size > LARGEST:
                raise ManifestError(TOO_LARGE)
        return member


@contextmanager
def open_compressed_tar(stream: IO[bytes], *, whole: bool = False) -> Iterator[tarfile.TarFile]:
    """The tar in ``stream``, to be read once from beginning to end; :exc:`ManifestError` if it is not one.

    ``whole``: without the zeros that end a tar, reading it fails. A layer may lack them: its digest is checked.
    """
    with decompressed(stream) as buffered:
        if not is_tar(buffered.peek()[: tarfile.BLOCKSIZE]):
            raise ManifestError("unknown compression: expected gzip, bzip2, xz, zstd or an uncompressed tar")
        with _Layer.open(fileobj=buffered, mode="r|", tarinfo=WholeMember if whole else _Member) as tar:
            yield tar


def read_errors() -> tuple[type[Exception], ...]:
    """What reading a damaged archive or compressed file raises."""
    from zstandard import ZstdError

    return (
        tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, ZstdError, LookupError, TypeError, ValueError,
        AttributeError, RecursionError, ArithmeticError,
    )  # fmt: skip
