"""Looks for newer releases and bases, fetches and checks them, and says what the lock should become. Writes none of it.

New releases come from python.org; where it cannot be reached, from the source index of the host's Debian mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bakery import registry
from bakery.bases import apt
from bakery.catalog import Catalog, Pin, Series, Target, select_images
from bakery.errors import SourceError
from bakery.files import Tell, disk_full, locked, sha256_of, staged_folder
from bakery.net import Unavailable
from bakery.sources import debian_sources, python_org
from bakery.sources.inspection import inspect
from bakery.sources.lock_changes import LockChange, base_change, newer, recheck_change, release_change, unknown_series
from bakery.sources.signatures import Signatures
from bakery.sources.tarballs import MAX_BYTES, Sources
from bakery.sources.trust import Upstream, load_upstream
from bakery.workspace import Workspace

__all__ = ["Discovery", "Findings", "make_discovery", "select_subjects"]


def select_subjects(
    catalog: Catalog, versions: Sequence[str], targets: Sequence[str]
) -> tuple[list[Series], list[Pin], list[Target]]:
    """What ``versions`` and ``targets`` of a command line mean: series and bases to look for, pins to check again.

    Without either, everything is looked for. :exc:`bakery.errors.InputError` for a name that does not exist.
    """
    images = select_images(catalog, versions, targets, everything=True)
    names = [one.name for one in catalog.series if one.name in versions or not (versions or targets)]
    releases = [version for version in versions if version not in names]
    return (
        [one for one in catalog.series if one.name in names],
        list(dict.fromkeys(image.pin for image in images if image.version in releases)),
        list(dict.fromkeys(image.target for image in images)) if targets or not versions else [],
    )


def make_discovery(workspace: Workspace, catalog: Catalog, tell: Tell) -> Discovery:
    """The discovery of this clone. A mirror is not asked: what it has is what was pinned."""
    trust = load_upstream(workspace.root)
    return Discovery(workspace, catalog, trust, Signatures(Sources(workspace, None, tell), trust, tell), tell)


@dataclass
class Findings:
    """Sound entries for the lock, what the user should know, and what is wrong and therefore left out.

    An entry may say what the lock says already (:func:`bakery.sources.lock_changes.needed_changes`).
    """

    changes: list[LockChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Discovery:
    """Asks, fetches and checks for one run of ``inv update``."""

    workspace: Workspace
    catalog: Catalog
    trust: Upstream
    signatures: Signatures
    tell: Tell = print
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def sources(self) -> Sources:
        """Where tarballs are fetched to."""
        return self.signatures.sources

    def find(self, series: Sequence[Series], pins: Sequence[Pin], targets: Sequence[Target]) -> Findings:
        """Newer releases of ``series``, signatures of ``pins`` (pinned already), newer bases of ``targets``."""
        findings = Findings()
        numbers = {one.number: one for one in series}
        if numbers:
            self._releases(numbers, findings)
        unsigned = [one.default for one in numbers.values() if not one.default.signed and self._cached(one.default)]
        for pin in dict.fromkeys((*pins, *unsigned)):
            self._signature(pin, findings)
        for target in targets:
            self._base(target, findings)
        return findings

    def _releases(self, numbers: dict[str, Series], findings: Findings) -> None:
        try:
            told = python_org.announced()
        except Unavailable as reason:
            self.tell(f"{reason}; asking the host's Debian mirror")
            self._from_debian(numbers, findings, str(reason))
            return
        findings.notes += told.notes
        by_version = {one.version: one for one in told.releases}
        known = [one.number for one in self.catalog.series]
        for number in unknown_series(known, by_version):
            findings.notes.append(f"Python {number} is out: it needs tables in shared/catalog.toml and python_org.toml")
        for number, series in numbers.items():
            if told.whole and series.default.version not in by_version:
                findings.notes.append(
                    f"Python {series.default.release} is pinned, but python.org has it no longer: was it withdrawn?"
                )
            found = newer(series, by_version, self.trust.of(number).prereleases)
            candidates = [Pin(str(version), f"Python-{version}.tar.xz", "", "python.org") for version in found]
            releases = {str(version): by_version[version] for version in found}
            self._first(candidates, number, findings, releases)

    def _from_debian(self, numbers: dict[str, Series], findings: Findings, reason: str) -> None:
        archive = next((one.archive for one in self.catalog.families if one.archive.id == "debian"), None)
        try:
            if archive is None:
                raise apt.AptError("no family of this repository is Debian's")
            pins = debian_sources.listed(self.workspace, archive, self.trust.suites, numbers, self.tell)
        except apt.AptError as error:
            raise SourceError(
                f"nobody could be asked for new releases: {reason}; {error.message}",
                hint="Try again where python.org or a Debian mirror can be reached.",
            ) from None
        for number, series in numbers.items():
            wanted = newer(series, (pin.version for pin in pins), self.trust.of(number).prereleases)
            candidates = [next(pin for pin in pins if pin.version == version) for version in wanted]
            self._first(candidates, number, findings, {})

    def _first(
        self, candidates: Iterable[Pin], number: str, findings: Findings, releases: dict[str, python_org.Release]
    ) -> None:
        """Adopt the first of ``candidates`` that can be had; one that is wrong ends the search in this series."""
        for pin in candidates:
            try:
                findings.changes.append(self._adopt(pin, number, releases.get(pin.release)))
            except Unavailable as reason:
                findings.notes.append(f"Python {pin.release} is listed, but its tarball cannot be had: {reason}")
                continue
            except SourceError as error:
                findings.problems.append(f"Python {pin.release} is not pinned: {error.message}")
            return

    def _adopt(self, pin: Pin, number: str, release: python_org.Release | None) -> LockChange:
        """Fetch, check and keep the tarball of a release that is not pinned yet."""
        folder = self.sources.folder(pin)
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), pin.file, self.tell):
            with staged_folder(folder) as stage:
                file = stage / pin.file
                provider = self.sources.unverified(pin, "", file, MAX_BYTES)
                self.tell(f"{pin.file} from {provider}")
                full = replace(pin, sha256=pin.sha256 or sha256_of(file), bytes=file.stat().st_size)
                if sha256_of(file) != full.sha256:
                    raise SourceError(f"{pin.file} from {provider} is not the file that {pin.recorded_by} lists")
                if release:
                    _compare(full, release)
                contents = inspect(file, pin.release)
                checked = self.signatures.check(full, number, file)
            signed = checked.record if checked else ""
            return release_change(replace(full, signed=signed, date=contents.date), contents.pip)

    def _cached(self, pin: Pin) -> bool:
        return (self.sources.folder(pin) / pin.file).exists()

    def _signature(self, pin: Pin, findings: Findings) -> None:
        """Check the signature of a release that is pinned already, and what it holds."""
        series = next(one for one in self.catalog.series if pin in one.pins)
        try:
            file = self.sources.fetch(pin, series, "inv update --version={version}") / pin.file
            contents = inspect(file, pin.release)
            checked = self.signatures.check(pin, series.number, file, pinned=True)
        except SourceError as error:
            findings.problems.append(f"the signature of Python {pin.release} is not recorded: {error.message}")
            return
        new = replace(pin, signed=checked.record if checked else pin.signed, date=contents.date)
        findings.changes.append(recheck_change(pin, new, contents.pip))

    def _base(self, target: Target, findings: Findings) -> None:
        platforms = self.catalog.family_of(target).platforms
        try:
            digests = {platform: registry.platform_digest(target.base.image, platform) for platform in platforms}
        except registry.RegistryUnavailable as reason:
            findings.notes.append(f"{target.base.image}: {reason}; its digests stay as they are")
            return
        if digests != dict(target.base.digests):
            findings.changes.append(base_change(target, digests, f"{self.clock():%Y-%m-%d}"))


def _compare(pin: Pin, release: python_org.Release) -> None:
    """Hold the bytes that came against what the API says of them, as far as it does: another server's word."""
    try:
        said = python_org.release_files(release).get(pin.file, {})
    except Unavailable:
        return
    for key, value in (("sha256_sum", pin.sha256), ("filesize", pin.bytes)):
        if said.get(key) and str(said[key]).lower() != str(value):
            raise SourceError(f"{pin.file}: python.org's API says {key} {said[key]}, the file has {value}")
