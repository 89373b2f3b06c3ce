"""The third-party code that CPython bundles, read from its tarball.

Upstream lists it in Misc/sbom.spdx.json (from 3.12 on), with versions and the digests of the originals. What that list
omits, and everything in older releases, is read from headers.
"""

import re
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
from packageurl import PackageURL

from bakery.errors import SourceError
from bakery.sbom.components import Component, Licences, SpdxDocument, SpdxPackage

LIST = "Misc/sbom.spdx.json"
PATTERNS = {
    "expat": (
        "Modules/expat/expat.h",
        r"(?s)#define XML_MAJOR_VERSION (\d+).*?#define XML_MINOR_VERSION (\d+).*?#define XML_MICRO_VERSION (\d+)",
    ),
    "mpdecimal": ("Modules/_decimal/libmpdec/mpdecimal.h", r'(?m)^#define MPD_VERSION "([\d.]+)"'),
    "macholib": ("Lib/ctypes/macholib/__init__.py", r"(?m)^__version__ = '([\d.]+)'"),
    "mimalloc": ("Include/internal/mimalloc/mimalloc.h", r"(?m)^#define MI_MALLOC_VERSION (\d)(\d)(\d)\b"),
}
"""Where a component states its version: a file, and a pattern whose groups are the version's parts."""
UNVERSIONED = {
    "blake2": "Modules/_blake2/impl/blake2.h",
    "keccak-code-package": "Modules/_sha3/kcp/KeccakHash.h",
    "tiny-sha3": "Modules/_sha3/sha3.h",
}
READ = (LIST, *(file for file, _ in PATTERNS.values()), *UNVERSIONED.values())
PYTHON_ORG = "https://www.python.org/ftp/python"


def cpython(release: str, file: str, sha256: str) -> Component:
    """CPython itself, by the tarball that it was compiled from."""
    base = re.sub(r"(a|b|rc)\d+$", "", release)
    update = release.removeprefix(base) or "*"
    return Component(
        "generic", "CPython", release, _purl("python", release), "Python-2.0",
        "Organization: Python Software Foundation", "https://www.python.org/", f"{PYTHON_ORG}/{base}/{file}", sha256,
        f"cpe:2.3:a:python:python:{base}:{update}:*:*:*:*:*:*",
    )  # fmt: skip


def bundled_in(tarball: Path, release: str, licences: Licences) -> list[Component]:
    """The components in ``tarball``, by name; :exc:`SourceError` if they cannot be read."""
    paths = {f"Python-{release}/{name}": name for name in READ}
    texts: dict[str, str] = {}
    try:
        with tarfile.open(tarball) as tar:
            for member in tar:
                if member.name in paths and (stream := tar.extractfile(member)) is not None:
                    texts[paths[member.name]] = stream.read().decode("utf-8", "replace")
        return _components(texts, licences)
    except (OSError, EOFError, tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise SourceError(f"{tarball.name}: the components that it bundles cannot be read: {error!r}") from None


def _components(texts: Mapping[str, str], licences: Licences) -> list[Component]:
    document = msgspec.json.decode(texts.get(LIST, "{}"), type=SpdxDocument)
    listed = [_listed(package, licences) for package in document.packages]
    # Early lists contain pip as well, which is read from the image itself.
    components = {part.name: part for part in listed if part.name in licences.bundled}
    for name, version in _header_versions(texts).items():
        if name not in components and not (name == "blake2" and "libb2" in components):
            components[name] = _part(name, version, licences)
    return [components[name] for name in sorted(components)]


def _header_versions(texts: Mapping[str, str]) -> dict[str, str]:
    """Component names and versions according to headers; the version is empty if a header does not state it."""
    versions = {name: "" for name, file in UNVERSIONED.items() if file in texts}
    for name, (file, pattern) in PATTERNS.items():
        if match := re.search(pattern, texts.get(file, "")):
            versions[name] = ".".join(match.groups())
    return versions


def _listed(package: SpdxPackage, licences: Licences) -> Component:
    """A package of upstream's own list."""
    references = {reference.reference_type: reference.reference_locator for reference in package.external_refs}
    part = _part(package.name, package.version_info, licences)
    return replace(
        part,
        purl=references.get("purl", part.purl),
        supplier=package.originator,
        download=package.download_location,
        sha256=next((each.checksum_value for each in package.checksums if each.algorithm == "SHA256"), ""),
        cpe=references.get("cpe23Type", ""),
    )


def _part(name: str, version: str, licences: Licences) -> Component:
    vendor = {"expat": "libexpat_project:libexpat", "mpdecimal": "bytereef:mpdecimal"}.get(name, "")
    cpe = f"cpe:2.3:a:{vendor}:{version}:*:*:*:*:*:*:*" if vendor else ""
    licence = licences.bundled.get(name, "")
    return Component("bundled", name, version, _purl(name, version), licence, cpe=cpe, within="CPython")


def _purl(name: str, version: str) -> str:
    return PackageURL("generic", name=name, version=version).to_string()
