"""Series, variants, images and the catalog, as frozen dataclasses that only derive one field from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from bakery.catalog.distributions import Family, Target
from bakery.catalog.pins import Extra, Pin, Profile
from bakery.catalog.recipes import Compiler, Options, Recipe, RecipeName
from bakery.compression import Compression
from bakery.platforms import Platform
from bakery.toml import Bytes, Month, Rule, Words

FREE_THREADED = "t"  # marks a build without the global interpreter lock (PEP 703)
WORD = "[a-z0-9]+(-[a-z0-9]+)*"  # pattern of the name of a variant, a target or an extra file
INFIX = f"(?!(.*-)?(slim|gzip)$)({WORD})?"  # pattern of a variant's infix in tags; slim and gzip mark aliases and twins


class SeriesStatus(StrEnum):
    """How upstream maintains a series (https://devguide.python.org/versions/)."""

    END_OF_LIFE = "end-of-life"
    SECURITY = "security"
    BUGFIX = "bugfix"


@dataclass(frozen=True, kw_only=True)
class Series(Options):
    """A Python series such as 3.13, or its free-threaded build 3.13t, with its pinned releases, newest first.

    The other fields are the keys that shared/catalog.toml explains.
    """

    name: str
    status: SeriesStatus
    until: Month
    compiler: Annotated[str, Rule("a name of [compilers]", r"\w+")]
    frame_pointers: bool
    locale: Annotated[str, Rule('"C.UTF-8", or "" to leave LANG unset', r"(C\.UTF-8)?")]
    pins: tuple[Pin, ...]
    extras: tuple[Extra, ...]
    build_packages: Words = ()
    runtime_packages: Words = ()
    ours: Options = field(default_factory=Options)
    by_compiler: Mapping[str, Options] = field(default_factory=dict, hash=False)

    @property
    def number(self) -> str:
        """The series without the letter that marks a free-threaded build."""
        return self.name.removesuffix(FREE_THREADED)

    @property
    def suffix(self) -> str:
        """That letter, as in upstream's own names (``python3.13t``), or nothing."""
        return self.name.removeprefix(self.number)

    @property
    def default(self) -> Pin:
        """The newest pinned release that is not a pre-release; if there is none, the newest pre-release."""
        return next((pin for pin in self.pins if not pin.version.is_prerelease), self.pins[0])


@dataclass(frozen=True)
class Variant:
    """What an image has in addition to the interpreter; a stage of every family's Dockerfile.

    ``lacks`` names features of the default image that it does not have (tests/image/support.py explains them).
    ``extras`` are files that its stage installs.
    """

    name: str
    infix: Annotated[str, Rule('letters, digits and hyphens, or "", but not slim or gzip', INFIX)]
    stage: Annotated[str, Rule("a stage of the Dockerfiles", "[a-z0-9][a-z0-9_.-]*")]
    lacks: Words
    extras: tuple[Extra, ...] = ()

    def on(self, platform: Platform) -> "Variant":
        """This variant with the extras for ``platform`` only."""
        return replace(self, extras=tuple(extra for extra in self.extras if extra.platform in ("", platform)))


@dataclass(frozen=True)
class Budget:
    """The maximum bytes of an image: of all layers as they are pulled, and of all files in them."""

    compressed_bytes: Bytes
    disk_bytes: Bytes


@dataclass(frozen=True)
class Catalog:
    """Everything that can be built, oldest series first."""

    repository: str
    default_target: str
    series: tuple[Series, ...]
    families: tuple[Family, ...]
    recipes: Mapping[RecipeName, Recipe] = field(hash=False)
    frame_pointers: Options  # for series that have them
    compilers: Mapping[str, Compiler] = field(hash=False)
    variants: tuple[Variant, ...]
    compressions: Mapping[str, Compression] = field(hash=False)  # by recipe; of gzip twins: twin
    budgets: Mapping[tuple[str, str, str], Budget] = field(default_factory=dict, hash=False)  # series, variant, target
    source: str = ""  # URL of this repository, if it has one
    documentation: str = ""  # URL of the documentation of its images, if there is one
    profile_fit: float = 0.0  # share of a profile that must fit a release (shared/profile-fit.sh), or its build trains
    profiles: Mapping[str, Profile] = field(default_factory=dict, hash=False)  # by series; a build without one trains

    @property
    def suite_repository(self) -> str:
        """The name, without a tag, of images with CPython's own test suite on top."""
        return f"{self.repository}-regrtest"

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
        """The variant that tags do not name."""
        return next(variant for variant in self.variants if not variant.infix)

    def family_of(self, target: Target) -> Family:
        """The family that ``target`` belongs to."""
        return next(family for family in self.families if family.name == target.family)

    def dockerfile_of(self, image: "Image") -> str:
        """The Dockerfile that builds ``image``, relative to the repository's top: its recipe's or its family's."""
        folder = self.recipes[image.recipe].folder
        return f"{folder}/Dockerfile" if folder else self.family_of(image.target).dockerfile

    def compiler_of(self, image: "Image") -> Compiler:
        """The compiler of ``image``'s interpreter: the recipe's or series' choice if its target has it, else gcc."""
        name = self.recipes[image.recipe].compiler or image.series.compiler
        return self.compilers[name if name in image.target.compilers else "gcc"]

    def profile_of(self, image: "Image") -> Profile | None:
        """The recorded profile that ``image`` is compiled with; ``None`` if its build trains, or uses no profile."""
        profile = self.profiles.get(image.series.name)
        fits = self.recipes[image.recipe].pgo and image.recipe is not RecipeName.REFERENCE
        return profile if profile and fits and profile.compiler == self.compiler_of(image).name else None


def slug_of(name: str, platform: Platform, recipe: RecipeName) -> str:
    """An image's name in names of files: ``3.13.15-bookworm-amd64``; the reference is a separate image."""
    return f"{name}-{platform.architecture}{'-reference' if recipe is RecipeName.REFERENCE else ''}"


@dataclass(frozen=True)
class Image:
    """An image to build: a variant of a release on a target for a platform.

    ``local`` is the suffix of its tags in an engine: the architecture, if it is not the machine's, so that an engine
    can hold images for both. A registry has one tag for all platforms.
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
        """Its name in messages, logs and records: ``3.13.15-bookworm``, ``3.13.15-minimal-bookworm``."""
        return "-".join(part for part in (self.version, self.variant.infix, self.target.name) if part)

    @property
    def slug(self) -> str:
        """Its name in names of files; see :func:`slug_of`."""
        return slug_of(self.name, self.platform, self.recipe)

    @property
    def version(self) -> str:
        """The release with the series' letter: ``3.13.15t``; ``3.13.15t-local`` for the user's own tree."""
        return f"{self.pin.version}{self.series.suffix}{'-local' if self.pin.local else ''}"

    def version_option(self, series: str) -> str:
        """The options that select its release in ``series``, for hints on what to type: ``--version=3.13``."""
        if self.pin.local:
            return f"--version={series} {self.pin.recorded_by}"
        suffix = series.removeprefix(self.series.number)
        return f"--version={series if self.is_default_release else f'{self.pin.release}{suffix}'}"

    @property
    def selection(self) -> str:
        """The options that select it, for hints: ``--version=3.13 --target=bookworm --variant=minimal``."""
        variant = f" --variant={self.variant.name}" if self.variant.infix else ""
        platform = f" --platform={self.platform.architecture}" if self.local else ""
        return f"{self.version_option(self.series.name)} --target={self.target.name}{variant}{platform}"

    @property
    def is_default_release(self) -> bool:
        """Whether the series' own tags refer to this release."""
        return self.pin == self.series.default
