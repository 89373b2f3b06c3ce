"""The components of an image that a bill of materials lists: distribution packages and Python packages."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
from debian.deb822 import Deb822, Packages
from packageurl import PackageURL
from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

STATUS = r"var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+"
SITE = r"(?:usr/local/lib/python3[^/]*/site-packages/)"


@dataclass(frozen=True)
class Component:
    """A piece of software. ``licence`` is an SPDX expression; unknown fields are empty.

    ``kind`` is ``deb``, ``pypi``, ``generic`` or ``bundled``; ``within`` names the component that contains this one.
    """

    kind: str
    name: str
    version: str
    purl: str = ""
    licence: str = ""
    supplier: str = ""
    homepage: str = ""
    download: str = ""
    sha256: str = ""
    cpe: str = ""
    within: str = ""
    source: str = ""


class _Reference(msgspec.Struct, frozen=True, rename="camel"):
    reference_type: str = ""
    reference_locator: str = ""


class _Checksum(msgspec.Struct, frozen=True, rename="camel"):
    algorithm: str
    checksum_value: str


class SpdxPackage(msgspec.Struct, frozen=True, rename="camel"):
    """The fields used of a package in an SPDX document."""

    name: str = ""
    version_info: str = ""
    originator: str = ""
    download_location: str = ""
    external_refs: tuple[_Reference, ...] = ()
    checksums: tuple[_Checksum, ...] = ()


class SpdxDocument(msgspec.Struct, frozen=True):
    """An SPDX document in JSON."""

    packages: tuple[SpdxPackage, ...] = ()


@dataclass(frozen=True)
class Header:
    """A file of a component that CPython bundles, a pattern of the version that it states, and the CPE's names."""

    file: str
    version: str = ""
    cpe: str = ""


@dataclass(frozen=True)
class Licences:
    """shared/licences.toml: SPDX expressions for Debian's short names of licences, and for packages by their name."""

    debian: Mapping[str, str]
    packages: Mapping[str, str]
    python: Mapping[str, str]
    bundled: Mapping[str, str]
    headers: Mapping[str, Header]


def _paragraphs(text: str) -> list[str]:
    """A control file's paragraphs (Debian Policy 5.1); Deb822 would stop at the first one without a field."""
    return re.split(r"\n\s*\n", text)


def installed(files: Mapping[str, bytes]) -> dict[str, Packages]:
    """The packages that dpkg's status, or status.d in an image without dpkg, lists as installed, by name."""
    packages = {}
    for path in sorted(files):
        if re.fullmatch(STATUS, path) and not path.endswith(".md5sums"):
            for package in map(Packages, _paragraphs(files[path].decode("utf-8", "replace"))):
                if package.get("Package") and package.get("Status", "install ok installed").endswith(" installed"):
                    packages[package["Package"]] = package
    return packages


def dpkg_packages(files: Mapping[str, bytes], family: str, release: str) -> list[Component]:
    """The installed packages, by name; ``release`` is the distribution's name in purls, such as ``debian-12``."""
    components = []
    for name, package in sorted(installed(files).items()):
        version, source = package.get("Version", ""), package.get("Source", "")
        qualifiers = {"arch": package.get("Architecture", ""), "distro": release}
        if source != name:
            qualifiers["upstream"] = source.replace(" (", "@").rstrip(")")  # libgcc-s1: gcc-12 (12.2.0-14)
        purl = PackageURL("deb", family, name, version, qualifiers).to_string()
        components.append(Component(
            "deb", name, version, purl, supplier=package.get("Maintainer", ""), homepage=package.get("Homepage", ""),
            source=package.source or name,
        ))  # fmt: skip
    return components


def debian_licences(copyright_file: str, licences: Licences) -> tuple[str, ...]:
    """The SPDX expressions of a machine-readable debian/copyright, sorted; empty if one of its licences is prose.

    A short name of Debian's that is not in ``licences`` becomes ``LicenseRef-Debian-NAME``.
    https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    """
    if not copyright_file.lstrip().lower().startswith("format"):
        return ()
    expressions = {
        _expression(paragraph.get("License", "").partition("\n")[0].strip(), licences.debian)
        for paragraph in map(Deb822, _paragraphs(copyright_file))
        if "Files" in paragraph
    }
    return () if "" in expressions else tuple(sorted(expressions))


def _expression(short: str, names: Mapping[str, str]) -> str:
    """``GPL-2+ or Artistic`` as an SPDX expression; empty if a part of it is prose."""
    parts = re.split(r"\s*,?\s+(and|or|and/or)\s+", short.strip())
    words = []
    for number, part in enumerate(parts):
        word = part.upper().replace("AND/OR", "OR") if number % 2 else names.get(part.strip().lower(), "")
        if not word and re.fullmatch(r"[\w.+/-]+( [\w.+/-]+){0,5}", part.strip()):
            reference = re.sub(r"[^A-Za-z0-9.]+", "-", part.strip().replace("+", "-or-later"))
            word = f"LicenseRef-Debian-{reference.strip('-')}"
        if not word:
            return ""
        words.append(word)
    operators = set(words[1::2])
    if operators == {"AND", "OR"}:  # `and` binds tighter in both notations, but not across Debian's comma
        return "" if "," in short else f"({' '.join(words)})"
    return f"({' '.join(words)})" if "OR" in operators else " ".join(words)


def python_packages(files: Mapping[str, bytes], licences: Licences) -> list[Component]:
    """The distributions in site-packages by their METADATA, each followed by the packages that it vendors."""
    components = []
    for path in sorted(files):
        if re.fullmatch(rf"{SITE}[^/]+\.dist-info/METADATA", path):
            metadata, _ = parse_email(files[path])
            if name := metadata.get("name"):
                components.append(_python_package(name, metadata.get("version", ""), licences, ""))
                components += _vendored_packages(files, name, licences)
    return components


def _vendored_packages(files: Mapping[str, bytes], name: str, licences: Licences) -> Iterator[Component]:
    """The packages in ``_vendor`` of the distribution ``name``: from its vendor.txt, else from ``__version__``."""
    folder, versions, listed = rf"{SITE}{re.escape(name)}/_vendor/", dict[str, str](), list[tuple[str, str]]()
    for path in sorted(files):
        if re.fullmatch(rf"{folder}vendor\.txt", path):
            listed = listed or re.findall(r"(?m)^\s*([\w.-]+)==([\w.+!-]+)", files[path].decode())
        elif module := re.fullmatch(rf"{folder}([a-z]\w*)(?:\.py|/(?:__init__|__about__)\.py)", path):
            version = re.search(rb"""(?m)^__version__ = ['"]([\w.+]+)['"]""", files[path])
            versions[module[1]] = version[1].decode() if version else versions.get(module[1], "")
    for package, number in sorted(set(listed or versions.items())):
        yield _python_package(package, number, licences, name)


def _python_package(name: str, version: str, licences: Licences, within: str) -> Component:
    project = canonicalize_name(name)
    purl = PackageURL("pypi", name=project, version=version).to_string()
    return Component("pypi", name, version, purl, licences.python.get(project, ""), within=within)
