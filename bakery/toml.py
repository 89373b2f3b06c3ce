"""Read TOML into dataclasses: every error names the file, the key, and what was expected there."""

import difflib
import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from bakery.errors import ConfigError, reason_of
from bakery.redaction import shorten
from bakery.regular_files import SMALL, read_regular

T = TypeVar("T")
SCHEMA = 1
DEEPEST = 30
"""Levels of tables and lists; the catalog has 4."""
DAY, REGEX = r"\d{4}-\d\d-\d\d", "(?s).+"


@dataclass(frozen=True)
class Rule:
    """A rule that a field's type does not express: what errors say was expected, and the pattern of a string."""

    expected: str
    pattern: str = "(?s).*"


def one_of(kind: str, names: Iterable[str]) -> Rule:
    """The rule for one of ``names``; ``kind`` is what errors call them: ``targets``."""
    names = tuple(names)
    return Rule(f"one of the {kind} {', '.join(names)}", "|".join(map(re.escape, names)))


Words = tuple[str, ...]
Bytes = Annotated[int, Rule("a size in bytes")]
Day = Annotated[str, Rule("a date, YYYY-MM-DD", DAY)]
Month = Annotated[str, Rule("a month, YYYY-MM", r"\d{4}-(0[1-9]|1[0-2])")]
Pattern = Annotated[str, Rule("a regular expression", REGEX)]
Sha256 = Annotated[str, Rule("64 lower-case hexadecimal digits", "[0-9a-f]{64}")]
PART = r"(?!\.\.?(/|$))[\w.+~%:-]+"
"""One part of a path that does not leave the folder that it is relative to."""
IMAGE = Rule("an image reference with a tag", r"[^\s@]+:[^\s@/]+")
ImageReference = Annotated[str, IMAGE]


