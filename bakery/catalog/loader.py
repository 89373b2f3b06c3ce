"""TOML to models, validated once: every error names the file, the key and what was expected there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version

from bakery.catalog.compilers import check_compilers, read_compilers
from bakery.catalog.distributions import Archive, BasePin, Family, Stability, Target
from bakery.catalog.models import FREE_THREADED, Catalog, RecipeName, Series, SeriesStatus
from bakery.catalog.pins import Extra, Pin
from bakery.catalog.platforms import Platform
from bakery.catalog.profiles import read_profiles
from bakery.catalog.recipes import read_budgets, read_recipes
from bakery.catalog.toml import Table, read_toml
from bakery.catalog.variants import read_compressions, read_variants
from bakery.errors import ConfigError

__all__ = ["load_catalog"]

URL = r"(https?://\S+)?"


def load_catalog(root: Path) -> Catalog:
    """Read the catalog, the lock and the budgets in shared/, and every ``*/family.toml`` below ``root``.

    Raises :exc:`ConfigError` for the first thing that is wrong with them.
    """
    lock = read_toml(root / "shared" / "lock.toml")
    pins = [_pin(name, table) for name, table in lock.tables("releases").items()]
    extras = {name: _extra(name, table) for name, table in lock.tables("extras").items()}
    bases = {name: _base(table) for name, table in lock.tables("bases").items()}
    top = read_toml(root / "shared" / "catalog.toml")
    limits = read_toml(root / "shared" / "budgets.toml")
    compilers = read_compilers(top)
    profiles = read_profiles(lock, compilers)
    lock.done()

    every = [_series(name, table, pins, extras) for name, table in top.tables("series").items()]
    series = tuple(sorted(every, key=lambda one: (Version(one.number), one.suffix)))
    families = tuple(_family(file.parent.name, read_toml(file), bases) for file in sorted(root.glob("*/family.toml")))
    if not families:
        raise ConfigError(f"{root}: no */family.toml found; expected at least one family of targets")
    names = [target.name for family in families for target in family.targets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"*/family.toml: targets.{name}: expected in one family only")
    for name in bases:
        if name not in names:
            raise lock.fail(f"bases.{name}", f"expected one of the targets {', '.join(names)}")
    recipes, variants = read_recipes(top), read_variants(top)
    catalog = Catalog(
        compilers=compilers,
        profiles=profiles,
        repository=recipes[RecipeName.FULL].repository,
        default_target=top.get("default_target", str, f"one of {', '.join(names)}", lambda value: value in names),
        series=series,
        families=families,
        recipes=recipes,
        variants=variants,
        compressions=read_compressions(top),
        budgets=read_budgets(limits, [one.name for one in series], [one.name for one in variants], names),
        source=top.text("source", 'a URL, or ""', URL),
        documentation=top.text("documentation", 'a URL, or ""', URL),
    )
    check_compilers(top, catalog.compilers, [(one.name, one.compiler) for one in series], catalog.targets)
    top.done()
    limits.done()
    known = {one.number for one in series}
    for pin in pins:
        if _series_of(pin.release) not in known:
            raise lock.fail(f'releases."{pin.release}"', f"series {_series_of(pin.release)} is not in catalog.toml")
    return catalog


def _series_of(release: str) -> str:
    version = Version(release)
    return f"{version.major}.{version.minor}"


def _pin(release: str, table: Table) -> Pin:
    try:
        Version(release)
    except InvalidVersion:
        raise table.fail("", f"expected a release such as 3.13.5 or 3.15.0b3, found {release!r}") from None
    pin = Pin(
        release=release,
        file=table.text("file", f"Python-{release}.tar.xz or .tgz", rf"Python-{re.escape(release)}\.(tar\.xz|tgz)"),
        sha256=table.text("sha256", "64 lower-case hexadecimal digits", "[0-9a-f]{64}"),
        recorded_by=table.text("recorded_by"),
        signed=table.text("signed", "kind, signer and date", r"(openpgp|sigstore) \S+.* \d{4}-\d\d-\d\d")
        if "signed" in table.data
        else "",
        date=table.text("date", "a date, YYYY-MM-DD", r"\d{4}-\d\d-\d\d") if "date" in table.data else "",
        bytes=table.get("bytes", int, "a size in bytes", lambda value: value > 0) if "bytes" in table.data else None,
        pool=table.text("pool", "a path below pool/", r"pool/[^\s]+") if "pool" in table.data else None,
    )
    if "pip" in table.data:
        table.text("pip", "the version that ensurepip installs", r"\d+(\.\d+)+")
    table.done()
    return pin


def _extra(name: str, table: Table) -> Extra:
    extra = Extra(
        name=name,
        file=table.text("file", "a file name", r"[^\s/]+"),
        sha256=table.text("sha256", "64 lower-case hexadecimal digits", "[0-9a-f]{64}"),
        recorded_by=table.text("recorded_by"),
        pool=table.text("pool", "a path below pool/", r"pool/[^\s]+"),
        bytes=table.get("bytes", int, "a size in bytes", lambda value: value > 0),
    )
    table.done()
    return extra


def _base(table: Table) -> BasePin:
    digests = table.table("digests")
    base = BasePin(
        image=table.text("image", "an image reference with a tag", r"[^\s@]+:[^\s@/]+"),
        digests={p: digests.text(p, "sha256: and 64 hexadecimal digits", "sha256:[0-9a-f]{64}") for p in digests.data},
    )
    table.text("date", "a date, YYYY-MM-DD", r"\d{4}-\d\d-\d\d")
    table.done()
    return base


def _until(table: Table) -> str:
    return table.text("until", "a month, YYYY-MM", r"\d{4}-(0[1-9]|1[0-2])")


def _series(name: str, table: Table, pins: Iterable[Pin], extras: Mapping[str, Extra]) -> Series:
    if not re.fullmatch(rf"3\.\d+{FREE_THREADED}?", name):
        raise table.fail("", f"expected a series such as 3.13 or 3.13t, found {name!r}")
    number = name.removesuffix(FREE_THREADED)
    own = sorted((pin for pin in pins if _series_of(pin.release) == number), key=lambda pin: pin.version, reverse=True)
    if not own:
        raise table.fail("", f"no release of {number} is pinned in lock.toml; expected at least one")
    wanted = table.words("extras")
    if not set(wanted) <= set(extras):
        raise table.fail("extras", f"expected names that lock.toml pins ({', '.join(extras)}), found {list(wanted)!r}")
    series = Series(
        name=name,
        status=table.choice("status", SeriesStatus),
        until=_until(table),
        configure=table.words("configure"),
        lean=table.words("lean"),
        cflags=table.words("cflags"),
        compiler=table.text("compiler", "a name of [compilers]", r"\w+"),
        ldflags=table.words("ldflags"),
        frame_pointers=table.get("frame_pointers", bool, "true or false"),
        locale=table.text("locale", '"C.UTF-8", or "" to leave LANG unset', r"(C\.UTF-8)?"),
        pins=tuple(own),
        extras=tuple(extras[extra] for extra in wanted),
    )
    table.done()
    return series


def _family(name: str, table: Table, bases: Mapping[str, BasePin]) -> Family:
    packages, archive = table.table("packages"), table.table("archive")
    family = Family(
        name=name,
        official=table.text("official", "an image with {series} in its tag", r".*\{series\}.*"),
        platforms=tuple(map(Platform, table.words("platforms"))),
        build_packages=packages.words("build"),
        runtime_packages=packages.words("runtime"),
        archive=Archive(
            id=archive.text("id"),
            components=archive.words("components"),
            suites=archive.words("suites"),
            keyrings=archive.words("keyrings"),
            keyring_package=archive.text("keyring_package"),
            exclude=archive.words("exclude"),
            include=archive.words("include"),
        ),
        targets=tuple(_target(name, one, own, bases) for one, own in table.tables("targets").items()),
    )
    for part in (packages, archive, table):
        part.done()
    return family


def _target(family: str, name: str, table: Table, bases: Mapping[str, BasePin]) -> Target:
    base = table.text("base", "an image reference with a tag", r"[^\s@]+:[^\s@/]+")
    pin = bases.get(name, BasePin(base, {}))
    if pin.image != base:
        raise table.fail("base", f"lock.toml pins {pin.image} for {name}; expected the same image, found {base!r}")
    target = Target(
        name,
        family,
        table.text("version"),
        table.choice("status", Stability),
        _until(table),
        pin,
        table.words("compilers"),
    )
    table.done()
    return target
