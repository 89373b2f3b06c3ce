"""Image indexes: selects the entries for a platform, and merges two indexes.

An index lists a manifest for each platform, and the manifests' attestations, which refer to them by digest
(https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

import hashlib
from collections.abc import Sequence

from bakery.oci.manifests import INDEX, REFERENCE_TYPE, Descriptor, Index, annotations_of, pick, platforms_of
from bakery.platforms import Platform

SUBJECT = "vnd.docker.reference.digest"
"""Annotation of an attestation: the digest of the manifest that it is about."""
TAG, EXPORT_TIME = "org.opencontainers.image.ref.name", "org.opencontainers.image.created"
"""Annotations with an image's tag, and with the time of the export, which would give the same images another index."""
ENTRY_ANNOTATIONS = (SUBJECT, REFERENCE_TYPE)
"""The annotations that entries need. `docker save` and buildx add names and times; another machine's file could add
claims about the image, which is described by its configuration and its attestations."""


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
        entry["digest"]: entry for entry in index["manifests"] if annotations_of(entry).get(SUBJECT) == image["digest"]
    }
    return [_without_other_annotations(entry) for entry in (image, *attestations.values())]


def _without_other_annotations(descriptor: Descriptor) -> Descriptor:
    """The descriptor with :data:`ENTRY_ANNOTATIONS` only."""
    annotations = {key: value for key, value in annotations_of(descriptor).items() if key in ENTRY_ANNOTATIONS}
    copy = descriptor.copy()
    copy.pop("annotations", None)
    return {**copy, "annotations": annotations} if annotations else copy


def merged(old: Index | None, entries: Sequence[Descriptor]) -> Index:
    """The index ``old`` with ``entries``, which replace the older images and attestations for the same platforms.

    Platforms are sorted by name, so that the same content gives the same index, in whatever order it was pushed.
    """
    groups: dict[str, list[Descriptor]] = {}
    for index in ([old] if old else []) + [Index(manifests=list(entries))]:
        for platform, descriptor in platforms_of(index).items():
            groups[platform] = entries_for(index, platform) if platform else [descriptor]
    ordered = [groups[platform] for platform in sorted(groups)]
    images, attestations = [group[0] for group in ordered], [entry for group in ordered for entry in group[1:]]
    new: Index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images + attestations}
    return {**new, "annotations": annotations_of(old)} if old and annotations_of(old) else new
