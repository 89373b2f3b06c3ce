"""A bill of materials in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), made and validated by spdx-tools.

The same image gives the same bytes: its time is the image's, its namespace the manifest's digest, its order that of
names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bakery.catalog import Platform
from bakery.errors import BuildError
from bakery.sbom.components import Component

if TYPE_CHECKING:
    from spdx_tools.spdx.model.document import Document
    from spdx_tools.spdx.model.package import Package

__all__ = ["Bill", "document", "problems", "text_of"]

REFERENCE = "LicenseRef-Debian-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bill:
    """What a bill is about: an image's name, its manifest's digest, its platform and creation, and its components.

    ``namespace`` is a URI that nobody else uses; nothing needs to lie there (SPDX 2.3, 6.5).
    """

    name: str
    namespace: str
    digest: str
    platform: Platform
    created: str
    labels: Mapping[str, str]
    components: Sequence[Component]


def document(bill: Bill, tool: str) -> dict[str, Any]:
    """The bill as SPDX's JSON has it; ``tool`` is the name and version of what made it.

    :exc:`BuildError` where the library finds it invalid, which would be a mistake of this module.
    """
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter

    made = _document(bill, tool)
    wrong = problems(made)
    if wrong:
        raise BuildError(f"the bill of materials of {bill.name} is not valid SPDX: {'; '.join(wrong[:3])}")
    content = dict(DocumentConverter().convert(made))  # type: ignore[no-untyped-call]
    for package in content["packages"]:
        for reference in package.get("externalRefs", []):
            # The library writes what only later versions of the schema of 2.3 allow beside the hyphen.
            reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    return content


def problems(made: Document) -> list[str]:
    """What spdx-tools finds wrong with a document."""
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    return [message.validation_message for message in validate_full_spdx_document(made)]


def text_of(content: Mapping[str, Any]) -> str:
    """A document as it is printed."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _document(bill: Bill, tool: str) -> Document:
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.extracted_licensing_info import ExtractedLicensingInfo
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType

    digest = bill.digest.removeprefix("sha256:")
    creation = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id="SPDXRef-DOCUMENT",
        name=bill.name,
        document_namespace=bill.namespace,
        creators=[Actor(ActorType.TOOL, tool)],
        created=_time(bill.created),
    )
    image = _image(bill, digest)
    ids = {one: f"SPDXRef-{_word(one.kind, one.within, one.name)}" for one in bill.components}
    by_name = {one.name: spdx_id for one, spdx_id in ids.items() if not one.within}
    relationships = [Relationship(creation.spdx_id, RelationshipType.DESCRIBES, image.spdx_id)]
    for one, spdx_id in ids.items():
        around = by_name.get(one.within, image.spdx_id)
        relationships.append(Relationship(around, RelationshipType.CONTAINS, spdx_id))
    packages = [image, *(_package(one, spdx_id) for one, spdx_id in ids.items())]
    named = {name for one in bill.components for name in re.findall(rf"{REFERENCE}[\w.-]+", one.licence)}
    extracted = [
        ExtractedLicensingInfo(
            name,
            f"The licence that Debian's copyright files call {name.removeprefix(REFERENCE)} (in the characters that "
            "SPDX allows). Its text stands in /usr/share/doc/PACKAGE/copyright of the packages that are under it.",
            name.removeprefix(REFERENCE),
        )
        for name in sorted(named)
    ]
    return Document(creation, packages, relationships=relationships, extracted_licensing_info=extracted)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    except ValueError:
        return EPOCH


def _word(*parts: str) -> str:
    """What an identifier may consist of: letters, digits, dots and hyphens; ``+`` is told from ``-``."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(part.replace("+", ".plus.") for part in parts if part))


def _image(bill: Bill, digest: str) -> Package:
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package
    from spdx_tools.spdx.model.package import PackagePurpose as Purpose
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    machine = bill.platform.architecture
    repository = bill.name.rpartition(":")[0]
    locator = f"pkg:oci/{repository.rpartition('/')[2].lower()}@sha256%3A{digest}?arch={machine}"
    return Package(
        "SPDXRef-Image", bill.name, SpdxNoAssertion(), version=f"sha256:{digest}", files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, digest)],
        primary_package_purpose=Purpose.CONTAINER,
        comment="".join(f"{key}={value}\n" for key, value in sorted(bill.labels.items())) or None,
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", locator)],
    )  # fmt: skip


def _package(one: Component, spdx_id: str) -> Package:
    from license_expression import get_spdx_licensing  # type: ignore[import-untyped]
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    references = [
        ExternalPackageRef(category, kind, locator)
        for category, kind, locator in (
            (ExternalPackageRefCategory.SECURITY, "cpe23Type", one.cpe),
            (ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", one.purl),
        )
        if locator
    ]
    return Package(
        spdx_id, one.name, one.download or SpdxNoAssertion(), version=one.version or None, files_analyzed=False,
        supplier=_actor(one.supplier), homepage=one.homepage or None, source_info=_source(one),
        checksums=[Checksum(ChecksumAlgorithm.SHA256, one.sha256)] if one.sha256 else [],
        license_concluded=SpdxNoAssertion(),
        license_declared=get_spdx_licensing().parse(one.licence) if one.licence else SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(), external_references=references,
    )  # fmt: skip


def _source(one: Component) -> str | None:
    return f"built from Debian's source package {one.source}" if one.kind == "deb" and one.source != one.name else None


def _actor(text: str) -> Any:
    """A supplier: ``Organization: NAME``, ``Person: NAME (MAIL)``, or Debian's ``NAME <MAIL>``."""
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    kind, colon, rest = text.partition(": ")
    named = re.fullmatch(r"(.*?)\s*(?:[<(]([^<>()\s]+@[^<>()\s]+)[>)])?", rest if colon else text)
    if not text or named is None or not named[1]:
        return SpdxNoAssertion()
    people = kind == "Person" if colon else False
    return Actor(ActorType.PERSON if people else ActorType.ORGANIZATION, named[1].strip(' "'), named[2])
