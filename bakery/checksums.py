"""Folders of unpacked programs with the checksums of their contents: programs that have changed since are not run.

The checksums are in a file next to the folder, so that another folder in its place does not match. They detect damage
(a power cut, a full disk), edits and swapped folders. A user who can write both could also replace the calling program.
"""

import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bakery.files import Tell, sha256_of, staged_folder, write_whole
from bakery.regular_files import FILE_TYPES, MEDIUM, read_regular

LARGEST = 1 << 30
"""Bytes of a file that is unpacked from a package; a larger one has no checksum, so it counts as changed."""


@contextmanager
def checked_folder(final: Path) -> Iterator[Path]:
    """Like :func:`bakery.files.staged_folder`, but also records the checksums of what the block has put there."""
    with staged_folder(final) as stage:
        yield stage
        write_whole(_record(final), json.dumps(_checksums(stage), indent=0))


def is_intact(folder: Path, tell: Tell) -> bool:
    """Whether ``folder`` has exactly what was unpacked there; if not, reports what has changed."""
    if not os.path.lexists(folder):
        return False
    try:
        expected, actual = json.loads(read_regular(_record(folder), MEDIUM)), _checksums(folder)
        changed = [path for path in sorted({*expected, *actual}) if expected.get(path) != actual.get(path)]
    except (OSError, ValueError, RecursionError, TypeError, AttributeError):
        changed = ["checksums"]
    if changed:
        tell(f"{folder} is not what was unpacked there ({changed[0]}): unpacking it again")
    return not changed


def _record(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.checksums")


def _checksums(folder: Path) -> dict[str, str]:
    """Mode, owner and content of everything in ``folder``, itself included, by relative path."""
    paths = [folder, *sorted(folder.rglob("*"))]
    with ThreadPoolExecutor() as pool:
        return dict(zip((str(path.relative_to(folder)) for path in paths), pool.map(_facts, paths), strict=True))


def _facts(path: Path) -> str:
    info = path.lstat()
    kind = stat.S_IFMT(info.st_mode)
    content = sha256_of(path, LARGEST) if kind == stat.S_IFREG else os.readlink(path) if kind == stat.S_IFLNK else ""
    return f"{FILE_TYPES[kind]} {stat.S_IMODE(info.st_mode):o} {info.st_uid}:{info.st_gid} {content}".rstrip()
