"""Bills of materials of built images, read from their layers and from CPython's tarball."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from packageurl import PackageURL

from bakery.catalog import ANNOTATIONS, Catalog, Image, references, require_match
from bakery.display import Column, Report
from bakery.engine import find_engine
from bakery.errors import BuildError, InputError
from bakery.files import Tell, in_use, spooled, write_whole
from bakery.net import read_location
from bakery.oci import SPDX, Contents, contents_of, labels_of
from bakery.options import Scanning
from bakery.platforms import Platform
from bakery.sbom.components import (
    SITE,
    STATUS,
    Component,
    Licences,
    debian_licences,
    dpkg_packages,
    limited,
    python_packages,
)  # fmt: skip
from bakery.sbom.vendored import bundled_in, cpython
from bakery.sbom.vulnerabilities import FIXED, LARGEST_TRACKER, OPENVEX, find_vulnerabilities, openvex
from bakery.sources import SourceCache
from bakery.toml import read_toml
from bakery.workspace import Workspace

FILES = re.compile(
    rf"{STATUS}|usr/share/doc/[^/]+/copyright"
    rf"|{SITE}([^/]+\.dist-info/METADATA|[^/]+/_vendor/(vendor\.txt|\w+\.py|\w+/__(init|about)__\.py))"
)
"""The files of an image that its bill is made from."""
BILL_COLUMNS = tuple(
    Column(title, key)
    for title, key in {"package": "name", "version": "version", "licence": "licence", "package URL": "purl"}.items()
)


@dataclass(frozen=True)
class Subject:
    """The image that a bill describes, the name to list it by, the tarball of its CPython, and our repository's URL."""

    image: Image
    name: str
    tarball: Path
    repository: str = ""


@dataclass(frozen=True)
class Bill:
    """An image's bill of materials; ``namespace`` is a unique URI, which need not resolve (SPDX 2.3, 6.5)."""

    name: str
    namespace: str
    digest: str
    platform: Platform
    created: str
    labels: Mapping[str, str]
    components: Sequence[Component]

    @property
    def purl(self) -> str:
        """The image's package URL."""
        name = self.name.rpartition(":")[0].rpartition("/")[2]
        return PackageURL("oci", None, name, self.digest, {"arch": self.platform.architecture}).to_string()


def document(bill: Bill) -> dict[str, object]:
    """``bill`` as SPDX 2.3 in JSON; :exc:`BuildError` if it is invalid, which is a bug in this tool."""
    from bakery.sbom.spdx import convert  # spdx-tools takes 0.2 s to import

    return convert(bill)


