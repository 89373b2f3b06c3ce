"""Known vulnerabilities of an image's packages, from its bill of materials and Debian's security tracker.

The tracker's data is https://security-tracker.debian.org/tracker/data/json: source packages, their CVEs, and for each
release of Debian whether it is resolved, and in which version.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from debian.debian_support import NativeVersion
from packageurl import PackageURL
from packaging.version import InvalidVersion, Version

from bakery.errors import InputError
from bakery.redaction import shorten
from bakery.sbom.components import SpdxPackage
from bakery.toml import read_toml

FIXED, OPEN, NOT_AFFECTED = "fixed in archive", "open", "not affected"
"""The states of a vulnerability: the archive has a fixed version, it has none, or the image does not have it."""
STATES = (FIXED, OPEN, NOT_AFFECTED)
LONGEST_VERSION = 300
"""Characters of a package's version: comparing two takes quadratic time."""
LARGEST_BILL = 16 << 20
"""Bytes of a bill of materials; those of our images have less than 1 MB."""
LARGEST_TRACKER = 120 << 20
"""Bytes of the tracker's data, which have about 70 MB."""
MOST_SOURCES, MOST_OBJECTS = 5_000, 300_000
"""Source packages of an image, and JSON objects about them: Linux, which is in dev images, has about 150,000. A bill of
20,000 packages has 100,000."""
OPENVEX = "https://openvex.dev/ns/v0.2.0"


class _Creation(msgspec.Struct, frozen=True):
    created: str = ""


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """The fields used of a bill of materials that :mod:`bakery.sbom.spdx` wrote; its first package is the image."""

    document_namespace: str
    packages: Annotated[tuple[SpdxPackage, ...], msgspec.Meta(min_length=1)]
    creation_info: _Creation = _Creation()


class _Release(msgspec.Struct, frozen=True):
    status: str
    fixed_version: str = ""
    urgency: str = ""


class _Vulnerability(msgspec.Struct, frozen=True):
    releases: dict[str, _Release] = {}


@dataclass(frozen=True)
class NotAffected:
    """A vulnerability that ``components`` do not have from version ``since`` on (empty: in any version), and why."""

    components: tuple[str, ...]
    justification: str
    reason: str
    source: str
    since: str = ""


def parse_bill(data: bytes) -> Document:
    """The bill of materials in ``data``; :exc:`InputError` if it is not one of ours."""
    if len(data) > LARGEST_BILL:
        raise InputError(f"the bill of materials has {len(data):,} bytes; expected at most {LARGEST_BILL:,}")
    try:
        if data.count(b"{") > MOST_OBJECTS:  # an empty one has 3 bytes, and takes 100 bytes of memory
            raise ValueError(f"it has more than {MOST_OBJECTS:,} objects")
        return msgspec.json.decode(data, type=Document)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a bill of materials that `inv sbom` wrote: {error}") from None


def parse_tracker(data: bytes, names: Collection[str]) -> dict[str, dict[str, _Vulnerability]]:
    """The tracker's data about the source packages ``names``, by vulnerability.

    Other packages are not decoded, because all of them take 1 GB of memory. :exc:`InputError` if the data are
    something else.
    """
    if len(names) > MOST_SOURCES:
        raise InputError(f"the bill of materials has {len(names):,} source packages; expected at most {MOST_SOURCES:,}")
    fields = {f"field{number}": name for number, name in enumerate(names) if re.fullmatch(r"[\w.+-]+", name)}
    absent = msgspec.Raw(b"{}")
    packages = msgspec.defstruct("Packages", [(field, msgspec.Raw, absent) for field in fields], rename=fields)
    try:
        texts = msgspec.structs.astuple(msgspec.json.decode(data, type=packages))
        objects = (brace for raw in texts for brace in re.finditer(rb"\{", memoryview(raw)))
        if any(islice(objects, MOST_OBJECTS, None)):
            raise ValueError(f"it has more than {MOST_OBJECTS:,} objects about the image's packages")
        tracked = [msgspec.json.decode(raw, type=dict[str, _Vulnerability]) for raw in texts]
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected the JSON of Debian's security tracker: {error}") from None
    if not any(tracked):
        raise InputError("expected the JSON of Debian's security tracker: it has none of the image's packages")
    return dict(zip(fields.values(), tracked, strict=True))


