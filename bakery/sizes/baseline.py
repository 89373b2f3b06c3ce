"""The sizes of the official images, as shared/official-sizes.json records them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bakery.catalog import Catalog, Image, Series, Target
from bakery.errors import ConfigError
from bakery.oci import LayerSize

__all__ = ["OfficialImage", "megabytes", "official_size", "official_tags", "read_baseline"]


@dataclass(frozen=True)
class OfficialImage:
    """An official image: its reference, Python release, compressed size in bytes, layers, and manifest digest.

    ``date`` is the day on which the image was made, ``source`` the origin of these data.
    """

    reference: str
    release: str
    compressed_bytes: int
    layers: tuple[LayerSize, ...] = ()
    digest: str = ""
    date: str = ""
    source: str = ""


def megabytes(size: int | None) -> str:
    """Millions of bytes with one decimal, as registries count: ``44.4 MB``; ``-`` if the size is unknown."""
    return "-" if size is None else f"{size / 1e6:.1f} MB"


class _Layer(msgspec.Struct):
    bytes: int
    label: str


class _Image(msgspec.Struct):
    tag: str
    platform: str
    release: str
    compressed_bytes: int
    layers: list[_Layer] = []
    digest: str = ""
    created: str = ""


class _Baseline(msgspec.Struct):
    images: list[_Image]
    source: str = ""


def read_baseline(root: Path) -> dict[tuple[str, str], OfficialImage]:
    """Official images by (tag, platform); :exc:`ConfigError` if the file is missing or not valid."""
    file = root / "shared" / "official-sizes.json"
    try:
        content = msgspec.json.decode(file.read_bytes(), type=_Baseline)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file}: expected images with tag, platform, release and compressed_bytes: {error}"
        ) from None
    return {
        (image.tag, image.platform): OfficialImage(
            image.tag, image.release, image.compressed_bytes,
            tuple(LayerSize("", "gzip", layer.bytes, layer.label) for layer in image.layers),
            image.digest, image.created[:10], content.source,
        )
        for image in content.images
    }  # fmt: skip


def official_tags(catalog: Catalog, series: Series, target: Target) -> tuple[str, ...]:
    """The official image of a series and target; the second tag is of release candidates, before the first release."""
    pattern = catalog.family_of(target).official
    return tuple(pattern.format(series=tag, target=target.name) for tag in (series.number, f"{series.number}-rc"))


def official_size(
    baseline: Mapping[tuple[str, str], OfficialImage], catalog: Catalog, image: Image
) -> OfficialImage | None:
    """The official image that ``image`` is compared with; ``None`` if it is not recorded."""
    tags = official_tags(catalog, image.series, image.target)
    return next((baseline[tag, image.platform] for tag in tags if (tag, image.platform) in baseline), None)
