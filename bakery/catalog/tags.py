"""The tags of an image.

Every image has ``<release>-<target>``. The series' default release also has ``<series>-<target>``, so that building an
older release never moves that tag. On the default target both also exist without the target, and the newest stable
series has ``latest``. A variant's name follows the version in each tag (``3.13-minimal-bookworm``, ``3.13-minimal``); a
variant has no ``latest``.
"""

from bakery.catalog.models import Catalog, Image, Series


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


def references(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The tags of ``image`` with its recipe's repository: ``infra7/python:3.13-bookworm``.

    They end in the platform if it is not the machine's: ``infra7/python:3.13-bookworm-arm64``.
    """
    repository, end = catalog.recipes[image.recipe].repository, f"-{image.local}" if image.local else ""
    return tuple(f"{repository}:{tag}{end}" for tag in tags_of(catalog, image))
