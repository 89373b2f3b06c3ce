"""Resolutions: which versions of the distribution's packages an image has in addition to its base's.

Before each build, a stage of the Dockerfile queries the archive. It runs in the target's own base and is never cached,
so this works on any host, with the network settings of the build. What is installed depends only on its output. With
its resolution, a build can be repeated (``--packages``).
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bakery.errors import BuildError, InputError, reason_of
from bakery.files import Tell, write_whole
from bakery.records.builds import Record
from bakery.regular_files import MEDIUM, read_regular
from bakery.workspace import Workspace

STAGE, QUERY = "resolution", "resolve"
"""Stages of the Dockerfile: the one that is exported, with a file of packages, and the one that queries the archive."""

NAME, VERSION = r"\A[a-z0-9][a-z0-9+.-]+\Z", r"\A[0-9][A-Za-z0-9.+:~-]*\Z"
"""A package's name, and its version (Debian Policy 5.6.1, 5.6.12): neither can be an option of apt."""
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
Version = Annotated[str, msgspec.Meta(pattern=VERSION)]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[\w./-]+\Z")]
StageName = Literal["base", "runtime", "variant"]
STAGES: tuple[StageName, ...] = ("base", "runtime", "variant")
"""Upgrades of the base, packages of all images on top of that, and those of a variant (debian/Dockerfile)."""


class Package(Record, frozen=True, kw_only=True):
    """A package to install or upgrade: the digest of its file, and the suites in which the archive has it."""

    stage: StageName
    name: Name
    version: Version
    architecture: Word
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    suites: tuple[Word, ...] = ()

    @property
    def line(self) -> str:
        """What determines the installed bits, in the notation of shared/packages.sh."""
        return f"{self.name}={self.version} {self.architecture} {self.sha256}"


class NewerPackage(Record, frozen=True, kw_only=True):
    """A package of an image that the archive has newer versions of, or lacks if there is no version ``available``.

    ``since`` is the time that the mirror has for the file of the version to install, in seconds since 1970, 0 if
    unknown; ``suites`` are those of all newer versions.
    """

    name: Name
    version: Version
    available: Version | None = None
    since: Annotated[int, msgspec.Meta(ge=0, lt=253402300800)] = 0  # to the end of the year 9999
    suites: tuple[Word, ...] = ()

    @property
    def is_security_update(self) -> bool:
        """Whether a newer version is a security update, by its suite (bookworm-security)."""
        return any(suite.endswith("-security") for suite in self.suites)


class Resolution(Record, frozen=True, kw_only=True, tag_field="schema", tag=1):
    """The packages of an image of ``target`` on ``platform``, in addition to those of the base with this digest.

    ``date`` is a time in ISO 8601 from the archive's Release files: the first ones that have all packages. It is empty
    if no package is installed. ``relaxed`` says which verification the user relaxed for it. Neither affects what is
    installed, but both are part of labels, so a replay repeats them.
    """

    target: str
    platform: str
    base: str
    packages: tuple[Package, ...]
    date: Annotated[str, msgspec.Meta(pattern=r"\A([0-9-]{10}T[0-9:]{8}Z)?\Z")] = ""
    relaxed: Annotated[str, msgspec.Meta(pattern=r"\A[a-z ,]{0,200}\Z")] = ""

    def __post_init__(self) -> None:
        """Raise :exc:`ValueError` for a date that does not exist: an engine would reject the image."""
        if self.date:
            datetime.fromisoformat(self.date)

    @property
    def digest(self) -> str:
        """The SHA-256 of what determines the installed bits; a suite may change its name without changing them."""
        lines = sorted(f"{package.stage} {package.line}\n" for package in self.packages)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def upgrades(self) -> int:
        """The number of the base's packages that are upgraded."""
        return sum(package.stage == "base" for package in self.packages)

    def write_lists(self, folder: Path) -> None:
        """Write the named context ``packages`` of the Dockerfile, an empty ``folder``: a list for each stage."""
        for stage in STAGES:
            lines = (f"{package.line}\n" for package in self.packages if package.stage == stage)
            (folder / stage).write_text("".join(lines), encoding="utf-8")


def parse_packages(lines: Iterable[str]) -> tuple[Package, ...]:
    """The packages that ``packages.sh resolve`` printed; :exc:`ValueError` for a line that is not valid."""
    packages = []
    for line in lines:
        stage, package, architecture, sha256, suites = line.split(" ")
        name, _, version = package.partition("=")
        entry = {
            "stage": stage, "name": name, "version": version, "architecture": architecture, "sha256": sha256,
            "suites": sorted(set(filter(None, suites.split(",")))),
        }  # fmt: skip
        packages.append(msgspec.convert(entry, Package))
    return tuple(packages)


