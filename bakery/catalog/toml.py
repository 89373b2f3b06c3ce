"""TOML tables that hand out checked values: every error names the file, the key and what was expected there."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bakery.errors import ConfigError

__all__ = ["Table", "read_toml"]

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
        name = ".".join(part for part in (self.where, key) if part)
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
        raise ConfigError(
            f"{file}: the file is missing", hint=f"Restore it: git checkout -- {file.parent.name}/{file.name}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    table.get("schema", int, f"{SCHEMA}", lambda value: value == SCHEMA)
    return table
