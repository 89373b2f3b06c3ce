"""What a comparison of one image says, as data: for programs (docs/compare.schema.json) and for every report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bakery.catalog import Budget, Image, Platform
from bakery.oci import LayerSize
from bakery.records import ComparedWith, OfficialSize, ReferenceSize, Size
from bakery.sizes.breakdown import FileSize, Part, Share

__all__ = ["Comparison", "Measured", "compared_with", "document", "only_in", "ratio"]


@dataclass(frozen=True)
class Measured:
    """One image as it was measured, and where: in a registry, in the engine, or from the repository's record.

    ``about`` says it in words. Sizes in bytes; what was not measured is ``None`` or empty. ``estimated``: the engine
    keeps its layers unpacked, so that ``compressed_bytes`` are what gzip -6 makes of them.
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
    """One image of ours beside the one that people would use instead.

    ``official`` is compared by what is pulled; ``reference``, an image in the same engine, by what lies on disk.
    """

    image: Image
    variant: str
    ours: Measured | None
    official: Measured | None = None
    reference: Measured | None = None
    budget: Budget | None = None
    over: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The image with its platform, as reports call it."""
        return f"{self.image.name}, {self.image.platform}"

    @property
    def size(self) -> Size | None:
        """Ours, where it was measured both ways."""
        if self.ours is None or self.ours.disk_bytes is None:
            return None
        return Size(self.ours.compressed_bytes, self.ours.disk_bytes)


def ratio(ours: int | None, theirs: int | None) -> float | None:
    """Ours as a multiple of theirs, below 1 where ours is smaller; ``None`` where one of the two is not known."""
    return None if ours is None or not theirs else round(ours / theirs, 4)


def compared_with(comparison: Comparison) -> ComparedWith:
    """For the record of a build: the images that it was compared with, and their sizes."""
    official, reference = comparison.official, comparison.reference
    return ComparedWith(
        official=OfficialSize(
            reference=official.reference,
            source=official.source,
            date=official.date,
            compressed_bytes=official.compressed_bytes,
        )
        if official
        else None,
        reference=ReferenceSize(reference=reference.reference, disk_bytes=reference.disk_bytes or 0)
        if reference
        else None,
    )


def only_in(one: Measured | None, other: Measured | None) -> list[FileSize]:
    """The files of ``one`` whose paths ``other`` does not have, largest first; nothing where either is unknown."""
    if one is None or other is None or not one.files or not other.files:
        return []
    return sorted(
        (one.files[path] for path in one.files.keys() - other.files.keys()),
        key=lambda file: (-file.disk_bytes, file.path),
    )


def _measured(one: Measured | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "reference": one.reference,
        "source": one.source,
        "about": one.about,
        "platform": one.platform,
        "digest": one.digest or None,
        "release": one.release or None,
        "date": one.date or None,
        "estimated": one.estimated,
        "compressed_bytes": one.compressed_bytes,
        "disk_bytes": one.disk_bytes,
        "layers": [
            {
                "digest": layer.digest or None,
                "method": layer.method,
                "compressed_bytes": layer.compressed_bytes,
                "label": layer.label or None,
            }
            for layer in one.layers
        ],
        "parts": {
            str(part): {
                "disk_bytes": share.disk_bytes,
                "compressed_bytes": share.compressed_bytes,
                "files": share.files,
            }
            for part, share in one.parts.items()
        },
    }


def _files(files: Iterable[FileSize]) -> list[dict[str, Any]]:
    return [{"path": one.path, "disk_bytes": one.disk_bytes, "part": str(one.part)} for one in files]


def document(one: Comparison) -> dict[str, Any]:
    """Everything that is known of a comparison, as docs/compare.schema.json describes it."""
    ours, official, reference = one.ours, one.official, one.reference
    compressed = ours.compressed_bytes if ours else None
    disk = ours.disk_bytes if ours else None
    budget = one.budget
    return {
        "image": one.image.name,
        "series": one.image.series.name,
        "release": one.image.version,
        "target": one.image.target.name,
        "variant": one.variant,
        "platform": one.image.platform,
        "recipe": str(one.image.recipe),
        "compressed_bytes": compressed,
        "disk_bytes": disk,
        "official_compressed_bytes": official.compressed_bytes if official else None,
        "reference_disk_bytes": reference.disk_bytes if reference else None,
        "compressed_ratio": ratio(compressed, official.compressed_bytes if official else None),
        "disk_ratio": ratio(disk, reference.disk_bytes if reference else None),
        "ours": _measured(ours),
        "official": _measured(official),
        "reference": _measured(reference),
        "only_in_reference": _files(only_in(reference, ours)),
        "only_in_ours": _files(only_in(ours, reference)),
        "budget": {"compressed_bytes": budget.compressed_bytes, "disk_bytes": budget.disk_bytes} if budget else None,
        "over_budget": one.over or None,
        "notes": list(one.notes),
    }
