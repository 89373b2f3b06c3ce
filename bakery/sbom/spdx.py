"""Writes a bill of materials as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) with spdx-tools, which validates it.

The same image gives the same bytes: the creation time is the image's, the namespace contains its manifest's digest, and
components are in a fixed order.
"""

import re
from datetime import UTC, datetime

from license_expression import get_spdx_licensing  # type: ignore[import-untyped]
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.extracted_licensing_info import ExtractedLicensingInfo
from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package, PackagePurpose
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from bakery.catalog import ANNOTATIONS, INCLUDED
from bakery.errors import BuildError
from bakery.sbom.components import Component
from bakery.sbom.document import Bill

REFERENCE = "LicenseRef-Debian-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LICENSING = get_spdx_licensing()  # takes 20 ms for each call


def convert(bill: Bill, tool: str) -> dict[str, object]:
    """See :func:`bakery.sbom.document.document`."""
    model = _document(bill, tool)
    problems = [message.validation_message for message in validate_full_spdx_document(model)]
    if problems:
        raise BuildError(f"The bill of materials of {bill.name} is not valid SPDX: {'; '.join(problems[:3])}")
    content = dict(DocumentConverter().convert(model))  # type: ignore[no-untyped-call]
    for package in content["packages"]:
        for reference in package.get("externalRefs", []):
            # The library writes an underscore, which only later versions of the 2.3 schema accept besides the hyphen.
            reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    return content


def _document(bill: Bill, tool: str) -> Document:
    creation = CreationInfo(
        spdx_version="SPDX-2.3", spdx_id="SPDXRef-DOCUMENT", name=bill.name, document_namespace=bill.namespace,
        creators=[Actor(ActorType.TOOL, tool)], created=_time(bill.created),
    )  # fmt: skip
    image = _image(bill)
    ids = {part: f"SPDXRef-{_identifier(part.kind, part.within, part.name)}" for part in bill.components}
    by_name = {part.name: spdx_id for part, spdx_id in ids.items() if not part.within}
    relationships = [Relationship(creation.spdx_id, RelationshipType.DESCRIBES, image.spdx_id)]
    for part, spdx_id in ids.items():
        container = by_name.get(part.within, image.spdx_id)
        relationships.append(Relationship(container, RelationshipType.CONTAINS, spdx_id))
    packages = [image, *(_package(part, spdx_id) for part, spdx_id in ids.items())]
    names = {name for part in bill.components for name in re.findall(rf"{REFERENCE}([\w.-]+)", part.licence)}
    extracted = [
        ExtractedLicensingInfo(
            f"{REFERENCE}{name}",
            f"The licence that Debian's copyright files call {name} (in the characters that SPDX allows). Its text is "
            "in /usr/share/doc/PACKAGE/copyright of the packages under this licence.",
            name,
        )
        for name in sorted(names)
    ]
    if image.license_declared is not None:
        others = sorted({part.licence for part in bill.components if part.licence and part.name != "CPython"})
        text = f"The licences of the packages in this document except CPython: {' AND '.join(others)}"
        extracted.append(ExtractedLicensingInfo(INCLUDED, text, "everything in the image except CPython"))
    return Document(creation, packages, relationships=relationships, extracted_licensing_info=extracted)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    except ValueError:
        return EPOCH


def _identifier(*parts: str) -> str:
    """An SPDX identifier of letters, digits, dots and hyphens; ``+`` is spelled out so that it differs from ``-``."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(part.replace("+", ".plus.") for part in parts if part))


def _purl(locator: str) -> ExternalPackageRef:
    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", locator)


def _image(bill: Bill) -> Package:
    licences = bill.labels.get(f"{ANNOTATIONS}.licenses", "")
    return Package(
        "SPDXRef-Image", bill.name, SpdxNoAssertion(), version=bill.digest, files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, bill.digest.removeprefix("sha256:"))],
        primary_package_purpose=PackagePurpose.CONTAINER,
        comment="".join(f"{key}={value}\n" for key, value in sorted(bill.labels.items())) or None,
        license_declared=LICENSING.parse(licences) if INCLUDED in licences else None,
        external_references=[_purl(bill.purl)],
    )  # fmt: skip


def _package(part: Component, spdx_id: str) -> Package:
    differs = part.kind == "deb" and part.source != part.name
    references = [ExternalPackageRef(ExternalPackageRefCategory.SECURITY, "cpe23Type", part.cpe)] if part.cpe else []
    return Package(
        spdx_id, part.name, part.download or SpdxNoAssertion(), version=part.version or None, files_analyzed=False,
        supplier=_actor(part.supplier), homepage=part.homepage or None,
        source_info=f"built from Debian's source package {part.source}" if differs else None,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, part.sha256)] if part.sha256 else [],
        license_declared=LICENSING.parse(part.licence) if part.licence else SpdxNoAssertion(),
        license_concluded=SpdxNoAssertion(), copyright_text=SpdxNoAssertion(),
        external_references=[*references, _purl(part.purl)] if part.purl else references,
    )  # fmt: skip


def _actor(text: str) -> Actor | SpdxNoAssertion:
    """A supplier: ``Organization: NAME``, ``Person: NAME (MAIL)``, or Debian's ``NAME <MAIL>``."""
    kind, colon, rest = text.partition(": ")
    fields = re.fullmatch(r"(.*?)\s*(?:[<(]([^<>()\s]+@[^<>()\s]+)[>)])?", rest if colon else text)
    if not fields or not fields[1]:
        return SpdxNoAssertion()
    person = colon and kind == "Person"
    return Actor(ActorType.PERSON if person else ActorType.ORGANIZATION, fields[1].strip(' "'), fields[2])
