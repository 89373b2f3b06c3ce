"""BuildKit's attestations of an image: in-toto statements, to which an SBOM is added before the image is loaded.

The format is BuildKit's (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md): next
to the image's manifest, its index has one for the platform unknown/unknown whose layers are the statements.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bakery.oci.manifests import ManifestError, fields_by_case, parse_object, require_spelling

SPDX = "https://spdx.dev/Document"
PACKAGES = "https://infra7.github.io/python/packages/v1"
"""Predicate type of the resolution of the distribution's packages (:class:`bakery.records.Resolution`)."""
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "in-toto.io/predicate-type"
SLSA_0_2 = "https://slsa.dev/provenance/v0.2"
METADATA = "https://mobyproject.org/buildkit@v1#metadata"
FIELDS = fields_by_case("_type", "subject", "predicateType", "predicate", "name", "digest")
TYPE = re.compile(r"[!-~]{1,1000}")
"""What a predicate's type may be: a URI (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md)."""


class _Subject(msgspec.Struct, frozen=True):
    digest: dict[str, str]


class _Statement(msgspec.Struct, frozen=True, rename="camel"):
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: msgspec.Raw


def statement_about(digest: str, data: bytes) -> tuple[str, bytes] | None:
    """Type and predicate of the statement in ``data``, ``None`` if it is not about the manifest with this digest.

    Raises :exc:`ManifestError` if it is not a statement, or one that Go programs would read as another.
    """
    require_spelling(parse_object(data), FIELDS, ["subject"], "attestation")
    try:
        statement = msgspec.json.decode(data.decode(), type=_Statement)  # msgspec.Raw is not checked to be UTF-8
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"an attestation cannot be read: {error}") from None
    if not TYPE.fullmatch(statement.predicate_type):
        raise ManifestError(f"an attestation has the type {statement.predicate_type[:100]!r}: expected a URI")
    subjects = {f"sha256:{subject.digest.get('sha256')}" for subject in statement.subject}
    return (statement.predicate_type, bytes(statement.predicate)) if digest in subjects else None


@dataclass(frozen=True)
class Origin:
    """Where images are built: the URL of this repository, the commit that is checked out, and the builder's ID.

    The commit ends in ``-dirty`` if the working tree has changes. Commit and ID are empty if they are unknown.
    """

    repository: str
    revision: str = ""
    builder: str = ""


@dataclass(frozen=True)
class Publication:
    """What is added to published attestations: ``predicates`` by type, and facts that BuildKit does not know.

    ``materials`` maps the URI of each file that enters the build to its SHA-256.
    """

    predicates: Mapping[str, object]
    origin: Origin
    materials: Mapping[str, str] = field(default_factory=dict)

    def complete(self, statement: dict[str, Any]) -> None:
        """Add builder, commit and materials to a provenance (SLSA 0.2 or 1), and remove paths of the builder's clone.

        BuildKit knows verified tarballs only as local folders, and buildx counts ignored files as changes of a clone.
        """
        predicate = statement.get("predicate", {})
        if "buildDefinition" in predicate:  # https://slsa.dev/spec/v1.0/provenance
            run, definition = predicate["runDetails"], predicate["buildDefinition"]
            materials = definition.setdefault("resolvedDependencies", [])
            metadata = run.setdefault("metadata", {}).setdefault("buildkit_metadata", {})
        elif statement.get("predicateType") == SLSA_0_2:  # https://slsa.dev/spec/v0.2/provenance
            run, materials = predicate, predicate.setdefault("materials", [])
            metadata = predicate.setdefault("metadata", {}).setdefault(METADATA, {})
        else:
            return
        materials += [{"uri": uri, "digest": {"sha256": sha256}} for uri, sha256 in self.materials.items()]
        if self.origin.builder:
            run["builder"] = {"id": self.origin.builder}
        vcs = {"source": self.origin.repository, "revision": self.origin.revision}
        metadata["vcs"] = {key: value for key, value in vcs.items() if value}

    def statements(self, subject: object) -> dict[str, dict[str, object]]:
        """The statements about ``subject`` by their predicate types."""
        return {
            kind: {
                "_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, "subject": subject,
                "predicate": predicate,
            }
            for kind, predicate in self.predicates.items()
        }  # fmt: skip
