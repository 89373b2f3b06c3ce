"""The folders that the project writes to: this clone, and the cache that all clones on a machine share.

Also finds the folder of docker's configuration, which is only read.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bakery.errors import InputError

OWN = re.compile(
    r"apt|bases|bench|engine|environments|layers|published|python(\.apt)?|sources|tests|tools|authorities\.pem"
    r"|.+\.lock|\..+\.partial"
)
"""Names in the cache. A folder with other names may be /tmp or a user's home, whose owner must not be changed."""

SPECIAL = re.compile(r'[":,@\\\x00-\x1f\x7f\udc80-\udcff]')
"""Characters with a meaning where the cache's path is used: apt.conf ("), PATH (:), the options of overlay mounts (a
comma, a colon, a backslash), buildx's ``oci-layout://FOLDER@DIGEST``, lines. JSON has no bytes that are not UTF-8."""


@dataclass(frozen=True)
class Workspace:
    """``root`` is this clone; ``home`` is $BAKERY_HOME, else ``infra7-python`` in $XDG_CACHE_HOME or ``~/.cache``."""

    root: Path
    home: Path

    @property
    def build(self) -> Path:
        """Logs and records of this clone."""
        return self.root / "build"

    @property
    def logs(self) -> Path:
        """The complete log of each image's last build."""
        return self.build / "logs"

    @property
    def records(self) -> Path:
        """One JSON file for each image: what was built and tested, when and how."""
        return self.build / "records"


def find_workspace(root: Path, environ: Mapping[str, str] = os.environ) -> Workspace:
    """The workspace of the clone at ``root``."""
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or "/", ".cache")
    home = environ.get("BAKERY_HOME") or os.path.join(cache, "infra7-python")
    return Workspace(root=root, home=Path(os.path.expanduser(home)).absolute())


def docker_folder() -> Path:
    """The folder of docker's configuration and contexts: $DOCKER_CONFIG or ~/.docker."""
    return Path(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


def require_own_cache(home: Path) -> None:
    """Raise :exc:`InputError` if this is root and other users may have put programs into the cache, which root runs.

    Also raised if the environment names no folder for the cache, a file, or a folder with :data:`SPECIAL` characters.
    """
    if not any(os.environ.get(name) for name in ("BAKERY_HOME", "XDG_CACHE_HOME", "HOME")):
        raise InputError("HOME is not set: there is no folder for the cache", hint="Set HOME, or BAKERY_HOME=FOLDER.")
    _require_plain(home)
    if home.exists() and not home.is_dir():
        raise InputError(f"the cache {home} is not a folder", hint="Use another cache: BAKERY_HOME=FOLDER.")
    if os.geteuid() != 0 or not home.exists():
        return
    home = home.resolve()
    for path in (home, *home.iterdir(), *home.parents):
        try:
            info, problem, above = path.lstat(), "", path in home.parents
        except FileNotFoundError:  # a temporary file of another command
            continue
        # A folder above it only matters if others may rename what is in it, which the sticky bit of /tmp prevents.
        shared = info.st_mode & stat.S_IWOTH and not (above and info.st_mode & stat.S_ISVTX)
        shared = shared or (info.st_mode & stat.S_IWGRP and info.st_gid != 0 and not above)
        if info.st_uid != 0 and not above:
            problem = f"belongs to user {info.st_uid}"
        elif shared and not stat.S_ISLNK(info.st_mode):
            problem = f"may be changed by other users (mode {stat.S_IMODE(info.st_mode):o})"
        if problem:
            hint = "Use another cache: BAKERY_HOME=FOLDER."
            if all(OWN.fullmatch(path.name) for path in home.iterdir()):
                own = shlex.quote(str(home))
                hint += f" Or, if you know what is in it: chown -R root:root {own} && chmod -R go-w {own}"
            raise InputError(
                f"{path} {problem}: root runs programs from the cache, so only root may be able to change it", hint=hint
            )


def _require_plain(home: Path) -> None:
    for name in (str(home), os.path.realpath(home)):  # dockerd uses the second one
        if character := SPECIAL.search(name):
            problem = f"the name of the cache {name!r} contains {character[0]!r}"
            hint = r'Set BAKERY_HOME to a folder without " : , @ \ and control characters in its name.'
            raise InputError(problem, hint=hint)
