"""What is new upstream: newer releases and bases, downloaded and verified. The lock is neither read nor written here.

Releases come from python.org; if it cannot be reached, from the source index of the host's Debian mirror.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bakery import registry
from bakery.bases import apt
from bakery.catalog import Catalog, Pin, Series, Target, select_images
from bakery.errors import SourceError, Unavailable
from bakery.files import Tell, disk_full, locked, sha256_of, staged_folder
from bakery.sources import debian_sources, lock_changes, python_org
from bakery.sources.inspection import inspect_tarball
from bakery.sources.lock_changes import LockChange, newer_releases
from bakery.sources.signatures import SignatureChecker
from bakery.sources.tarballs import MAX_BYTES, SourceCache
from bakery.sources.trust import load_trust
from bakery.workspace import Workspace


@dataclass(frozen=True)
class Subjects:
    """What to look at: ``series`` for newer releases, ``pins`` to verify again, ``targets`` for newer bases."""

    series: tuple[Series, ...] = ()
    pins: tuple[Pin, ...] = ()
    targets: tuple[Target, ...] = ()


def select_subjects(catalog: Catalog, versions: Sequence[str], targets: Sequence[str]) -> Subjects:
    """The subjects that ``versions`` (series or releases) and ``targets`` of a command line select; all without either.

    Raises :exc:`bakery.errors.InputError` for an unknown name.
    """
    images = select_images(catalog, versions, targets, everything=True)
    series = [series for series in catalog.series if series.name in versions or not (versions or targets)]
    releases = set(versions) - {entry.name for entry in series}
    return Subjects(
        tuple(series),
        tuple(dict.fromkeys(image.pin for image in images if image.version in releases)),
        tuple(dict.fromkeys(image.target for image in images)) if targets or not versions else (),
    )


def make_discovery(workspace: Workspace, catalog: Catalog, tell: Tell) -> "Discovery":
    """The discovery for this clone. It does not use the user's mirror, which has only what was pinned before."""
    trust = load_trust(workspace.root)
    return Discovery(catalog, SignatureChecker(SourceCache(workspace, None, tell), trust, tell), tell)


