"""What an image consists of, as a bill of materials lists it: packages of the distribution, and of Python. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["Component", "Licences", "debian_licence", "installed", "purl", "python_packages", "stanzas", "vendored"]

STATUS = r"var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+"
SITE = r"(?:usr/local/lib/python3[^/]*/site-packages/)"
VENDOR = "pip/_vendor/vendor.txt"


@dataclass(frozen=True)
class Component:
    """One piece of software. ``licence`` is an SPDX expression; what is not known is empty.

    ``kind`` is ``deb``, ``pypi``, ``generic`` or ``bundled``; ``within`` names the component that it is a part of.
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


@dataclass(frozen=True)
class Licences:
    """What other names for licences mean in SPDX's (shared/licences.toml): Debian's short names, and by project."""

    debian: Mapping[str, str]
    packages: Mapping[str, str]
    python: Mapping[str, str]
    bundled: Mapping[str, str]


def purl(kind: str, name: str, version: str, **qualifiers: str) -> str:
    """A package URL (https://github.com/package-url/purl-spec), its qualifiers in order.

    >>> purl("deb", "debian/libc6", "2.36-9+deb12u14", distro="bookworm", arch="amd64")
    'pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=bookworm'
    """
    at = f"@{quote(version, safe='.-_~:')}" if version else ""
    more = "&".join(f"{key}={quote(value, safe='.-_~:/')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{quote(name, safe='/.-_~')}{at}{'?' if more else ''}{more}"


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file (Debian policy 5.1) by field in lower case; folded lines stay."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = re.findall(r"(?m)^([!-9;-~]+):[ \t]*(.*(?:\n[ \t].*)*)", paragraph)
        if fields:
            yield {name.lower(): value.strip() for name, value in fields}


def installed(files: Mapping[str, bytes], family: str, release: str) -> list[Component]:
    """The packages that dpkg's status, or status.d where an image has no dpkg, lists as installed, by name.

    ``release`` is what purls call the distribution, such as ``debian-12``.
    """
    found = {}
    for path in sorted(files):
        if not re.fullmatch(STATUS, path) or path.endswith(".md5sums"):
            continue
        for one in stanzas(files[path].decode("utf-8", "replace")):
            if "package" not in one or not one.get("status", "install ok installed").endswith(" installed"):
                continue
            name, version, machine = one["package"], one.get("version", ""), one.get("architecture", "")
            source, _, own = one.get("source", name).partition(" ")
            upstream = f"{source}@{own.strip('()')}" if own else source
            found[name] = Component(
                "deb", name, version, supplier=one.get("maintainer", ""), homepage=one.get("homepage", ""),
                source=source, purl=purl("deb", f"{family}/{name}", version, arch=machine, distro=release,
                          upstream=upstream if upstream != name else ""),
            )  # fmt: skip
    return [found[name] for name in sorted(found)]


def debian_licence(copyright_file: str, licences: Licences) -> tuple[str, ...]:
    """The SPDX expressions of a machine-readable debian/copyright, sorted; nothing where it names none or is prose.

    A short name of Debian's that means no licence of SPDX's list becomes ``LicenseRef-Debian-NAME``.
    https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    """
    if not copyright_file.lstrip().lower().startswith("format"):
        return ()
    found = set()
    for one in stanzas(copyright_file):
        if "files" not in one:
            continue
        short = one.get("license", "").partition("\n")[0].strip()
        expression = _expression(short, licences.debian)
        if not expression:
            return ()
        found.add(expression)
    return tuple(sorted(found))


def _expression(short: str, names: Mapping[str, str]) -> str:
    """``GPL-2+ or Artistic`` in SPDX's words; empty where a part of it is prose."""
    parts = re.split(r"\s*,?\s+(and|or|and/or)\s+", short.strip())
    words = []
    for number, part in enumerate(parts):
        word = part.upper().replace("AND/OR", "OR") if number % 2 else names.get(part.strip().lower(), "")
        if not word and re.fullmatch(r"[\w.+/-]+( [\w.+/-]+){0,5}", part.strip()):
            word = (
                f"LicenseRef-Debian-{re.sub(r'[^A-Za-z0-9.]+', '-', part.strip().replace('+', '-or-later')).strip('-')}"
            )
        if not word:
            return ""
        words.append(word)
    operators = set(words[1::2])
    if operators == {"AND", "OR"}:  # Debian's `and` binds tighter, as SPDX's does, but not across a comma
        return "" if "," in short else f"({' '.join(words)})"
    return f"({' '.join(words)})" if "OR" in operators else " ".join(words)


def python_packages(files: Mapping[str, bytes], licences: Licences) -> list[Component]:
    """The distributions in site-packages by their METADATA, and what each of them vendors."""
    found = []
    for path in sorted(files):
        if not re.fullmatch(rf"{SITE}[^/]+\.dist-info/METADATA", path):
            continue
        one = next(stanzas(files[path].decode("utf-8", "replace").partition("\n\n")[0]), {})
        name, version = one.get("name", ""), one.get("version", "")
        licence = licences.python.get(_normal(name), "")
        found.append(_pypi(name, version, licence, ""))
        found += vendored(files, name, licences)
    return found


def vendored(files: Mapping[str, bytes], name: str, licences: Licences) -> Iterator[Component]:
    """What the distribution ``name`` carries in its ``_vendor``: by pip's own list, else by what the modules say."""
    lists = [
        files[path] for path in sorted(files) if re.fullmatch(rf"{SITE}{re.escape(name)}/_vendor/vendor\.txt", path)
    ]
    if lists:
        pairs: Iterable[tuple[str, str]] = re.findall(r"(?m)^\s*([\w.-]+)==([\w.+!-]+)", lists[0].decode())
    else:
        pairs = _modules(files, name)
    for part, version in sorted(set(pairs)):
        yield _pypi(part, version, licences.python.get(_normal(part), ""), name)


def _modules(files: Mapping[str, bytes], name: str) -> list[tuple[str, str]]:
    versions: dict[str, str] = {}
    for path in sorted(files):
        module = re.fullmatch(rf"{SITE}{re.escape(name)}/_vendor/([a-z]\w*)(?:\.py|/(?:__init__|__about__)\.py)", path)
        if module:
            said = re.search(rb"""(?m)^__version__ = ['"]([\w.+]+)['"]""", files[path])
            versions[module[1]] = said[1].decode() if said else versions.get(module[1], "")
    return list(versions.items())


def _pypi(name: str, version: str, licence: str, within: str) -> Component:
    return Component("pypi", name, version, purl("pypi", _normal(name), version), licence, within=within)


def _normal(name: str) -> str:
    """A project's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
