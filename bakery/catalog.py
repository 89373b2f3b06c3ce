"""TOML to models, validated once: every error names the file, the key and what was expected there."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from packaging.version import InvalidVersion, Version

from bakery.errors import ConfigError
from bakery.models import (
    Archive,
    BasePin,
    Catalog,
    Family,
    Layout,
    Pin,
    Recipe,
    RecipeName,
    Series,
    SeriesStatus,
    Stability,
    Target,
)

__all__ = ["find_layout", "load_catalog"]

T = TypeVar("T")
SCHEMA = 1


class Table:
    """A TOML table that knows where it stands, hands out checked values and ends with no key unread."""

    def __init__(self, file: Path, where: str, data: Mapping[str, Any]) -> None:
        self.file, self.where, self.data = file, where, data
        self.read: set[str] = set()

    def fail(self, key: str, expected: str, hint: str = "") -> ConfigError:
        """The error to raise for ``key``; the file is named relative to the current folder where it lies below."""
        file = os.path.relpath(self.file)
        name = f"{self.where}.{key}" if self.where else key
        return ConfigError(f"{self.file if file.startswith('..') else file}: {name}: {expected}", hint=hint)

    def get(self, key: str, kind: type[T], what: str, check: Callable[[T], object] = lambda _: True) -> T:
        """The value of ``key``, which must be there, be of ``kind`` and pass ``check``."""
        self.read.add(key)
        if key not in self.data:
            close = difflib.get_close_matches(key, self.data, n=1)
            hint = f"Is {close[0]!r} a misspelling of it?" if close else ""
            raise self.fail(key, f"missing; expected {what}", hint)
        value = self.data[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or not check(value):
            raise self.fail(key, f"expected {what}, found {value!r}")
        return value

    def text(self, key: str, what: str = "a string", pattern: str = "(?s).*") -> str:
        """A string that matches ``pattern`` from end to end."""
        return self.get(key, str, what, lambda value: re.fullmatch(pattern, value))

    def words(self, key: str) -> tuple[str, ...]:
        """A list of strings without white space in them: each becomes one word of a command."""
        what = "a list of words (strings without spaces)"
        return tuple(
            self.get(key, list, what, lambda v: all(isinstance(w, str) and not re.search(r"\s", w) for w in v))
        )

    def choice(self, key: str, kind: type[T]) -> T:
        """One of the values of the enumeration ``kind``."""
        values = [str(value) for value in kind]  # type: ignore[attr-defined]
        what = "one of " + ", ".join(f'"{value}"' for value in values)
        return kind(self.get(key, str, what, lambda value: value in values))  # type: ignore[call-arg]

    def table(self, key: str) -> Table:
        """The sub-table ``key``."""
        data = self.get(key, dict, "a table")
        return Table(self.file, f'{self.where}."{key}"' if "." in key else f"{self.where}.{key}".lstrip("."), data)

    def tables(self, key: str) -> dict[str, Table]:
        """The sub-tables of the table ``key`` by name."""
        outer = self.table(key)
        return {name: outer.table(name) for name in outer.data}

    def entries(self, key: str) -> list[Table]:
        """The tables of the array ``key``."""
        data = self.get(key, list, "an array of tables", lambda value: all(isinstance(one, dict) for one in value))
        return [Table(self.file, f"{key}[{number}]", one) for number, one in enumerate(data)]

    def done(self) -> None:
        """Raise :exc:`ConfigError` for a key that nothing asked for: a typo must not be silently without effect."""
        for key in self.data:
            if key not in self.read:
                close = difflib.get_close_matches(key, self.read, n=1)
                expected = f"one of {', '.join(sorted(self.read))}"
                raise self.fail(
                    key, f"unknown key; expected {expected}", f"Did you mean {close[0]!r}?" if close else ""
                )


def read_toml(file: Path) -> Table:
    """The top table of ``file``, its schema checked; :exc:`ConfigError` where it cannot be read."""
    try:
        table = Table(file, "", tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(f"{file}: the file is missing", hint="Restore it: git checkout -- " + file.name) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    table.get("schema", int, f"{SCHEMA}", lambda value: value == SCHEMA)
    return table


def find_layout(root: Path, environ: Mapping[str, str] = os.environ) -> Layout:
    """Where this clone and its machine-wide cache lie; see :class:`bakery.models.Layout`."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/"), ".cache")
    return Layout(root=root, home=Path(environ.get("BAKERY_HOME") or os.path.join(cache, "infra7-python")).absolute())


