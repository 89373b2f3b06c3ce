"""Builds images twice without the build cache and says whether that made the same bits; if not, what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakery.build.builder import Builder
from bakery.build.difference import Difference, compare_archives, diffoscope
from bakery.catalog import Image, references
from bakery.display import Column
from bakery.errors import BuildError

__all__ = ["VERDICT_COLUMNS", "Verdict", "Verifier", "explain", "verdict_rows"]

SHOWN = 20
"""Differences of an image that are printed; the table counts all of them."""
VERDICT_COLUMNS = (
    Column("image", "image"),
    Column("result", "same"),
    Column("manifest", "digest"),
    Column("differences", "differences", right=True),
)


@dataclass(frozen=True)
class Verdict:
    """What became of one image: both manifests' digests, what differs, and diffoscope's report if there is one."""

    image: Image
    digests: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    report: Path | None = None
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether both builds made the same image."""
        return len(self.digests) == 2 and len(set(self.digests)) == 1


class Verifier:
    """Verifies with a builder that takes nothing from the build cache."""

    def __init__(self, builder: Builder) -> None:
        self.builder, self.folder = builder, builder.workspace.build / "verify"

    def verify(self, images: Sequence[Image]) -> list[Verdict]:
        """Build each of ``images`` twice; what failed is in its verdict."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> Verdict:
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [self.folder / f"{image.slug}-{number}.tar" for number in (1, 2)]
        digests: tuple[str, ...] = ()
        try:
            for file in files:
                (result,) = self.builder.build([image])
                if result.error:
                    return Verdict(image, error=result.error)
                if result.id in digests:
                    return Verdict(image, (*digests, result.id))
                digests = (*digests, result.id)
                self._save(image, file)
            found = tuple(compare_archives(files[0], files[1], image.platform))
            report = self.folder / f"{image.slug}.html"
            return Verdict(image, digests, found, report if diffoscope(files[0], files[1], report) else None)
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    def _save(self, image: Image, file: Path) -> None:
        with file.open("wb") as stream:
            stream.writelines(self.builder.engine.save(references(self.builder.catalog, image)[0]))


def verdict_rows(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """Rows of a table, or what ``--format=json`` prints."""
    return [
        {
            "image": one.image.name,
            "same": "failed" if one.error else "the same bits" if one.same else "different",
            "digest": " ".join(dict.fromkeys(one.digests)),
            "differences": len(one.differences),
        }
        for one in verdicts
    ]


def explain(verdicts: Sequence[Verdict], tell: Callable[[str], None]) -> None:
    """Tell what differs; :exc:`BuildError` where an image was not the same twice."""
    for one in verdicts:
        if one.error:
            tell(f"\n{one.image.name}: {one.error}")
        for found in one.differences[:SHOWN]:
            where = f"layer {found.layer}, {found.path or 'as a whole'}" if found.layer else "configuration"
            tell(f"{one.image.name}: {where}: {found.what}")
        if len(one.differences) > SHOWN:
            tell(f"{one.image.name}: and {len(one.differences) - SHOWN} more")
        if one.report:
            tell(f"{one.image.name}: diffoscope's report: {one.report}")
    wrong = sum(not one.same for one in verdicts)
    if wrong:
        raise BuildError(f"{wrong} of {len(verdicts)} images are not the same twice")
