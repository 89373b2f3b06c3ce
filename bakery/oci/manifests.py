"""Reads image indexes, manifests and configurations, in their OCI and Docker forms.

https://github.com/opencontainers/image-spec/blob/main/manifest.md, image-index.md and config.md in the same folder.
Docker's schema 2 has the same fields under other media types
(https://distribution.github.io/distribution/spec/manifest-v2-2/). JSON is checked once, here; what passed keeps its
unknown fields and the order of its keys, so that it can be written again under the same digest.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NotRequired, TypedDict, cast

from bakery.errors import BakeryError
from bakery.platforms import Platform

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
"""Media types that a registry is asked for."""
METHODS = {"gzip": "gzip", "zstd": "zstd", "tar": "none"}
"""Compression of a layer by the end of its media type (``...tar+gzip``, ``...tar.gzip``, ``...tar``)."""
LABEL = 60
"""Characters of the build step that a layer is labelled with."""


class ManifestError(BakeryError):
    """A registry or an archive has something other than an image, or no image for the platform. Exit code 1."""


class Descriptor(TypedDict):
    """Refers to a blob: an index, a manifest, a configuration or a layer."""

    mediaType: str
    digest: str
    size: int
    platform: NotRequired[Mapping[str, str]]
    annotations: NotRequired[Mapping[str, str]]
    urls: NotRequired[Sequence[str]]


class Index(TypedDict):
    """A list of manifests, or of indexes."""

    schemaVersion: NotRequired[int]
    mediaType: NotRequired[str]
    manifests: list[Descriptor]
    annotations: NotRequired[Mapping[str, str]]


class ImageManifest(TypedDict):
    """One image for one platform, or the attestations of an image."""

    schemaVersion: NotRequired[int]
    mediaType: NotRequired[str]
    config: Descriptor
    layers: list[Descriptor]
    annotations: NotRequired[Mapping[str, str]]


class ContainerConfig(TypedDict, total=False):
    """How a container of an image is started; absent and ``null`` mean the same."""

    Cmd: list[str]
    Env: list[str] | None
    Labels: dict[str, str] | None


class RootFileSystem(TypedDict, total=False):
    """The digests of an image's uncompressed layers, bottom first."""

    type: str
    diff_ids: list[str]


class HistoryStep(TypedDict, total=False):
    """One build step."""

    created: str
    created_by: str
    empty_layer: bool


class ImageConfig(TypedDict, total=False):
    """The configuration of an image."""

    architecture: str
    os: str
    created: str
    config: ContainerConfig | None
    rootfs: RootFileSystem
    history: list[HistoryStep] | None


@dataclass(frozen=True)
class LayerSize:
    """A layer: its digest, compression (gzip, zstd, none), compressed bytes, and the build step that made it."""

    digest: str
    method: str
    compressed_bytes: int
    label: str = ""


@dataclass(frozen=True)
class Manifest:
    """The layers of an image for one platform, bottom first, and the digest of its configuration."""

    config: str
    layers: tuple[LayerSize, ...]

    @property
    def compressed_bytes(self) -> int:
        """Bytes of all layers, as they are pulled."""
        return sum(layer.compressed_bytes for layer in self.layers)


