"""The breakdown of an image: each file in each layer belongs to one part, and the parts add up to the image.

:mod:`bakery.sizes.layers` reads the layers as lists of entries. Sizes on disk are those of the files. A layer is
compressed as one stream, so no part of it has its own compressed size: the layer's size is divided in proportion
to the sizes of the parts when each is compressed separately with the layer's method.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import add


class Part(StrEnum):
    """The parts, bottom first: a key in JSON and class in page.css, and the name in reports."""

    label: str

    BASE = "base", "Base"
    UPGRADES = "upgrades", "Upgrades of the base"
    CERTIFICATES = "certificates_and_zones", "Certificates and time zones"
    PACKAGES = "packages", "Libraries and other packages"
    INTERPRETER = "interpreter", "Interpreter"
    LIBRARY = "standard_library", "Standard library (.py)"
    EXTENSIONS = "extension_modules", "Extension modules (.so)"
    BYTECODE = "bytecode", "Bytecode (.pyc)"
    PIP = "pip", "pip and bundled wheels"
    HEADERS = "headers", "Headers and build settings"
    OTHER = "other", "Other"

    def __new__(cls, key: str, label: str) -> "Part":
        part = str.__new__(cls, key)
        part._value_, part.label = key, label
        return part


def label_of(part: str) -> str:
    """The name of the part with this key in reports; the key itself if it is of another version of this program."""
    return next((known.label for known in Part if known == part), part)


# Paths under a prefix such as usr/local; the first match counts.
INSTALLED = (
    (Part.BYTECODE, r".*\.py[co]"),
    (Part.PIP, r"lib/python3[^/]*/(ensurepip/_bundled/.*|site-packages/(pip|setuptools|wheel|pkg_resources)\b.*)"),
    (Part.PIP, r"lib/python3[^/]*/site-packages/(_distutils_hack|distutils-precedence).*|bin/(pip|wheel)[^/]*"),
    (Part.HEADERS, r"include(/.*)?|lib/pkgconfig(/.*)?|lib/python3[^/]*/config-[^/]*(/.*)?|bin/python[^/]*-config"),
    (Part.INTERPRETER, r"bin/python[^/]*|lib/libpython[^/]*"),
    (Part.EXTENSIONS, r"lib/python3.*\.so"),
    (Part.LIBRARY, r"lib/python3[^/]*/.*\.py|lib/python3[^/]*(/.*)?/"),
)
PREFIX = re.compile(r"(?:usr/local|opt(?:/python)?)/")
CERTIFICATES = re.compile(
    r"(etc/ssl|etc/ca-certificates|usr/(local/)?share/ca-certificates|usr/share/zoneinfo|usr/lib/ssl)\b"
    r"|etc/(localtime|timezone)$"
)
PACKAGE_DATABASES = ("var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed")
PATTERNS = tuple((part, re.compile(pattern)) for part, pattern in INSTALLED)


@dataclass(frozen=True)
class Size:
    """Bytes of all layers as they are pulled (``compressed_bytes``) and of all files in them (``disk_bytes``)."""

    compressed_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Entry:
    """A member of a layer: its path without a leading slash, its bytes on disk (a link has none), the link's target."""

    path: str
    size: int = 0
    link: str = ""
    folder: bool = False


@dataclass(frozen=True)
class FileSize:
    """A file that a container sees, its bytes on disk (0 for a link), and its part."""

    path: str
    disk_bytes: int
    part: Part


@dataclass(frozen=True)
class Share:
    """The share of a part in an image: bytes on disk, bytes as pulled (see the module), and number of files."""

    disk_bytes: int = 0
    compressed_bytes: int = 0
    files: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(*map(add, vars(self).values(), vars(other).values()))


def classify(path: str) -> Part:
    """The part of ``path``, in a layer above the base.

    >>> str(classify("usr/local/lib/python3.13/json/__init__.py"))
    'standard_library'
    >>> str(classify("usr/lib/x86_64-linux-gnu/libffi.so.8.1.2"))
    'packages'
    """
    if CERTIFICATES.match(path):
        return Part.CERTIFICATES
    prefix = PREFIX.match(path)
    if not prefix:
        return Part.PACKAGES
    below = path[prefix.end() :]
    return next((part for part, pattern in PATTERNS if pattern.fullmatch(below)), Part.OTHER)


def is_base(entries: Iterable[Entry]) -> bool:
    """Whether a first layer is a base: it has a package manager's database, unlike in an image from scratch."""
    return any(entry.path in PACKAGE_DATABASES for entry in entries)


def divide(total: int, weights: Mapping[Part, int]) -> dict[Part, int]:
    """Divide ``total`` into whole bytes in proportion to ``weights``; the largest remainders are rounded up."""
    sum_of_weights = sum(weights.values())
    if not sum_of_weights:
        return {Part.OTHER: total} if total else {}
    parts = {part: total * weight // sum_of_weights for part, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda part: -(total * weights[part] % sum_of_weights))
    for part in by_remainder[: total - sum(parts.values())]:
        parts[part] += 1
    return parts


def breakdown(layers: Sequence[tuple[Sequence[Entry], int, Mapping[Part, int]]]) -> dict[Part, Share]:
    """All parts of an image, from its layers: entries, bytes as pulled, and the compressed size of each separate part.

    Files that a higher layer hides count as well, because they are pulled and stored.
    """
    parts = dict.fromkeys(Part, Share())
    for number, (entries, compressed, weights) in enumerate(layers):
        base = number == 0 and is_base(entries)
        whole = Part.BASE if base else Part.UPGRADES if Part.UPGRADES in weights else None
        for entry in entries:
            if not entry.folder:
                part = whole or classify(entry.path)
                parts[part] += Share(entry.size, 0, 1)
        shares = {Part.BASE: compressed} if base else divide(compressed, weights)
        for part, size in shares.items():
            parts[part] += Share(0, size)
    return parts


def final_files(layers: Iterable[Sequence[Entry]]) -> dict[str, FileSize]:
    """The files that a container sees, by path. Higher layers replace files, and remove them with whiteouts.

    Whiteouts: https://github.com/opencontainers/image-spec/blob/main/layer.md. Paths through a top-level link such as
    ``lib`` are resolved (``usr/lib``), so that images with and without a merged /usr compare as the same.
    """
    seen: dict[str, tuple[Entry, Part]] = {}
    for number, layer in enumerate(layers):
        base = number == 0 and is_base(layer)
        for entry in layer:
            folder, _, name = entry.path.rpartition("/")
            if name == ".wh..wh..opq":
                _drop(seen, folder, itself=False)
            elif name.startswith(".wh."):
                _drop(seen, f"{folder}/{name[4:]}".lstrip("/"), itself=True)
        for entry in layer:
            if not entry.path.rpartition("/")[2].startswith(".wh."):
                seen[entry.path] = entry, Part.BASE if base else classify(entry.path)
    roots = {path: entry.link.strip("/") for path, (entry, _) in seen.items() if entry.link and "/" not in path}
    files = {}
    for path, (entry, part) in seen.items():
        top, slash, rest = path.partition("/")
        if not entry.folder:
            where = f"{roots[top]}/{rest}" if slash and top in roots else path
            files[where] = FileSize(where, entry.size, part)
    return files


def _drop(seen: dict[str, tuple[Entry, Part]], path: str, *, itself: bool) -> None:
    for file in [file for file in seen if file.startswith(f"{path}/") or (itself and file == path)]:
        del seen[file]
