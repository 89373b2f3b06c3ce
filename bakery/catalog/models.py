"""The nouns of this project, as frozen dataclasses without behaviour beyond deriving one field from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bakery.catalog.compilers import Compiler
from bakery.catalog.compression import Compression
from bakery.catalog.distributions import Family, Target
from bakery.catalog.pins import Extra, Pin
from bakery.catalog.platforms import Platform
from bakery.catalog.profiles import Profile

__all__ = [
    "FREE_THREADED",
    "Budget",
    "Catalog",
    "Image",
    "Recipe",
    "RecipeName",
    "Series",
    "SeriesStatus",
    "Variant",
]


FREE_THREADED = "t"
"""What marks a build without the global interpreter lock (PEP 703)."""


class SeriesStatus(StrEnum):
    """Upstream's word for how a series is maintained (https://devguide.python.org/versions/)."""

    END_OF_LIFE = "end-of-life"
    SECURITY = "security"
    BUGFIX = "bugfix"


class RecipeName(StrEnum):
    """``full`` is what is published (PGO and LTO); ``quick`` is for the development loop only.

    ``reference`` is the official recipe, re-created to be measured against.
    """

    FULL = "full"
    QUICK = "quick"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Series:
    """A Python series such as 3.13, or its free-threaded build 3.13t, with its pinned releases, newest first."""

    name: str
    status: SeriesStatus
    until: str
    configure: tuple[str, ...]
    lean: tuple[str, ...]
    cflags: tuple[str, ...]
    compiler: str
    ldflags: tuple[str, ...]
    frame_pointers: bool
    locale: str
    pins: tuple[Pin, ...]
    extras: tuple[Extra, ...] = ()

    @property
    def number(self) -> str:
        """The series without the letter that marks a free-threaded build."""
        return self.name.removesuffix(FREE_THREADED)

    @property
    def suffix(self) -> str:
        """That letter, as upstream's own names carry it (``python3.13t``), or nothing."""
        return self.name.removeprefix(self.number)

    @property
    def default(self) -> Pin:
        """The newest pinned release that is not a pre-release; where there is none, the newest pre-release."""
        return next((pin for pin in self.pins if not pin.version.is_prerelease), self.pins[0])


@dataclass(frozen=True)
class Recipe:
    """Words for configure, the compiler and the linker that all series share, and what the images are called.

    ``folder`` holds the Dockerfile; it is empty where each family has its own.
    """

    name: RecipeName
    repository: str
    configure: tuple[str, ...]
    cflags: tuple[str, ...]
    frame_pointers: tuple[str, ...]
    ldflags: tuple[str, ...]
    folder: str = ""
    packages: tuple[str, ...] = ()
    builtin: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    prune: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    source_only: tuple[str, ...] = ()
    pgo: bool = True
    training: str = ""
    compiler: str = ""


@dataclass(frozen=True)
class Variant:
    """What an image holds beside the interpreter; a stage of every family's Dockerfile.

    ``lacks`` names features of the default image that it does not have (tests/image/support.py knows the words).
    """

    name: str
    infix: str
    stage: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """The most bytes that an image may take: all layers as they are pulled, all files in them."""

    compressed_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Catalog:
    """Everything that can be built, oldest series first."""

    repository: str
    default_target: str
    series: tuple[Series, ...]
    families: tuple[Family, ...]
    recipes: Mapping[RecipeName, Recipe] = field(hash=False)
    compilers: Mapping[str, Compiler] = field(hash=False)
    variants: tuple[Variant, ...]
    compressions: Mapping[RecipeName, Compression] = field(hash=False)
    budgets: Mapping[tuple[str, str, str], Budget] = field(default_factory=dict, hash=False)
    """By series, variant and target."""
    source: str = ""
    """URL of this repository, and of what explains its images; empty where there is none."""
    documentation: str = ""
    profiles: Mapping[str, Profile] = field(default_factory=dict, hash=False)
    """By series; without them builds train themselves."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets of all families, in the order of the data files."""
        return tuple(target for family in self.families for target in family.targets)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """All platforms that a family is built for, each once."""
        return tuple(dict.fromkeys(platform for family in self.families for platform in family.platforms))

    @property
    def default_variant(self) -> Variant:
        """The one whose tags do not name it."""
        return next(variant for variant in self.variants if not variant.infix)

    def family_of(self, target: Target) -> Family:
        """The family whose Dockerfile builds ``target``."""
        return next(family for family in self.families if family.name == target.family)

    def compiler_of(self, image: Image) -> Compiler:
        """What compiles the interpreter of ``image``: the recipe's choice, else the series', else the target's gcc."""
        wanted = self.recipes[image.recipe].compiler or image.series.compiler
        return self.compilers[wanted if wanted in image.target.compilers else "gcc"]

    def profile_of(self, image: Image) -> Profile | None:
        """The recorded profile that ``image`` is compiled with; ``None`` where its build has to train, or does not."""
        profile = self.profiles.get(image.series.name)
        fits = self.recipes[image.recipe].pgo and image.recipe is not RecipeName.REFERENCE
        return profile if profile and fits and profile.compiler == self.compiler_of(image).name else None


@dataclass(frozen=True)
class Image:
    """One image to build: a variant of a release on a target for a platform.

    ``local`` is what its tags in an engine end in: the architecture where it is not that of the machine, so that both
    can lie side by side. A registry has one tag for all of them.
    """

    series: Series
    pin: Pin
    target: Target
    variant: Variant
    platform: Platform
    recipe: RecipeName = RecipeName.FULL
    local: str = ""

    @property
    def name(self) -> str:
        """How messages, logs and records call it: ``3.13.15-bookworm``, ``3.13.15-minimal-bookworm``."""
        return "-".join(part for part in (self.version, self.variant.infix, self.target.name) if part)

    @property
    def slug(self) -> str:
        """For files of which each image has one: ``3.13.15-bookworm-amd64``; a reference is another image."""
        reference = "-reference" if self.recipe is RecipeName.REFERENCE else ""
        return f"{self.name}-{self.platform.architecture}{reference}"

    @property
    def version(self) -> str:
        """The release with the series' letter: ``3.13.15``, ``3.13.15t``."""
        return f"{self.pin.release}{self.series.suffix}"

    @property
    def is_default_release(self) -> bool:
        """Whether this is the release that the series' own tags stand for."""
        return self.pin == self.series.default
