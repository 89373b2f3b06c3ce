"""What a tarball contains, before it is trusted: its release, its date, and the pip that ensurepip bundles."""

import re
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from os.path import dirname, join, normpath
from pathlib import Path

from bakery.catalog import Pin
from bakery.errors import SourceError
from bakery.tar import FEW, method_of, open_compressed_tar, read_errors

MAX_UNPACKED = 600_000_000
"""Bytes that a tarball may unpack to; CPython's are below 200 MB."""
CHUNK = 1 << 18


def _require_compression(file: Path) -> None:
    """:exc:`ValueError` unless ``file`` has one of the two compressions of upstream's releases."""
    with file.open("rb") as stream:
        head = stream.read(6)
    if method_of(head) not in ("xz", "gzip"):
        raise ValueError(f"expected xz or gzip, but the file begins with {head!r}")


def _require_inside(top: str, member: tarfile.TarInfo) -> None:
    """:exc:`ValueError` unless ``member`` is a file or folder below ``top``, or a link to one."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise ValueError(f"it contains {member.name!r}, which is neither a file, a folder nor a link")
    target = join(dirname(member.name), member.linkname) if member.issym() else member.linkname or member.name
    tops = {normpath(name).partition("/")[0] for name in (member.name, target)}
    if member.name != normpath(member.name) or tops != {top}:
        shown = f"{member.name} -> {member.linkname}" if member.linkname else member.name
        raise ValueError(f"it contains {shown!r}; expected everything below {top}/")


def inspect_tarball(file: Path, pin: Pin) -> Pin:
    """``pin`` with what its tarball ``file`` contains; :exc:`SourceError` if that is not a complete tarball of it.

    The date is the day of the newest file (UTC): upstream packs a release on the day it is published. The whole archive
    is read, nothing is written. A good signature proves who made a file, not which release it is: an older release
    under the name of a newer one is detected by its own ``patchlevel.h``.
    """
    release = pin.release
    top, version, pip, newest = f"Python-{release}", "", "", 0
    try:
        _require_compression(file)
        with open_compressed_tar(file.open("rb"), whole=True, limit=FEW, largest=MAX_UNPACKED) as tar:
            for member in tar:
                _require_inside(top, member)
                newest = max(newest, int(member.mtime))
                if member.name == f"{top}/Include/patchlevel.h":
                    text = tar.extractfile(member)
                    if text is None:
                        raise ValueError("its Include/patchlevel.h is not a file")
                    line = re.search(rb'(?m)^#define PY_VERSION\s+"([^"]*)"', text.read(CHUNK))
                    version = line[1].decode("ascii", "replace") if line else ""
                wheel = re.fullmatch(rf"{re.escape(top)}/Lib/ensurepip/_bundled/pip-([^-]+)-.*\.whl", member.name)
                pip = wheel[1] if wheel else pip
        date = f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d}"
    except read_errors() as error:
        raise SourceError(f"{file.name} is not a tarball of Python {release}: {error}") from None
    if version != release:
        named = version or "no version"
        raise SourceError(f"{file.name} is not Python {release}: its Include/patchlevel.h is of {named}")
    return replace(pin, date=date, pip=pip)
