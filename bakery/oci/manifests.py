"""Reads image indexes, manifests and configurations, in their OCI and Docker forms.

https://github.com/opencontainers/image-spec/blob/main/manifest.md, image-index.md and config.md in the same folder.
Docker's schema 2 has the same fields under other media types
(https://distribution.github.io/distribution/spec/manifest-v2-2/). JSON is checked once, here. Valid JSON
keeps its unknown fields and the order of its keys, so that it can be written again under the same digest.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NotRequired, TypedDict, TypeVar, cast

import msgspec

from bakery.errors import QuotingError
from bakery.names import DIGEST
from bakery.platforms import Platform

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")
"""Media types of image configurations."""
ACCEPTED = (INDEX, DOCKER_INDEX, MANIFEST, DOCKER_MANIFEST)
"""Media types that a registry is asked for."""
LABEL = 60
"""Characters of the build step that a layer is labelled with."""
REFERENCE_TYPE = "vnd.docker.reference.type"
"""Annotation of BuildKit's manifests of attestations in an index."""
Annotations = Mapping[str, str] | None
"""Absent and ``null`` mean the same."""
MAX_DESCRIPTORS = 512
"""Layers of an image, or entries of an index. Docker's own limit is 127 layers; each could cost a request."""
T = TypeVar("T")


class ManifestError(QuotingError):
    """A registry or an archive has something other than an image, or no image for the platform. Exit code 1."""


Texts = Sequence[str] | None
PlatformFields = TypedDict(
    "PlatformFields",
    {
        "os": str | None, "architecture": str | None, "variant": str | None, "os.version": str | None,
        "os.features": Texts, "features": Texts,
    },
    total=False,
)  # fmt: skip
"""The platform of a descriptor; absent and ``null`` mean the same."""


class Descriptor(TypedDict):
    """Refers to a blob: an index, a manifest, a configuration or a layer."""

    mediaType: str
    digest: Annotated[str, msgspec.Meta(pattern=rf"\A{DIGEST}\Z")]
    size: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    platform: NotRequired[PlatformFields | None]
    annotations: NotRequired[Annotations]
    urls: NotRequired[Texts]
    data: NotRequired[str | None]
    artifactType: NotRequired[str | None]


Descriptors = Annotated[list[Descriptor], msgspec.Meta(max_length=MAX_DESCRIPTORS)]


class Index(TypedDict):
    """A list of manifests, or of indexes."""

    schemaVersion: NotRequired[int]
    mediaType: NotRequired[str]
    manifests: Descriptors
    annotations: NotRequired[Annotations]


class ImageManifest(TypedDict):
    """One image for one platform, or the attestations of an image."""

    schemaVersion: NotRequired[int]
    mediaType: NotRequired[str]
    config: Descriptor
    layers: Descriptors
    annotations: NotRequired[Annotations]


class ContainerConfig(TypedDict, total=False):
    """How a container of an image is started; absent and ``null`` mean the same."""

    Cmd: list[str] | None
    Env: list[str] | None
    Labels: dict[str, str] | None


class RootFileSystem(TypedDict, total=False):
    """The digests of an image's uncompressed layers, bottom first."""

    type: str
    diff_ids: list[str]


class HistoryStep(TypedDict, total=False):
    """One build step."""

    created: str | None
    created_by: str
    empty_layer: bool


class ImageConfig(TypedDict, total=False):
    """The configuration of an image."""

    architecture: str
    os: str
    variant: str | None
    created: str
    config: ContainerConfig | None
    rootfs: RootFileSystem
    history: list[HistoryStep] | None


def fields_by_case(*names: str, kinds: Sequence[type] = ()) -> dict[str, str]:
    """The fields ``names`` and those of ``kinds`` by their lower case, for :func:`require_spelling`."""
    known = (*names, *(name for kind in kinds for name in kind.__annotations__))
    return {name.casefold(): name for name in known}


FIELDS = fields_by_case(kinds=(Index, ImageManifest, Descriptor, PlatformFields))
"""The names of fields by their lower case; Go programs, such as Docker and registries, read them in any case."""
CONFIG_FIELDS = fields_by_case(
    "author", "comment", "os.version", "os.features", "User", "ExposedPorts", "Entrypoint", "Volumes", "WorkingDir",
    "StopSignal", "StopTimeout", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",
    kinds=(ImageConfig, ContainerConfig, RootFileSystem, HistoryStep),
)  # fmt: skip
"""The same for an image's configuration and what it contains."""
NESTED = ("manifests", "layers", "config", "platform", "rootfs", "history")
"""The fields that contain objects with known fields."""


@dataclass(frozen=True)
class LayerSize:
    """A layer: its digest, compression (gzip, zstd, none), compressed bytes, and the build step that made it."""

    digest: str
    method: str
    compressed_bytes: int
    label: str = ""


def parse_object(data: bytes) -> dict[str, object]:
    """The JSON object in ``data``; :exc:`ManifestError` if it is anything else or has a name twice.

    Of two fields with the same name, this program would read the last one, and Docker a mixture of both.
    """
    try:
        content = msgspec.json.decode(data, type=dict[str, object])
    except (ValueError, RecursionError):
        raise ManifestError("expected a JSON object: an image index, a manifest or a configuration") from None
    try:
        json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not an image index, a manifest or a configuration: {error}") from None
    return content


def _unique(pairs: list[tuple[str, object]]) -> None:
    names = set[str]()
    for name, _ in pairs:
        if name in names:
            raise ValueError(f"the field {name[:100]!r} is in it twice")
        names.add(name)


