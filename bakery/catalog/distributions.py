"""Distributions: families, their targets, and where the packages of a family come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from bakery.catalog.pins import BasePin
from bakery.platforms import Platform
from bakery.toml import PART, Month, Rule, Words


class Stability(StrEnum):
    """Whether a distribution release is final; an unstable one may change under an image."""

    STABLE = "stable"
    UNSTABLE = "unstable"


@dataclass(frozen=True)
class Archive:
    """Where a family's packages come from; debian/family.toml explains each key."""

    id: str
    components: Words
    suites: Words
    keyrings: Annotated[Words, Rule("absolute paths such as /usr/share/keyrings/NAME.gpg", rf"(/{PART})+")]
    exclude: Words
    include: Words
    settings: Annotated[str, Rule("debuerreotype, or a folder such as ubuntu/rootfs", rf"debuerreotype|{PART}/{PART}")]


@dataclass(frozen=True)
class Packages:
    """What a family installs: in the stage that compiles, in every image, and additionally in each variant's images."""

    build: Words
    runtime: Words
    variants: Mapping[str, Words] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Target:
    """A distribution release to build on, such as bookworm."""

    name: str
    family: str
    version: str
    status: Stability
    until: Month
    base: BasePin
    compilers: Words
    hooks: Annotated[Words, Rule("names such as merged-usr, or folders such as ubuntu/hooks", rf"{PART}(/{PART})*")]


@dataclass(frozen=True)
class Family:
    """Distribution releases that share a Dockerfile; debian/family.toml explains each key."""

    name: str
    dockerfile: Annotated[str, Rule("a path such as debian/Dockerfile", rf"{PART}/Dockerfile")]
    official: Annotated[
        str, Rule("an image with {series} (and {target}) in its tag", r"(?=.*\{series\})([^{}]|\{(series|target)\})*")
    ]
    platforms: tuple[Platform, ...]
    packages: Packages
    archive: Archive
    targets: tuple[Target, ...]
