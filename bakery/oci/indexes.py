"""Image indexes: what belongs to one platform in one, and two that become one.

An index lists a manifest for each platform, and beside them the attestations of each, which name its digest
(https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bakery.catalog import Platform
from bakery.oci.manifests import pick, platforms_of

__all__ = ["INDEX", "digest_of", "entries_for", "index_bytes", "merged"]

INDEX = "application/vnd.oci.image.index.v1+json"
SUBJECT = "vnd.docker.reference.digest"
"""Annotation of an attestation with the digest of the manifest that it is about."""
OF_AN_ARCHIVE = ("io.containerd.image.name", "org.opencontainers.image.ref.name", "org.opencontainers.image.created")
"""Annotations by which `docker save` and buildx tell names and times apart; they are not the image's."""


def digest_of(data: bytes) -> str:
    """The digest by which a registry knows ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entries_for(index: Mapping[str, Any], platform: Platform) -> list[dict[str, Any]]:
    """The descriptor of ``platform`` in ``index`` and those of its attestations.

    Raises :exc:`bakery.oci.manifests.ManifestError` where it has none.
    """
    image = pick(index, platform)
    image["platform"] = image.get("platform") or {"architecture": platform.architecture, "os": platform.os}
    return [_bare(image), *(_bare(one) for one in _about(index, image["digest"]))]


def _about(index: Mapping[str, Any], digest: str) -> list[dict[str, Any]]:
    return [one for one in index["manifests"] if (one.get("annotations") or {}).get(SUBJECT) == digest]


def _bare(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """The descriptor without what an archive wrote on it."""
    kept = {key: value for key, value in (descriptor.get("annotations") or {}).items() if key not in OF_AN_ARCHIVE}
    rest = {key: value for key, value in descriptor.items() if key != "annotations"}
    return {**rest, "annotations": kept} if kept else rest


def merged(old: Mapping[str, Any] | None, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The index ``old`` with ``entries`` in place of what it has for their platforms; attestations go with their image.

    Platforms come first, by name, so that the same content is the same index whoever came last.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for index in (old, {"manifests": list(entries)}):
        for platform in platforms_of(index) if index else ():
            assert index is not None
            groups[platform] = entries_for(index, platform) if platform else [dict(platforms_of(index)[platform])]
    ordered = [groups[platform] for platform in sorted(groups)]
    listed = [group[0] for group in ordered] + [one for group in ordered for one in group[1:]]
    annotations = (old or {}).get("annotations")
    return {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": listed,
        **({"annotations": annotations} if annotations else {}),
    }


def index_bytes(index: Mapping[str, Any]) -> bytes:
    """The one way in which an index is written."""
    return json.dumps(index, separators=(",", ":")).encode()
