"""Image indexes: selects the entries for a platform, and merges two indexes.

An index lists a manifest for each platform, and the manifests' attestations, which refer to them by digest
(https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from bakery.oci.manifests import (
    INDEX,
    REFERENCE_TYPE,
    Descriptor,
    Index,
    annotations_of,
    is_attestation,
    pick,
    platforms_of,
)  # fmt: skip
from bakery.platforms import Platform

SUBJECT = "vnd.docker.reference.digest"
"""Annotation of an attestation: the digest of the manifest that it is about."""
TAG, EXPORT_TIME = "org.opencontainers.image.ref.name", "org.opencontainers.image.created"
"""Annotations with an image's tag, and with the time of the export, which would give the same images another index."""
ENTRY_FIELDS = {
    "mediaType": (), "digest": (), "size": (), "platform": ("os", "architecture", "variant"),
    "annotations": (SUBJECT, REFERENCE_TYPE),
}  # fmt: skip
"""The fields that entries need, and the fields within them. `docker save` and buildx add names and times; another
machine's file could add claims about the image, which is described by its configuration and its attestations."""


def digest_of(data: bytes) -> str:
    """The digest by which a registry identifies ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entries_for(index: Index, platform: Platform) -> list[Descriptor]:
    """The descriptor for ``platform`` in ``index`` and the descriptors of its attestations, each once.

    Raises :exc:`bakery.oci.manifests.ManifestError` if the index has no image for the platform.
    """
    image = pick(index, platform)
    if not image.get("platform"):
        image = {**image, "platform": {"architecture": platform.architecture, "os": platform.os}}
    attestations = {
        entry["digest"]: entry for entry in index["manifests"]
        if is_attestation(entry) and annotations_of(entry).get(SUBJECT) == image["digest"] != entry["digest"]
    }  # fmt: skip
    return [_bare(entry) for entry in (image, *attestations.values())]


def _bare(descriptor: Descriptor) -> Descriptor:
    """The descriptor with the fields in :data:`ENTRY_FIELDS` only, in their order; without those that are empty."""
    fields: dict[str, Any] = {}
    for key, value in descriptor.items():
        if isinstance(value, dict):
            names = ENTRY_FIELDS.get(key, ())
            value = {name: text for name, text in value.items() if name in names and text is not None}
        if key in ENTRY_FIELDS and value not in (None, {}):
            fields[key] = value
    return cast(Descriptor, fields)


def merged(old: Index | None, entries: Sequence[Descriptor]) -> Index:
    """The index ``old`` with ``entries``, which replace the older images and attestations for the same platforms.

    It has no annotations: those of ``old`` were for another index.
    Platforms are sorted by name, so that the same content gives the same index, in whatever order it was pushed.
    """
    groups: dict[str, list[Descriptor]] = {}
    for index in ([old] if old else []) + [Index(manifests=list(entries))]:
        for platform, descriptor in platforms_of(index).items():
            groups[platform] = entries_for(index, platform) if platform else [descriptor]
    ordered = [groups[platform] for platform in sorted(groups)]
    images, attestations = [group[0] for group in ordered], [entry for group in ordered for entry in group[1:]]
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": images + attestations}
