"""Opens tar files that are read, compressed or not, within limits.

Nothing else opens them: Python's ``tarfile`` loops forever on a header of negative size (CVE-2025-8194, in 3.11.7),
and keeps names of any length in memory.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Self, cast

from bakery.errors import BakeryError
from bakery.xz import XzReader

CHUNK = 1 << 20
LARGEST = 32 << 30
"""Bytes of the largest tar, uncompressed. A layer of 1 MB can unpack to 1 GB and more."""
LONGEST_HEADER, HEADERS = 128 << 10, 64 << 20
"""Bytes of an extended header, and of all names plus 200 for each member: enough for 300,000 ordinary files."""
FEW = 8 << 20
"""The same of an archive of at most 30,000 ordinary files, whose list of members may be kept."""
TOO_LARGE = "an archive is damaged or hostile: it has too many files, too long names, or too much data"
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class TarError(BakeryError, tarfile.ReadError):
    """A tar is not one, is cut off, or exceeds a limit. It is among :func:`read_errors`."""


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


class _Hashed(io.RawIOBase):
    """A stream whose bytes are added to ``checksum`` as they are read."""

    def __init__(self, stream: IO[bytes], checksum: "hashlib._Hash") -> None:
        self.stream, self.checksum = stream, checksum

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self.stream.read(len(buffer))
        self.checksum.update(data)
        buffer[: len(data)] = data
        return len(data)


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
    """A header of limited size; sparse files, whose maps are not limited, do not occur in images or releases."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if (member.type in b"xgXLK" and member.size > LONGEST_HEADER) or member.type == tarfile.GNUTYPE_SPARSE:
            raise TarError(TOO_LARGE)
        if member.size < 0:
            raise TarError("an archive is damaged or hostile: a file has a negative size")
        return member

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise TarError(TOO_LARGE)


class _WholeMember(_Member):
    """A header of a tar that must be complete: ``tarfile`` takes a damaged header for the end of it."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # zeros
            raise
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError):  # type: ignore[attr-defined]
            raise TarError("it was cut off: the zeros that end a tar are missing") from None
        except tarfile.HeaderError as error:
            raise TarError(f"it is damaged: a file's header is not valid ({error})") from None


class _Tar(tarfile.TarFile):
    """A tar that is read within limits; if it is read as a stream, without a list of its members."""

    members: list[tarfile.TarInfo]
    total, limit, largest, listed = 0, HEADERS, LARGEST, False

    def next(self) -> tarfile.TarInfo | None:
        try:
            member = super().next()
        except RecursionError:  # a header that extends a header that extends a header
            raise TarError(TOO_LARGE) from None
        if not self.listed:
            self.members.clear()
        if member is not None:
            self.total += sum(map(len, (member.name, member.linkname, *member.pax_headers.values()))) + 200
            size = member.offset_data + member.size
            # An extended header replaces the size.
            if max(self.total, len(self.pax_headers) << 20) > self.limit or size > self.largest or member.size < 0:
                raise TarError(TOO_LARGE)
        return member


class _Listed(_Tar):
    """A tar with a list of its members, which are accessed by name."""

    limit, listed = FEW, True


def open_archive(stream: IO[bytes]) -> tarfile.TarFile:
    """The uncompressed tar in the seekable ``stream``, whose members are accessed by name: :data:`FEW` of them."""
    return _Listed.open(fileobj=stream, mode="r:", tarinfo=_Member)


def open_stream(
    stream: IO[bytes], *, whole: bool = False, limit: int = HEADERS, largest: int = LARGEST
) -> tarfile.TarFile:
    """The uncompressed tar in ``stream``, to be read once from beginning to end: only its ``read`` is called.

    ``whole``: without the zeros that end a tar, reading it fails. A layer may lack them: its digest is checked.
    ``limit``: :data:`HEADERS`, or :data:`FEW`. ``largest``: the most bytes that it may have.
    """
    tar = _Tar.open(fileobj=stream, mode="r|", tarinfo=_WholeMember if whole else _Member)
    tar.limit, tar.largest = limit, largest
    return tar


@contextmanager
def open_compressed_tar(
    stream: IO[bytes], *, whole: bool = False, limit: int = HEADERS, largest: int = LARGEST, digest: str = ""
) -> Iterator[tarfile.TarFile]:
    """The tar in ``stream``, compressed or not, like :func:`open_stream`; :exc:`TarError` if it is not one.

    ``whole``: in the end, what follows the tar is read too, because the checksum of a compressed file comes last.
    ``digest``: in the end, what was not read is read, and the uncompressed bytes must have this digest.
    """
    checksum = hashlib.new(digest.partition(":")[0] or "sha256")
    with decompressed(stream) as unpacked:
        buffered = io.BufferedReader(_Hashed(unpacked, checksum), CHUNK) if digest else unpacked
        if not is_tar(buffered.peek()[: tarfile.BLOCKSIZE]):
            raise TarError("unknown compression: expected gzip, bzip2, xz, zstd or an uncompressed tar")
        with open_stream(buffered, whole=whole, limit=limit, largest=largest) as tar:
            yield tar
        rest = 0
        while (whole or digest) and (chunk := buffered.read(CHUNK)):
            rest += len(chunk)
            if rest > largest:
                raise TarError(TOO_LARGE)
        if digest and checksum.hexdigest() != digest.partition(":")[2]:
            raise TarError(f"an archive is damaged or hostile: it does not unpack to {digest}")


def read_errors() -> tuple[type[Exception], ...]:
    """What reading a damaged archive or compressed file raises."""
    from zstandard import ZstdError

    return (
        tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, ZstdError, LookupError, TypeError, ValueError,
        AttributeError, RecursionError, ArithmeticError,
    )  # fmt: skip
