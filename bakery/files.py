"""Files that several processes share: locks, digests, and atomic writes."""

import errno
import fcntl
import glob
import hashlib
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from bakery.errors import BakeryError, DiskFullError, InputError
from bakery.regular_files import FILE_TYPES, PATH_HINT, SMALL, hint_of, open_regular, read_regular

Tell = Callable[[str], object]
"""Reports progress to the user: takes one line without a newline."""


LARGEST_HASHED = 16 << 30
"""Bytes of the largest file whose digest is computed; a base may have 10 GB."""


def sha256_of(file: Path, largest: int = LARGEST_HASHED) -> str:
    """SHA-256 of the regular file ``file``, as 64 hexadecimal digits; empty if it has more than ``largest`` bytes.

    A sparse file can have terabytes that take no space but hours to read.
    """
    with open_regular(file) as stream:
        if os.fstat(stream.fileno()).st_size > largest:
            return ""
        return hashlib.file_digest(stream, "sha256").hexdigest()


CACHE_HINT = "Find out what created it, remove it, and run the same command again."


def require_type(path: Path, expected: int = stat.S_IFREG, hint: str = CACHE_HINT) -> bool:
    """Whether ``path`` exists; :exc:`BakeryError` if it is not of the type ``expected``, such as ``stat.S_IFDIR``.

    A link in a cache may lead anywhere, and opening a FIFO waits for a writer that may never come.
    """
    try:
        actual = stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if actual != expected:
        raise BakeryError(f"{path} is {FILE_TYPES[actual]}: expected {FILE_TYPES[expected]}", hint=hint)
    return True


def holds_only(folder: Path, names: Collection[str]) -> bool:
    """Whether ``folder``, a build context, has all files ``names``; :exc:`BakeryError` if it has anything else."""
    if not require_type(folder, stat.S_IFDIR):
        return False
    present = sorted(folder.iterdir())
    for path in present:
        require_type(path)
        if path.name not in names:
            problem = f"{path} is not a file of this tool: expected {' '.join(names) or 'an empty folder'}"
            raise BakeryError(problem, hint=CACHE_HINT)
    return len(present) == len(names)