def parse_object(data: bytes) -> dict[str, object]:
    """The JSON object in ``data``; :exc:`ManifestError` if it is anything else."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ManifestError("expected a JSON object: an image index, a manifest or a configuration")
    return content


def is_index(content: Mapping[str, object]) -> bool:
    """Whether this is an index, by its media type or, if it has none, by its fields; also for a descriptor."""
    return content.get("mediaType") in (INDEX, DOCKER_INDEX) or ("manifests" in content and "layers" not in content)


def parse_index(content: Mapping[str, object]) -> Index:
    """``content`` as an index; :exc:`ManifestError` if its manifests are not descriptors."""
    manifests = content.get("manifests") or []
    if not isinstance(manifests, list) or not all(map(_is_descriptor, manifests)):
        raise ManifestError("not an image index: expected descriptors with media type, digest and size")
    return cast(Index, {**content, "manifests": manifests})


def parse_manifest(content: Mapping[str, object]) -> ImageManifest:
    """``content`` as a manifest; :exc:`ManifestError` if its configuration and layers are not descriptors."""
    layers = content.get("layers")
    if not isinstance(layers, list) or not all(map(_is_descriptor, [content.get("config"), *layers])):
        raise ManifestError("not an image manifest: expected descriptors of a configuration and of layers")
    return cast(ImageManifest, content)


def parse_config(content: Mapping[str, object]) -> ImageConfig:
    """``content`` as an image's configuration; :exc:`ManifestError` if a field that is used has another type."""
    inner, rootfs = content.get("config") or {}, content.get("rootfs") or {}
    steps = content.get("history") or []
    if not (
        all(isinstance(content.get(key, ""), str) for key in ("os", "architecture", "created"))
        and isinstance(inner, dict)
        and _is_list(inner.get("Env") or [], str)
        and _is_map(inner.get("Labels") or {})
        and isinstance(rootfs, dict)
        and _is_list(rootfs.get("diff_ids", []), str)
        and _is_list(steps, dict)
    ):
        raise ManifestError("not an image configuration: expected the fields of the OCI image specification")
    return cast(ImageConfig, content)


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_map(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_descriptor(value: object) -> bool:
    """Whether ``value`` has what a descriptor must have, and the rest in the right type if at all."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("mediaType"), str)
        and isinstance(value.get("digest"), str)
        and isinstance(value.get("size"), int)
        and isinstance(value.get("platform") or {}, dict)
        and _is_map(value.get("annotations") or {})
    )


def is_attestation(descriptor: Descriptor) -> bool:
    """Whether this is BuildKit's manifest of attestations.

    https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
    """
    return (descriptor.get("annotations") or {}).get("vnd.docker.reference.type") == "attestation-manifest"


def platforms_of(index: Index) -> dict[Platform, Descriptor]:
    """The descriptors of an index by platform (``linux/arm64``), without attestations and other attachments.

    BuildKit lists an image's attestations as manifests for the platform ``unknown/unknown`` or with an annotation.
    """
    descriptors: dict[Platform, Descriptor] = {}
    for descriptor in index["manifests"]:
        annotations, platform = descriptor.get("annotations") or {}, descriptor.get("platform") or {}
        if "vnd.docker.reference.type" not in annotations and platform.get("os") != "unknown":
            descriptors.setdefault(Platform.from_descriptor(platform), descriptor)
    return descriptors


def pick(index: Index, platform: Platform) -> Descriptor:
    """The descriptor for ``platform``, or the only one if it names no platform; else :exc:`ManifestError`."""
    descriptors = platforms_of(index)
    if platform in descriptors:
        return descriptors[platform]
    if set(descriptors) == {""}:
        return descriptors[Platform("")]
    available = ", ".join(sorted(descriptors)) or "none"
    raise ManifestError(f"there is no image for {platform}; available: {available}")


def manifest_of(manifest: ImageManifest) -> Manifest:
    """The sizes of a manifest's layers; :exc:`ManifestError` if a layer is not part of a file system."""
    return Manifest(
        manifest["config"]["digest"],
        tuple(
            LayerSize(layer["digest"], _method(layer["mediaType"]), layer["size"]) for layer in manifest["layers"]
        ),
    )  # fmt: skip


def _method(media_type: str) -> str:
    match = re.search(r"(?:\.|\+)(gzip|zstd|tar)$", media_type)
    if not match:
        raise ManifestError(f"unsupported media type of a layer: {media_type!r}")
    return METHODS[match[1]]


def labelled(layers: Sequence[LayerSize], config: ImageConfig) -> tuple[LayerSize, ...]:
    """``layers`` with the build steps that made them, if the configuration's history has a step for each layer."""
    history = config.get("history") or []
    steps = [str(step.get("created_by", "")) for step in history if not step.get("empty_layer")]
    if len(steps) != len(layers):
        return tuple(layers)
    return tuple(replace(layer, label=_label(step)) for layer, step in zip(layers, steps, strict=True))


def _label(step: str) -> str:
    """A build step in a few words: without the shell, its arguments and what BuildKit adds."""
    text = re.sub(r"\s+", " ", step)
    text = re.sub(r"^(RUN )?(\|\d+ .*?(?=/bin/(ba)?sh))?/bin/(ba)?sh -e?u?x?c ", "", text)
    text = re.sub(r"^#\(nop\) | ?# buildkit$", "", text).strip()
    text = re.sub(r"^# (\S+).*", r"\1", text)
    text = re.sub(r"^(set -\w+; ?)", "", text)
    return text if len(text) <= LABEL else f"{text[: LABEL - 1].rstrip()}…"
