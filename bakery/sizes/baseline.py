"""The sizes of the official images, as shared/official-sizes.json records them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from bakery.catalog import Catalog, Image, Series, Target
from bakery.errors import ConfigError, reason_of
from bakery.names import REFERENCE
from bakery.regular_files import MEDIUM, read_regular

Size = Annotated[int, msgspec.Meta(gt=0, le=1 << 53)]


class OfficialLayer(msgspec.Struct, frozen=True):
    """A layer of an official image: its size, and the part of the image that it has."""

    compressed_bytes: Size = msgspec.field(name="bytes")
    label: str


class OfficialImage(msgspec.Struct, frozen=True, rename={"reference": "tag"}):
    """An official image. ``created`` is a time in ISO 8601, ``source`` the origin of these data."""

    reference: Annotated[str, msgspec.Meta(pattern=rf"\A{REFERENCE}\Z")]
    release: str
    compressed_bytes: Size
    platform: str
    layers: tuple[OfficialLayer, ...] = ()
    digest: str = ""
    created: str = ""
    source: str = ""

    @property
    def date(self) -> str:
        """The day on which the image was created."""
        return self.created[:10]


class _Baseline(msgspec.Struct):
    images: list[OfficialImage]
    source: str = ""


def megabytes(size: int | None) -> str:
    """Millions of bytes with one decimal, as registries count: ``44.4 MB``; ``-`` if the size is unknown."""
    return "-" if size is None else f"{size / 1e6:.1f} MB"


def read_baseline(root: Path) -> dict[tuple[str, str], OfficialImage]:
    """Official images by (reference, platform); :exc:`ConfigError` if the file is missing or not valid."""
    file = root / "shared" / "official-sizes.json"
    try:
        content = msgspec.json.decode(read_regular(file, MEDIUM), type=_Baseline)
    except (OSError, ValueError, RecursionError) as error:
        expected = "expected images with tag, platform, release and compressed_bytes"
        raise ConfigError(f"{file}: {expected}: {reason_of(error)}") from None
    images = (msgspec.structs.replace(image, source=content.source) for image in content.images)
    return {(image.reference, image.platform): image for image in images}


def official_tags(catalog: Catalog, series: Series, target: Target) -> tuple[str, ...]:
    """The official image of a series and target; the second tag is that of pre-releases, before the first release."""
    pattern = catalog.family_of(target).official.replace("{target}", target.name)
    return tuple(pattern.replace("{series}", tag) for tag in (series.number, f"{series.number}-rc"))


def official_size(
    baseline: Mapping[tuple[str, str], OfficialImage], catalog: Catalog, image: Image
) -> OfficialImage | None:
    """The official image that ``image`` is compared with; ``None`` if it is not recorded."""
    tags = official_tags(catalog, image.series, image.target)
    return next((baseline[tag, image.platform] for tag in tags if (tag, image.platform) in baseline), None)
