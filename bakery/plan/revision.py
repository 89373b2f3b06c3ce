"""Which commit of this repository an image is made from.

Not the last one: a label that changed with README would make another image of the same bytes. It is the newest commit
that touched what decides about an image: its family's folder, its profile, the scripts and the catalog in shared/, the
plan, and the commit by which the lock got its release. BuildKit's provenance, which is no part of the image, names the
commit that was checked out.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["revision_of"]

MADE_FROM = (":(glob)shared/*.sh", "shared/minimal.conf", "shared/rootfs", "shared/catalog.toml", "bakery/plan/bake.py")
LOCK = "shared/lock.toml"
DIRTY = "-dirty"


def revision_of(root: Path, folders: Sequence[str], sha256: str) -> str:
    """The commit that the image of the tarball ``sha256`` is made from; ``folders``: its family's, its profile's.

    It ends in ``-dirty`` where what the image is made from was changed since; it is empty where ``root`` is no clone.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or not os.path.samefile(top, root):
        return ""
    paths = (*folders, *MADE_FROM)
    pinned = _git(root, "log", "-1", "--format=%H", "-S", sha256, "--", LOCK)
    commits = [one for one in (_git(root, "log", "-1", "--format=%H", "--", *paths), pinned) if one]
    if not commits:
        return ""
    newest = _git(root, "rev-list", "--topo-order", "--max-count=1", *commits)
    changed = _git(root, "status", "--porcelain", "--", *paths)
    return f"{newest}{DIRTY if changed or not pinned else ''}"


def _git(root: Path, *arguments: str) -> str:
    """What git says, empty where it fails or is not there."""
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
