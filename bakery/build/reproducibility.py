"""Builds images twice without the build cache and reports whether the results are bit for bit the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakery.build.builder import Builder
from bakery.build.difference import Difference, compare_archives, diffoscope
from bakery.catalog import Image
from bakery.errors import BuildError
from bakery.files import Tell

SHOWN = 20
"""Differences of an image that are printed; the table counts all of them."""


@dataclass(frozen=True)
class Verdict:
    """The result for one image: the digests of both manifests, the differences, and diffoscope's report if any."""

    image: Image
    digests: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    report: Path | None = None
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether both builds made the same image."""
        return len(self.digests) == 2 and len(set(self.digests)) == 1


def verify_images(builder: Builder, images: Sequence[Image]) -> list[Verdict]:
    """Build each of ``images`` twice, with a builder that ignores the build cache; a failed build is in its verdict."""
    return [_verify_image(builder, image) for image in images]


def _verify_image(builder: Builder, image: Image) -> Verdict:
    folder = builder.workspace.build / "verify"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{image.slug}-{number}.tar" for number in (1, 2)]
    digests: tuple[str, ...] = ()
    try:
        for file in files:
            (result,) = builder.build([image])
            if result.error:
                return Verdict(image, error=result.error)
            digests = (*digests, result.id)
            if len(digests) != len(set(digests)):
                return Verdict(image, digests)
            with file.open("wb") as stream:
                stream.writelines(builder.engine.save(result.tags[0]))
        differences = tuple(compare_archives(files[0], files[1], image.platform))
        report = folder / f"{image.slug}.html"
        return Verdict(image, digests, differences, report if diffoscope(files[0], files[1], report) else None)
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def verdict_rows(verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
    """Rows of the table, and of ``--format=json``."""
    return [
        {
            "image": verdict.image.name,
            "same": "failed" if verdict.error else "the same bits" if verdict.same else "different",
            "digest": " ".join(dict.fromkeys(verdict.digests)),
            "differences": len(verdict.differences),
        }
        for verdict in verdicts
    ]


def explain(verdicts: Sequence[Verdict], tell: Tell) -> None:
    """Report all differences; :exc:`BuildError` if two builds of an image were not the same."""
    for verdict in verdicts:
        name = verdict.image.name
        if verdict.error:
            tell(f"\n{name}: {verdict.error}")
        for difference in verdict.differences[:SHOWN]:
            layer = f"layer {difference.layer}, {difference.path or 'as a whole'}"
            tell(f"{name}: {layer if difference.layer else 'configuration'}: {difference.description}")
        if len(verdict.differences) > SHOWN:
            tell(f"{name}: and {len(verdict.differences) - SHOWN} more")
        if verdict.report:
            tell(f"{name}: diffoscope's report: {verdict.report}")
    wrong = sum(not verdict.same for verdict in verdicts)
    if wrong:
        raise BuildError(f"{wrong} of {len(verdicts)} images are not reproducible")