def is_package(name: str, version: str) -> bool:
    """Whether a package can have this name and this version."""
    return bool(re.search(NAME, name) and re.search(VERSION, version))


def parse_newer(lines: Iterable[str]) -> tuple[NewerPackage, ...]:
    """The packages that ``packages.sh newer`` printed; :exc:`ValueError` for a line that is not valid."""
    packages = []
    for line in lines:
        name, version, candidate, seconds, suites = line.split(" ")
        entry = {
            "name": name, "version": version, "available": None if candidate == "-" else candidate,
            "since": int(seconds), "suites": list(filter(None, suites.split(","))),
        }  # fmt: skip
        packages.append(msgspec.convert(entry, NewerPackage))
    return tuple(packages)


def resolve(workspace: Workspace, slug: str, given: Mapping[str, str], build: Callable[[Path], object]) -> Resolution:
    """Resolve packages by ``build``, which exports the stage ``STAGE`` to a folder; ``given`` has the other fields.

    ``slug`` names the image in temporary files. Raises :exc:`BuildError` if the export is not a resolution.
    """
    workspace.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{slug}.", dir=workspace.build) as folder:
        build(Path(folder))
        try:
            files = (Path(folder) / name for name in ("packages", "releases"))
            lines, releases = (read_regular(file, follow=False).decode().splitlines() for file in files)
            packages = parse_packages(lines)
            resolution = Resolution(**given, packages=packages, date=date_of(packages, releases))
        except (OSError, ValueError, ArithmeticError) as error:
            raise BuildError(f"the packages of {given['target']} could not be resolved: {error}") from None
    # The same packages have the same date, although the archive has newer Release files; a later date is wrong.
    known = recorded(workspace, resolution.digest)
    date = min(known.date or resolution.date, resolution.date) if known else resolution.date
    resolution = msgspec.structs.replace(resolution, date=date)
    write_whole(_file(workspace, resolution.digest), json.dumps(msgspec.to_builtins(resolution), indent=1) + "\n")
    return resolution


def date_of(packages: Iterable[Package], releases: Iterable[str]) -> str:
    """The latest date of the suites that have ``packages``; if several have one, the earliest of these.

    ``releases`` has lines ``SUITE SECONDS``; of several archives with the same suite, the latest counts. So images have
    a later date when a fix arrives, and not merely because the archive was published again: a Debian release has the
    date of its last point release.
    """
    dates = dict(sorted((suite, int(seconds)) for suite, seconds in (line.split(" ") for line in releases)))
    latest = max(dates.values(), default=0)
    times = [min([dates[suite] for suite in package.suites if suite in dates], default=latest) for package in packages]
    return f"{datetime.fromtimestamp(max(times), UTC):%Y-%m-%dT%H:%M:%SZ}" if times else ""


def replayed(file: str, expected: Mapping[str, str], tell: Tell) -> Resolution:
    """The resolution in ``file``; :exc:`InputError` if it is not valid, or of another target or platform."""
    resolution = read_resolution(Path(file))
    if (resolution.target, resolution.platform) != (expected["target"], expected["platform"]):
        actual = f"{resolution.target} on {resolution.platform}"
        problem = f"is a resolution of {actual}, not of {expected['target']} on {expected['platform']}"
        raise InputError(f"--packages={file} {problem}")
    if resolution.base != expected["base"]:
        tell(f"--packages={file} was resolved for another base ({resolution.base[:19]}): expect different bits")
    return resolution


def recorded(workspace: Workspace, digest: str) -> Resolution | None:
    """The resolution with this digest in this clone's records; ``None`` if there is none, or its file is damaged."""
    try:
        resolution = read_resolution(_file(workspace, digest))
    except InputError:
        return None
    return resolution if resolution.digest == digest else None


def _file(workspace: Workspace, digest: str) -> Path:
    return workspace.records / "packages" / f"{digest}.json"


def read_resolution(file: Path) -> Resolution:
    """The resolution in ``file``; :exc:`InputError` if it is not valid."""
    try:
        return msgspec.json.decode(read_regular(file, MEDIUM), type=Resolution)
    except (OSError, ValueError, RecursionError, RuntimeError) as error:
        hint = "Expected a file of build/records/packages, or the predicate of an image's attestation."
        raise InputError(f"--packages={file}: not a resolution of packages: {reason_of(error)}", hint=hint) from None
