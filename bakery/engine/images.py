"""What Docker's API says of an engine and of an image, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bakery.catalog import AMD64, Platform

if TYPE_CHECKING:
    from docker.models.images import Image as DockerImage

__all__ = ["EngineImage", "EngineInfo"]


@dataclass(frozen=True)
class EngineImage:
    """An image in an engine.

    ``id`` is the digest of its index, its manifest or its configuration, depending on the engine's image store;
    ``layers`` are the digests of its unpacked layers, which are the same in every store. ``created`` is ISO 8601 or
    empty.
    """

    id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = AMD64
    created: str = ""
    layers: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, image: DockerImage) -> EngineImage:
        """The image that docker's client returned."""
        attributes = image.attrs
        return cls(
            str(image.id),
            tuple(image.tags),
            dict((attributes.get("Config") or {}).get("Labels") or {}),
            Platform(f"{attributes.get('Os')}/{attributes.get('Architecture')}"),
            str(attributes.get("Created") or ""),
            tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
        )


@dataclass(frozen=True)
class EngineInfo:
    """An engine's version, its storage driver, and its machine's processors and bytes of memory.

    ``keeps_layers``: whether it keeps layers as they are packed (containerd's image store); other engines unpack them
    and discard the archives.
    """

    version: str
    storage: str
    cpus: int
    memory_bytes: int
    keeps_layers: bool

    @classmethod
    def from_api(cls, info: Mapping[str, Any]) -> EngineInfo:
        """What ``GET /info`` returned (https://docs.docker.com/reference/api/engine/version/v1.47/#tag/System)."""
        status = dict(entry[:2] for entry in info.get("DriverStatus") or [])
        return cls(
            str(info.get("ServerVersion") or ""),
            str(info.get("Driver") or ""),
            int(info.get("NCPU") or 1),
            int(info.get("MemTotal") or 0),
            str(status.get("driver-type", "")).startswith("io.containerd."),
        )
