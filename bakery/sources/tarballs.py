"""CPython's source tarballs in a local cache, every byte checked against the lock.

A provider that does not answer or does not have the file is skipped; one that sends other bytes stops the build.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bakery.catalog import Extra, Pin, Series, Variant
from bakery.errors import SourceError, Unavailable
from bakery.files import Tell, disk_full, holds_only, locked, sha256_of, staged_folder
from bakery.sources.providers import PROVIDERS, Attempt, Provider, Request, mirror_problem
from bakery.workspace import Workspace

MAX_BYTES = 200_000_000
"""Upper limit for a download, far above any tarball of CPython."""

TREES = "\n  `inv images --releases` lists what is available; --source=PATH builds your own source tree."


class Unserved(Unavailable):
    """No provider has ``file``: ``lines`` has the reason of each, ``hint`` says what to do."""

    def __init__(self, file: str, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name} {reason}" for name, reason in failures.items()))
        self.file, self.lines = file, "".join(f"\n    {name}: {reason}" for name, reason in failures.items())
        self.hint = f"Put {file} where a mirror can serve it: --mirror=URL or --mirror=FOLDER."


@dataclass(frozen=True)
class SourceCache:
    """Fetches tarballs into the cache and verifies them; ``mirror`` is the user's URL or folder."""

    workspace: Workspace
    mirror: str | None = None
    tell: Tell = print
    providers: Sequence[Provider] = PROVIDERS
    reported: set[str] = field(default_factory=set, init=False, compare=False)
    """The mirror, once :meth:`where` has said that it has nothing."""

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
        try:
            self._fetch([pin], folder, pin.file)
        except Unserved as error:
            others = sorted(series.pins, key=lambda other: abs(other.version.micro - pin.version.micro))
            available = next((other for other in others if other != pin and self.where(other)), None)
            hint = error.hint
            if available:
                version = f"{available.release}{series.suffix}"
                hint = f"The nearest release that is available is {version}: {command.format(version=version)}"
            raise SourceError(f"no provider has {pin.file}:{error.lines}", hint=f"{hint}{TREES}") from None
        return folder

    def extras_folder(self, owner: Series | Variant) -> Path:
        """The cache folder, a build context, of the files that ``owner`` needs next to the tarball; usually empty.

        It is another one if the lock pins other files, as the folder of a source tree is.
        """
        return self.home / "-".join(["extras", *(f"{extra.name}-{extra.sha256[:16]}" for extra in owner.extras)])

    def fetch_extras(self, owner: Series | Variant) -> Path:
        """That folder, with every file in it verified. Raises as :meth:`fetch` does."""
        folder = self.extras_folder(owner)
        try:
            self._fetch(owner.extras, folder, f"the extras of {owner.name}")
        except Unserved as error:
            problem = f"no provider has {error.file}, which {owner.name} needs:{error.lines}"
            raise SourceError(problem, hint=error.hint) from None
        return folder

    def download_unverified(self, source: Pin | Extra, suffix: str, file: Path, limit: int) -> str:
        """Write the name of ``source`` plus ``suffix`` from the first provider that has it; return the provider's name.

        For files without a known digest: a signature, or a release that is not pinned yet. The caller has to verify
        it. Raises :exc:`Unserved`.
        """
        failures = dict[str, str]()
        for attempt in self._attempts(source, suffix, limit):
            try:
                attempt.download(file)
                if file.stat().st_size > limit:
                    raise Unavailable(f"has more than {limit} bytes")
            except Unavailable as reason:
                file.unlink(missing_ok=True)
                failures[attempt.name] = str(reason)
                continue
            return attempt.name
        raise Unserved(source.file, failures)

    def _attempts(self, source: Pin | Extra, suffix: str = "", limit: int = MAX_BYTES) -> list[Attempt]:
        """The places to try, in order. The digest in the lock does not apply to files with a ``suffix``."""
        request = Request(
            file=source.file + suffix,
            limit=limit,
            release=source.version.base_version if isinstance(source, Pin) else "",
            pool=f"{source.pool}{suffix}" if source.pool else "",
            sha256="" if suffix else source.sha256,
            mirror=self.mirror or "",
        )
        return [attempt for provider in self.providers for attempt in provider(request)]

    def _fetch(self, files: Sequence[Pin | Extra], folder: Path, subject: str) -> None:
        """Put ``files`` into ``folder``, verified, unless it has them already; :exc:`Unserved` if one is not available.

        ``subject`` is what they are called while another process is busy with them.
        """
        expected = {source.file: source.sha256 for source in files}
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), subject, self.tell):
            if holds_only(folder, expected):
                actual = {name: sha256_of(folder / name, MAX_BYTES) or f"over {MAX_BYTES} bytes" for name in expected}
                if actual == expected:
                    return
                shutil.rmtree(folder)
                digests = f"expected sha256 {' '.join(expected.values())}, found {' '.join(actual.values())}"
                self.tell(f"{folder}: corrupt in the cache: {digests}; removed, fetching it again")
            with staged_folder(folder) as stage:
                for source in files:
                    provider = self.download_unverified(source, "", stage / source.file, MAX_BYTES)
                    _verify(stage / source.file, source, provider)
                    self.tell(f"{source.file} from {provider}, sha256 verified")

    def where(self, pin: Pin) -> str:
        """Where a tarball is available, without a download: the cache if intact, a provider, or ``""``."""
        folder = self.folder(pin)
        if holds_only(folder, [pin.file]) and sha256_of(folder / pin.file, MAX_BYTES) == pin.sha256:
            return "cache"
        place = next((attempt.name for attempt in self._attempts(pin) if attempt.is_served()), "")
        if self.mirror and self.mirror not in self.reported and (problem := mirror_problem(self.mirror)):
            self.reported.add(self.mirror)
            self.tell(f"--mirror={self.mirror} {problem}: it is left out")
        return place


def _verify(file: Path, source: Pin | Extra, provider: str) -> None:
    actual = sha256_of(file)
    if actual != source.sha256:
        raise SourceError(
            f"{source.file} from {provider} is not the pinned file: expected sha256 {source.sha256}, found {actual} "
            f"({file.stat().st_size} bytes). It was removed and nothing was built",
            hint="Find out why that provider sends other bytes; only the digest in shared/lock.toml is trusted.",
        )
