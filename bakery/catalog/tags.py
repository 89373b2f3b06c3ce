"""The tags of an image.

Every image has ``<release>-<target>``. The series' default release also has ``<series>-<target>``, so that building an
older release never moves that tag. On the default target both also exist without the target, and the newest stable
series has ``latest``. A variant's name follows the version in each tag (``3.13-minimal-bookworm``, ``3.13-minimal``); a
variant has no ``latest``.

Aliases are the official images' names: each tag of the default variant also exists with ``slim`` after the version
(``3.13-slim-bookworm``, ``slim``). Every tag has a twin ending in ``-gzip``: the same content in gzip layers.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from bakery.catalog.labels import ANNOTATIONS, LABELS
from bakery.catalog.models import Catalog, Image, Series
from bakery.catalog.recipes import RecipeName
from bakery.errors import BuildError
from bakery.names import GZIP
from bakery.platforms import Platform
from bakery.redaction import shorten


class EnginesImage(Protocol):
    """What an engine says about an image."""

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def platform(self) -> Platform: ...


Found = TypeVar("Found", bound=EnginesImage)


def latest_series(catalog: Catalog) -> Series | None:
    """The newest ordinary series whose default release is not a pre-release."""
    ordinary = (series for series in reversed(catalog.series) if not series.suffix)
    return next((series for series in ordinary if not series.default.version.is_prerelease), None)


def tags_of(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The tags of ``image``, most specific first, without the repository."""
    versions = [image.version]
    if image.is_default_release:
        versions.append(image.series.name)
    if image.variant.infix:
        versions = [f"{version}-{image.variant.infix}" for version in versions]
    tags = [f"{version}-{image.target.name}" for version in versions]
    if image.target.name == catalog.default_target:
        tags += versions
        if image.is_default_release and image.series == latest_series(catalog) and not image.variant.infix:
            tags.append("latest")
    return tuple(tags)


def aliases_of(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """Other tags of ``image``, by the official images' rules, most specific first."""
    if image.variant.infix:
        return ()
    versions, series = [image.version], image.series
    if image.is_default_release:
        versions += [f"{series.name}-rc"] if image.pin.version.is_prerelease else []
        versions += [series.name, *(["3", ""] if series == latest_series(catalog) else [])]
    names = [f"{version}-slim".lstrip("-") for version in versions]
    on_target = tuple(f"{name}-{image.target.name}" for name in names)
    return (*on_target, *names) if image.target.name == catalog.default_target else on_target


def references(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The tags of ``image`` with its recipe's repository: ``infra7/python:3.13-bookworm``.

    They end in the architecture if it is not the machine's: ``infra7/python:3.13-bookworm-arm64``.
    """
    return tuple(_reference(catalog, image, tag) for tag in tags_of(catalog, image))


def all_references(catalog: Catalog, image: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """:func:`references` with aliases, and the twins of both; the reference image has neither aliases nor twins."""
    if image.recipe is RecipeName.REFERENCE:
        return references(catalog, image), ()
    tags = (*tags_of(catalog, image), *aliases_of(catalog, image))
    names, twins = (tuple(_reference(catalog, image, tag + end) for tag in tags) for end in ("", GZIP))
    return names, twins


def labels_that_name(image: Image) -> dict[str, str]:
    """The labels of ``image`` (:func:`bakery.plan.bake.labels`) that determine its name."""
    return {
        f"{ANNOTATIONS}.version": image.pin.release, f"{LABELS}.series": image.series.name,
        f"{LABELS}.target": image.target.name, f"{LABELS}.variant": image.variant.name,
    }  # fmt: skip


def mismatch(image: Image, labels: Mapping[str, str]) -> str:
    """Why an image with ``labels`` is not ``image``, whatever its name is; empty if it is.

    Full and quick builds have the same names, and a tree that is later than its release has a ``+`` in its version.
    """
    expected = labels_that_name(image)
    if RecipeName.REFERENCE in (image.recipe, labels.get(f"{LABELS}.recipe")):
        expected[f"{LABELS}.recipe"] = str(image.recipe)
    for key, value in expected.items():
        if (label := labels.get(key, "missing")).rstrip("+") != value.rstrip("+"):
            return f"{key} is {shorten(label, 100)}, not {value}"
    return ""


def require_match(image: Image, found: Found) -> Found:
    """What an engine has under a name of ``image``; :exc:`BuildError` if it is another image.

    Any process can give that name to it.
    """
    problem = mismatch(image, found.labels)
    if found.platform.architecture != image.platform.architecture:
        problem = f"it is for {found.platform}, not for {image.platform}"
    if problem:
        verb = "reference" if image.recipe is RecipeName.REFERENCE else "build"
        hint = f"Another process has given it that name. Build yours again: inv {verb} {image.selection}"
        raise BuildError(f"the engine has another image under the name of {image.name}: {problem}", hint=hint)
    return found


def _reference(catalog: Catalog, image: Image, tag: str) -> str:
    return f"{catalog.recipes[image.recipe].repository}:{tag}{f'-{image.local}' if image.local else ''}"
