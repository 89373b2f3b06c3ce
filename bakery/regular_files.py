"""Reads regular files only: opening a FIFO waits for a writer, and a device may never end."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

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


def read_regular(file: Path) -> bytes:
    """The bytes of ``file``; OSError if it is not a regular file."""
    with open_regular(file) as stream:
        return stream.read()
