"""Reads regular files only: opening a FIFO waits for a writer, and a device may never end."""

import errno
import os
import stat
from contextlib import suppress
from io import BufferedReader, BytesIO
from pathlib import Path

CHUNK = 1 << 18
SMALL, MEDIUM = 1 << 20, 8 << 20
"""Bytes of the largest configuration, and of the largest record or manifest; the largest record has 0.1 MB."""
LARGEST = 256 << 20
"""Bytes of the largest file that is read as a whole; Debian's security tracker has about 70 MB of JSON."""
FILE_TYPES = {
    stat.S_IFREG: "a regular file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device",
}  # fmt: skip
PATH_HINT = "Check the path and its permissions, then run the same command again."


def hint_of(error: OSError) -> str:
    """What to do about ``error``, which names a file: this module's own errors are about its type and its content."""
    if error.errno in (errno.EINVAL, errno.EFBIG, errno.EILSEQ):
        return "Find out what wrote it, and replace it with what was expected."
    if error.errno == errno.EIO:
        return "Its disk may be damaged: dmesg has the kernel's messages."
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP) and (obstacle := _not_a_folder(error.filename)):
        return f"{obstacle}: expected a folder. Rename or remove it, then run the same command again."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "Raise the limit of open files: ulimit -n 4096."
    return PATH_HINT


def _not_a_folder(name: object) -> str:
    """What is in the way of a folder at the path ``name`` or above it, with its type; empty if nothing is."""
    path = Path(name) if isinstance(name, str | Path) else Path("/")
    for each in (path, *path.parents):
        with suppress(OSError):
            kind = FILE_TYPES[stat.S_IFMT(each.lstat().st_mode)]
            return "" if os.path.isdir(each) else f"{each} is {kind}"
    return ""


def open_regular(file: Path, *, follow: bool = True) -> BufferedReader:
    """``file`` for reading; OSError if it is not a regular file, or without ``follow`` if it is a symbolic link."""
    if not follow and file.is_symlink():
        raise OSError(errno.EINVAL, "expected a regular file, not a symbolic link", str(file))
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    actual = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if actual != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"expected {FILE_TYPES[stat.S_IFREG]}, not {FILE_TYPES[actual]}", str(file))
    return os.fdopen(descriptor, "rb")


def read_regular(file: Path, limit: int = LARGEST, *, follow: bool = True) -> bytes:
    """The bytes of ``file``; OSError as by :func:`open_regular`, or if it has more than ``limit`` bytes.

    What a build exported is read without ``follow``: its links lead to files of this machine. JSON can take 25 times as
    much memory as it has bytes.
    """
    with open_regular(file, follow=follow) as stream:
        size = os.fstat(stream.fileno()).st_size  # 0 for files of the kernel
        with BytesIO() as data:
            while size <= limit and (chunk := stream.read(CHUNK)):  # read(limit) would allocate all of it
                size = max(size, data.tell() + data.write(chunk))
            content = data.getvalue()
    if size > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit} bytes", str(file))
    return content


def read_text(file: Path) -> str:
    """The text of ``file``; OSError as by :func:`read_regular`, or if it is not UTF-8."""
    try:
        return read_regular(file).decode()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, f"expected UTF-8, but byte {error.start} is invalid", str(file)) from None
