"""The nouns of this project, as frozen dataclasses without behaviour beyond deriving one field from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from packaging.version import Version

from bakery.distributions import Family, Target

__all__ = [
    "FREE_THREADED",
    "Catalog",
    "Extra",
    "Image",
    "Layout",
    "Pin",
    "Recipe",
    "RecipeName",
    "Series",
    "SeriesStatus",
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
class Pin:
    """One release of CPython and the only bytes that are taken for its source."""

    release: str
    file: str
    sha256: str
    recorded_by: str
    signed: str = ""
    """Whose signature of these bytes was checked: kind, signer and day; empty where none was."""
    bytes: int | None = None
    pool: str | None = None
    """Path below a Debian mirror, where its source package keeps upstream's tarball."""

    @property
    def version(self) -> Version:
        """The release as PEP 440 orders it."""
        return Version(self.release)


@dataclass(frozen=True)
class Extra:
    """A file that a series needs beside its tarball, and the only bytes that are taken for it."""

    name: str
    file: str
    sha256: str
    recorded_by: str
    pool: str
    bytes: int


@dataclass(frozen=True)
class Series:
    """A Python series such as 3.13, or its free-threaded build 3.13t, with its pinned releases, newest first."""

    name: str
    status: SeriesStatus
    until: str
    configure: tuple[str, ...]
    lean: tuple[str, ...]
    cflags: tuple[str, ...]
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
    prune: tuple[str, ...] = ()
    pgo: bool = True
    training: str = ""


@dataclass(frozen=True)
class Catalog:
    """Everything that can be built, oldest series first."""

    repository: str
    default_target: str
    series: tuple[Series, ...]
    families: tuple[Family, ...]
    recipes: Mapping[RecipeName, Recipe] = field(hash=False)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets of all families, in the order of the data files."""
        return tuple(target for family in self.families for target in family.targets)

    def family_of(self, target: Target) -> Family:
        """The family whose Dockerfile builds ``target``."""
        return next(family for family in self.families if family.name == target.family)


@dataclass(frozen=True)
class Image:
    """One image to build: a release on a target for a platform."""

    series: Series
    pin: Pin
    target: Target
    platform: str
    recipe: RecipeName = RecipeName.FULL

    @property
    def name(self) -> str:
        """How messages, logs and records call it: ``3.13.15-bookworm``."""
        return f"{self.version}-{self.target.name}"

    @property
    def slug(self) -> str:
        """For files of which each image has one: ``3.13.15-bookworm-amd64``; a reference is another image."""
        reference = "-reference" if self.recipe is RecipeName.REFERENCE else ""
        return f"{self.name}-{self.platform.rpartition('/')[2]}{reference}"

    @property
    def version(self) -> str:
        """The release with the series' letter: ``3.13.15``, ``3.13.15t``."""
        return f"{self.pin.release}{self.series.suffix}"

    @property
    def is_default_release(self) -> bool:
        """Whether this is the release that the series' own tags stand for."""
        return self.pin == self.series.default


@dataclass(frozen=True)
class Layout:
    """Where things lie: the repository, and the cache that all its clones on a machine share.

    ``home`` is ``$BAKERY_HOME``, else ``infra7-python`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """

    root: Path
    home: Path

    @property
    def build(self) -> Path:
        """Logs and records of this clone."""
        return self.root / "build"

    @property
    def logs(self) -> Path:
        """One full log for each image, overwritten by its next build."""
        return self.build / "logs"

    @property
    def records(self) -> Path:
        """One JSON file for each image: what was built and tested, when and how."""
        return self.build / "records"
