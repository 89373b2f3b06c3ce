"""The components of an image that a bill of materials lists: distribution packages and Python packages."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from debian.deb822 import Deb822, Packages
from packageurl import PackageURL
from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from bakery.errors import BuildError
from bakery.toml import Pattern

STATUS = r"var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+"
SITE = r"(?:usr/local/lib/python3[^/]*/site-packages/)"
MOST, LONGEST, HEAD, EXPRESSIONS = 20_000, 1000, 1 << 16, 500
"""Limits for hostile images: packages, characters of a field, bytes of METADATA, and licences of a package."""
T = TypeVar("T")


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
    version: Pattern = ""
    cpe: str = ""


@dataclass(frozen=True)
class Licences:
    """shared/licences.toml: SPDX expressions for Debian's short names of licences, and for packages by their name."""

    debian: Mapping[str, str]
    packages: Mapping[str, str]
    python: Mapping[str, str]
    bundled: Mapping[str, str]
    headers: Mapping[str, Header]


class TooManyPackages(BuildError):
    """An image lists more than :data:`MOST` packages."""


def limited(entries: Iterable[T]) -> Iterator[T]:
    """``entries``; :exc:`TooManyPackages` if there are more than :data:`MOST`."""
    for number, entry in enumerate(entries):
        if number == MOST:
            raise TooManyPackages(
                f"the image lists more packages than {MOST:,}, the most that a bill of materials may have"
            )
        yield entry


def one_line(text: str) -> str:
    """A field's text on one line, with single spaces and at most :data:`LONGEST` characters."""
    return " ".join(text[:LONGEST].split())


def _purl(kind: str, namespace: str, name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """A package URL; empty if ``name`` cannot be in one, such as ``/``."""
    try:
        return PackageURL(kind, namespace, name, version, dict(qualifiers)).to_string()
    except (TypeError, ValueError):
        return ""


def _paragraphs(text: str) -> list[str]:
    """A control file's paragraphs (Debian Policy 5.1); Deb822 would stop at the first one without a field."""
    return re.split(r"\n\s*\n", text)


def installed(files: Mapping[str, bytes]) -> dict[str, Packages]:
    """The packages that dpkg's status, or status.d in an image without dpkg, lists as installed, by name."""
    paths = (path for path in sorted(files) if re.fullmatch(STATUS, path) and not path.endswith(".md5sums"))
    paragraphs = (text for path in paths for text in _paragraphs(files[path].decode("utf-8", "replace")) if text)
    packages = {}
    for package in map(Packages, limited(paragraphs)):
        name = one_line(package.get("Package", ""))
        if name and package.get("Status", "install ok installed").endswith(" installed"):
            packages[name] = package
    return packages


def dpkg_packages(files: Mapping[str, bytes], family: str, release: str) -> list[Component]:
    """The installed packages, by name; ``release`` is the distribution's name in purls, such as ``debian-12``.

    :exc:`BuildError` if there are none: each image has libc6, and without packages no vulnerabilities would be found.
    """
    if not (packages := installed(files)):
        hint = "Expected them in var/lib/dpkg/status, or in status.d of an image without dpkg. Build the image again."
        raise BuildError("the image lists no distribution packages", hint=hint)
    components = []
    for name, package in sorted(packages.items()):
        version, source, architecture, maintainer, homepage = (
            one_line(package.get(key, "")) for key in ("Version", "Source", "Architecture", "Maintainer", "Homepage")
        )
        qualifiers = {"arch": architecture, "distro": release}
        if source != name:
            qualifiers["upstream"] = source.replace(" (", "@").rstrip(")")  # libgcc-s1: gcc-12 (12.2.0-14)
        purl = _purl("deb", family, name, version, qualifiers)
        components.append(Component(
            "deb", name, version, purl, supplier=maintainer, homepage=homepage,
            source=source.partition(" ")[0] or name,
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
    return () if "" in expressions or len(expressions) > EXPRESSIONS else tuple(sorted(expressions))


def _expression(short: str, names: Mapping[str, str]) -> str:
    """``GPL-2+ or Artistic`` as an SPDX expression; empty if a part of it is prose."""
    if len(short) > LONGEST:
        return ""
    parts = re.split(r",? (and|or|and/or) ", " ".join(short.replace(" ,", ",").split()))
    words = []
    for number, part in enumerate(parts):
        word = part.upper().replace("AND/OR", "OR") if number % 2 else names.get(part.strip().lower(), "")
        if not word and re.fullmatch(r"[\w.+/-]+( [\w.+/-]+){0,5}", part.strip()):
            reference = re.sub(r"[^A-Za-z0-9.]+", "-", part.strip().replace("+", "-or-later"))
            word = f"LicenseRef-Debian-{reference.strip('-')}" if reference.strip("-") else ""
        if not word:
            return ""
        words.append(word)
    operators = set(words[1::2])
    if operators == {"AND", "OR"}:  # `and` binds tighter in both notations, but not across Debian's comma
        return "" if "," in short else f"({' '.join(words)})"
    return f"({' '.join(words)})" if "OR" in operators else " ".join(words)


def python_packages(files: Mapping[str, bytes], licences: Licences) -> list[Component]:
    """The distributions in site-packages by their METADATA, each followed by the packages that it vendors."""
    components, vendored = [], defaultdict[str, dict[str, bytes]](dict)
    for path in sorted(files):
        if vendor := re.fullmatch(rf"{SITE}([^/]+)/_vendor/(.+)", path):
            vendored[vendor[1]][vendor[2]] = files[path]
    for path in limited(path for path in sorted(files) if re.fullmatch(rf"{SITE}[^/]+\.dist-info/METADATA", path)):
        metadata, _ = parse_email(files[path][:HEAD])
        if name := one_line(metadata.get("name", "")):
            components.append(_python_package(name, one_line(metadata.get("version", "")), licences, ""))
            components += _vendored_packages(vendored.pop(name, {}), name, licences)
    return components


def _vendored_packages(files: Mapping[str, bytes], name: str, licences: Licences) -> Iterator[Component]:
    """The packages in ``_vendor`` of the distribution ``name``: from its vendor.txt, else from ``__version__``."""
    versions, listed = dict[str, str](), list[tuple[str, str]]()
    for path, data in files.items():
        if path == "vendor.txt":
            lines = map(one_line, data.decode("utf-8", "replace").split("\n"))
            matches = (re.match(r"([\w.-]+)==([\w.+!-]+)", line) for line in lines)
            listed = listed or [(match[1], match[2]) for match in matches if match]
        elif module := re.fullmatch(r"([a-z]\w*)(?:\.py|/(?:__init__|__about__)\.py)", path):
            version = re.search(rb"""(?m)^__version__ = ['"]([\w.+]{1,100})['"]""", data)
            versions[module[1]] = version[1].decode() if version else versions.get(module[1], "")
    for package, number in sorted(set(listed or versions.items())):
        yield _python_package(package, number, licences, name)


def _python_package(name: str, version: str, licences: Licences, within: str) -> Component:
    project = canonicalize_name(name)
    return Component(
        "pypi", name, version, _purl("pypi", "", project, version, {}), licences.python.get(project, ""), within=within
    )
