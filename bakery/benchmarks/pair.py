"""The two images that a comparison measures."""

import re
from dataclasses import dataclass, replace

from bakery.catalog import LABELS, Catalog, Image, RecipeName, references


@dataclass(frozen=True)
class Pair:
    """Two image references and the name of their result.

    If an image is missing, its hint says how to build it; without a hint, it is pulled.
    """

    name: str
    ours: str
    reference: str
    ours_hint: str = ""
    reference_hint: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the containers that measure the pair."""
        return {f"{LABELS}.measuring": self.name}


def pair_of(catalog: Catalog, image: Image, ours: str | None, against: str | None) -> Pair:
    """``image`` and its reference image. ``ours`` and ``against`` replace either of them."""
    version = image.series.name if image.is_default_release else image.version
    official = references(catalog, replace(image, recipe=RecipeName.REFERENCE))[0]
    arguments = f"--version={version} --target={image.target.name}"
    return Pair(
        image.slug,
        ours or references(catalog, image)[0],
        against or official,
        "" if ours else f"Build it first: inv build {arguments}",
        "" if against else f"Build it first: inv reference {arguments}",
    )


def free_pair(ours: str, reference: str) -> Pair:
    """Two images of any origin."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{ours.partition('@')[0]}-against-{reference.partition('@')[0]}")
    return Pair(name.strip("-"), ours, reference)
