"""Where source files are downloaded from: an ordered registry of providers.

To add a provider, write a function that takes a :class:`Request` and yields an :class:`Attempt` for each place to try,
and add it to :data:`PROVIDERS`. Nothing else has to change: :class:`bakery.sources.tarballs.SourceCache` checks every
byte against the lock, caches the file, and lists in its error message why each attempt failed.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import parse_wheel_filename

from bakery import urls
from bakery.bases import apt
from bakery.errors import SourceError, Unavailable
from bakery.net import http
from bakery.programs import Limits, ProgramError, run_program
from bakery.redaction import shorten
from bakery.regular_files import read_regular


@dataclass(frozen=True)
class Request:
    """A file to download.

    ``file`` is its name, and ``limit`` the largest acceptable size in bytes. ``release`` is its folder below
    :data:`bakery.urls.PYTHON_ORG` (``3.15.0`` for 3.15.0b3 as well), empty for a file that is not upstream's.
    ``pool`` is its path on a mirror of Debian or Ubuntu, empty if neither has it. ``sha256`` is empty if no digest is
    known yet. ``mirror`` is the user's ``--mirror``, empty without one.
    """

    file: str
    limit: int
    release: str = ""
    pool: str = ""
    sha256: str = ""
    mirror: str = ""


@dataclass(frozen=True)
class Attempt:
    """One place to download a file from; ``name`` identifies it in messages.

    ``download`` writes the file to a path; it raises :exc:`bakery.errors.Unavailable` if the place does not have the
    file, so that the next one is tried, and :exc:`SourceError` to stop the build. ``is_served`` checks whether the
    place has the file, without a download; a place without this function is not offered as a fallback.
    """

    name: str
    download: Callable[[Path], None]
    is_served: Callable[[], bool] = lambda: False


TIMEOUT = 600
"""Seconds for pip, whose own limit is the time between two reads."""
MEMORY = 256 << 20
"""Bytes of memory that pip may allocate; it reads a page of its index as a whole, and needs about 60 MB."""
LARGEST_WHEEL = 256 << 20
"""Bytes that pip may write to one file."""
PIP = f"""\
import resource, runpy
for limit, most in (resource.RLIMIT_DATA, {MEMORY}), (resource.RLIMIT_FSIZE, {LARGEST_WHEEL}):
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""Runs pip within these limits, which it does not have itself."""
Provider = Callable[[Request], Iterator[Attempt]]
"""Yields the places where a file may be, in order; none if the provider cannot have it."""


def from_user_mirror(request: Request) -> Iterator[Attempt]:
    """The URL or folder of ``--mirror``: ``<mirror>/<release>/<file>`` as on python.org, or ``<mirror>/<file>``."""
    paths = [*([f"{request.release}/{request.file}"] if request.release else []), request.file]
    if request.mirror.lower().startswith(("http://", "https://")):
        for path in paths:
            url = f"{request.mirror.rstrip('/')}/{path}"
            download, is_served = partial(http.download, url, limit=request.limit), partial(_has, request.mirror, url)
            yield Attempt(f"the mirror {url}", download, is_served)
    elif request.mirror:
        folder = urls.folder_of(request.mirror)
        files = [folder / path for path in paths]
        yield Attempt(
            f"the mirror {folder}", partial(_copy, files, request.limit), lambda: any(file.is_file() for file in files)
        )


def from_python_org(request: Request) -> Iterator[Attempt]:
    """Upstream's own download folder."""
    if request.release:
        url = f"{urls.PYTHON_ORG}/{request.release}/{request.file}"
        download = partial(http.download, url, limit=request.limit)
        # It keeps all releases: one request says whether this machine reaches it.
        yield Attempt("python.org", download, partial(_reaches, f"{urls.PYTHON_ORG}/"))


def from_distribution(request: Request) -> Iterator[Attempt]:
    """The mirror of the host's own apt: source packages of Debian and Ubuntu contain upstream's tarball unchanged."""
    if request.pool:
        yield Attempt(_mirror(), partial(_from_pool, request), partial(_is_in_pool, request.pool))


def from_package_index(request: Request) -> Iterator[Attempt]:
    """The index that pip's own settings name, for wheels."""
    if request.file.endswith(".whl"):
        yield Attempt("pip's package index", partial(_from_index, request.file))


