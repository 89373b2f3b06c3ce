"""Reads regular files only: opening a FIFO waits for a writer, and a device may never end."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

LARGEST = 256 << 20
"""Bytes of the largest file that is read as a whole; Debian's security tracker has about 70 MB of JSON."""
FILE_TYPES = {
    stat.S_IFREG: "a regular file", stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device",
}  # fmt: skip


def open_regular(file: Path) -> BufferedReader:
    """``file`` for reading; OSError if it is not a regular file."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    actual = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if actual != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"expected {FILE_TYPES[stat.S_IFREG]}, not {FILE_TYPES[actual]}", str(file))
    return os.fdopen(descriptor, "rb")


def read_regular(file: Path, limit: int = 0) -> bytes:
    """The bytes of ``file``; OSError if it is not a regular file, or has over ``limit`` (:data:`LARGEST`) bytes."""
    limit = limit or LARGEST
    with open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size  # 0 for files of the kernel
        data = b"" if size > limit else stream.read(limit + 1)
    if max(size, len(data)) > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit} bytes", str(file))
    return data
