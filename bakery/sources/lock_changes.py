"""Changes of shared/lock.toml: what each one writes, its commit message, and the diff of all of them.

This module decides nothing about trust and reads nothing: :mod:`bakery.sources.update` finds and verifies what is new,
and reads and writes the file.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.version import Version

from bakery.catalog import Extra, Pin, Series, Target
from bakery.platforms import Platform

Lock = Mapping[str, Any]
"""The lock as tomllib reads it: ``schema`` and tables of tables."""
RELEASE_KEYS = ("file", "sha256", "bytes", "pool", "recorded_by", "pip", "date", "signed", "unsigned")
"""Keys of a release in the order in which the lock has them."""


@dataclass(frozen=True)
class LockChange:
    """One change of the lock: ``table.name`` becomes ``content``; ``message`` is its complete commit message."""

    table: str
    name: str
    content: Mapping[str, object] = field(hash=False)
    message: str


def newer_releases(series: Series, available: Iterable[Version], prereleases: bool) -> list[Version]:
    """Versions that ``series`` could move to, newest first; ``prereleases`` count only before its final release."""
    candidates = [version for version in available if f"{version.major}.{version.minor}" == series.number]
    pinned = [pin.version for pin in series.pins]
    final = any(not version.is_prerelease for version in (*candidates, *pinned))
    allowed = [version for version in candidates if not version.is_prerelease or (prereleases and not final)]
    newest = max((version for version in pinned if not final or not version.is_prerelease), default=None)
    return sorted((version for version in allowed if newest is None or version > newest), reverse=True)


def unknown_series(known: Iterable[str], available: Iterable[Version]) -> list[str]:
    """Numbers of series (``3.16``) with a final release that are newer than all ``known`` ones."""
    newest = max(Version(number) for number in known)
    numbers = {f"{version.major}.{version.minor}" for version in available if not version.is_prerelease}
    return sorted((number for number in numbers if Version(number) > newest), key=Version)


def _content(entry: Pin | Extra, keys: Iterable[str]) -> dict[str, object]:
    return {key: value for key in keys if (value := getattr(entry, key))}


def release_change(pin: Pin) -> LockChange:
    """Pin a release that was downloaded and verified."""
    lines = [f"{pin.file}, {pin.bytes} bytes, recorded by {pin.recorded_by}.", f"sha256: {pin.sha256}", *_details(pin)]
    message = _message(f"Pin Python {pin.release}", lines)
    return LockChange("releases", pin.release, _content(pin, RELEASE_KEYS), message)


def recheck_change(old: Pin, pin: Pin) -> LockChange:
    """Record what was learned about a release that is pinned already; ``old`` is its present pin."""
    signature, contents = f"the signature of Python {pin.release}", f"the contents of the {pin.release} tarball"
    message = _message(f"Record {signature if pin.signed != old.signed else contents}", _details(pin))
    return LockChange("releases", pin.release, _content(pin, RELEASE_KEYS), message)


def _details(pin: Pin) -> list[str]:
    """A tarball's signature and contents as lines of a commit message."""
    return [
        f"signature: {pin.signed or f'not checked {pin.unsigned}'.strip()}",
        *([f"ensurepip bundles pip {pin.pip}."] if pin.pip else []),
        *([f"The newest file is from {pin.date}."] if pin.date else []),
    ]


def base_change(target: Target, digests: Mapping[Platform, str], today: str) -> LockChange:
    """Move the base of ``target`` to ``digests``, by platform; ``today`` is ``YYYY-MM-DD``."""
    content = {"image": target.base.image, "date": today, "digests": dict(digests)}
    lines = [f"{platform}: {digest}" for platform, digest in digests.items()]
    message = _message(f"Update {target.base.image} to its digests of {today}", lines)
    return LockChange("bases", target.name, content, message)


def wheel_change(wheel: Extra) -> LockChange:
    """Pin the file of ``wheel``, which a variant installs."""
    content = _content(wheel, ("file", "sha256", "bytes", "recorded_by", "platform"))
    lines = [f"{wheel.bytes} bytes, recorded by {wheel.recorded_by}.", f"sha256: {wheel.sha256}"]
    return LockChange("extras", wheel.name, content, _message(f"Pin {wheel.file}", lines))


def _message(subject: str, lines: Sequence[str]) -> str:
    return "\n".join([subject, "", *lines, ""])


def needed_changes(lock: Lock, changes: Iterable[LockChange]) -> list[LockChange]:
    """The ``changes`` whose content is not in ``lock`` yet."""
    return [change for change in changes if lock.get(change.table, {}).get(change.name) != dict(change.content)]


def apply_changes(lock: Lock, changes: Iterable[LockChange]) -> Lock:
    """A copy of ``lock`` with ``changes``. Entries keep their place; a new release follows the next older one."""
    new = {key: dict(value) if isinstance(value, dict) else value for key, value in lock.items()}
    for change in changes:
        items = list(new.get(change.table, {}).items())
        names = [name for name, _ in items]
        if change.table == "releases" and change.name not in names:
            older = [name for name in names if Version(name) < Version(change.name)]
            at = names.index(max(older, key=Version)) + 1 if older else 0
            items.insert(at, (change.name, {}))
        new[change.table] = {**dict(items), change.name: dict(change.content)}
    return new


def lock_diff(old: str, new: str) -> str:
    """A unified diff of two texts of the lock; empty if they are the same."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, "a/shared/lock.toml", "b/shared/lock.toml"))
