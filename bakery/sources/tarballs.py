"""CPython's tarballs: a cache and three providers, every byte checked against the lock.

Providers in order: the mirror that the user set, python.org, the pool of the host's Debian mirror. A provider that
does not answer or does not have the file is passed over; one that sends other bytes ends the build.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bakery.bases import apt
from bakery.catalog import Extra, Pin, Series
from bakery.errors import SourceError
from bakery.files import Tell, disk_full, locked, sha256_of, staged_folder
from bakery.net import Unavailable, http
from bakery.workspace import Workspace

__all__ = ["MAX_BYTES", "PYTHON_ORG", "Sources"]

PYTHON_ORG = "https://www.python.org/ftp/python"
MAX_BYTES = 200_000_000
"""No tarball of CPython comes near it; what is larger is not one."""


Providers = Iterator[tuple[str, Callable[[Path], None]]]
"""Name of a provider, and how it is asked to write its file."""


@dataclass(frozen=True)
class Sources:
    """Fetches verified tarballs into the cache.

    ``mirror`` is a URL or a folder laid out like python.org's: ``<mirror>/<release>/<file>`` or ``<mirror>/<file>``.
    """

    workspace: Workspace
    mirror: str | None = None
    tell: Tell = print

    def folder(self, pin: Pin) -> Path:
        """The cache folder that holds this one tarball and nothing else; it becomes a build context."""
        return self.workspace.home / "sources" / pin.release

    def fetch(self, pin: Pin, series: Series, again: str) -> Path:
        """The folder with the verified tarball of ``pin``, from the cache or the first provider that has it.

        ``again`` is the command that the user typed with ``{version}`` for the version, for the message that names
        another release that can be had. Raises :exc:`SourceError` and :exc:`DiskFullError`.
        """
        folder = self.folder(pin)
        refused = self._fetch(pin, folder, self._tarball_providers(pin, "", MAX_BYTES))
        if refused is not None:
            raise self._none(pin, series, refused, again)
        return folder

    def extras_folder(self, series: Series) -> Path:
        """The cache folder with what ``series`` needs beside a tarball; it becomes a build context, empty for most."""
        return self.workspace.home / "sources" / "-".join(["extras", *(extra.name for extra in series.extras)])

    def extras(self, series: Series) -> Path:
        """That folder with every file in it verified. Raises as :meth:`fetch` does."""
        folder = self.extras_folder(series)
        for extra in series.extras:
            own = self.workspace.home / "sources" / extra.file
            refused = self._fetch(extra, own, self._extra_providers(extra))
            if refused is not None:
                tried = "".join(f"\n    {line}" for line in refused)
                hint = f"Put {extra.file} where a mirror can serve it: --mirror=URL or --mirror=FOLDER."
                raise SourceError(f"no provider has {extra.file}, which {series.name} needs:{tried}", hint=hint)
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the extras of {series.name}", self.tell):
            files = {extra.file: self.workspace.home / "sources" / extra.file / extra.file for extra in series.extras}
            known = {file.name: sha256_of(file) for file in folder.glob("*")}
            if not folder.exists() or known != {extra.file: extra.sha256 for extra in series.extras}:
                with staged_folder(folder) as stage:
                    for name, file in files.items():
                        shutil.copyfile(file, stage / name)
        return folder

    def unverified(self, pin: Pin, suffix: str, file: Path, limit: int) -> str:
        """Write to ``file`` what the first provider has under a tarball's name and ``suffix``, and say who that was.

        For what no digest is known of: a signature, or a release that is not pinned yet. Whoever calls this checks it.
        Raises :exc:`bakery.net.http.Unavailable` with everybody's reason where nobody has it.
        """
        refused = []
        for provider, fetch in self._tarball_providers(pin, suffix, limit):
            try:
                fetch(file)
                if file.stat().st_size > limit:
                    raise Unavailable(f"has more than {limit} bytes")
            except Unavailable as reason:
                refused.append(f"{provider} {reason}")
                continue
            return provider
        raise Unavailable("; ".join(refused))

    def _fetch(self, wanted: Pin | Extra, folder: Path, providers: Providers) -> list[str] | None:
        """Have ``wanted`` in ``folder``, verified; where nobody has it, return each provider's reason."""
        file = folder / wanted.file
        with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), wanted.file, self.tell):
            if file.exists():
                found = sha256_of(file)
                if found == wanted.sha256:
                    return None
                shutil.rmtree(folder)
                self.tell(
                    f"{file}: corrupt in the cache: expected sha256 {wanted.sha256}, "
                    f"found {found}; removed, fetching it again"
                )
            refused = []
            for provider, fetch in providers:
                try:
                    with staged_folder(folder) as stage:
                        fetch(stage / wanted.file)
                        self._check(stage / wanted.file, wanted, provider)
                except Unavailable as reason:
                    refused.append(f"{provider}: {reason}")
                    continue
                self.tell(f"{wanted.file} from {provider}, sha256 verified")
                return None
        return refused

    @staticmethod
    def _check(file: Path, pin: Pin | Extra, provider: str) -> None:
        found = sha256_of(file)
        if found != pin.sha256:
            raise SourceError(
                f"{pin.file} from {provider} is not the pinned file: expected sha256 {pin.sha256}, found {found} "
                f"({file.stat().st_size} bytes). It was removed and nothing was built",
                hint="Find out why that provider sends other bytes; the digest in shared/lock.toml is what is trusted.",
            )

    def _mirrors(self, paths: tuple[str, ...], limit: int) -> Providers:
        if self.mirror and self.mirror.startswith(("http://", "https://")):
            for path in paths:
                url = f"{self.mirror.rstrip('/')}/{path}"
                yield f"the mirror {url}", lambda file, url=url: http.download(url, file, limit)  # type: ignore[misc]
        elif self.mirror:
            folder = Path(self.mirror.removeprefix("file://")).expanduser()
            yield f"the mirror {folder}", lambda file: _copy(tuple(folder / path for path in paths), file)

    def _tarball_providers(self, pin: Pin, suffix: str, limit: int) -> Providers:
        final = f"{pin.version.base_version}/{pin.file}{suffix}"
        yield from self._mirrors((final, f"{pin.file}{suffix}"), limit)
        yield "python.org", lambda file: http.download(f"{PYTHON_ORG}/{final}", file, limit)
        if pin.pool and suffix:
            yield "the host's Debian mirror", lambda file: _pool_beside(f"{pin.pool}{suffix}", file, limit)
        elif pin.pool:
            yield "the host's Debian mirror", lambda file: _pool(pin, file)

    def _extra_providers(self, extra: Extra) -> Providers:
        yield from self._mirrors((extra.file,), MAX_BYTES)
        yield "the host's Debian mirror", lambda file: _pool(extra, file)

    def _none(self, pin: Pin, series: Series, refused: list[str], again: str) -> SourceError:
        tried = "".join(f"\n    {line}" for line in refused)
        others = [other for other in series.pins if other != pin and self._at_hand(other)]
        if others:
            version = f"{others[0].release}{series.suffix}"
            hint = f"{version} of the same series can be had: {again.format(version=version)}"
        else:
            hint = f"Put {pin.file} where a mirror can serve it: --mirror=URL or --mirror=FOLDER."
        return SourceError(f"no provider has {pin.file}:{tried}", hint=hint)

    def _at_hand(self, pin: Pin) -> bool:
        """Whether a tarball is in the cache, whole, or is served by the host's Debian mirror."""
        file = self.folder(pin) / pin.file
        if file.exists():
            return sha256_of(file) == pin.sha256
        return bool(pin.pool) and _served(pin)