PROVIDERS: tuple[Provider, ...] = (from_user_mirror, from_python_org, from_distribution, from_package_index)
"""Every provider, in the order in which they are asked."""


def _copy(candidates: list[Path], limit: int, file: Path) -> None:
    for candidate in candidates:
        try:
            data = read_regular(candidate, limit)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:  # as on a damaged disk
            raise Unavailable(f"has {candidate}, which cannot be read ({error.strerror})") from None
        file.write_bytes(data)
        return
    raise Unavailable(f"has neither {' nor '.join(map(str, candidates))}")


def _mirror() -> str:
    return f"the host's {'Ubuntu' if apt.host_id() == 'ubuntu' else 'Debian'} mirror"


def _pool_uri(path: str) -> str:
    if apt.host_id() != "ubuntu":
        apt.require_host("debian")
    return f"{apt.host_mirror().uris['']}/{path}"


def _from_pool(request: Request, file: Path) -> None:
    try:
        uri = _pool_uri(request.pool)
        if request.sha256:
            apt.download(uri, file, request.sha256)
        else:  # apt's download helper would insist on a digest
            http.download(apt.with_login(uri), file, request.limit)
    except apt.AptError as error:
        if "Hash" in error.message and "mismatch" in error.message:
            problem = f"{request.file} from {_mirror()} is not the pinned file: {error.message}"
            raise SourceError(f"{problem}; expected sha256 {request.sha256}. Nothing was built") from None
        raise Unavailable(error.message) from None


def _is_in_pool(path: str) -> bool:
    """Whether the mirror serves the file: its index may list files that it no longer has."""
    try:
        url = apt.with_login(_pool_uri(path))
        return _has(url.removesuffix(path), url)
    except apt.AptError:
        return False


def _from_index(wheel: str, file: Path) -> None:
    with newest_wheel(wheel, same_version=True) as found:
        shutil.move(found, file)


@contextmanager
def newest_wheel(like: str, *, same_version: bool = False) -> Iterator[Path]:
    """The newest wheel of the distribution, interpreter and platform of ``like`` (a file name) on pip's index.

    Raises :exc:`Unavailable` with pip's reason, which is also the case without pip.
    """
    try:
        parse_wheel_filename(like)
    except ValueError as error:  # InvalidWheelFilename
        raise Unavailable(f"cannot have {like}: {error}") from None
    name, version, *_, python, abi, platform = like.removesuffix(".whl").split("-")
    requirement = f"{name}=={version}" if same_version else name
    tags = [f"--platform={tag}" for tag in platform.split(".")]
    kind = [f"--implementation={python[:2]}", f"--abi={abi}", *tags, "--only-binary=:all:", "--no-deps"]
    with TemporaryDirectory() as folder:
        # -E -P: neither PYTHONINSPECT nor a module in the current folder, such as resource.py, counts.
        pip = [sys.executable, "-EPc", PIP, "--no-input", "--disable-pip-version-check", "download", "--quiet"]
        command = [*pip, "--no-cache-dir", *kind, f"--dest={folder}", requirement]
        try:
            done = run_program(command, os.environ, Limits(TIMEOUT))
        except ProgramError as error:
            raise Unavailable(f"did not send {requirement}: pip {error}") from None
        if done.code:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"pip ended with {done.code}"]
            reason = shorten(lines[-1], 1000)
            if reason == "MemoryError":
                most = f"{MEMORY >> 20} MiB"
                raise Unavailable(f"sent an index page for {requirement} that needs more than {most} of memory")
            raise Unavailable(f"does not have {requirement}: {reason}")
        yield next(Path(folder).iterdir())


FAILED = set[str]()
"""Mirrors whose answer is not about one release, such as a server error; they are not asked about others."""


def _has(mirror: str, url: str) -> bool:
    try:
        status = 500 if mirror in FAILED else http.status_of(url)
    except Unavailable:
        status = 500
    if status not in http.FILE_STATUSES:
        FAILED.add(mirror)
    return status == 200


def mirror_problem(mirror: str) -> str:
    """Why the user's ``mirror`` has nothing, as far as it was asked; empty if it answers."""
    if mirror.lower().startswith(("http://", "https://")):
        return "does not answer" if mirror in FAILED else ""
    return "" if urls.folder_of(mirror).is_dir() else "is not a folder"


@cache
def _reaches(url: str) -> bool:
    return _has(url, url)
