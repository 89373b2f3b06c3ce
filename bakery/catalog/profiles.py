"""The nouns of what training left: profiles that builds take instead of training themselves.

Two training runs never count the same, so a build that trains is another image each time. A recorded profile makes it
the same bits, and saves most of its time. clang's counts are those of the source, not of a machine's instructions: a
profile fits every target and platform whose compiler can read it, and other releases of its series but for the
functions that differ (https://clang.llvm.org/docs/UsersManual.html#profiling-with-instrumentation).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bakery.catalog.toml import Table

__all__ = ["FILE", "FOLDER", "NONE", "TRAINING", "Profile", "folder_of", "read_profiles"]

FOLDER = "shared/profiles"
"""Below the repository's top; holds a folder for each series that has a profile, each of which holds ``FILE``."""
FILE = "code.profdata.xz"
NONE = f"{FOLDER}/none"
"""The folder of a build without PGO, or that trains by upstream's tests alone."""
TRAINING = "shared/training"
"""That of a build that runs these programs, too, when it trains."""


@dataclass(frozen=True)
class Profile:
    """What one training run left: by which compiler (a name of the catalog and its version), of which release."""

    series: str
    compiler: str
    version: str
    release: str
    sha256: str
    bytes: int

    @property
    def folder(self) -> str:
        """Where its file lies, below the repository's top."""
        return folder_of(self.series)


def folder_of(series: str) -> str:
    """Where the profile of ``series`` lies, below the repository's top."""
    return f"{FOLDER}/{series}"


def read_profiles(lock: Table, compilers: Collection[str]) -> Mapping[str, Profile]:
    """The profiles that the lock pins, by series."""
    tables = lock.tables("profiles") if "profiles" in lock.data else {}
    return {name: _profile(name, table, compilers) for name, table in tables.items()}


def _profile(series: str, table: Table, compilers: Collection[str]) -> Profile:
    profile = Profile(
        series,
        compiler=table.text("compiler", f"one of {', '.join(compilers)}", "|".join(compilers)),
        version=table.text("version"),
        release=table.text("release", "a release such as 3.13.5", r"3\.\d+\.\d+\w*"),
        sha256=table.text("sha256", "64 lower-case hexadecimal digits", "[0-9a-f]{64}"),
        bytes=table.get("bytes", int, "a size in bytes", lambda value: value > 0),
    )
    table.done()
    return profile
