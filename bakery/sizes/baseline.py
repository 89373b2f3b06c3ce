"""The sizes of the official images, as shared/official-sizes.json records them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import Catalog, Image, Series, Target
from bakery.errors import ConfigError
from bakery.oci import LayerSize

__all__ = ["OfficialImage", "megabytes", "official_size", "official_tags", "read_baseline"]


@dataclass(frozen=True)
class OfficialImage:
    """An official image: its tag, Python release, compressed size in bytes, layers and the digest of its manifest.

    ``date`` is the day on which the image was made, ``source`` the origin of these data.
    """

    tag: str
    release: str
    compressed_bytes: int
    layers: tuple[LayerSize, ...] = ()
    digest: str = ""
    date: str = ""
    source: str = ""


def megabytes(size: int | None) -> str:
    """Millions of bytes with one decimal, as registries count: ``44.4 MB``; ``-`` if the size is unknown."""
    return "-" if size is None else f"{size / 1e6:.1f} MB"


def read_baseline(root: Path) -> dict[tuple[str, str], OfficialImage]:
    """Official images by (tag, platform); :exc:`ConfigError` if the file is missing or not valid."""
    file = root / "shared" / "official-sizes.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            (image["tag"], image["platform"]): OfficialImage(
                tag=image["tag"],
                release=image["release"],
                compressed_bytes=int(image["compressed_bytes"]),
                layers=tuple(
                    LayerSize("", "gzip", int(layer["bytes"]), layer["label"]) for layer in image.get("layers", ())
                ),
                digest=image.get("digest", ""),
                date=image.get("created", "")[:10],
                source=content.get("source", ""),
            )
            for image in content["images"]
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{file}: expected images with tag, platform, release and compressed_bytes: {error!r}"
        ) from None


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
