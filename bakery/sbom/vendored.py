"""What CPython carries of others' code, read out of its tarball.

Upstream lists it in Misc/sbom.spdx.json (from 3.12 on), with versions and digests of what it was taken from. What that
list leaves out, and everything in older releases, is told by the headers.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakery.errors import SourceError
from bakery.sbom.components import Component, Licences, purl

__all__ = ["bundled_in", "cpython"]

LIST = "Misc/sbom.spdx.json"
EXPAT, DECIMAL, MIMALLOC, MACHOLIB, BLAKE2, KECCAK, TINY_SHA3 = (
    "Modules/expat/expat.h", "Modules/_decimal/libmpdec/mpdecimal.h", "Include/internal/mimalloc/mimalloc.h",
    "Lib/ctypes/macholib/__init__.py", "Modules/_blake2/impl/blake2.h", "Modules/_sha3/kcp/KeccakHash.h",
    "Modules/_sha3/sha3.h",
)  # fmt: skip
READ = (LIST, EXPAT, DECIMAL, MIMALLOC, MACHOLIB, BLAKE2, KECCAK, TINY_SHA3)
PYTHON_ORG = "https://www.python.org/ftp/python"


def cpython(release: str, file: str, sha256: str) -> Component:
    """CPython itself, by the tarball that it was compiled from."""
    base = re.sub(r"(a|b|rc)\d+$", "", release)
    update = release.removeprefix(base) or "*"
    download = f"{PYTHON_ORG}/{base}/{file}"
    return Component(
        "generic", "CPython", release, purl("generic", "python", release), "Python-2.0",
        "Organization: Python Software Foundation", "https://www.python.org/", download, sha256,
        f"cpe:2.3:a:python:python:{base}:{update}:*:*:*:*:*:*",
    )  # fmt: skip


def bundled_in(tarball: Path, release: str, licences: Licences) -> list[Component]:
    """The components in ``tarball``, by name; :exc:`SourceError` where it cannot be read."""
    top = f"Python-{release}/"
    wanted = {f"{top}{name}": name for name in READ}
    found: dict[str, str] = {}
    try:
        with tarfile.open(tarball) as tar:
            for member in tar:
                if member.name in wanted and (stream := tar.extractfile(member)) is not None:
                    found[wanted[member.name]] = stream.read().decode("utf-8", "replace")
        return _components(found, licences)
    except (OSError, EOFError, tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise SourceError(f"{tarball.name} does not tell what it bundles: {error!r}") from None


def _components(files: Mapping[str, str], licences: Licences) -> list[Component]:
    listed = [_listed(one, licences) for one in json.loads(files.get(LIST, "{}")).get("packages", [])]
    # Early lists have pip as well, which an image is asked about itself.
    known = {one.name: one for one in listed if one.name in licences.bundled}
    for name, version in _headers(files).items():
        if name not in known and not (name == "blake2" and "libb2" in known):
            known[name] = _part(name, version, licences)
    return [known[name] for name in sorted(known)]


def _headers(files: Mapping[str, str]) -> dict[str, str]:
    """Name and version of what headers tell; an empty version where they tell only that it is there."""
    found = {}
    numbers = re.findall(r"(?m)^#define XML_(?:MAJOR|MINOR|MICRO)_VERSION (\d+)", files.get(EXPAT, ""))
    if numbers:
        found["expat"] = ".".join(numbers)
    for name, file, pattern in (
        ("mpdecimal", DECIMAL, r'(?m)^#define MPD_VERSION "([\d.]+)"'),
        ("macholib", MACHOLIB, r"(?m)^__version__ = '([\d.]+)'"),
    ):
        if said := re.search(pattern, files.get(file, "")):
            found[name] = said[1]
    if said := re.search(r"(?m)^#define MI_MALLOC_VERSION (\d)(\d)(\d)\b", files.get(MIMALLOC, "")):
        found["mimalloc"] = ".".join(said.groups())
    for name, file in (("blake2", BLAKE2), ("keccak-code-package", KECCAK), ("tiny-sha3", TINY_SHA3)):
        if file in files:
            found[name] = ""
    return found


def _listed(package: Mapping[str, Any], licences: Licences) -> Component:
    """A package of upstream's own list."""
    refs = {one["referenceType"]: one["referenceLocator"] for one in package.get("externalRefs", [])}
    sums = {one["algorithm"]: one["checksumValue"] for one in package.get("checksums", [])}
    part = _part(package["name"], package["versionInfo"], licences)
    return Component(
        "bundled", part.name, part.version, refs.get("purl", part.purl), part.licence, package.get("originator", ""),
        "", package.get("downloadLocation", ""), sums.get("SHA256", ""), refs.get("cpe23Type", ""), "CPython",
    )  # fmt: skip


def _part(name: str, version: str, licences: Licences) -> Component:
    vendor = {"expat": "libexpat_project:libexpat", "mpdecimal": "bytereef:mpdecimal"}.get(name, "")
    cpe = f"cpe:2.3:a:{vendor}:{version}:*:*:*:*:*:*:*" if vendor else ""
    licence = licences.bundled.get(name, "")
    return Component("bundled", name, version, purl("generic", name, version), licence, cpe=cpe, within="CPython")
