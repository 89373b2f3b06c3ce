"""Which commit of this repository an image is made from.

This is not the last commit: a change of README would change a label, and so the image. It is the newest commit that
changed an input of the image: its family, its Dockerfile, its profile, the scripts and the catalog in shared/, the
plan, or what the lock pins for it. BuildKit's provenance, which is not part of the image, names the commit that was
checked out.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bakery.catalog import DIRTY, LOCK, Catalog, Image
from bakery.git import changes, git, require_clone
from bakery.regular_files import read_text

SHARED = (
    ":(glob)shared/*.sh", ":(glob)shared/debug-*", "shared/startup.order", "shared/minimal.conf", "shared/catalog.toml",
    "bakery/plan/bake.py",
)  # fmt: skip
"""What all images are made from, as git's pathspecs."""


def made_from(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """The paths that ``image`` is made from, in addition to :data:`SHARED`.

    They are the folder of its family, its Dockerfile (or the folder of its recipe if that has its own Dockerfile),
    and the folder of its profile.
    """
    profile = catalog.profile_of(image)
    recipe = catalog.recipes[image.recipe].folder or catalog.dockerfile_of(image)
    return (image.target.family, recipe, *([profile.folder] if profile else []))


def pinned_by(catalog: Catalog, image: Image, *, base: bool) -> tuple[str, ...]:
    """The tables of the lock that ``image`` is made from; ``base``: whether its base is the pinned one.

    A tree that is built instead of a release is pinned by none.
    """
    extras = (*image.series.extras, *image.variant.on(image.platform).extras)
    return (
        f'releases."{image.pin.local or image.pin.release}"', *(f"extras.{extra.name}" for extra in extras),
        *([f'profiles."{image.series.name}"'] if catalog.profile_of(image) else []),
        *([f"bases.{image.target.name}.digests"] if base else []),
    )  # fmt: skip


def _table(lock: str, name: str) -> str:
    """The text of a table of the lock; empty if it is not there."""
    match = re.search(rf"(?ms)^\[{re.escape(name)}\]\n.*?(?=^\[|\Z)", lock)
    return match[0].rstrip() if match else ""


def revision_of(root: Path, paths: Sequence[str], tables: Sequence[str]) -> str:
    """The commit that an image is made from; :func:`made_from` returns its ``paths``, :func:`pinned_by` its ``tables``.

    It ends in ``-dirty`` if they have uncommitted changes. Raises :exc:`ValueError` with the reason if the commit is
    unknown: ``root`` is not a clone, git is missing or refuses to read it, or the clone is too shallow.
    """
    paths = (*paths, *SHARED)
    require_clone(root)
    log = ("log", "-1", "--format=%H", "--no-textconv")
    commits = [_git(root, *log, "--", *paths)]
    committed, lock = _git(root, "show", f"HEAD:{LOCK}"), read_text(root / LOCK)
    texts = [_table(lock, name) for name in tables]
    pinned = all(texts) and texts == [_table(committed, name) for name in tables]
    commits += [_git(root, *log, "-S", text, "--", LOCK) for text in texts if text]
    commits = list(filter(None, commits))
    if not commits:
        raise ValueError(f"no commit of {root} has the files that the image is made from")
    newest = _git(root, "rev-list", "--topo-order", "--max-count=1", *commits)
    boundary = root / _git(root, "rev-parse", "--git-path", "shallow")
    # A shallow clone's oldest commits look as if they had added every file.
    if boundary.is_file() and newest in boundary.read_text().split():
        raise ValueError("it may be older than the oldest commit of this shallow clone: git fetch --unshallow")
    # The user's own ignored files may be inputs of an image.
    changed = changes(root, *paths, ignored=True, exact=True)
    return f"{newest}{DIRTY if changed or not pinned else ''}"


def checkout_of(root: Path) -> str:
    """The commit that is checked out, with ``-dirty`` if files differ from it or are new; ignored files do not count.

    Raises :exc:`ValueError` if ``root`` is not a clone that git can read.
    """
    require_clone(root)
    return f"{_git(root, 'rev-parse', 'HEAD')}{DIRTY if changes(root, exact=True) else ''}"


def _git(root: Path, *arguments: str) -> str:
    return os.fsdecode(git(root, *arguments)).strip()
