"""Changes of the lock: which release a series moves to, and how the file changes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from packaging.version import Version

from bakery.catalog.models import Series
from bakery.catalog.pins import Pin
from bakery.sources.lock_changes import apply_changes, lock_diff, newer_releases, release_change, unknown_series


def versions(*names: str) -> list[Version]:
    return [Version(name) for name in names]


@pytest.mark.parametrize(
    ("pinned", "found", "prereleases", "expected"),
    [
        (["3.13.5"], ["3.13.4", "3.13.5", "3.13.6", "3.13.10", "3.14.9"], False, ["3.13.10", "3.13.6"]),
        (["3.13.5"], ["3.13.6rc1"], True, []),
        (["3.13.0b3"], ["3.13.0b4", "3.13.0a9"], True, ["3.13.0b4"]),
        (["3.13.0b3"], ["3.13.0b4"], False, []),
        (["3.13.0b3"], ["3.13.0rc1", "3.13.0"], True, ["3.13.0"]),
        (["3.13.0b3"], ["3.13.0"], False, ["3.13.0"]),
        (["3.13.5"], [], True, []),
    ],
)
def test_newer_releases_of_a_series(
    fake_series: Callable[..., Series], pinned: list[str], found: list[str], prereleases: bool, expected: list[str]
) -> None:
    pins = [Pin(release, "", "", "") for release in pinned]
    assert [str(version) for version in newer_releases(fake_series(*pins), versions(*found), prereleases)] == expected


def test_only_a_final_release_makes_a_new_series() -> None:
    assert unknown_series(["3.9", "3.14"], versions("3.8.1", "3.14.2", "3.15.0b1", "3.16.0", "3.16.1")) == ["3.16"]


def test_lock_survives_a_round_trip(root: Path) -> None:
    text = (root / "shared" / "lock.toml").read_text(encoding="utf-8")
    assert tomli_w.dumps(tomllib.loads(text)) == text


def test_new_release_is_inserted_after_the_next_older_one(root: Path) -> None:
    text = (root / "shared" / "lock.toml").read_text(encoding="utf-8")
    lock = tomllib.loads(text)
    change = release_change(Pin("3.12.99", "Python-3.12.99.tar.xz", "0" * 64, "a test", bytes=5))
    new = apply_changes(lock, [change])
    names = list(new["releases"])
    assert names[names.index("3.12.99") + 1] == "3.13.0"
    diff = lock_diff(text, tomli_w.dumps(new))
    changed = [line for line in diff.splitlines() if re.match(r"[+-](?![+-])", line)]
    assert len(changed) == 6 and not any(line.startswith("-") for line in changed)
    assert lock == tomllib.loads(text), "the old lock is not changed"
