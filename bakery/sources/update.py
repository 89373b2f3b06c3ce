"""`inv update`: finds what is new upstream, downloads and verifies it, and applies it to shared/lock.toml.

Releases come from python.org; if it cannot be reached, from the source index of the host's Debian mirror.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import tomli_w
from packaging.utils import parse_wheel_filename

from bakery import registry
from bakery.catalog import LOCK, Catalog, Extra, Pin, Series, Target, select_images
from bakery.errors import BakeryError, BuildError, SourceError, Unavailable, UnknownResult
from bakery.files import Tell, changing, disk_full, in_use, locked, sha256_of, staged_folder, write_whole
from bakery.regular_files import read_text
from bakery.sources import lock_changes, published
from bakery.sources.inspection import inspect_tarball
from bakery.sources.lock_changes import LockChange
from bakery.sources.providers import newest_wheel
from bakery.sources.published import PublishedReleases
from bakery.sources.signatures import SignatureChecker
from bakery.sources.tarballs import MAX_BYTES, SourceCache
from bakery.sources.trust import load_trust
from bakery.workspace import Workspace

CANDIDATES = 5
"""The most releases of a series that are tried; upstream has published at most one a month."""


@dataclass(frozen=True)
class UpdateResult:
    """What an update changed, or would change.

    ``diff`` is a unified diff of the lock, empty if it is up to date. ``messages`` holds one complete commit message
    for each change. ``problems`` lists entries that failed verification and were left out, ``unknown`` what could not
    be read. ``written`` tells whether the lock was replaced on disk.
    """

    diff: str
    messages: tuple[str, ...]
    problems: tuple[str, ...]
    unknown: tuple[str, ...]
    written: bool

    @property
    def text(self) -> str:
        """The report for stdout, without a final newline."""
        limits = " with what could be read and verified" if self.problems or self.unknown else ""
        lines = [self.diff or f"{LOCK} is up to date{limits}"]
        lines += [f"--- commit message\n{message}" for message in self.messages]
        return "\n".join([*lines, *([f"{LOCK} written"] if self.written else [])])

    @property
    def failure(self) -> BakeryError | None:
        """The error to raise after the report.

        Failed verification, a lock that is out of date and not written, or something that could not be read.
        """
        if self.problems:
            return SourceError("\n  ".join(["left out because verification failed:", *self.problems]))
        if self.diff and not self.written:
            return BuildError(f"{LOCK} is not up to date", hint="Bring it up to date: inv update")
        if self.unknown:
            hint = "Try again when it can be reached, or select what to look for: --version=SERIES, --target=NAME."
            return UnknownResult("\n  ".join(["some of what is new could not be read:", *self.unknown]), hint=hint)
        return None


def update_lock(
    workspace: Workspace, catalog: Catalog, versions: Sequence[str], targets: Sequence[str], tell: Tell, *, write: bool
) -> UpdateResult:
    """Look for newer releases and bases, verify them, and bring shared/lock.toml up to date if ``write``.

    ``versions`` and ``targets`` are those of the command line; see :func:`select_subjects`. The user's mirror is not
    used: it has only what was pinned before. Raises :exc:`SourceError` if neither python.org nor a Debian mirror lists
    releases, and :exc:`bakery.errors.InputError` for unknown names.
    """
    subjects = select_subjects(catalog, versions, targets)
    signatures = SignatureChecker(SourceCache(workspace, None, tell), load_trust(workspace.root))
    discovery = Discovery(catalog, signatures)
    with in_use(workspace.home, tell):
        discovery.find(subjects)
    for note in discovery.notes:
        tell(note)
    file = workspace.root / LOCK
    with changing(workspace.root, LOCK, tell) if write else nullcontext():
        old = read_text(file)
        lock = tomllib.loads(old)
        changes = lock_changes.needed_changes(lock, discovery.changes)
        new = tomli_w.dumps(lock_changes.apply_changes(lock, changes)) if changes else old
        written = write and new != old
        if written:
            write_whole(file, new)
    messages, diff = tuple(change.message for change in changes), lock_changes.lock_diff(old, new)
    return UpdateResult(diff, messages, tuple(discovery.problems), tuple(discovery.unknown), written)


@dataclass(frozen=True)
class Subjects:
    """What to look at: ``series`` for newer releases, ``pins`` to verify again, ``targets`` for newer bases.

    ``wheels`` are extras of variants, to look for newer ones.
    """

    series: tuple[Series, ...] = ()
    pins: tuple[Pin, ...] = ()
    targets: tuple[Target, ...] = ()
    wheels: tuple[Extra, ...] = ()


def select_subjects(catalog: Catalog, versions: Sequence[str], targets: Sequence[str]) -> Subjects:
    """What ``versions`` (series, releases) and ``targets`` select, all by default; :exc:`InputError` if unknown."""
    images = select_images(catalog, versions, targets, everything=True)
    series = [series for series in catalog.series if series.name in versions or not (versions or targets)]
    releases = set(versions) - {entry.name for entry in series}
    return Subjects(
        tuple(series),
        tuple(dict.fromkeys(image.pin for image in images if image.version in releases)),
        tuple(dict.fromkeys(image.target for image in images)) if targets or not versions else (),
        () if targets or versions else tuple(wheel for variant in catalog.variants for wheel in variant.extras),
    )


@dataclass
class Discovery:
    """Looks for what is new, downloads it, and verifies it. The lock is neither read nor written.

    ``changes`` are verified, and the lock may have some of them already; ``notes`` are for the user; ``problems`` are
    failed verifications; ``unknown`` is what could not be read.
    """

    catalog: Catalog
    signatures: SignatureChecker
    changes: list[LockChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def find(self, subjects: Subjects) -> None:
        """Find newer releases and bases, and signatures of pinned releases.

        Raises :exc:`SourceError` if no list of releases can be read.
        """
        by_number = {series.number: series for series in subjects.series}
        if by_number:
            self._find_releases(by_number)
        sources = self.signatures.sources
        defaults = [series.default for series in by_number.values()]
        unsigned = [pin for pin in defaults if not pin.signed and (sources.folder(pin) / pin.file).exists()]
        for pin in dict.fromkeys((*subjects.pins, *unsigned)):
            self._recheck(pin)
        for target in subjects.targets:
            self._find_base(target)
        for wheel in subjects.wheels:
            self._find_wheel(wheel)

    def _find_wheel(self, wheel: Extra) -> None:
        """The newest version on pip's package index; pip compares the file with the index's digest."""
        try:
            with newest_wheel(wheel.file) as file:
                new = replace(wheel, file=file.name, sha256=sha256_of(file), bytes=file.stat().st_size)
        except Unavailable as reason:
            self.unknown.append(f"{wheel.name}: pip's package index {reason}; {wheel.file} stays pinned")
            return
        newest, pinned = (parse_wheel_filename(extra.file)[1] for extra in (new, wheel))
        if new.file == wheel.file and new.sha256 != wheel.sha256:
            self.problems.append(f"{wheel.file}: pinned with sha256 {wheel.sha256}, the index has {new.sha256}")
        elif newest < pinned:  # a mirror that lags behind, or one that offers an old version on purpose
            self.notes.append(f"{wheel.name}: pip's package index has {newest} at most; {wheel.file} stays pinned")
        elif new != wheel:
            self.changes.append(lock_changes.wheel_change(new))

    def _find_releases(self, by_number: dict[str, Series]) -> None:
        releases = self._list_releases(by_number)
        self.notes += releases.notes
        by_version = {pin.version: pin for pin in reversed(releases.pins)}  # the first of several suites counts
        for number in lock_changes.unknown_series([series.number for series in self.catalog.series], by_version):
            todo = "add it to shared/catalog.toml and its signers to shared/upstream.toml"
            self.notes.append(f"Python {number} is out: {todo}")
        for number, series in by_number.items():
            if releases.complete and series.default.version not in by_version:
                self.notes.append(
                    f"Python {series.default.release} is pinned, but python.org no longer has it: was it withdrawn?"
                )
            prereleases = self.signatures.trust.signers_of(number).prereleases
            newer = lock_changes.newer_releases(series, by_version, prereleases)
            self._pin_first([by_version[version] for version in newer], releases.ids)

    def _list_releases(self, numbers: Iterable[str]) -> PublishedReleases:
        """What python.org lists, else what the host's Debian mirror lists for the series ``numbers``."""
        sources = self.signatures.sources
        try:
            return published.list_python_org()
        except Unavailable as error:
            reason = str(error)
        sources.tell(f"{reason}; trying the host's Debian mirror")
        archive = next((family.archive for family in self.catalog.families if family.archive.id == "debian"), None)
        try:
            if archive is None:
                raise SourceError("no family of this repository uses Debian's archive")
            suites = self.signatures.trust.suites
            return published.list_debian(sources.workspace, archive, suites, numbers, sources.tell)
        except BakeryError as error:
            raise SourceError(
                f"no list of new releases is available: {reason}; {error.message}",
                hint="Try again when python.org or a Debian mirror can be reached.",
            ) from None

    def _pin_first(self, candidates: Iterable[Pin], ids: Mapping[str, str]) -> None:
        """Pin the first of ``candidates`` that is available and passes verification; :data:`CANDIDATES` are tried.

        A list can name a thousand releases that no server has, each of which costs requests to all of them.
        """
        for tried, pin in enumerate(candidates):
            if tried == CANDIDATES:
                self.unknown.append(f"Python {pin.release} and older releases that are listed were not tried")
                return
            try:
                self.changes.append(self._pin(pin, ids.get(pin.release, "")))
                self.notes.extend(self._stale_profiles(pin))
            except Unavailable as reason:
                self.unknown.append(f"Python {pin.release} is listed, but its tarball is not available: {reason}")
                continue
            except SourceError as error:
                self.problems.append(f"Python {pin.release} is not pinned: {error.message}")
                continue
            return

    def _stale_profiles(self, pin: Pin) -> Iterator[str]:
        """A message for each recorded profile of a series that is not of its new release ``pin``."""
        for series in self.catalog.series:
            profile = self.catalog.profiles.get(series.name)
            if profile and series.number == pin.series and not profile.recorded_on(pin):
                command = f"inv profile --version={pin.release}{series.suffix}"
                yield f"the profile of {profile.series} was recorded on {profile.release}; record it again: {command}"

    def _pin(self, pin: Pin, release_id: str) -> LockChange:
        """Download, verify and cache the tarball of a release that is not pinned yet."""
        sources = self.signatures.sources
        folder = sources.folder(pin)
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), pin.file, sources.tell):
            with staged_folder(folder) as stage:
                file = stage / pin.file
                provider = sources.download_unverified(pin, "", file, MAX_BYTES)
                sources.tell(f"{pin.file} from {provider}")
                sha256, size = sha256_of(file), file.stat().st_size
                if pin.sha256 and pin.sha256 != sha256:
                    raise SourceError(f"{pin.file} from {provider} is not the file that {pin.recorded_by} lists")
                # The API and the files are on different servers.
                entry = published.release_file(release_id, pin.file)
                for key, listed, actual in (
                    ("sha256_sum", entry.sha256_sum, sha256), ("filesize", entry.filesize, size),
                ):  # fmt: skip
                    if listed and str(listed).lower() != str(actual):
                        raise SourceError(f"{pin.file}: python.org's API has {key} {listed}, the file has {actual}")
                full = inspect_tarball(file, replace(pin, sha256=sha256, bytes=size))
                verified = self.signatures.check(full, file)
            signed = verified.record if verified else ""
            unsigned = "" if verified else self.signatures.why_unsigned(full)
            return lock_changes.release_change(replace(full, signed=signed, unsigned=unsigned))

    def _recheck(self, pin: Pin) -> None:
        """Verify the signature and the contents of a release that is pinned already."""
        series = next(series for series in self.catalog.series if pin in series.pins)
        try:
            file = self.signatures.sources.fetch(pin, series, "inv update --version={version}") / pin.file
            new = inspect_tarball(file, pin)
            verified = self.signatures.check(pin, file, pinned=True)
        except SourceError as error:
            self.problems.append(f"the signature of Python {pin.release} is not recorded: {error.message}")
            return
        signed = verified.record if verified else pin.signed
        new = replace(new, signed=signed, unsigned="" if signed else pin.unsigned)
        self.changes.append(lock_changes.recheck_change(pin, new))

    def _find_base(self, target: Target) -> None:
        platforms = self.catalog.family_of(target).platforms
        try:
            digests = {platform: registry.platform_digest(target.base.image, platform) for platform in platforms}
        except registry.RegistryError as error:
            state = "its digests are not changed" if target.base.digests else "not pinned yet, builds use packages"
            self.unknown.append(f"{target.base.image}: {error.message}; {state}")
            return
        if digests != dict(target.base.digests):
            self.changes.append(lock_changes.base_change(target, digests, f"{self.signatures.clock():%Y-%m-%d}"))
