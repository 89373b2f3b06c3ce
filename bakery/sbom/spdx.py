"""Writes a bill of materials as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) with spdx-tools, which validates it.

The same image gives the same bytes: the creation time is the image's, the namespace contains its manifest's digest, and
components are in a fixed order.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from license_expression import ExpressionError, LicenseExpression, get_spdx_licensing  # type: ignore[import-untyped]
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.extracted_licensing_info import ExtractedLicensingInfo
from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory, Package, PackagePurpose
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.validation.creation_info_validator import validate_creation_info
from spdx_tools.spdx.validation.extracted_licensing_info_validator import validate_extracted_licensing_infos
from spdx_tools.spdx.validation.package_validator import validate_package_within_document
from spdx_tools.spdx.validation.relationship_validator import validate_relationship
from spdx_tools.spdx.validation.uri_validators import validate_download_location, validate_url
from spdx_tools.spdx.validation.validation_message import ValidationMessage

from bakery import __version__
from bakery.catalog import ANNOTATIONS, INCLUDED
from bakery.errors import BuildError
from bakery.sbom.components import Component, one_line
from bakery.sbom.document import Bill

TOOL = f"infra7-python-images-{__version__}"
REFERENCE = "LicenseRef-Debian-"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LICENSING = get_spdx_licensing()  # takes 20 ms for each call


def convert(bill: Bill) -> dict[str, object]:
    """See :func:`bakery.sbom.document.document`."""
    model = _document(bill)
    problems = [
        f"{message.context.parent_id if message.context.spdx_id is None else message.context.spdx_id}: "
        f"{message.validation_message[:500]}"
        for message in _problems(model)
    ]
    if problems:
        raise BuildError(f"The bill of materials of {bill.name} is not valid SPDX: {'; '.join(problems[:3])}")
    content = dict(DocumentConverter().convert(model))  # type: ignore[no-untyped-call]
    for package in content["packages"]:
        for reference in package.get("externalRefs", []):
            # The library writes an underscore, which only later versions of the 2.3 schema accept besides the hyphen.
            reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    return content


def _problems(model: Document) -> Iterator[ValidationMessage]:
    """What makes the document invalid.

    Each package is validated in a document of its container and itself: for each one, the library goes through all
    packages and relationships of its document, so that 6,000 packages in one document took 35 s.
    """
    creation, version = model.creation_info, model.creation_info.spdx_version
    yield from validate_creation_info(creation, version)
    yield from validate_extracted_licensing_infos(model.extracted_licensing_info)
    packages = {package.spdx_id: package for package in model.packages}
    texts = {info.license_id: info for info in model.extracted_licensing_info}
    for relationship in model.relationships:
        part = packages[str(relationship.related_spdx_element_id)]
        both = [packages[end] for end in (relationship.spdx_element_id, part.spdx_id) if end in packages]
        used = [texts[name] for name in re.findall(r"LicenseRef-[\w.-]+", str(part.license_declared)) if name in texts]
        small = Document(creation, both, relationships=[relationship], extracted_licensing_info=used)
        yield from validate_package_within_document(part, version, small)
        yield from validate_relationship(relationship, version, small)


def _document(bill: Bill) -> Document:
    creation = CreationInfo(
        spdx_version="SPDX-2.3", spdx_id="SPDXRef-DOCUMENT", name=bill.name, document_namespace=bill.namespace,
        creators=[Actor(ActorType.TOOL, TOOL)], created=_time(bill.created),
    )  # fmt: skip
    image = _image(bill)
    ids, taken = dict[Component, str](), dict[str, int]()
    for part in dict.fromkeys(bill.components):
        spdx_id = f"SPDXRef-{_identifier(part.kind, part.within, part.name)}"
        count = taken[spdx_id] = taken.get(spdx_id, 0) + 1  # a_b and a-b give the same identifier
        ids[part] = spdx_id if count == 1 else f"{spdx_id}.another.{count}"
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
        license_declared=_licence(licences) if INCLUDED in licences else None,
        external_references=[_purl(bill.purl)],
    )  # fmt: skip


def _licence(text: str) -> LicenseExpression | SpdxNoAssertion:
    """``text`` as an expression of SPDX's names and of those that the document defines, if it is one."""
    try:
        parsed = LICENSING.parse(text)
    except (ExpressionError, RecursionError):
        return SpdxNoAssertion()
    unknown = set(LICENSING.unknown_license_keys(parsed)) if parsed is not None else {""}
    defined = all(name == INCLUDED or name.startswith(REFERENCE) for name in unknown)
    return parsed if defined else SpdxNoAssertion()


def _package(part: Component, spdx_id: str) -> Package:
    differs = part.kind == "deb" and part.source != part.name
    references = [ExternalPackageRef(ExternalPackageRefCategory.SECURITY, "cpe23Type", part.cpe)] if part.cpe else []
    return Package(
        spdx_id, part.name, SpdxNoAssertion() if validate_download_location(part.download) else part.download,
        version=part.version or None, files_analyzed=False, supplier=_actor(part.supplier),
        homepage=None if validate_url(part.homepage) else part.homepage,
        source_info=f"built from Debian's source package {part.source}" if differs else None,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, part.sha256)] if part.sha256 else [],
        license_declared=_licence(part.licence),
        license_concluded=SpdxNoAssertion(), copyright_text=SpdxNoAssertion(),
        external_references=[*references, _purl(part.purl)] if part.purl else references,
    )  # fmt: skip


def _actor(text: str) -> Actor | SpdxNoAssertion:
    """A supplier: ``Organization: NAME``, ``Person: NAME (MAIL)``, or Debian's ``NAME <MAIL>``."""
    kind, colon, rest = text.partition(": ")
    fields = re.fullmatch(r"(.*?) ?(?:[<(]([^<>()\s]+@[^<>()\s]+)[>)])?", one_line(rest if colon else text))
    if not fields or not fields[1]:
        return SpdxNoAssertion()
    person = colon and kind == "Person"
    return Actor(ActorType.PERSON if person else ActorType.ORGANIZATION, fields[1].strip(' "'), fields[2])
