"""How the layers of an image are packed: values of ``--compression`` and of the catalog."""

import re
from dataclasses import dataclass

from bakery.errors import InputError

LEVELS = {"gzip": (1, 12), "zstd": (1, 19)}
"""Lowest and highest level of each method. gzip's levels above zlib's 9 are libdeflate's. From zstd's level 20 on,
unpacking needs more memory than a decoder has to support (RFC 8878: 8 MiB); restricted to that, these levels gain
0.1 %."""


@dataclass(frozen=True)
class Compression:
    """A method and its level; without a level, layers stay as the engine compressed them.

    ``marked``: the last layer's tar ends in more zeros, so that an image with the same files has a different chain of
    layers. BuildKit identifies a base by that chain: a builder that knows both would use the layers that it saw first.
    """

    method: str
    level: int | None
    marked: bool = False

    def __str__(self) -> str:
        return self.method if self.level is None else f"{self.method}:{self.level}"


def parse_compression(text: str) -> Compression:
    """``gzip``, ``gzip:9``, ``zstd`` (level 19) or ``zstd:3``; :exc:`InputError` for anything else."""
    match = re.fullmatch(r"([a-z]+)(?::([0-9]{1,3}))?", text.strip())
    method = match[1] if match else ""
    if match is None or method not in LEVELS:
        raise InputError(
            f"unknown compression {text!r}: expected a method, or a method and its level",
            hint="Available: gzip (by the engine), gzip:1 to gzip:12, zstd (the same as zstd:19), zstd:1 to zstd:19.",
        )
    lowest, highest = LEVELS[method]
    level = int(match[2]) if match[2] else highest if method == "zstd" else None
    if level is not None and not lowest <= level <= highest:
        raise InputError(f"--compression={text}: expected a level from {lowest} to {highest}, found {level}")
    return Compression(method, level)
