"""Runs git."""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from bakery.programs import Limits, ProgramError, run_program
from bakery.redaction import shorten
from bakery.regular_files import FILE_TYPES, read_regular

SETTINGS = {
    "log.showSignature": "false", "log.date": "default", "log.mailmap": "false", "log.showRoot": "true",
    "i18n.logOutputEncoding": "UTF-8", "status.branch": "false", "diff.orderFile": "/dev/null",
    "core.fsmonitor": "false", "core.hooksPath": "/dev/null", "core.attributesFile": "/dev/null",
    "core.autocrlf": "false", "core.ignoreCase": "false",
}  # fmt: skip
"""What the user's or a repository's configuration must not change: output, programs to run, what counts as a change."""
ISOLATION = {
    "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_REPLACE_OBJECTS": "1", "GIT_ATTR_NOSYSTEM": "1",
}  # fmt: skip
"""Variables that keep git from fetching, for which a partial clone may name a program, and from using refs/replace:
the recorded commit must have the files that are read."""
SECONDS, LIMIT = 180.0, 32 << 20
"""Time and bytes of output. The names of all files of CPython take 0.5 MB; a tree of a few objects can list millions of
files."""


def git(
    path: Path, *arguments: str, data: bytes = b"", limit: int = LIMIT, settings: Mapping[str, str] = SETTINGS,
    index: str = "",
) -> bytes:  # fmt: skip
    """The output of git in the folder ``path``, with ``data`` as its input; no program that the repository names runs.

    Git's environment variables could redirect it to another repository or change what paths mean. They are removed,
    except configuration, which may have safe.directory and to which ``settings`` are added; ``index`` replaces the
    repository's own. Raises :exc:`ValueError` if git is not installed, fails, takes longer than :data:`SECONDS` or
    prints more than ``limit`` bytes.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "_CONFIG" in name
    }
    count = environment.get("GIT_CONFIG_COUNT") or "0"
    if not re.fullmatch("[0-9]{1,4}", count):  # a negative one would drop settings
        raise ValueError(f"GIT_CONFIG_COUNT={count}: expected a number from 0 to 9999, or no such variable")
    first = int(count)
    for number, (name, value) in enumerate(settings.items(), first):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    environment |= {"GIT_CONFIG_COUNT": str(first + len(settings)), **({"GIT_INDEX_FILE": index} if index else {})}
    command = ["git", "--no-optional-locks", "-C", str(path), *arguments]
    try:
        done = run_program(command, environment | ISOLATION, Limits(SECONDS, limit), data=data)
    except FileNotFoundError:
        raise ValueError("git is not installed: apt-get install git") from None
    except ProgramError as error:
        raise ValueError(f"git {arguments[0]} {error}") from None
    if done.code:
        reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.code}"
        raise ValueError(f"git {arguments[0]}: {shorten(reason, 1000)}")
    return done.stdout


def require_clone(path: Path) -> None:
    """Raise :exc:`ValueError` unless ``path`` is the top of a clone: core.worktree can name another folder.

    Also raised as by :func:`require_files`.
    """
    require_files(path)
    top = os.fsdecode(git(path, "rev-parse", "--show-toplevel")).removesuffix("\n")
    # A git of another system, such as git.exe in WSL, names the folder otherwise.
    if not (os.path.exists(top) and os.path.samefile(top, path)):
        raise ValueError(f"{path} is not the top of a git clone")


def require_files(path: Path) -> None:
    """Raise :exc:`ValueError` if git's own files in ``path`` include a FIFO or a device: git would wait forever."""
    own = path if (path / "HEAD").exists() else path / ".git"
    for folder, _, names in os.walk(own):
        for file in (os.path.join(folder, name) for name in names):
            with suppress(OSError):  # a link that leads nowhere, or a file that git has just removed
                kind = stat.S_IFMT(os.stat(file).st_mode)
                if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFSOCK):  # git's fsmonitor has a socket
                    raise ValueError(f"{file} is {FILE_TYPES[kind]}: expected {FILE_TYPES[stat.S_IFREG]}")


def changes(path: Path, *paths: str, ignored: bool = False, exact: bool = False) -> list[str]:
    """The files in the folder ``path`` that differ from its commit or are new: lines of git status.

    ``paths`` are pathspecs, by default all. With ``ignored``, new files count that git ignores. With ``exact``, the
    bytes of files are compared: attributes (``text``, ``working-tree-encoding``), which even an untracked file can set,
    let git consider a file unchanged whose line ends or encoding differ. Raises as :func:`git` does.
    """
    settings = SETTINGS.copy()
    # To compare files, git would run the filters that the configuration names.
    for name in os.fsdecode(git(path, "config", "--null", "--name-only", "--list")).split("\0"):
        if re.match(r"filter\..*\.(clean|process|required)\Z", name, re.DOTALL | re.IGNORECASE):
            settings[name] = "false" if name.lower().endswith("required") else ""
    tracked = os.fsdecode(git(path, "ls-files", "-t", "-z", "--full-name")).split("\0")
    settings |= _abilities(path / entry[2:] for entry in tracked)
    sparse = {f" D {entry[2:]}" for entry in tracked if entry.startswith("S ")}  # not checked out
    with tempfile.TemporaryDirectory() as folder:
        # A new index has no sizes and times of files. By those of the old one, git considers a file unchanged that it
        # has converted or filtered under an earlier configuration, or that it was told to ignore (update-index(1)).
        index = f"{folder}/index"
        git(path, "read-tree", "HEAD", settings=settings, index=index)
        # Submodules have separate filters. Untracked files count, whatever the user's configuration says.
        status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all"]
        status += ["--ignored=matching"] if ignored else []
        lines = os.fsdecode(git(path, *status, "--", *paths, settings=settings, index=index)).split("\0")
        committed = os.fsdecode(git(path, "ls-files", "-z", "--stage", "--", *paths, index=index)) if exact else ""
    for mode, identity, name in re.findall(r"(\d+) (\w+) 0\t([^\0]+)\0", committed):
        with suppress(OSError):  # status has reported what is missing, or not a file
            if mode.startswith("100") and object_id(read_regular(path / name, follow=False), identity) != identity:
                lines.append(f" M {name}")
    return [line for line in lines if line and line not in sparse]


def object_id(data: bytes, like: str) -> str:
    """The ID of the blob ``data`` (gitformat-pack(5)), by the algorithm of the ID ``like``; a repository has one."""
    algorithm = "sha1" if len(like) == 40 else "sha256"
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _abilities(files: Iterable[Path]) -> dict[str, str]:
    """Settings for what the file system of ``files`` evidently supports: executable bits, if they differ, and links.

    On a file system without them, such as FAT, git turns these settings off for a clone; they stay off there, because
    files without them do not count as changed.
    """
    modes, links = set(), False
    for file in files:
        with suppress(OSError):
            mode = os.lstat(file).st_mode
            modes |= {mode & stat.S_IXUSR} if stat.S_ISREG(mode) else set()
            links = links or stat.S_ISLNK(mode)
    able = {"core.fileMode": len(modes) > 1, "core.symlinks": links}
    return {name: "true" for name, has in able.items() if has}
