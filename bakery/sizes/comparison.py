"""The comparison of an image of ours with others, as data for every report (JSON: docs/compare.schema.json)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakery.catalog import Budget, Image, RecipeName
from bakery.oci import LayerSize
from bakery.platforms import Platform
from bakery.sizes.breakdown import FileSize, Part, Share, Size


@dataclass(frozen=True)
class SizeReport:
    """The sizes of an image in bytes; those that were not measured are ``None`` or empty.

    ``source`` is ``registry``, ``engine`` or ``recorded``; ``about`` describes it in more detail. With ``estimated``
    the engine stores layers uncompressed, and ``compressed_bytes`` are the result of gzip -6.
    """

    reference: str
    source: str
    about: str
    platform: Platform
    compressed_bytes: int
    layers: tuple[LayerSize, ...] = ()
    disk_bytes: int | None = None
    parts: Mapping[Part, Share] = field(default_factory=dict, hash=False)
    files: Mapping[str, FileSize] = field(default_factory=dict, hash=False)
    digest: str = ""
    release: str = ""
    date: str = ""
    recipe: str = ""
    estimated: bool = False


@dataclass(frozen=True)
class Comparison:
    """An image of ours and the images that it replaces.

    ``official`` is compared by compressed size; ``reference``, an image in the same engine, by size on disk.
    ``over_budget`` describes why ours is over its size budget, and is empty if it is not.
    """

    image: Image
    ours: SizeReport | None
    official: SizeReport | None = None
    reference: SizeReport | None = None
    budget: Budget | None = None
    over_budget: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The image and its platform."""
        return f"{self.image.name}, {self.image.platform}"

    @property
    def is_full(self) -> bool:
        """Whether ours is a full build, not a quick one."""
        return self.image.recipe is RecipeName.FULL

    @property
    def size(self) -> Size | None:
        """Both sizes of ours; ``None`` unless both were measured."""
        if self.ours is None or self.ours.disk_bytes is None:
            return None
        return Size(self.ours.compressed_bytes, self.ours.disk_bytes)

    @property
    def summary(self) -> "Summary":
        """The sizes that were measured, and a name that tells quick builds from full ones."""
        image, ours, official, reference = self.image, self.ours, self.official, self.reference
        source = " (recorded)" if official and official.source == "recorded" else ""
        return Summary(
            f"{image.name}{'' if self.is_full else ' (quick)'}, {image.platform.architecture}",
            ours.compressed_bytes if ours else None, official.compressed_bytes if official else None,
            ours.disk_bytes if ours else None, reference.disk_bytes if reference else None,
            f"{official.reference}{source}" if official else None,
        )  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """A row of the summary, in bytes: compressed, ours and the official; on disk, ours and the reference."""

    name: str
    compressed: int | None
    official: int | None
    disk: int | None
    reference: int | None
    compared_with: str | None


def ratio(ours: int | None, other: int | None) -> float | None:
    """Ours as a multiple of the other, below 1 if ours is smaller; ``None`` if one of them is unknown."""
    return None if ours is None or not other else round(ours / other, 4)


def files_only_in(image: SizeReport | None, other: SizeReport | None) -> list[FileSize]:
    """Files whose paths the other image does not have, largest first; empty if the files of one are unknown."""
    if image is None or other is None or not image.files or not other.files:
        return []
    files = (file for path, file in image.files.items() if path not in other.files)
    return sorted(files, key=lambda file: (-file.disk_bytes, file.path))


def _image(image: SizeReport | None) -> dict[str, object] | None:
    if image is None:
        return None
    texts = ("reference", "source", "about", "platform", "digest", "release", "date")
    return {
        **{name: getattr(image, name) or None for name in texts},
        "estimated": image.estimated,
        "compressed_bytes": image.compressed_bytes,
        "disk_bytes": image.disk_bytes,
        "layers": [
            {**vars(layer), "digest": layer.digest or None, "label": layer.label or None} for layer in image.layers
        ],
        "parts": {str(part): vars(share) for part, share in image.parts.items()},
    }


def document(comparison: Comparison) -> dict[str, object]:
    """All that is known of a comparison, as docs/compare.schema.json describes it."""
    image, ours, reference, sizes = comparison.image, comparison.ours, comparison.reference, comparison.summary
    return {
        "image": image.name,
        "series": image.series.name,
        "release": image.version,
        "target": image.target.name,
        "variant": image.variant.name,
        "platform": image.platform,
        "recipe": str(image.recipe),
        "compressed_bytes": sizes.compressed,
        "disk_bytes": sizes.disk,
        "official_compressed_bytes": sizes.official,
        "reference_disk_bytes": sizes.reference,
        "compressed_ratio": ratio(sizes.compressed, sizes.official),
        "disk_ratio": ratio(sizes.disk, sizes.reference),
        "ours": _image(ours),
        "official": _image(comparison.official),
        "reference": _image(reference),
        "only_in_reference": [vars(file) for file in files_only_in(reference, ours)],
        "only_in_ours": [vars(file) for file in files_only_in(ours, reference)],
        "budget": vars(comparison.budget) if comparison.budget else None,
        "over_budget": comparison.over_budget or None,
        "notes": list(comparison.notes),
    }
