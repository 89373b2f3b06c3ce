"""From what was found upstream to a new lock, its diff, and a commit message for each change. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomli_w
from packaging.version import Version

from bakery.catalog import Pin, Platform, Series, Target

__all__ = [
    "LockChange",
    "apply_changes",
    "base_change",
    "lock_diff",
    "lock_text",
    "needed_changes",
    "newer",
    "recheck_change",
    "release_change",
    "unknown_series",
]

ORDER = ("file", "sha256", "bytes", "pool", "recorded_by", "pip", "date", "signed")
"""Keys of a release, as the lock has them."""


@dataclass(frozen=True)
class LockChange:
    """One change of the lock: ``table.name`` becomes ``content``; ``message`` is its commit message, whole."""

    table: str
    name: str
    content: Mapping[str, Any] = field(hash=False)
    message: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


def newer(series: Series, found: Iterable[Version], prereleases: bool) -> list[Version]:
    """Those of ``found`` that ``series`` should go on to, best first; empty where it has the newest already.

    Pre-releases count only where the series opts in, and only while it has no final release.
    """
    own = [version for version in found if f"{version.major}.{version.minor}" == series.number]
    pinned = [pin.version for pin in series.pins]
    final = any(not version.is_prerelease for version in (*own, *pinned))
    kinds = [version for version in own if not version.is_prerelease or (prereleases and not final)]
    newest = max((version for version in pinned if not final or not version.is_prerelease), default=None)
    return sorted((version for version in kinds if newest is None or version > newest), reverse=True)


def unknown_series(known: Iterable[str], found: Iterable[Version]) -> list[str]:
    """Numbers of series with a final release that are newer than any that the catalog knows."""
    newest = max(Version(number) for number in known)
    numbers = {f"{one.major}.{one.minor}" for one in found if not one.is_prerelease}
    return sorted((number for number in numbers if Version(number) > newest), key=Version)


def _release(pin: Pin, pip: str) -> dict[str, Any]:
    values = {
        "file": pin.file, "sha256": pin.sha256, "bytes": pin.bytes, "pool": pin.pool, "recorded_by": pin.recorded_by,
        "pip": pip, "date": pin.date, "signed": pin.signed,
    }  # fmt: skip
    return {key: values[key] for key in ORDER if values[key]}


def release_change(pin: Pin, pip: str) -> LockChange:
    """Pin a release that was fetched and checked; ``pip`` is the version that ensurepip brings."""
    lines = [
        f"{pin.file}, {pin.bytes} bytes, recorded by {pin.recorded_by}.",
        f"sha256: {pin.sha256}",
        *_found(pin, pip),
    ]
    return LockChange("releases", pin.release, _release(pin, pip), _message(f"Pin Python {pin.release}", lines))


def recheck_change(old: Pin, pin: Pin, pip: str) -> LockChange:
    """Record what was found of a release that is pinned already; ``old`` is how it was pinned before."""
    what = f"whose signature Python {pin.release} bears"
    if pin.signed == old.signed:
        what = f"what the tarball of {pin.release} holds"
    return LockChange("releases", pin.release, _release(pin, pip), _message(f"Record {what}", _found(pin, pip)))


def _found(pin: Pin, pip: str) -> list[str]:
    """What was read out of a tarball, and whose it is, in lines of a message."""
    return [
        f"signature: {pin.signed or 'not checked'}",
        *([f"ensurepip brings pip {pip}."] if pip else []),
        *([f"Its newest file is of {pin.date}."] if pin.date else []),
    ]


def base_change(target: Target, digests: Mapping[Platform, str], today: str) -> LockChange:
    """Move the base of ``target`` to ``digests``, by platform; ``today`` is ``YYYY-MM-DD``."""
    content = {"image": target.base.image, "date": today, "digests": dict(digests)}
    lines = [f"{platform}: {digest}" for platform, digest in digests.items()]
    return LockChange(
        "bases", target.name, content, _message(f"Move {target.base.image} to what it was on {today}", lines)
    )


def _message(subject: str, lines: Sequence[str]) -> str:
    return "\n".join([subject, "", *lines, ""])


def needed_changes(lock: Mapping[str, Any], changes: Iterable[LockChange]) -> list[LockChange]:
    """Those of ``changes`` that change ``lock``."""
    return [change for change in changes if lock.get(change.table, {}).get(change.name) != dict(change.content)]


def apply_changes(lock: Mapping[str, Any], changes: Iterable[LockChange]) -> dict[str, Any]:
    """``lock`` with ``changes``. What is there keeps its place; a new release stands after the next older one."""
    new = {key: dict(value) if isinstance(value, dict) else value for key, value in lock.items()}
    for change in changes:
        table = new.setdefault(change.table, {})
        if change.table == "releases" and change.name not in table:
            names = list(table)
            older = [name for name in names if Version(name) < Version(change.name)]
            at = names.index(max(older, key=Version)) + 1 if older else 0
            items = list(table.items())
            new[change.table] = dict([*items[:at], (change.name, dict(change.content)), *items[at:]])
        else:
            table[change.name] = dict(change.content)
    return new


def lock_text(lock: Mapping[str, Any]) -> str:
    """The lock as it is written."""
    return tomli_w.dumps(lock)


def lock_diff(old: str, new: str) -> str:
    """A unified diff of two texts of the lock, empty where they are the same."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), "a/shared/lock.toml", "b/shared/lock.toml"
    )
    return "".join(lines)
