"""Which commit of this repository an image is made from.

This is not the last commit: a label that changed with README would make a different image of the same bytes. It is the
newest commit that touched what decides about an image: its family, its Dockerfile, its profile, the scripts and the
catalog in shared/, the plan, and the commit that pinned its release. BuildKit's provenance, which is not part of the
image, names the commit that was checked out.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bakery.catalog import Catalog, Image

SHARED = (":(glob)shared/*.sh", "shared/minimal.conf", "shared/catalog.toml", "bakery/plan/bake.py")
"""What all images are made from, as git's pathspecs."""
LOCK = "shared/lock.toml"
DIRTY = "-dirty"


def made_from(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The paths that decide about ``image`` in addition to what all images are made from.

    They are the folder of its family, its Dockerfile (or the folder of its recipe if that has a Dockerfile of its own),
    and the folder of its profile.
    """
    profile = catalog.profile_of(image)
    recipe = catalog.recipes[image.recipe].folder or catalog.dockerfile_of(image)
    return (image.target.family, recipe, *([profile.folder] if profile else []))


def revision_of(root: Path, paths: Sequence[str], sha256: str) -> str:
    """The commit that the image of the tarball ``sha256`` is made from; ``paths`` are what :func:`made_from` returns.

    It ends in ``-dirty`` if these paths have uncommitted changes; it is empty if ``root`` is not a clone.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or not os.path.samefile(top, root):
        return ""
    paths = (*paths, *SHARED)
    pinned = _git(root, "log", "-1", "--format=%H", "-S", sha256, "--", LOCK)
    commits = [commit for commit in (_git(root, "log", "-1", "--format=%H", "--", *paths), pinned) if commit]
    if not commits:
        return ""
    newest = _git(root, "rev-list", "--topo-order", "--max-count=1", *commits)
    changed = _git(root, "status", "--porcelain", "--", *paths)
    return f"{newest}{DIRTY if changed or not pinned else ''}"


def _git(root: Path, *arguments: str) -> str:
    """The output of git, empty if it fails or is not installed."""
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, errors="surrogateescape"
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
