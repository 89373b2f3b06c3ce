"""Reads xz with a memory limit, which the standard library's file object lacks."""

import io
import lzma
from typing import IO, Any

CHUNK = 1 << 20
MEMORY = 128 << 20
"""Bytes that the decompressor may take; zstd's own limit is the same, and xz -9 needs 65 MiB."""


def decompress_xz(data: bytes, limit: int) -> bytes:
    """What ``data`` unpacks to; lzma.LZMAError, EOFError, or ValueError if that is more than ``limit`` bytes."""
    unpacked = io.BufferedReader(XzReader(io.BytesIO(data)), CHUNK).read(limit + 1)
    if len(unpacked) > limit:
        raise ValueError(f"it unpacks to more than {limit} bytes")
    return unpacked


class XzReader(io.RawIOBase):
    """Decompresses xz within :data:`MEMORY`; without a limit, a file of 1 MB can take 4 GB."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.stream = raw, lzma.LZMADecompressor(memlimit=MEMORY)

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of ``buffer``; returns 0 at the end of the last stream."""
        data = b""
        while not data:
            packed = self.raw.read(CHUNK) if self.stream.needs_input and not self.stream.eof else b""
            if self.stream.eof:
                packed = (self.stream.unused_data or self.raw.read(CHUNK)).lstrip(b"\0")
                if not packed:
                    return 0
                self.stream = lzma.LZMADecompressor(memlimit=MEMORY)
            elif self.stream.needs_input and not packed:
                raise EOFError("unexpected end of the file")
            data = self.stream.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)
