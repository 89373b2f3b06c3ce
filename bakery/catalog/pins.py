"""The nouns of the lock: the only bytes that are taken for a release, or for a file beside it."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

__all__ = ["Extra", "Pin"]


@dataclass(frozen=True)
class Pin:
    """One release of CPython and the only bytes that are taken for its source."""

    release: str
    file: str
    sha256: str
    recorded_by: str
    signed: str = ""
    """Whose signature of these bytes was checked: kind, signer and day; empty where none was."""
    date: str = ""
    """Day of the tarball's newest file, which is the release's, ``YYYY-MM-DD``; empty where nobody read it yet."""
    bytes: int | None = None
    pool: str | None = None
    """Path below a Debian mirror, where its source package keeps upstream's tarball."""

    @property
    def version(self) -> Version:
        """The release as PEP 440 orders it."""
        return Version(self.release)


@dataclass(frozen=True)
class Extra:
    """A file that a series needs beside its tarball, and the only bytes that are taken for it."""

    name: str
    file: str
    sha256: str
    recorded_by: str
    pool: str
    bytes: int
