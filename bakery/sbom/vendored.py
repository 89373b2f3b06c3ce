"""The third-party code that CPython bundles, read from its tarball.

Upstream lists it in Misc/sbom.spdx.json (from 3.12 on), with versions and the digests of the originals. What that list
omits, and everything in older releases, is read from headers.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
from packageurl import PackageURL

from bakery.catalog import Image, Pin
from bakery.errors import SourceError
from bakery.sbom.components import Component, Licences, SpdxDocument, SpdxPackage
from bakery.tar import open_compressed_tar, read_errors
from bakery.urls import PYTHON_ORG

LIST = "Misc/sbom.spdx.json"


def cpython(pin: Pin) -> Component:
    """CPython itself, by the tarball that it was compiled from; the user's own tree has no download location."""
    release, base = str(pin.version), pin.version.base_version
    update = release.removeprefix(base) or "*"
    return Component(
        "generic", "CPython", release, _purl("python", release), "Python-2.0",
        "Organization: Python Software Foundation", "https://www.python.org/",
        "" if pin.local else f"{PYTHON_ORG}/{base}/{pin.file}", pin.sha256,
        f"cpe:2.3:a:python:python:{base}:{update}:*:*:*:*:*:*",
    )  # fmt: skip


def materials_of(image: Image) -> dict[str, str]:
    """The files that a build of ``image`` compiles or installs: their SHA-256 by URI."""
    source = cpython(image.pin)
    extras = {PackageURL("generic", name=extra.file).to_string(): extra.sha256 for extra in image.series.extras}
    return {source.download or source.purl: image.pin.sha256, **extras}


def bundled_in(tarball: Path, release: str, licences: Licences) -> list[Component]:
    """The components in ``tarball``, by name; :exc:`SourceError` if they cannot be read."""
    paths = {
        f"Python-{release}/{name}": name for name in (LIST, *(header.file for header in licences.headers.values()))
    }
    texts: dict[str, str] = {}
    try:
        with open_compressed_tar(tarball.open("rb")) as tar:
            for member in tar:
                if member.name in paths and (stream := tar.extractfile(member)) is not None:
                    texts[paths[member.name]] = stream.read().decode("utf-8", "replace")
        return _components(texts, licences)
    except read_errors() as error:
        raise SourceError(f"{tarball.name}: the components that it bundles cannot be read: {error!r}") from None


def _components(texts: Mapping[str, str], licences: Licences) -> list[Component]:
    document = msgspec.json.decode(texts.get(LIST, "{}"), type=SpdxDocument)
    listed = [_listed(package, licences) for package in document.packages]
    # Early lists contain pip as well, which is read from the image itself.
    components = {part.name: part for part in listed if part.name in licences.bundled}
    for name, header in licences.headers.items():
        if header.file not in texts or name in components or (name == "blake2" and "libb2" in components):
            continue
        # The component is present if the file is; if it states no version in the expected way, the version is empty.
        match = re.search(header.version, texts[header.file])
        components[name] = _part(name, ".".join(match.groups()) if match else "", licences)
    return [components[name] for name in sorted(components)]


def _listed(package: SpdxPackage, licences: Licences) -> Component:
    """A package of upstream's own list."""
    references = {reference.reference_type: reference.reference_locator for reference in package.external_refs}
    part = _part(package.name, package.version_info, licences)
    sha256 = next((each.checksum_value for each in package.checksums if each.algorithm == "SHA256"), "")
    return replace(
        part, purl=references.get("purl", part.purl), supplier=package.originator, sha256=sha256,
        download=package.download_location, cpe=references.get("cpe23Type", ""),
    )  # fmt: skip


def _part(name: str, version: str, licences: Licences) -> Component:
    header = licences.headers.get(name)
    cpe = f"cpe:2.3:a:{header.cpe}:{version or '*'}:*:*:*:*:*:*:*" if header and header.cpe else ""
    licence = licences.bundled.get(name, "")
    return Component("bundled", name, version, _purl(name, version), licence, cpe=cpe, within="CPython")


def _purl(name: str, version: str) -> str:
    return PackageURL("generic", name=name, version=version).to_string()
