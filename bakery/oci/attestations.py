"""BuildKit's attestations of an image: in-toto statements, to which an SBOM is added before the image is loaded.

The format is BuildKit's (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md): next
to the image's manifest, its index has one for the platform unknown/unknown whose layers are the statements.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SPDX = "https://spdx.dev/Document"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "in-toto.io/predicate-type"
METADATA = "https://mobyproject.org/buildkit@v1#metadata"


@dataclass(frozen=True)
class Publication:
    """What attestations are published with: ``bill()``, an SPDX document, and the URL of this repository."""

    bill: Callable[[], Mapping[str, object]]
    repository: str

    def clean(self, statement: dict[str, Any]) -> None:
        """Replace the builder's clone, its path and folders, by the repository in a provenance; the commit stays."""
        metadata = statement.get("predicate", {}).get("metadata", {}).get(METADATA, {})
        if "vcs" in metadata:
            public = {"source": self.repository, "revision": metadata["vcs"].get("revision", "")}
            metadata["vcs"] = {key: value for key, value in public.items() if value}

    def statement(self, subject: object) -> dict[str, object]:
        """The statement with the bill about ``subject``."""
        return {
            "_type": "https://in-toto.io/Statement/v0.1", "predicateType": SPDX, "subject": subject,
            "predicate": self.bill(),
        }  # fmt: skip
