"""CPython's source tarballs in a local cache, every byte checked against the lock.

A provider that does not answer or does not have the file is skipped; one that sends other bytes stops the build.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import Extra, Pin, Series, Variant
from bakery.errors import SourceError, Unavailable
from bakery.files import Tell, disk_full, holds_only, locked, sha256_of, staged_folder
from bakery.sources.providers import PROVIDERS, Attempt, Provider, Request
from bakery.workspace import Workspace

MAX_BYTES = 200_000_000
"""Upper limit for a download, far above any tarball of CPython."""

TREES = "\n  `inv images --releases` lists what is available; --source=PATH builds your own source tree."


@dataclass(frozen=True)
class SourceCache:
    """Fetches tarballs into the cache and verifies them; ``mirror`` is the user's URL or folder."""

    workspace: Workspace
    mirror: str | None = None
    tell: Tell = print
    providers: Sequence[Provider] = PROVIDERS

    @property
    def home(self) -> Path:
        """The folder of the cache."""
        return self.workspace.home / "sources"

    def folder(self, pin: Pin) -> Path:
        """The cache folder of one tarball, which contains nothing else: it becomes a build context."""
        return self.home / pin.folder

    def fetch(self, pin: Pin, series: Series, command: str) -> Path:
        """The folder with the verified tarball of ``pin``, from the cache or the first provider that has it.

        ``command`` is what the user typed, with ``{version}`` for the version; the error message suggests it with
        the nearest release of ``series`` that is available. Raises :exc:`SourceError` and :exc:`DiskFullError`.
        """
        folder = self.folder(pin)
        failures = self._fetch(pin, folder)
        if failures is None:
            return folder
        others = sorted(series.pins, key=lambda other: abs(other.version.micro - pin.version.micro))
        available = next((other for other in others if other != pin and self.where(other)), None)
        hint = ""
        if available:
            version = f"{available.release}{series.suffix}"
            hint = f"The nearest release that is available is {version}: {command.format(version=version)}"
        raise _unavailable(pin.file, pin.file, failures, hint, TREES)

    def extras_folder(self, owner: Series | Variant) -> Path:
        """The cache folder, a build context, of the files that ``owner`` needs next to the tarball; usually empty."""
        return self.home / "-".join(["extras", *(extra.name for extra in owner.extras)])

    def fetch_extras(self, owner: Series | Variant) -> Path:
        """That folder, with every file in it verified. Raises as :meth:`fetch` does."""
        folder = self.extras_folder(owner)
        for extra in owner.extras:
            failures = self._fetch(extra, self.home / extra.file)
            if failures is not None:
                raise _unavailable(extra.file, f"{extra.file}, which {owner.name} needs", failures)
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the extras of {owner.name}", self.tell):
            expected = {extra.file: extra.sha256 for extra in owner.extras}
            if not holds_only(folder, expected) or any(
                sha256_of(folder / name, MAX_BYTES) != expected[name] for name in expected
            ):
                with staged_folder(folder) as stage:
                    for name in expected:
                        shutil.copyfile(self.home / name / name, stage / name)
        return folder

    def download_unverified(self, pin: Pin, suffix: str, file: Path, limit: int) -> str:
        """Write the tarball's name plus ``suffix`` from the first provider that has it; return the provider's name.

        For files without a known digest: a signature, or a release that is not pinned yet. The caller has to verify
        it. Raises :exc:`bakery.errors.Unavailable` with the reasons of all providers.
        """
        failures = []
        for attempt in self._attempts(pin, suffix, limit):
            try:
                attempt.download(file)
                if file.stat().st_size > limit:
                    raise Unavailable(f"has more than {limit} bytes")
            except Unavailable as reason:
                failures.append(f"{attempt.name} {reason}")
                continue
            return attempt.name
        raise Unavailable("; ".join(failures))

    def _attempts(self, source: Pin | Extra, suffix: str = "", limit: int | None = None) -> list[Attempt]:
        """The places to try, in order. The digest in the lock does not apply to files with a ``suffix``."""
        request = Request(
            file=source.file + suffix,
            limit=MAX_BYTES if limit is None else limit,
            release=source.version.base_version if isinstance(source, Pin) else "",
            pool=f"{source.pool}{suffix}" if source.pool else "",
            sha256="" if suffix else source.sha256,
            mirror=self.mirror or "",
        )
        return [attempt for provider in self.providers for attempt in provider(request)]

    def _fetch(self, source: Pin | Extra, folder: Path) -> list[str] | None:
        """Put ``source`` into ``folder``, verified; if no provider has it, return the reason of each."""
        file = folder / source.file
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), source.file, self.tell):
            if holds_only(folder, [source.file]):
                actual = sha256_of(file, MAX_BYTES)
                if actual == source.sha256:
                    return None
                shutil.rmtree(folder)
                digests = f"expected sha256 {source.sha256}, found {actual or f'over {MAX_BYTES} bytes'}"
                self.tell(f"{file}: corrupt in the cache: {digests}; removed, fetching it again")
            failures = []
            for attempt in self._attempts(source):
                try:
                    with staged_folder(folder) as stage:
                        attempt.download(stage / source.file)
                        _verify(stage / source.file, source, attempt.name)
                except Unavailable as reason:
                    failures.append(f"{attempt.name}: {reason}")
                    continue
                self.tell(f"{source.file} from {attempt.name}, sha256 verified")
                return None
        return failures

    def where(self, pin: Pin) -> str:
        """Where a tarball is available, without a download: the cache if intact, a provider, or ``""``."""
        folder = self.folder(pin)
        if holds_only(folder, [pin.file]) and sha256_of(folder / pin.file, MAX_BYTES) == pin.sha256:
            return "cache"
        return next((attempt.name for attempt in self._attempts(pin) if attempt.is_served()), "")


def _verify(file: Path, source: Pin | Extra, provider: str) -> None:
    actual = sha256_of(file)
    if actual != source.sha256:
        raise SourceError(
            f"{source.file} from {provider} is not the pinned file: expected sha256 {source.sha256}, found {actual} "
            f"({file.stat().st_size} bytes). It was removed and nothing was built",
            hint="Find out why that provider sends other bytes; only the digest in shared/lock.toml is trusted.",
        )


def _unavailable(file: str, description: str, failures: Sequence[str], hint: str = "", more: str = "") -> SourceError:
    reasons = "".join(f"\n    {failure}" for failure in failures)
    hint = hint or f"Put {file} where a mirror can serve it: --mirror=URL or --mirror=FOLDER."
    return SourceError(f"no provider has {description}:{reasons}", hint=f"{hint}{more}")