def find_vulnerabilities(bill: bytes, tracker: bytes, releases: Mapping[str, str]) -> list[dict[str, str]]:
    """A row for each vulnerability of the distribution's packages in an SPDX document, fixable ones first.

    ``releases`` has Debian's code names by the ``distro`` of package URLs: ``{"debian-12": "bookworm"}``. Raises
    :exc:`InputError` if no package is of such a release, or if the documents are something else.
    """
    sources = list(_sources(parse_bill(bill), releases))
    data = parse_tracker(tracker, {name for name, _, _ in sources})
    rows = [row for source in sources for row in _rows(*source, data)]
    return sorted(rows, key=lambda row: (STATES.index(row["state"]), row["vulnerability"], row["package"]))


def _sources(bill: Document, releases: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name and version of each source package in ``bill``, and the code name of its release."""
    sources = set[tuple[str, str, str]]()
    for purl in (purl for package in bill.packages for purl in _purls(package)):
        if purl.type == "deb" and isinstance(purl.qualifiers, dict):
            release = releases.get(purl.qualifiers.get("distro", ""), "")
            name, _, version = purl.qualifiers.get("upstream", "").partition("@")
            if release and purl.version:
                sources.add((name or purl.name, version or purl.version, release))
    if not sources:
        raise InputError("the bill of materials lists no Debian packages", hint="Ubuntu has its own tracker.")
    yield from sorted(sources)


def _purls(package: SpdxPackage) -> Iterator[PackageURL]:
    for reference in package.external_refs:
        if reference.reference_type == "purl":
            try:
                yield PackageURL.from_string(reference.reference_locator)
            except ValueError as error:
                raise InputError(
                    f"{shorten(reference.reference_locator, 200)!r} is not a package URL: {error}"
                ) from None


def _rows(
    name: str, version: str, release: str, tracker: Mapping[str, Mapping[str, _Vulnerability]]
) -> Iterator[dict[str, str]]:
    for vulnerability, entry in tracker.get(name, {}).items():
        if status := entry.releases.get(release):
            yield {
                "state": _state(version, status), "vulnerability": vulnerability, "package": name, "installed": version,
                "fixed": "" if status.fixed_version == "0" else status.fixed_version, "urgency": status.urgency,
            }  # fmt: skip


def _state(version: str, entry: _Release) -> str:
    """What is not known to be resolved is open. The fixed version 0 says that no version was ever affected."""
    if entry.status != "resolved":
        return OPEN
    try:
        if max(len(version), len(entry.fixed_version)) > LONGEST_VERSION:
            raise ValueError
        older = NativeVersion(version) < NativeVersion(entry.fixed_version)
    except ValueError:
        versions = f"{shorten(version, 80)!r} (bill) or {shorten(entry.fixed_version, 80)!r} (tracker)"
        raise InputError(f"{versions} is not a version of a Debian package", hint="Get both documents again.") from None
    return FIXED if older else NOT_AFFECTED


def openvex(spdx: Mapping[str, object], root: Path) -> dict[str, object]:
    """The OpenVEX document of an image: which vulnerabilities its components do not have, and why.

    ``spdx`` is its bill of materials; the rest is from shared/vulnerabilities.toml of the repository ``root``. The same
    bill gives the same document. https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md
    """
    bill = msgspec.convert(spdx, Document)
    tables = read_toml(root / "shared" / "vulnerabilities.toml").tables("not_affected")
    image = next(_purls(bill.packages[0]), None)
    if image is None:
        raise InputError("the bill of materials does not begin with an image")
    statements = []
    for vulnerability, table in sorted(tables.items()):
        entry = table.read(NotAffected)
        packages = [package for package in bill.packages if _is_covered(package, entry)]
        purls = [purl.to_string() for package in packages for purl in _purls(package)]
        if purls:
            statements.append({
                "vulnerability": {"name": vulnerability},
                "products": [{"@id": image.to_string(), "subcomponents": [{"@id": purl} for purl in purls]}],
                "status": "not_affected", "justification": entry.justification,
                "impact_statement": f"{entry.reason} {entry.source}",
            })  # fmt: skip
    return {
        "@context": OPENVEX, "@id": f"{bill.document_namespace}/vex", "author": "infra7 python-images",
        "timestamp": bill.creation_info.created, "version": 1, "statements": statements,
    }  # fmt: skip


def _is_covered(package: SpdxPackage, entry: NotAffected) -> bool:
    if package.name not in entry.components:
        return False
    try:
        return not entry.since or Version(package.version_info) >= Version(entry.since)
    except InvalidVersion:
        return False