def is_index(content: Mapping[str, object]) -> bool:
    """Whether this is an index, by its media type or, if it has none, by its fields. Works for descriptors too."""
    return content.get("mediaType") in (INDEX, DOCKER_INDEX) or ("manifests" in content and "layers" not in content)


def parse_index(content: Mapping[str, object] | bytes) -> Index:
    """``content`` as an index; :exc:`ManifestError` if its manifests are not descriptors."""
    content = parse_object(content) if isinstance(content, bytes) else content
    return _checked({**content, "manifests": content.get("manifests") or []}, Index, "index")


def parse_manifest(content: Mapping[str, object] | bytes) -> ImageManifest:
    """``content`` as a manifest; :exc:`ManifestError` if its configuration and layers are not descriptors."""
    return _checked(content, ImageManifest, "manifest")


def parse_config(content: Mapping[str, object] | bytes) -> ImageConfig:
    """``content`` as an image's configuration; :exc:`ManifestError` if a field that is used has another type."""
    return _checked(content, ImageConfig, "configuration")


def _checked(content: Mapping[str, object] | bytes, kind: type[T], name: str) -> T:
    """``content`` with all its fields; :exc:`ManifestError` if one that ``kind`` lists is not valid."""
    content = parse_object(content) if isinstance(content, bytes) else content
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ManifestError(f"not an image {name}: {error}") from None
    known = CONFIG_FIELDS if kind is ImageConfig else FIELDS
    require_spelling(content, known, NESTED, f"image {name}")
    return cast(T, content)


def require_spelling(
    content: Mapping[str, object], known: Mapping[str, str], nested: Collection[str], name: str
) -> None:
    """Raise :exc:`ManifestError` if a field differs from a ``known`` one only in case, which Go's decoder ignores.

    Fields in ``nested`` contain objects that are checked too.
    """
    if misspelt := next(_misspelt(content, known, nested), ""):
        field = known[misspelt.casefold()]
        raise ManifestError(f"not an {name}: the field {misspelt!r} would be read as {field!r} by Docker")


def _misspelt(fields: Mapping[str, object], known: Mapping[str, str], nested: Collection[str]) -> Iterator[str]:
    for key, value in fields.items():
        if known.get(key.casefold(), key) != key:
            yield key
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and key in nested:
                yield from _misspelt(inner, known, nested)


def require_complete(manifest: ImageManifest, config: ImageConfig) -> None:
    """Raise :exc:`ManifestError` unless layers and configuration belong together and the manifest claims nothing else.

    Whether a registry has the layers is up to the caller.
    """
    if (kind := manifest["config"]["mediaType"]) not in CONFIGS:
        raise ManifestError(f"its configuration has the media type {kind[:100]!r}")
    if extra := sorted(set(manifest) - set(ImageManifest.__annotations__)):
        raise ManifestError(f"its manifest has the field {extra[0][:100]!r}")
    for blob in (*manifest["layers"], manifest["config"]):
        if extra := sorted(set(blob) - {"mediaType", "digest", "size", "annotations"}):
            raise ManifestError(f"{blob['digest']} has the field {extra[0][:100]!r} in the manifest")
    labels = labels_of(config)
    if wrong := [key for key, value in annotations_of(manifest).items() if labels.get(key) != value]:
        raise ManifestError(f"its annotation {wrong[0][:100]!r} is not one of its labels")
    diff_ids = config.get("rootfs", {}).get("diff_ids", [])
    if not diff_ids or len(diff_ids) != len(manifest["layers"]):
        raise ManifestError(f"it has {len(manifest['layers'])} layers and {len(diff_ids)} diff_ids")
    layer_sizes(manifest)


def annotations_of(content: Descriptor | ImageManifest | Index) -> Mapping[str, str]:
    """The annotations, empty if there are none."""
    return content.get("annotations") or {}


def labels_of(config: ImageConfig) -> Mapping[str, str]:
    """The labels in an image's configuration; an empty mapping if it has none."""
    return (config.get("config") or {}).get("Labels") or {}


def is_attestation(descriptor: Descriptor) -> bool:
    """Whether this is BuildKit's manifest of attestations.

    https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
    """
    return annotations_of(descriptor).get(REFERENCE_TYPE) == "attestation-manifest"


def platforms_of(index: Index) -> dict[Platform, Descriptor]:
    """The descriptors of an index by platform (``linux/arm64``), without attestations and other attachments.

    BuildKit lists an image's attestations as manifests for the platform ``unknown/unknown`` or with an annotation.
    """
    descriptors: dict[Platform, Descriptor] = {}
    for descriptor in index["manifests"]:
        platform = descriptor.get("platform") or {}
        if REFERENCE_TYPE not in annotations_of(descriptor) and platform.get("os") != "unknown":
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


def layer_sizes(manifest: ImageManifest) -> tuple[LayerSize, ...]:
    """The layers of a manifest, bottom first; :exc:`ManifestError` if one is not part of a file system."""
    return tuple(LayerSize(layer["digest"], _method(layer["mediaType"]), layer["size"]) for layer in manifest["layers"])


def _method(media_type: str) -> str:
    """The compression of a layer, by the end of its media type: ``...tar+gzip``, ``...tar.gzip`` or ``...tar``."""
    match = re.search(r"[.+](gzip|zstd|tar)$", media_type)
    if not match:
        raise ManifestError(f"unsupported media type of a layer: {media_type!r}")
    return "none" if match[1] == "tar" else match[1]


def labelled(layers: Sequence[LayerSize], config: ImageConfig) -> tuple[LayerSize, ...]:
    """``layers`` with the build steps that made them, if the configuration's history has a step for each layer."""
    history = config.get("history") or []
    steps = [step.get("created_by", "") for step in history if not step.get("empty_layer")]
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
