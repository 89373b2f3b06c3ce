"""The tags of an image.

``<release>-<target>`` always. ``<series>-<target>`` for the series' default release, so that building an older one
never moves it. The same two without the target for the default target; ``latest`` for the newest stable series there.
A variant's name stands after the version in each (``3.13-minimal-bookworm``, ``3.13-minimal``); it has no ``latest``.
"""

from __future__ import annotations

from bakery.catalog.models import Catalog, Image, Series

__all__ = ["latest_series", "references", "tags_of"]


def latest_series(catalog: Catalog) -> Series | None:
    """The newest ordinary series whose default release is not a pre-release."""
    final = (one for one in reversed(catalog.series) if not one.suffix and not one.default.version.is_prerelease)
    return next(final, None)


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


def references(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The same with its recipe's repository, as an engine has them: ``infra7/python:3.13-bookworm``.

    An image for another platform than the machine's says so: ``infra7/python:3.13-bookworm-arm64``.
    """
    repository, end = catalog.recipes[image.recipe].repository, f"-{image.local}" if image.local else ""
    return tuple(f"{repository}:{tag}{end}" for tag in tags_of(catalog, image))
