"""Load and validate the catalog: every error names the file, the key, and what was expected there."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from bakery.catalog.distributions import Family, Target
from bakery.catalog.models import FREE_THREADED, WORD, Budget, Catalog, Series, Variant
from bakery.catalog.pins import LOCK, RELEASE, BasePin, Extra, Pin, Profile
from bakery.catalog.recipes import Compiler, Options, RecipeName, check_options, read_recipes
from bakery.compression import LEVELS, Compression, parse_compression
from bakery.errors import ConfigError
from bakery.toml import IMAGE, Rule, Table, one_of, read_toml

URL = Rule('a URL, or ""', r"(https?://\S+)?")
NAME = Rule("a name in lower case such as bookworm or uv-amd64", WORD)
"""What becomes part of tags, paths and arguments."""
SERIES = rf"3\.\d{{1,3}}{FREE_THREADED}?"
WITH_LEVEL = {
    name: "|".join(f"{name}:{level}" for level in range(low, high + 1)) for name, (low, high) in LEVELS.items()
}
PACKING = Rule('a method and its level such as "zstd:19"', "|".join([*LEVELS, *WITH_LEVEL.values()]))
PLATFORM = "linux/[a-z0-9]+(/[a-z0-9]+)?"


def load_catalog(root: Path) -> Catalog:
    """Read the catalog, the lock and the budgets in shared/, and every ``*/family.toml`` below ``root``.

    Raises :exc:`ConfigError` for the first mistake in them.
    """
    lock = read_toml(root / LOCK)
    releases = lock.tables("releases", Rule("a release such as 3.13.5 or 3.15.0b3", RELEASE))
    pins = [_pin(release, table) for release, table in releases.items()]
    extras = {name: table.read(Extra, name=name) for name, table in lock.tables("extras", NAME).items()}
    bases = {name: table.read(BasePin) for name, table in lock.tables("bases").items()}
    families = _families(root, bases)
    targets = [target.name for family in families for target in family.targets]
    known_targets = one_of("targets", targets)
    for name in bases:
        if name not in targets:
            raise lock.fail(f"bases.{name}", f"expected {known_targets.expected}")
    top = read_toml(root / "shared" / "catalog.toml")
    recipes = read_recipes(top)
    ours, reference = (recipes[name].options[0] for name in (RecipeName.FULL, RecipeName.REFERENCE))
    frame_pointers = top.table("frame_pointers")
    check_options(frame_pointers, ours, reference)
    compilers = {}
    for name, table in top.tables("compilers").items():
        check_options(table, ours)
        compilers[name] = table.read(Compiler, name=name)
    for family in families:
        _check_compilers(family, compilers)
        _check_packages(family, top.table("variants").data)
    series = []
    for name, table in top.tables("series", Rule("a series such as 3.13 or 3.13t", SERIES)).items():
        series.append(_series(name, table, pins, extras))
        check_options(table, ours, reference)
        _check_series(table, compilers, ours)
    for pin in pins:
        if pin.series not in {entry.number for entry in series}:
            raise lock.fail(f'releases."{pin.release}"', f"series {pin.series} is not in catalog.toml")
    names = one_of("series", (entry.name for entry in series))
    profiles = lock.tables("profiles", names) if "profiles" in lock.data else {}
    for table in profiles.values():
        table.text("compiler", one_of("compilers", compilers))
    lock.done()
    variants = _variants(top, extras)
    kinds = (names, one_of("variants", (variant.name for variant in variants)), known_targets)
    catalog = Catalog(
        repository=recipes[RecipeName.FULL].repository,
        default_target=top.text("default_target", known_targets),
        series=tuple(sorted(series, key=lambda entry: (Version(entry.number), entry.suffix))),
        families=families,
        recipes=recipes,
        frame_pointers=frame_pointers.read(Options),
        compilers=compilers,
        profiles={name: table.read(Profile, series=name) for name, table in profiles.items()},
        profile_fit=top.get("profile_fit", float, "a number from 0.0 to 1.0", lambda share: 0 <= share <= 1),
        variants=variants,
        compressions=_compressions(top.table("compression")),
        budgets=_budgets(read_toml(root / "shared" / "budgets.toml"), *kinds),
        source=top.text("source", URL),
        documentation=top.text("documentation", URL),
    )
    top.done()
    return catalog


def _pin(release: str, table: Table) -> Pin:
    table.text("file", Rule(f"Python-{release}.tar.xz or .tgz", rf"Python-{re.escape(release)}\.(tar\.xz|tgz)"))
    return table.read(Pin, release=release)


def _families(root: Path, bases: Mapping[str, BasePin]) -> tuple[Family, ...]:
    families = tuple(_family(file.parent.name, read_toml(file), bases) for file in sorted(root.glob("*/family.toml")))
    if not families:
        raise ConfigError(f"{root}: no */family.toml found; expected at least one family of targets")
    names = [target.name for family in families for target in family.targets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"*/family.toml: targets.{name}: expected in one family only")
    return families


def _family(name: str, table: Table, bases: Mapping[str, BasePin]) -> Family:
    expected = "a list with at least one platform such as linux/amd64"
    table.get("platforms", list, expected, lambda names: names and all(re.fullmatch(PLATFORM, str(n)) for n in names))
    tables = table.tables("targets", NAME).items()
    targets = tuple(_target(name, target, own, bases) for target, own in tables)
    return table.read(Family, name=name, targets=targets)


def _target(family: str, name: str, table: Table, bases: Mapping[str, BasePin]) -> Target:
    base = table.text("base", IMAGE)
    pin = bases.get(name, BasePin(base, {}, date=""))
    if pin.image != base:
        raise table.fail("base", f"lock.toml pins {pin.image} for {name}; expected the same image, found {base!r}")
    return table.read(Target, name=name, family=family, base=pin)


def _check_compilers(family: Family, compilers: Collection[str]) -> None:
    for target in family.targets:
        if "gcc" not in target.compilers or not set(target.compilers) <= set(compilers):
            raise ConfigError(
                f"{family.name}/family.toml: targets.{target.name}.compilers: expected gcc and others of "
                f"{', '.join(compilers)}, found {list(target.compilers)}"
            )


def _check_packages(family: Family, variants: Collection[str]) -> None:
    for name in family.packages.variants:
        if name not in variants:
            expected = f"expected names of variants ({', '.join(variants)}), found {name!r}"
            raise ConfigError(f"{family.name}/family.toml: packages.variants: {expected}")


def _series(name: str, table: Table, pins: Sequence[Pin], extras: Mapping[str, Extra]) -> Series:
    number = name.removesuffix(FREE_THREADED)
    own = sorted((pin for pin in pins if pin.series == number), key=lambda pin: pin.version, reverse=True)
    if not own:
        raise table.fail("", f"no release of {number} is pinned in lock.toml; expected at least one")
    return table.read(Series, name=name, pins=tuple(own), extras=_extras(table, extras))


def _extras(table: Table, extras: Mapping[str, Extra]) -> tuple[Extra, ...]:
    known = Rule(f"names that lock.toml pins ({', '.join(extras)})", "|".join(map(re.escape, extras)))
    return tuple(extras[name] for name in table.words("extras", known))


def _check_series(table: Table, compilers: Collection[str], ours: Options) -> None:
    """Check what depends on other tables: its compilers exist, and its options are declared."""
    known = one_of("compilers", compilers)
    table.text("compiler", known)
    if "ours" in table.data:
        check_options(table.table("ours"), ours)
    for options in (table.tables("by_compiler", known) if "by_compiler" in table.data else {}).values():
        check_options(options, ours)


def _variants(top: Table, extras: Mapping[str, Extra]) -> tuple[Variant, ...]:
    """The tables ``variants.NAME``; raises :exc:`ConfigError` if two variants would have the same tags."""
    variants = []
    for name, table in top.tables("variants", NAME).items():
        own = _extras(table, extras) if "extras" in table.data else ()
        variants.append(table.read(Variant, name=name, extras=own))
    infixes = [variant.infix for variant in variants]
    if infixes.count("") != 1 or len(set(infixes)) != len(infixes):
        raise top.fail("variants", f'expected infixes that differ, one of them "", found {infixes!r}')
    return tuple(variants)


def _compressions(table: Table) -> dict[str, Compression]:
    compressions: dict[str, Compression] = {name: parse_compression(table.text(name, PACKING)) for name in RecipeName}
    twin = parse_compression(table.text("twin", Rule("gzip with a level", WITH_LEVEL["gzip"])))
    table.done()
    return {**compressions, "twin": replace(twin, marked=True)}


def _budgets(top: Table, series: Rule, variants: Rule, targets: Rule) -> dict[tuple[str, str, str], Budget]:
    """The size limits of images, by series, variant and target."""
    budgets = {
        (name, variant, target): table.read(Budget)
        for name, by_variant in top.tables("budget", series).items()
        for variant, by_target in by_variant.children(variants).items()
        for target, table in by_target.children(targets).items()
    }
    top.done()
    return budgets
