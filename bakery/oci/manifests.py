"""What an image's index and manifest say: pure reading of the OCI and Docker forms of both.

https://github.com/opencontainers/image-spec/blob/main/manifest.md and image-index.md beside it; Docker's schema 2 has
the same fields under other media types (https://distribution.github.io/distribution/spec/manifest-v2-2/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakery.catalog import Platform
from bakery.errors import BakeryError

__all__ = [
    "ACCEPTED",
    "LayerSize",
    "Manifest",
    "ManifestError",
    "is_index",
    "labelled",
    "manifest_of",
    "pick",
    "platforms_of",
]

ACCEPTED = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""Media types of what a registry is asked for; the first two are indexes."""
METHODS = {"gzip": "gzip", "zstd": "zstd", "tar": "none"}
"""How a layer is packed, by the end of its media type (``...tar+gzip``, ``...tar.gzip``, ``...tar``)."""
LABEL = 60
"""Letters of a build step that a layer is called by."""


class ManifestError(BakeryError):
    """A registry or an archive holds something that is no image, or none for the platform. Exit code 1."""


@dataclass(frozen=True)
class LayerSize:
    """One layer as its manifest has it: digest, packing (gzip, zstd, none), bytes as pulled, and what made it."""

    digest: str
    method: str
    compressed_bytes: int
    label: str = ""


@dataclass(frozen=True)
class Manifest:
    """The layers of one image for one platform, bottom first, and the digest of its configuration."""

    config: str
    layers: tuple[LayerSize, ...]

    @property
    def compressed_bytes(self) -> int:
        """Bytes of all layers as they are pulled; the configuration is not counted, as registries do not either."""
        return sum(layer.compressed_bytes for layer in self.layers)


def is_index(content: Mapping[str, Any]) -> bool:
    """Whether this is a list of manifests, by its media type or, where it names none, by its fields."""
    return content.get("mediaType") in ACCEPTED[:2] or ("manifests" in content and "layers" not in content)


def platforms_of(index: Mapping[str, Any]) -> dict[Platform, dict[str, Any]]:
    """The descriptors of an index by platform (``linux/arm64``), without attestations and other companions.

    BuildKit lists an image's attestations as manifests for the platform ``unknown/unknown`` or with an annotation
    (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
    Raises :exc:`ManifestError` where the index holds something else.
    """
    found: dict[Platform, dict[str, Any]] = {}
    listed = index.get("manifests") or []
    if not isinstance(listed, list) or not all(map(_is_descriptor, listed)):
        raise ManifestError("this is no image index: expected descriptors, each with a digest")
    for descriptor in listed:
        annotations, platform = descriptor.get("annotations") or {}, descriptor.get("platform") or {}
        if "vnd.docker.reference.type" in annotations or platform.get("os") == "unknown":
            continue
        found.setdefault(Platform.from_descriptor(platform), dict(descriptor))
    return found


def _is_descriptor(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("digest"), str)
        and all(isinstance(one.get(key) or {}, dict) for key in ("platform", "annotations"))
    )


def pick(index: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """The descriptor for ``platform``, or the only one where it names none; :exc:`ManifestError` without either."""
    found = platforms_of(index)
    if platform in found:
        return found[platform]
    if set(found) == {""}:
        return found[Platform("")]
    raise ManifestError(f"there is no image for {platform}; there are: {', '.join(sorted(found)) or 'none'}")


def manifest_of(content: Mapping[str, Any]) -> Manifest:
    """The layers of a manifest; :exc:`ManifestError` where it is none, or holds something else than file systems."""
    try:
        layers = tuple(
            LayerSize(str(layer["digest"]), _method(layer.get("mediaType", "")), int(layer["size"]))
            for layer in content["layers"]
        )
        return Manifest(str(content["config"]["digest"]), layers)
    except (LookupError, TypeError, ValueError) as error:
        raise ManifestError(f"this is no image manifest: {error!r}") from None


def _method(media_type: str) -> str:
    found = re.search(r"(?:\.|\+)(gzip|zstd|tar)$", media_type)
    if not found:
        raise ManifestError(f"a layer is of an unknown kind: {media_type or 'no media type'}")
    return METHODS[found[1]]


def labelled(layers: Sequence[LayerSize], config: Mapping[str, Any]) -> tuple[LayerSize, ...]:
    """``layers`` with the build steps that made them, from the configuration's history where it tells all of them."""
    history = config.get("history") or []
    steps = [str(one.get("created_by", "")) for one in history if not one.get("empty_layer")]
    if len(steps) != len(layers):
        return tuple(layers)
    return tuple(
        LayerSize(layer.digest, layer.method, layer.compressed_bytes, _label(step))
        for layer, step in zip(layers, steps, strict=True)
    )


def _label(step: str) -> str:
    """A build step in a few words: without the shell, its arguments and what BuildKit writes around it."""
    text = re.sub(r"\s+", " ", step)
    text = re.sub(r"^(RUN )?(\|\d+ .*?(?=/bin/(ba)?sh))?/bin/(ba)?sh -e?u?x?c ", "", text)
    text = re.sub(r"^#\(nop\) | ?# buildkit$", "", text).strip()
    text = re.sub(r"^# (\S+).*", r"\1", text)
    text = re.sub(r"^(set -\w+; ?)", "", text)
    return text if len(text) <= LABEL else f"{text[: LABEL - 1].rstrip()}…"
