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
from bakery.compression import Compression, parse_compression
from bakery.errors import ConfigError, InputError
from bakery.toml import Table, read_toml

URL = r"(https?://\S+)?"
PLATFORM = "linux/[a-z0-9]+(/[a-z0-9]+)?"


def load_catalog(root: Path) -> Catalog:
    """Read the catalog, the lock and the budgets in shared/, and every ``*/family.toml`` below ``root``.

    Raises :exc:`ConfigError` for the first mistake in them.
    """
    lock = read_toml(root / LOCK)
    pins = [_pin(release, table) for release, table in lock.tables("releases").items()]
    extras = {name: _named(table, name).read(Extra, name=name) for name, table in lock.tables("extras").items()}
    bases = {name: table.read(BasePin) for name, table in lock.tables("bases").items()}
    profiles = lock.tables("profiles") if "profiles" in lock.data else {}
    lock.done()
    families = _families(root, bases)
    targets = [target.name for family in families for target in family.targets]
    for name in bases:
        if name not in targets:
            raise lock.fail(f"bases.{name}", f"expected one of the targets {', '.join(targets)}")

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
    for name, table in top.tables("series").items():
        series.append(_series(name, table, pins, extras))
        check_options(table, ours, reference)
        _check_series(table, series[-1], compilers, ours)
    for pin in pins:
        if pin.series not in {entry.number for entry in series}:
            raise lock.fail(f'releases."{pin.release}"', f"series {pin.series} is not in catalog.toml")
    for name, table in profiles.items():
        if name not in {entry.name for entry in series}:  # it becomes part of a path
            raise table.fail("", f"expected one of the series {', '.join(entry.name for entry in series)}")
        table.text("compiler", f"one of {', '.join(compilers)}", "|".join(compilers))
    variants = _variants(top, extras)
    names = ([entry.name for entry in series], [variant.name for variant in variants], targets)
    catalog = Catalog(
        repository=recipes[RecipeName.FULL].repository,
        default_target=top.get("default_target", str, f"one of {', '.join(targets)}", lambda name: name in targets),
        series=tuple(sorted(series, key=lambda entry: (Version(entry.number), entry.suffix))),
        families=families,
        recipes=recipes,
        frame_pointers=frame_pointers.read(Options),
        compilers=compilers,
        profiles={name: table.read(Profile, series=name) for name, table in profiles.items()},
        profile_fit=top.get("profile_fit", float, "a number from 0.0 to 1.0", lambda share: 0 <= share <= 1),
        variants=variants,
        compressions=_compressions(top.table("compression")),
        budgets=_budgets(read_toml(root / "shared" / "budgets.toml"), *names),
        source=top.text("source", 'a URL, or ""', URL),
        documentation=top.text("documentation", 'a URL, or ""', URL),
    )
    top.done()
    return catalog


def _pin(release: str, table: Table) -> Pin:
    if not re.fullmatch(RELEASE, release):
        raise table.fail("", f"expected a release such as 3.13.5 or 3.15.0b3, found {release!r}")
    if "pip" in table.data:
        table.text("pip", "the version that ensurepip installs", r"\d+(\.\d+)+")
    table.text("file", f"Python-{release}.tar.xz or .tgz", rf"Python-{re.escape(release)}\.(tar\.xz|tgz)")
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


def _named(table: Table, name: str) -> Table:
    """``table`` if its ``name`` is valid: it becomes part of tags, paths and arguments."""
    if not re.fullmatch(WORD, name):
        raise table.fail("", f"expected a name in lower case such as bookworm or uv-amd64, found {name!r}")
    return table


def _family(name: str, table: Table, bases: Mapping[str, BasePin]) -> Family:
    expected = "a list with at least one platform such as linux/amd64"
    table.get("platforms", list, expected, lambda names: names and all(re.fullmatch(PLATFORM, str(n)) for n in names))
    tables = table.tables("targets").items()
    targets = tuple(_target(name, target, _named(own, target), bases) for target, own in tables)
    return table.read(Family, name=name, targets=targets)


def _target(family: str, name: str, table: Table, bases: Mapping[str, BasePin]) -> Target:
    base = table.text("base", "an image reference with a tag", r"[^\s@]+:[^\s@/]+")
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
    if not re.fullmatch(rf"3\.\d{{1,3}}{FREE_THREADED}?", name):
        raise table.fail("", f"expected a series such as 3.13 or 3.13t, found {name!r}")
    number = name.removesuffix(FREE_THREADED)
    own = sorted((pin for pin in pins if pin.series == number), key=lambda pin: pin.version, reverse=True)
    if not own:
        raise table.fail("", f"no release of {number} is pinned in lock.toml; expected at least one")
    return table.read(Series, name=name, pins=tuple(own), extras=_extras(table, extras))


def _extras(table: Table, extras: Mapping[str, Extra]) -> tuple[Extra, ...]:
    names = table.words("extras")
    if not set(names) <= set(extras):
        raise table.fail("extras", f"expected names that lock.toml pins ({', '.join(extras)}), found {list(names)!r}")
    return tuple(extras[name] for name in names)


def _check_series(table: Table, series: Series, compilers: Collection[str], ours: Options) -> None:
    """Check what depends on other tables: its compilers exist, and its options are declared."""
    known = ", ".join(compilers)
    if series.compiler not in compilers:
        raise table.fail("compiler", f"expected one of {known}, found {series.compiler!r}")
    if "ours" in table.data:
        check_options(table.table("ours"), ours)
    for compiler, options in (table.tables("by_compiler") if "by_compiler" in table.data else {}).items():
        if compiler not in compilers:
            raise options.fail("", f"expected one of {known}, found {compiler!r}")
        check_options(options, ours)


def _variants(top: Table, extras: Mapping[str, Extra]) -> tuple[Variant, ...]:
    """The tables ``variants.NAME``; raises :exc:`ConfigError` if two variants would have the same tags."""
    variants = []
    for name, table in top.tables("variants").items():
        own = _extras(table, extras) if "extras" in table.data else ()
        variants.append(_named(table, name).read(Variant, name=name, extras=own))
    infixes = [variant.infix for variant in variants]
    if infixes.count("") != 1 or len(set(infixes)) != len(infixes):
        raise top.fail("variants", f'expected infixes that differ, one of them "", found {infixes!r}')
    return tuple(variants)


def _compressions(table: Table) -> dict[str, Compression]:
    compressions = dict[str, Compression]()
    for name in (*RecipeName, "twin"):
        text = table.text(name)
        try:
            compressions[name] = parse_compression(text)
        except InputError:
            raise table.fail(name, f'expected a method and its level such as "zstd:19", found {text!r}') from None
    twin = compressions["twin"]
    if twin.method != "gzip" or twin.level is None:
        raise table.fail("twin", f"expected gzip with a level, found {str(twin)!r}")
    compressions["twin"] = replace(twin, marked=True)
    table.done()
    return compressions


def _budgets(
    top: Table, series: Sequence[str], variants: Sequence[str], targets: Sequence[str]
) -> dict[tuple[str, str, str], Budget]:
    """The size limits of images, by series, variant and target."""
    budgets = {}
    for name, kinds in top.tables("budget").items():
        if name not in series:
            raise kinds.fail("", f"expected one of the series {', '.join(series)}")
        for variant in kinds.data:
            if variant not in variants:
                raise kinds.fail(variant, f"expected one of the variants {', '.join(variants)}")
            for target, table in kinds.tables(variant).items():
                if target not in targets:
                    raise table.fail("", f"expected one of the targets {', '.join(targets)}")
                budgets[name, variant, target] = table.read(Budget)
    top.done()
    return budgets