@contextmanager
def spooled(chunks: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """A seekable stream of ``chunks``: a temporary file that is deleted at the end of the block."""
    with tempfile.TemporaryFile() as spool:
        spool.writelines(chunks)
        spool.seek(0)
        yield spool


IN_USE = "use.lock"
"""The lock of a cache: processes that read the cache share it; `inv clean` holds it exclusively."""
INTERRUPTED = threading.Event()


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """A function that makes all threads stop waiting for locks: a signal reaches the main thread only."""
    try:
        yield INTERRUPTED.set
    finally:
        INTERRUPTED.clear()


def _has_locked(stream: IO[str], mode: int) -> bool:
    try:
        fcntl.flock(stream, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(file: Path, subject: str, tell: Tell, mode: int = fcntl.LOCK_EX) -> Iterator[int]:
    """Hold a lock on ``file``; if another process holds it, report that once and wait.

    The ``mode`` LOCK_EX excludes all others, and the file names the process; LOCK_SH excludes LOCK_EX only. ``subject``
    is what the lock protects, for the message. The kernel releases the lock (flock) when its process ends.
    """
    reported = False
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        require_type(file)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(file, flags, 0o644), "r+", encoding="utf-8", errors="replace") as stream:
            while not _has_locked(stream, mode):
                if not reported:
                    holder = re.match(r"pid \d+", stream.read(64))
                    tell(f"waiting: another process{f' ({holder[0]})' if holder else ''} is busy with {subject}")
                    reported = True
                if INTERRUPTED.wait(0.1):
                    raise BakeryError(f"interrupted while another process was busy with {subject}")
            if not _is_at(stream, file):  # `inv clean` has removed it: another process may lock a new one
                continue
            stream.seek(0)
            stream.truncate()
            stream.write(f"pid {os.getpid()}" if mode == fcntl.LOCK_EX else "")
            stream.flush()
            yield stream.fileno()
            return


@contextmanager
def in_use(home: Path, tell: Tell) -> Iterator[int]:
    """Keep `inv clean` from removing what is in the cache ``home``: the descriptor of a lock that may be shared.

    A program that inherits the descriptor has the lock as long as it runs, even if this process is killed.
    """
    with ExitStack() as stack:
        with disk_full(home / IN_USE):
            lock = stack.enter_context(locked(home / IN_USE, "the cache", tell, fcntl.LOCK_SH))
        yield lock


@contextmanager
def changing(root: Path, name: str, tell: Tell) -> Iterator[None]:
    """Hold the lock of the clone's file ``name`` while it is read and rewritten, so that no other change is lost.

    The lock is in build/, because git would list it next to the file.
    """
    with locked(root / "build" / f"{Path(name).name}.lock", name, tell):
        yield


def _is_at(stream: IO[str], file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.lstat(file))
    except FileNotFoundError:
        return False


def holder_of(file: Path) -> str:
    """The holder of the lock ``file``, for a message; empty if it is not held."""
    try:
        with open_regular(file, follow=False) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        number = re.match(rb"pid (\d+)", read_regular(file, SMALL, follow=False))
        return f"process {number[1].decode()}" if number else "another process"
    except OSError:
        return ""
    return ""


def _sync(path: Path) -> None:
    """Write a file's or a folder's content to the disk, so that a power cut cannot leave a renamed file empty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A temporary folder next to ``final`` that replaces it if the block succeeds, and is removed if it fails.

    Leftovers of killed processes are removed as well: callers have to hold a lock on ``final``.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for stale in final.parent.glob(f".{glob.escape(final.name)}.*.partial"):
        require_type(stale, stat.S_IFDIR)  # rmtree() would wait for the writer of a FIFO
        shutil.rmtree(stale, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".partial", dir=final.parent))
    try:
        stage.chmod(0o755)
        yield stage
        for path in (stage, *stage.rglob("*")):
            if not path.is_symlink() and (path.is_file() or path.is_dir()):
                _sync(path)
        if require_type(final, stat.S_IFDIR):
            shutil.rmtree(final)
        stage.rename(final)
        _sync(final.parent.resolve())  # a folder of the cache may be a link to another disk
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def staged_file(final: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A temporary file next to ``final`` that replaces it atomically if the block succeeds, and is removed if not."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=f".{final.name}.", dir=final.parent, delete=False) as stream:
        try:
            yield stream
            stream.flush()
            os.chmod(stream.name, mode)
            os.fsync(stream.fileno())
            os.replace(stream.name, final)
        except BaseException:
            os.unlink(stream.name)
            raise
    _sync(final.parent.resolve())  # a folder of the cache may be a link to another disk


def write_whole(file: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` atomically: a reader sees the old file or the new one, never a part."""
    # root could replace a device, such as /dev/stdout
    require_type(file, hint="Write to another file, or remove it if it should not be there.")
    with staged_file(file, mode) as stream:
        stream.write(text.encode(errors="backslashreplace"))


def require_writable(file: Path, option: str) -> None:
    """Raise :exc:`InputError`, which begins with ``option``, if :func:`write_whole` could not write ``file``.

    For files that are written at the end, after hours of measuring or after everything has been pushed.
    """
    try:
        require_type(file)
        # With a name: that of the temporary file of write_whole() is longer, and may be too long.
        tempfile.NamedTemporaryFile(prefix=f".{file.name}.", dir=existing(file.absolute().parent)).close()
    except BakeryError as error:
        raise InputError(f"{option}: {error.message}", hint="Name another file.") from None
    except OSError as error:
        hint = "Name a file in a folder that you may write to."
        if error.errno == errno.ENAMETOOLONG:
            hint = "Choose a shorter name: while it is written, the file has a name with 10 more characters."
        raise InputError(f"{option} cannot be written: {error.strerror}", hint=hint) from None


@contextmanager
def disk_full(where: Path) -> Iterator[None]:
    """Turn a failed write below ``where`` into :exc:`DiskFullError` or, for other reasons, :exc:`BakeryError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(where) from None
        if error.filename is None:
            raise
        file, hint = Path(error.filename), hint_of(error)
        # The cache's hint does not apply to the user's files, which are only read.
        if hint == PATH_HINT and (where.parent in (file, *file.parents) or file in where.parents):
            hint = (
                "Caches are in $BAKERY_HOME (default: ~/.cache/infra7-python), logs in build/: both must be writable."
            )
        raise BakeryError(f"{error.filename}: {error.strerror}", hint=hint) from None


def require_space(where: Path, size: int) -> None:
    """Raise :exc:`DiskFullError` unless ``size`` bytes are free: apt hangs on a full disk instead of failing."""
    if free_space(where) < size:
        raise no_space(where)


def free_space(where: Path) -> int:
    """Free bytes on the file system of ``where``, which need not exist yet."""
    return shutil.disk_usage(existing(where)).free


def existing(where: Path) -> Path:
    """``where``, or the nearest folder above it that exists and that the user may see."""
    return next(path for path in (where, *where.parents) if os.path.exists(path))  # Path.exists raises PermissionError


def no_space(where: Path) -> DiskFullError:
    """The error for a full file system below ``where``."""
    status = os.statvfs(existing(where))
    inodes = " and no inodes" if status.f_files and not status.f_favail else ""
    return DiskFullError(
        f"no space left on the file system of {existing(where)} ({free_space(where) / 1e9:.1f} GB{inodes} free); "
        "a full build needs about 8 GB",
        hint="Free some space, for example with `inv clean --cache`, and try again: finished steps are cached.",
    )