@dataclass
class Findings:
    """Verified changes for the lock, notes for the user, and problems: what failed verification and was left out.

    A change may repeat what the lock has already (see :func:`bakery.sources.lock_changes.needed_changes`).
    """

    changes: list[LockChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Discovery:
    """Looks for what is new, downloads it, and verifies it."""

    catalog: Catalog
    signatures: SignatureChecker
    tell: Tell = print
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def sources(self) -> SourceCache:
        """The cache that tarballs are downloaded into."""
        return self.signatures.sources

    def find(self, subjects: Subjects) -> Findings:
        """Newer releases and bases, and signatures of releases that are pinned already.

        Raises :exc:`SourceError` if neither python.org nor a Debian mirror lists releases.
        """
        findings = Findings()
        by_number = {series.number: series for series in subjects.series}
        if by_number:
            self._find_releases(by_number, findings)
        defaults = [series.default for series in by_number.values()]
        unsigned = [pin for pin in defaults if not pin.signed and (self.sources.folder(pin) / pin.file).exists()]
        for pin in dict.fromkeys((*subjects.pins, *unsigned)):
            self._recheck(pin, findings)
        for target in subjects.targets:
            self._find_base(target, findings)
        return findings

    def _find_releases(self, by_number: dict[str, Series], findings: Findings) -> None:
        try:
            published = python_org.published_releases()
        except Unavailable as reason:
            self.tell(f"{reason}; trying the host's Debian mirror")
            self._find_in_debian(by_number, findings, str(reason))
            return
        findings.notes += published.notes
        by_version = {release.version: release for release in published.releases}
        for number in lock_changes.unknown_series([series.number for series in self.catalog.series], by_version):
            findings.notes.append(
                f"Python {number} is out: add it to shared/catalog.toml and its signers to shared/upstream.toml"
            )
        for number, series in by_number.items():
            if published.complete and series.default.version not in by_version:
                findings.notes.append(
                    f"Python {series.default.release} is pinned, but python.org no longer has it: was it withdrawn?"
                )
            newer = newer_releases(series, by_version, self.signatures.trust.signers_of(number).prereleases)
            candidates = [Pin(str(version), f"Python-{version}.tar.xz", "", "python.org") for version in newer]
            self._pin_first(candidates, number, findings, {str(version): by_version[version] for version in newer})

    def _find_in_debian(self, by_number: dict[str, Series], findings: Findings, reason: str) -> None:
        archive = next((family.archive for family in self.catalog.families if family.archive.id == "debian"), None)
        trust = self.signatures.trust
        try:
            if archive is None:
                raise apt.AptError("no family of this repository uses Debian's archive")
            pins = debian_sources.list_pins(self.sources.workspace, archive, trust.suites, by_number, self.tell)
        except apt.AptError as error:
            raise SourceError(
                f"no list of new releases is available: {reason}; {error.message}",
                hint="Try again when python.org or a Debian mirror can be reached.",
            ) from None
        for number, series in by_number.items():
            newer = newer_releases(series, (pin.version for pin in pins), trust.signers_of(number).prereleases)
            candidates = [next(pin for pin in pins if pin.version == version) for version in newer]
            self._pin_first(candidates, number, findings, {})

    def _pin_first(
        self, candidates: Iterable[Pin], number: str, findings: Findings, releases: dict[str, python_org.Release]
    ) -> None:
        """Pin the first of ``candidates`` that is available; one that fails verification ends the search."""
        for pin in candidates:
            try:
                findings.changes.append(self._pin(pin, number, releases.get(pin.release)))
            except Unavailable as reason:
                findings.notes.append(f"Python {pin.release} is listed, but its tarball is not available: {reason}")
                continue
            except SourceError as error:
                findings.problems.append(f"Python {pin.release} is not pinned: {error.message}")
            return

    def _pin(self, pin: Pin, number: str, release: python_org.Release | None) -> LockChange:
        """Download, verify and cache the tarball of a release that is not pinned yet."""
        folder = self.sources.folder(pin)
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), pin.file, self.tell):
            with staged_folder(folder) as stage:
                file = stage / pin.file
                provider = self.sources.download_unverified(pin, "", file, MAX_BYTES)
                self.tell(f"{pin.file} from {provider}")
                full = replace(pin, sha256=pin.sha256 or sha256_of(file), bytes=file.stat().st_size)
                if sha256_of(file) != full.sha256:
                    raise SourceError(f"{pin.file} from {provider} is not the file that {pin.recorded_by} lists")
                if release:
                    _compare_with_api(full, release)
                contents = inspect_tarball(file, pin.release)
                verified = self.signatures.check(full, number, file)
            signed = verified.record if verified else ""
            return lock_changes.release_change(replace(full, signed=signed, date=contents.date), contents.pip)

    def _recheck(self, pin: Pin, findings: Findings) -> None:
        """Verify the signature and the contents of a release that is pinned already."""
        series = next(series for series in self.catalog.series if pin in series.pins)
        try:
            file = self.sources.fetch(pin, series, "inv update --version={version}") / pin.file
            contents = inspect_tarball(file, pin.release)
            verified = self.signatures.check(pin, series.number, file, pinned=True)
        except SourceError as error:
            findings.problems.append(f"the signature of Python {pin.release} is not recorded: {error.message}")
            return
        new = replace(pin, signed=verified.record if verified else pin.signed, date=contents.date)
        findings.changes.append(lock_changes.recheck_change(pin, new, contents.pip))

    def _find_base(self, target: Target, findings: Findings) -> None:
        platforms = self.catalog.family_of(target).platforms
        try:
            digests = {platform: registry.platform_digest(target.base.image, platform) for platform in platforms}
        except registry.RegistryError as error:
            findings.notes.append(f"{target.base.image}: {error.message}; its digests are not changed")
            return
        if digests != dict(target.base.digests):
            findings.changes.append(lock_changes.base_change(target, digests, f"{self.clock():%Y-%m-%d}"))


def _compare_with_api(pin: Pin, release: python_org.Release) -> None:
    """Compare the downloaded file with the size and digest in the API, which is another server; skip what it lacks."""
    try:
        entry = python_org.release_files(release).get(pin.file, {})
    except Unavailable:
        return
    for key, value in (("sha256_sum", pin.sha256), ("filesize", pin.bytes)):
        if entry.get(key) and str(entry[key]).lower() != str(value):
            raise SourceError(f"{pin.file}: python.org's API has {key} {entry[key]}, the file has {value}")
