"""Compares two image archives bit for bit: whether two builds made the same image, and where they differ if not.

What is compared is what a registry would get: the manifest's digest stands for configuration and layers. Where that
differs, each pair of layers is read file by file.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bakery.catalog import Platform
from bakery.oci import ImageArchive, image_archive, open_layer

__all__ = ["Difference", "compare_archives", "diffoscope"]

KEPT = 32 << 20
"""Bytes of the largest file whose content is kept to say where it differs."""
AROUND = 8
"""Bytes that are shown from the first difference on."""


@dataclass(frozen=True)
class Difference:
    """One thing that two images do not share: in the configuration (no path), or a file of a layer (from 1 on)."""

    layer: int
    path: str
    what: str


@dataclass(frozen=True)
class _File:
    header: tuple[Any, ...]
    sha256: str
    content: bytes | None


def compare_archives(first: Path, second: Path, platform: Platform) -> list[Difference]:
    """What differs between the images for ``platform`` in two archives; nothing where their manifests are the same.

    Raises :exc:`bakery.errors.BakeryError` where an archive cannot be read.
    """
    with (
        first.open("rb") as one, second.open("rb") as other,
        image_archive(one, platform) as left, image_archive(other, platform) as right,
    ):  # fmt: skip
        if left.digest and left.digest == right.digest:
            return []
        found = list(_configurations(left.config, right.config))
        if len(left.layers) != len(right.layers):
            found.append(Difference(0, "", f"{len(left.layers)} layers against {len(right.layers)}"))
        for number, names in enumerate(zip(left.layers, right.layers, strict=False), 1):
            if names[0] != names[1]:
                found += _layers(number, _files(left, names[0]), _files(right, names[1]))
    return found


def _configurations(left: dict[str, Any], right: dict[str, Any]) -> Iterator[Difference]:
    for key in sorted({*left, *right} - {"rootfs"}):
        one, other = left.get(key), right.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (Difference(0, "", f"{key}.{below.what}") for below in _configurations(one, other))
        elif one != other:
            yield Difference(0, "", f"{key}: {one!r} against {other!r}")


def _layers(number: int, left: dict[str, _File], right: dict[str, _File]) -> Iterator[Difference]:
    if left == right:
        order = "the same files in another order" if list(left) != list(right) else "the same files, packed differently"
        yield Difference(number, "", order)
    for path in sorted({*left, *right}):
        one, other = left.get(path), right.get(path)
        if one is None or other is None:
            yield Difference(number, path, f"only in the {'second' if one is None else 'first'}")
        elif one.header != other.header:
            names = ("type", "mode", "uid", "gid", "time", "link", "size")
            pairs = zip(names, one.header, other.header, strict=True)
            yield Difference(number, path, ", ".join(f"{name} {a!r} against {b!r}" for name, a, b in pairs if a != b))
        elif one.sha256 != other.sha256:
            yield Difference(number, path, _bytes(one.content, other.content))


def _bytes(left: bytes | None, right: bytes | None) -> str:
    if left is None or right is None:
        return "other bytes"
    wrong = [at for at, (one, other) in enumerate(zip(left, right, strict=True)) if one != other]
    at = wrong[0]
    shown = f"{left[at : at + AROUND].hex(' ')} against {right[at : at + AROUND].hex(' ')}"
    return f"{len(wrong)} of {len(left)} bytes, first at {at}: {shown}"


def _files(archive: ImageArchive, layer: str) -> dict[str, _File]:
    with open_layer(archive.tar, layer) as files:
        return {member.name: _file(files, member) for member in files}


def _file(files: tarfile.TarFile, member: tarfile.TarInfo) -> _File:
    header = (member.type, member.mode, member.uid, member.gid, member.mtime, member.linkname, member.size)
    stream: IO[bytes] | None = files.extractfile(member) if member.isreg() else None
    content = stream.read() if stream else b""
    return _File(header, hashlib.sha256(content).hexdigest(), content if len(content) <= KEPT else None)


def diffoscope(first: Path, second: Path, report: Path) -> bool:
    """Let diffoscope explain in ``report`` (HTML) how two archives differ; ``False`` where it is not installed.

    It knows formats that this module does not: byte code, machine code, databases.
    """
    if not shutil.which("diffoscope"):
        return False
    with tempfile.TemporaryDirectory(dir=report.parent) as folder:
        subprocess.run(
            ["diffoscope", "--html", str(report), str(first), str(second)], cwd=folder, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return report.exists()