def json_text(content: object) -> str:
    """A document as the text of a JSON file."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def text_of(bill: Bill) -> str:
    """The text of :func:`document`; raises the same."""
    return json_text(document(bill))


def print_bill(bill: Bill) -> None:
    """Print the same text as UTF-8 (RFC 8259), whatever the locale says; raises the same."""
    text = text_of(bill)
    cast(TextIOWrapper, sys.stdout).reconfigure(encoding="utf-8")
    sys.stdout.write(text)


def write_bill(bill: Bill, file: Path, root: Path) -> None:
    """Write ``bill`` to ``file`` and its OpenVEX document next to it; raises as :func:`document` does."""
    predicates = predicates_of(bill, root)
    write_whole(file, json_text(predicates[SPDX]))
    write_whole(file.with_suffix(".openvex.json"), json_text(predicates[OPENVEX]))


def predicates_of(bill: Bill, root: Path) -> dict[str, object]:
    """What is attested about an image, by type: ``bill`` and its OpenVEX document; raises as :func:`document` does."""
    spdx = document(bill)
    return {SPDX: spdx, OPENVEX: openvex(spdx, root)}


def load_licences(root: Path) -> Licences:
    """Read shared/licences.toml; :exc:`bakery.errors.ConfigError` if it is not valid."""
    return read_toml(root / "shared" / "licences.toml").read(Licences)


def vulnerability_report(catalog: Catalog, scanning: Scanning, *, check: bool) -> Report:
    """The vulnerabilities of an image by its bill of materials and the JSON of Debian's security tracker.

    With ``check`` it is a failure if the archive has a fix for one. Raises :exc:`bakery.errors.InputError`.
    """
    bill, tracker = (read_location(name or "", LARGEST_TRACKER) for name in (scanning.bill, scanning.tracker))
    if not bill or not tracker:
        hint = "`inv sbom --version=3.13 --output=FILE` writes a bill of materials."
        raise InputError("--bill and --tracker must name documents that are not empty", hint=hint)
    debian = {f"debian-{target.version}": target.name for target in catalog.targets if target.family == "debian"}
    rows = find_vulnerabilities(bill, tracker, debian)
    fixed = sum(row["state"] == FIXED for row in rows)
    failure = BuildError(f"the archive has fixes for {fixed} vulnerabilities", hint="Build the image again.")
    keys = "state vulnerability package installed fixed urgency"
    return Report.of(keys, rows, failure=failure if check and fixed else None)


def _components(contents: Contents, subject: Subject, licences: Licences) -> Iterator[Component]:
    """CPython and what it bundles, then distribution packages, then Python packages, each sorted by name."""
    target, pin = subject.image.target, subject.image.pin
    yield cpython(pin)
    yield from bundled_in(subject.tarball, pin.release, licences)
    for package in dpkg_packages(contents.files, target.family, f"{target.family}-{target.version}"):
        expressions = debian_licences(contents.read(f"usr/share/doc/{package.name}/copyright"), licences)
        yield replace(package, licence=" AND ".join(expressions) or licences.packages.get(package.name, ""))
    yield from python_packages(contents.files, licences)


def bill_of(archive: IO[bytes], subject: Subject, licences: Licences, digest: str = "") -> Bill:
    """The bill of the image in ``archive``.

    ``digest`` is the image's ID in the engine that wrote the archive. :exc:`BuildError` if the image was not made from
    the tarball that the lock pins.
    """
    image, pin = subject.image, subject.image.pin
    contents = contents_of(archive, image.platform, FILES, digest)
    labels = labels_of(contents.config)
    sha256 = next((value for key, value in labels.items() if key.endswith(".source.sha256")), pin.sha256)
    if sha256 != pin.sha256:
        raise BuildError(
            f"{subject.name} was built from tarball {sha256[:12]}..., but the lock pins another one for {pin.release}",
            hint="Rebuild it, or check out the commit that it was built from (its label revision).",
        )
    digest = contents.digest or digest
    return Bill(
        name=subject.name, namespace=f"{subject.repository or 'urn:infra7'}/spdx/{digest.removeprefix('sha256:')}",
        digest=digest, platform=image.platform,
        created=labels.get(f"{ANNOTATIONS}.created", "") or contents.config.get("created", ""),
        labels={key: value for key, value in labels.items() if key.startswith(ANNOTATIONS)},
        components=list(limited(_components(contents, subject, licences))),
    )  # fmt: skip


def bills(
    workspace: Workspace, catalog: Catalog, images: Sequence[Image], mirror: str | None, tell: Tell
) -> Iterator[Bill]:
    """Bills of ``images`` in the engine; :exc:`BuildError` if it lacks one, and what :class:`SourceCache` raises."""
    engine = find_engine(workspace, tell)
    licences, sources = load_licences(workspace.root), SourceCache(workspace, mirror, tell)
    for image in images:
        name = references(catalog, image)[0]
        digest = require_match(image, engine.require(name, f"Build it first: inv build {image.selection}")).id
        with in_use(workspace.home, tell):
            folder = sources.fetch(image.pin, image.series, "inv sbom --version={version}")
            subject = Subject(image, name, folder / image.pin.file, catalog.source)
            with spooled(engine.save(digest)) as archive:
                yield bill_of(archive, subject, licences, digest)


def bill_rows(bill: Bill) -> list[dict[str, str | None]]:
    """An overview of a bill: the image and its packages with version, licence and package URL."""
    rows = [(bill.name, bill.digest, "", bill.purl)]
    rows += [(part.name, part.version, part.licence, part.purl) for part in bill.components]
    return [{column.key: cell or None for column, cell in zip(BILL_COLUMNS, row, strict=True)} for row in rows]