def load_catalog(root: Path) -> Catalog:
    """Read shared/catalog.toml, shared/lock.toml and every ``*/family.toml`` below ``root``.

    Raises :exc:`ConfigError` for the first thing that is wrong with them.
    """
    lock = read_toml(root / "shared" / "lock.toml")
    pins = [_pin(name, table) for name, table in lock.tables("releases").items()]
    bases = {name: _base(table) for name, table in lock.tables("bases").items()}
    lock.done()

    top = read_toml(root / "shared" / "catalog.toml")
    series = tuple(
        sorted((_series(n, t, pins) for n, t in top.tables("series").items()), key=lambda s: Version(s.name))
    )
    families = tuple(_family(file.parent.name, read_toml(file), bases) for file in sorted(root.glob("*/family.toml")))
    if not families:
        raise ConfigError(f"{root}: no */family.toml found; expected at least one family of targets")
    names = [target.name for family in families for target in family.targets]
    catalog = Catalog(
        repository=top.text("repository", "an image name without tag", r"[a-z0-9][a-z0-9./_:-]*[a-z0-9]"),
        default_target=top.get("default_target", str, f"one of {', '.join(names)}", lambda value: value in names),
        series=series,
        families=families,
        recipes=_recipes(top.table("recipe")),
    )
    top.done()
    known = {one.name for one in series}
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
        bytes=table.get("bytes", int, "a size in bytes", lambda value: value > 0) if "bytes" in table.data else None,
        pool=table.text("pool", "a path below pool/", r"pool/[^\s]+") if "pool" in table.data else None,
    )
    table.done()
    return pin


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


def _series(name: str, table: Table, pins: Iterable[Pin]) -> Series:
    if not re.fullmatch(r"3\.\d+", name):
        raise table.fail("", f"expected a series such as 3.13, found {name!r}")
    own = sorted((pin for pin in pins if _series_of(pin.release) == name), key=lambda pin: pin.version, reverse=True)
    if not own:
        raise table.fail("", f"no release of {name} is pinned in lock.toml; expected at least one")
    series = Series(
        name=name,
        status=table.choice("status", SeriesStatus),
        until=_until(table),
        configure=table.words("configure"),
        cflags=table.words("cflags"),
        locale=table.text("locale", '"C.UTF-8", or "" to leave LANG unset', r"(C\.UTF-8)?"),
        pins=tuple(own),
    )
    table.done()
    return series


def _recipes(table: Table) -> dict[RecipeName, Recipe]:
    configure, cflags, ldflags, prune = (table.words(key) for key in ("configure", "cflags", "ldflags", "prune"))
    recipes = {}
    for name in RecipeName:
        own = table.table(name)
        recipes[name] = Recipe(
            name, configure + own.words("configure"), cflags, ldflags, prune,
            pgo=own.get("pgo", bool, "true or false"),
            training=own.text("training", "one line of arguments", "[^\n]*"),
        )  # fmt: skip
        own.done()
    table.done()
    return recipes


def _family(name: str, table: Table, bases: Mapping[str, BasePin]) -> Family:
    packages, archive = table.table("packages"), table.table("archive")
    family = Family(
        name=name,
        official=table.text("official", "an image with {series} in its tag", r".*\{series\}.*"),
        platforms=table.words("platforms"),
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
    target = Target(name, family, table.text("version"), table.choice("status", Stability), _until(table), pin)
    table.done()
    return target