class Table:
    """A TOML table and its place in the file, for errors; ``known`` collects the keys that may be in it."""

    def __init__(self, file: Path, where: str, data: Mapping[str, object]) -> None:
        self.file, self.where, self.data = file, where, data
        self.known: set[str] = set()

    def fail(self, key: str, expected: str, hint: str = "") -> ConfigError:
        """The error to raise for ``key``; the path of the file is relative if it is below the current folder."""
        file = os.path.relpath(self.file)
        name, expected = shorten(".".join(part for part in (self.where, key) if part), 1000), shorten(expected, 1000)
        return ConfigError(f"{self.file if file.startswith('..') else file}: {name}: {expected}", hint=hint)

    def unknown(self, key: str, known: Mapping[str, object] | set[str]) -> ConfigError:
        """The error to raise for a ``key`` that has no meaning."""
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else ""
        return self.fail(key, f"unknown key; expected one of {', '.join(sorted(known))}", hint)

    def get(self, key: str, kind: type[T], expected: str, check: Callable[[T], object] = lambda _: True) -> T:
        """The value of ``key``, which must exist, be of type ``kind`` and pass ``check``."""
        self.known.add(key)
        if key not in self.data:
            close = difflib.get_close_matches(key, self.data, n=1)
            hint = f"Is {close[0]!r} a misspelling of it?" if close else ""
            raise self.fail(key, f"missing; expected {expected}", hint)
        value = self.data[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or not check(value):
            raise self.fail(key, f"expected {expected}, found {value!r}")
        return value

    def text(self, key: str, rule: Rule = Rule("a string")) -> str:
        """A string that ``rule`` matches from end to end; a day for :data:`DAY`, a pattern for :data:`REGEX`."""
        check = {DAY: _is_day, REGEX: _is_regex}.get(rule.pattern) or functools.partial(re.fullmatch, rule.pattern)
        return self.get(key, str, rule.expected, check)

    def words(self, key: str, rule: Rule = Rule("words (strings without spaces)", r"\S*")) -> Words:
        """A list of strings by ``rule``, without white space: each becomes one argument of a command."""

        def check(words: Iterable[object]) -> bool:
            return all(isinstance(word, str) and re.fullmatch(rule.pattern, word) for word in words)

        return tuple(self.get(key, list, f"a list of {rule.expected}", check))

    def choice(self, key: str, kind: type[T]) -> T:
        """One of the values of the enumeration ``kind``."""
        values = [str(value) for value in kind]  # type: ignore[attr-defined]
        expected = "one of " + ", ".join(f'"{value}"' for value in values)
        return kind(self.get(key, str, expected, lambda value: value in values))  # type: ignore[call-arg]

    def table(self, key: str) -> "Table":
        """The sub-table ``key``."""
        return Table(self.file, self._path(key), self.get(key, dict, "a table"))

    def _path(self, key: str) -> str:
        return f'{self.where}."{key}"' if "." in key else f"{self.where}.{key}".lstrip(".")

    def tables(self, key: str, names: Rule = Rule("a name")) -> "dict[str, Table]":
        """The :meth:`children` of the table ``key``."""
        return self.table(key).children(names)

    def children(self, names: Rule) -> "dict[str, Table]":
        """The tables in this one by name; :exc:`ConfigError` for one whose name ``names`` does not match.

        A table with ``like = "NAME"`` inherits the keys that it lacks from the table NAME, which must come before it.
        So an error in a key is reported for the table that sets it.
        """
        tables = {name: self.table(name) for name in self.data}
        originals: dict[str, Mapping[str, object]] = {}
        for name, table in tables.items():
            if not re.fullmatch(names.pattern, name):
                raise table.fail("", f"expected {names.expected}, found {name!r}")
            if "like" in table.data:
                like = table.get("like", str, f"one of {', '.join(originals)}", lambda name: name in originals)
                own = {key: value for key, value in table.data.items() if key != "like"}
                table.data = _merged(originals[like], own)
            originals[name] = table.data
        return tables

    def entries(self, key: str) -> "list[Table]":
        """The tables of the array ``key``."""
        data = self.get(key, list, "an array of tables", lambda value: all(isinstance(entry, dict) for entry in value))
        return [Table(self.file, f"{self._path(key)}[{number}]", entry) for number, entry in enumerate(data)]

    def read(self, kind: type[T], **given: object) -> T:
        """A dataclass of type ``kind`` from this table; raises :exc:`ConfigError` for a key that it has no field for.

        Each field that is not in ``given`` gets the value of the key with its name; the key may be missing if the field
        has a default. The type of the field says what is expected: a string, a number above 0, true or false,
        ``Words``, an enumeration, a dataclass, a mapping (a table with any keys), an array of dataclasses, or one of
        them ``Annotated`` with a :class:`Rule`.
        """
        hints = _hints(cast("type", kind))
        for field in fields(kind):  # type: ignore[arg-type]
            required = field.default is MISSING and field.default_factory is MISSING
            if field.name not in given and (required or field.name in self.data):
                given[field.name] = self._value(field.name, hints[field.name])
            self.known.add(field.name)
        self.done()
        return kind(**given)

    def _value(self, key: str, hint: object) -> object:
        rules = list[Rule]()
        if get_origin(hint) in (Union, UnionType):
            hint = get_args(hint)[0]
        if get_origin(hint) is Annotated:
            hint, *rules = get_args(hint)
        if get_origin(hint) is tuple:
            kind = get_args(hint)[0]
            if is_dataclass(kind):
                return tuple(entry.read(cast("type", kind)) for entry in self.entries(key))
            return tuple(kind(word) for word in self.words(key, *rules))
        if get_origin(hint) is Mapping:
            table = self.table(key)
            return {name: table._value(name, get_args(hint)[1]) for name in table.data}
        kind, rule = cast("type", hint), next(iter(rules), Rule("a string"))
        if is_dataclass(kind):
            return self.table(key).read(kind)
        if kind is bool:
            return self.get(key, bool, "true or false")
        if kind is int:
            return self.get(key, int, rule.expected, lambda value: value > 0)
        return self.choice(key, kind) if issubclass(kind, StrEnum) else self.text(key, rule)

    def done(self) -> None:
        """Raise :exc:`ConfigError` for a key that was never read: a typo must not be silently ignored."""
        for key in self.data:
            if key not in self.known:
                raise self.unknown(key, self.known)


@functools.cache
def _hints(kind: type) -> dict[str, object]:
    return get_type_hints(kind, include_extras=True)


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(DAY, text) and date.fromisoformat(text))
    except ValueError:
        return False


def _is_regex(text: str) -> bool:
    try:
        return bool(re.compile(text)) and text != ""
    except (re.error, OverflowError, RecursionError):
        return False


def _require_plain(value: object, depth: int = 0) -> None:
    """Raise :exc:`ValueError` for values that no message could show: too deep, or a number with thousands of digits."""
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels of tables and lists")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_plain(inner, depth + 1)
    elif isinstance(value, int):
        str(value)


def _require_short_keys(text: str) -> None:
    """Raise :exc:`ValueError` for a dotted key that is too deep: tomllib needs memory for the square of its parts."""
    if any(part.count(".") > DEEPEST for part in re.split(r"[^\w.\"' \t-]", text)):
        raise ValueError(f"a key of more than {DEEPEST} parts")


def _merged(base: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """``base`` with the values of ``own``, which win; tables are merged key by key."""
    both = dict(base)
    for key, value in own.items():
        old = base.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def read_toml(file: Path) -> Table:
    """The top table of ``file``, with a valid ``schema``; raises :exc:`ConfigError` if it cannot be read."""
    try:
        text = read_regular(file, SMALL).decode()
        _require_short_keys(text)
        table = Table(file, "", tomllib.loads(text))
        _require_plain(table.data)
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: the file is missing", hint=f"Restore it: git checkout -- {file.parent.name}/{file.name}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid TOML: {reason_of(error)}") from None
    table.get("schema", int, f"{SCHEMA}", lambda value: value == SCHEMA)
    return table
