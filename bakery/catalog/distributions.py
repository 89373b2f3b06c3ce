"""The nouns of distributions: families, their targets, and where the packages of a family come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bakery.catalog.platforms import Platform

__all__ = ["Archive", "BasePin", "Family", "Stability", "Target"]


class Stability(StrEnum):
    """Whether a distribution release is finished; an unstable one may change under an image."""

    STABLE = "stable"
    UNSTABLE = "unstable"


@dataclass(frozen=True)
class BasePin:
    """The published base image of a target: reference without digest, and its digest for each platform."""

    image: str
    digests: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Archive:
    """Where a family's packages come from; explained key by key in debian/family.toml."""

    id: str
    components: tuple[str, ...]
    suites: tuple[str, ...]
    keyrings: tuple[str, ...]
    keyring_package: str
    exclude: tuple[str, ...]
    include: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A distribution release to build on, such as bookworm."""

    name: str
    family: str
    version: str
    status: Stability
    until: str
    base: BasePin
    compilers: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """A folder with one Dockerfile, and the targets that it builds on."""

    name: str
    official: str
    platforms: tuple[Platform, ...]
    build_packages: tuple[str, ...]
    runtime_packages: tuple[str, ...]
    archive: Archive
    targets: tuple[Target, ...]
