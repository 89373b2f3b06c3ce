"""How large images are, and how large the official ones were when shared/official-sizes.json was recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import Catalog, Image, Series, Target
from bakery.errors import ConfigError
from bakery.oci import LayerSize

__all__ = ["Official", "megabytes", "official_size", "official_tags", "read_baseline"]


@dataclass(frozen=True)
class Official:
    """The official image's tag, release, and compressed size in bytes, as recorded in shared/official-sizes.json.

    With it its layers, the digest of its manifest, the day that it is of and where the record comes from.
    """

    tag: str
    release: str
    compressed_bytes: int
    layers: tuple[LayerSize, ...] = ()
    digest: str = ""
    date: str = ""
    source: str = ""


def megabytes(size: int | None) -> str:
    """Millions of bytes with one decimal, as registries count: ``44.4 MB``; ``-`` where nothing is known."""
    return "-" if size is None else f"{size / 1e6:.1f} MB"


def read_baseline(root: Path) -> dict[tuple[str, str], Official]:
    """Recorded sizes of official images by (tag, platform); :exc:`ConfigError` where the file is not sound."""
    file = root / "shared" / "official-sizes.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            (one["tag"], one["platform"]): Official(
                tag=one["tag"],
                release=one["release"],
                compressed_bytes=int(one["compressed_bytes"]),
                layers=tuple(
                    LayerSize("", "gzip", int(layer["bytes"]), layer["label"]) for layer in one.get("layers", ())
                ),
                digest=one.get("digest", ""),
                date=one.get("created", "")[:10],
                source=content.get("source", ""),
            )
            for one in content["images"]
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{file}: expected images with tag, platform, release and compressed_bytes: {error!r}"
        ) from None


def official_tags(catalog: Catalog, series: Series, target: Target) -> tuple[str, ...]:
    """What an image is compared with; for a series before its first release the second one, of its candidates."""
    pattern = catalog.family_of(target).official
    return tuple(pattern.format(series=one, target=target.name) for one in (series.number, f"{series.number}-rc"))


def official_size(baseline: dict[tuple[str, str], Official], catalog: Catalog, image: Image) -> Official | None:
    """The record of the official image that ``image`` is compared with."""
    tags = official_tags(catalog, image.series, image.target)
    return next((baseline[tag, image.platform] for tag in tags if (tag, image.platform) in baseline), None)
