"""Select images by what a user typed: ``3.13,3.11.2``, ``bookworm``, ``--all``."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from packaging.version import Version

from bakery.catalog.distributions import Target
from bakery.catalog.models import FREE_THREADED, Catalog, Image, Series, Variant
from bakery.catalog.pins import RELEASE, Pin
from bakery.errors import InputError, NothingSelected
from bakery.platforms import Platform, host_platform


def split(values: str | Iterable[str] | None) -> tuple[str, ...]:
    """Flatten repeated and comma-separated values, without blanks and duplicates: ``["3.13,3.12", "3.12"]``."""
    raw = [values] if isinstance(values, str) else list(values or ())
    return tuple(dict.fromkeys(word.strip() for value in raw for word in value.split(",") if word.strip()))


def select_images(
    catalog: Catalog, versions: Sequence[str] = (), targets: Sequence[str] = (), variants: Sequence[str] = (), *,
    everything: bool | None = False, platform: Platform | None = None,
) -> tuple[Image, ...]:  # fmt: skip
    """The images of ``versions`` x ``targets`` x ``variants``, in that order and each once.

    A version is a series, which selects its default release, or a pinned release. If no target or variant is given,
    the default one is selected; with ``everything``, all are, and all series if no version is given (None: the command
    has no ``--all``). The recipe is the full one; for another, use ``dataclasses.replace``.
    Raises :exc:`InputError` for a name that does not exist and :exc:`NothingSelected` if no version is given.
    """
    if not versions and not everything:
        series = ", ".join(series.name for series in catalog.series)
        hint = f"Give --version=SERIES or --version=RELEASE (series: {series})"
        raise NothingSelected(
            "nothing is selected: --version is missing", hint=f"{hint}." if everything is None else f"{hint}, or --all."
        )
    pins = [_find_pin(catalog, version) for version in versions] or [
        (series, series.default) for series in catalog.series
    ]
    names = targets or ([target.name for target in catalog.targets] if everything else [catalog.default_target])
    chosen_targets = [_find_target(catalog, name) for name in names]
    chosen_variants = [_find_variant(catalog, name) for name in variants] or (
        catalog.variants if everything else [catalog.default_variant]
    )
    images = (
        Image(series, pin, target, variant, platform or host_platform())
        for series, pin in pins
        for target in chosen_targets
        for variant in chosen_variants
    )
    return tuple(dict.fromkeys(images))


def on_platforms(images: Sequence[Image], platforms: Sequence[Platform]) -> tuple[Image, ...]:
    """``images`` for each of ``platforms``, by default for this machine's; local tags name other architectures."""
    host = host_platform()
    return tuple(
        replace(image, platform=platform, local="" if platform == host else platform.architecture)
        for platform in platforms or (host,)
        for image in images
    )


def _find_pin(catalog: Catalog, text: str) -> tuple[Series, Pin]:
    for series in catalog.series:
        if text == series.name:
            return series, series.default
        for pin in series.pins:
            if text == f"{pin.release}{series.suffix}":
                return series, pin
    names = [series.name for series in catalog.series]
    try:
        version = Version(text.removesuffix(FREE_THREADED))
    except ValueError:  # also for a number of more digits than int() takes
        raise InputError(
            f"{text!r} is not a Python version: expected a series such as 3.13 or a release such as 3.13.5",
            hint=_nearest(text, names),
        ) from None
    for series in catalog.series:
        same_series = version.release[:2] == Version(series.number).release
        if same_series and text.endswith(FREE_THREADED) == bool(series.suffix) and len(version.release) > 2:
            nearest = sorted(series.pins, key=lambda pin: abs(pin.version.micro - version.micro))[:3]
            nearest.sort(key=lambda pin: pin.version)
            releases = ", ".join(f"{pin.release}{series.suffix}" for pin in nearest)
            others = f"All of them: inv images --version={series.name} --releases"
            raise InputError(
                f"release {text} is not pinned: its tarball's digest is not in shared/lock.toml",
                hint=f"Nearest pinned releases: {releases}. {others}\n"
                f"  To build your own source tree, name its series: --version={series.name} --source=PATH",
            )
    raise _unknown("version", text, "a series or a pinned release", names)


def _find_target(catalog: Catalog, text: str) -> Target:
    for target in catalog.targets:
        if text in (target.name, f"{target.family}-{target.version}", f"{target.family}:{target.version}"):
            return target
    raise _unknown("target", text, "a distribution release", [target.name for target in catalog.targets])


def _find_variant(catalog: Catalog, text: str) -> Variant:
    variants = {variant.name: variant for variant in catalog.variants}
    if text not in variants:
        raise _unknown("variant", text, "a variant of the images", list(variants))
    return variants[text]


def _unknown(kind: str, text: str, expected: str, names: Sequence[str]) -> InputError:
    return InputError(f"unknown {kind} {text!r}: expected {expected}", hint=_nearest(text, names))


def _nearest(text: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, names, n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}Available: {', '.join(names)}."


def image_named(catalog: Catalog, name: str, platform: Platform) -> Image | None:
    """The image with this name, such as 3.13.15-minimal-bookworm, for ``platform``; ``None`` if there is none.

    A build of the user's own tree (3.13.99-local-bookworm) has a pin with nothing but the release.
    """
    release = re.match(rf"{RELEASE}(?=t?-local-)", name)
    trees = [Pin(release[0], "", "", "", local=name)] if release else []
    images = (
        Image(series, pin, target, variant, platform)
        for series in catalog.series
        for pin in (*series.pins, *(tree for tree in trees if tree.series == series.number))
        for target in catalog.targets
        for variant in catalog.variants
    )
    return next((image for image in images if image.name == name), None)
