"""How images are built: options for each stage, the recipes that start with them, and compilers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from bakery.toml import Rule, Table, Words

REPOSITORY = Rule("an image name without tag", r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([/._-]+[a-z0-9]+)*")
STAGES = ("configure", "compile", "install")
"""Stages of the build that have options. Each gets its options as one build argument, so a change of an option repeats
its stage and those after it."""


class RecipeName(StrEnum):
    """``full`` is what is published (PGO and LTO); ``quick`` is for development only.

    ``reference`` is the official recipe, re-created to compare our images with.
    """

    FULL = "full"
    QUICK = "quick"
    REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of each stage by name, which only the stage's script interprets (shared/catalog.toml)."""

    configure: Mapping[str, Words] = field(default_factory=dict, hash=False)
    compile: Mapping[str, Words] = field(default_factory=dict, hash=False)
    install: Mapping[str, Words] = field(default_factory=dict, hash=False)

    def of(self, stage: str) -> Mapping[str, Words]:
        """The options of one of ``STAGES``."""
        options: Mapping[str, Words] = getattr(self, stage)
        return options


@dataclass(frozen=True, kw_only=True)
class Compiler(Options):
    """A compiler for the interpreter; shared/catalog.toml explains each key."""

    name: str
    packages: Words


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The options that a build starts with; ``folder`` has its Dockerfile, and is empty if the family's is used.

    ``options`` are appended in this order; the first ones declare every option of their stages.
    """

    name: RecipeName
    repository: str
    options: tuple[Options, ...]
    folder: str = ""
    packages: Words = ()
    pgo: bool = True
    compiler: str = ""


@dataclass(frozen=True, kw_only=True)
class _Speed(Options):
    pgo: bool
    compiler: Annotated[str, Rule("a compiler's name", r"\w*")] = ""


@dataclass(frozen=True, kw_only=True)
class _Ours(Options):
    packages: Words
    full: _Speed
    quick: _Speed


@dataclass(frozen=True, kw_only=True)
class _Reference(Options):
    repository: Annotated[str, REPOSITORY]


def read_recipes(top: Table) -> dict[RecipeName, Recipe]:
    """Our full and quick recipes, and the re-created official one."""
    repository = top.text("repository", REPOSITORY)
    table = top.table("recipe")
    ours, reference = table.read(_Ours), top.table("reference").read(_Reference)
    for name in (RecipeName.FULL, RecipeName.QUICK):
        check_options(table.table(name), ours)
    name = RecipeName.REFERENCE
    recipes = {name: Recipe(name=name, repository=reference.repository, options=(reference,), folder=name)}
    for name, speed in ((RecipeName.FULL, ours.full), (RecipeName.QUICK, ours.quick)):
        recipes[name] = Recipe(
            name=name, repository=repository, options=(ours, speed), packages=ours.packages, pgo=speed.pgo,
            compiler=speed.compiler,
        )  # fmt: skip
    return recipes


def check_options(table: Table, *declared: Options) -> None:
    """Raise :exc:`bakery.errors.ConfigError` if ``table`` has an option that one of ``declared`` lacks."""
    for stage in STAGES:
        if stage not in table.data:
            continue
        options = table.table(stage)
        for option in options.data:
            for declaration in declared:
                if option not in declaration.of(stage):
                    raise options.unknown(option, declaration.of(stage))