def _copy(candidates: tuple[Path, ...], file: Path) -> None:
    try:
        for candidate in candidates:
            if candidate.is_file():
                shutil.copyfile(candidate, file)
                return
    except PermissionError as error:
        raise Unavailable(f"cannot be read ({error.strerror})") from None
    raise Unavailable(f"has neither {' nor '.join(str(candidate) for candidate in candidates)}")


def _pool_uri(path: str | None) -> str:
    mirror = apt.host_mirror()
    if apt.host_id() != "debian":
        raise Unavailable(f"this host's apt reaches {apt.host_id() or 'no'} packages, not Debian's")
    return f"{mirror.uris['']}/{path}"


def _pool_beside(path: str, file: Path, limit: int) -> None:
    """Fetch what no digest is known of, which apt's own method would not do; what it is worth is seen afterwards."""
    try:
        uri = _pool_uri(path)
    except apt.AptError as error:
        raise Unavailable(error.message) from None
    http.download(uri, file, limit)


def _pool(pin: Pin | Extra, file: Path) -> None:
    try:
        uri = _pool_uri(pin.pool)
        apt.download(uri, file, pin.sha256)
    except apt.AptError as error:
        if "Hash" in error.message and "mismatch" in error.message:
            raise SourceError(
                f"{pin.file} from the host's Debian mirror is not the pinned file: {error.message}; "
                f"expected sha256 {pin.sha256}. Nothing was built"
            ) from None
        raise Unavailable(error.message) from None


def _served(pin: Pin) -> bool:
    """Whether the pool answers for this file; a mirror can list files that it no longer serves."""
    import requests

    try:
        return requests.head(_pool_uri(pin.pool), timeout=http.TIMEOUT, allow_redirects=True).status_code == 200
    except (Unavailable, apt.AptError, requests.RequestException):
        return False
