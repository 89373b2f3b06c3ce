"""What `inv clean` removes, by kind, so that nothing is removed that the user did not select."""

import os
import re
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bakery.catalog import ANNOTATIONS, LABELS, Catalog, RecipeName, load_catalog
from bakery.engine import Embedded, EngineImage, mount_points, running_engine
from bakery.errors import BakeryError, NothingSelected, reason_of
from bakery.files import IN_USE, Tell, holder_of, locked, require_type
from bakery.workspace import Workspace

FOLDERS = {
    "logs": {"build": r"logs|records|packages|site|bench|verify|.+\.(oci|packed|attested)\.tar"},
    "sources": {
        "sources": r"3\.\d+\.\d+\w*|local-[0-9a-f]+|extras(-\w+)*|signatures|[\w.+-]+\.(deb|whl)",
        "bench": r"cpython-.+|another|lock",
    },
    "layers": {"layers": r"(zstd|gzip)-[\d.]+-\w+|attested"},
    "bases": {"bases": r".+-(amd64|arm64)|\.folder\..+\.partial"},
    "engine": {
        "engine": r"root|data|daemon\.json|dockerd\.log(\.1)?",
        "apt": r"[a-z]+|(outdated|sources)-.+",
        "tools": r"(mmdebstrap|bases)-[a-z]+|docker-registry",
    },
    "environments": {"environments": r"\d+", "python": r"usr|etc|lib\w*|s?bin|var|ca-certificates\.crt"},
}
"""What this tool makes: a pattern of names for each folder. Locks, checksums and partial files are removed from all of
them."""
CREATED = f"{ANNOTATIONS}.created"
KINDS = ("logs", "images", "cache", "sources", "layers", "bases", "engine", "environments")


class Removal(NamedTuple):
    """Something to remove: its kind, its name, and a function that removes it.

    The function returns the paths that it left in a folder, because this tool did not make them. It raises
    :exc:`BakeryError`, for images and build cache :exc:`bakery.errors.EngineError`.
    """

    kind: str
    name: str
    remove: Callable[[], Sequence[Path] | None]


def clean(workspace: Workspace, kinds: Sequence[str], tell: Tell, *, dry: bool = False) -> None:
    """Remove ``kinds`` and ``tell`` each removal; with ``dry``, only tell. :exc:`NothingSelected` without ``kinds``."""
    if not kinds:
        options = ", ".join(f"--{kind}" for kind in KINDS)
        hint = "`inv clean --help` explains them."
        raise NothingSelected(f"nothing to remove was selected: expected {options} or --all", hint=hint)
    for removal in list(removals(workspace, kinds)):
        tell(f"{'would remove' if dry else 'removing'} {removal.kind}: {removal.name}")
        for path in () if dry else removal.remove() or ():
            tell(f"kept {path}: this tool did not make it")


def removals(workspace: Workspace, kinds: Sequence[str]) -> Iterator[Removal]:
    """Everything of ``kinds`` that exists; nothing is removed or started."""
    for kind in kinds:
        for name in FOLDERS.get(kind, {}):
            path = (workspace.root if kind == "logs" else workspace.home) / name
            if path.exists():
                yield Removal(kind, str(path), partial(_remove_folder, workspace, kind, path))
    engine = running_engine(workspace) if {"images", "cache"} & set(kinds) else None
    if engine and engine.kind == "embedded" and "engine" in kinds:
        return  # its images and its build cache are in its folder
    if engine and "images" in kinds:
        catalog = load_catalog(workspace.root)
        for image in engine.images(label=f"{LABELS}.target"):
            for name in own_names(image, catalog):
                yield Removal("images", name, partial(engine.remove, name))
    if engine and "cache" in kinds:
        yield Removal("cache", f"build cache of {engine.host}", engine.prune)


def own_names(image: EngineImage, catalog: Catalog) -> list[str]:
    """The tags of an image that this tool made, or its ID if it has none; empty for an image that is based on ours.

    An image based on ours inherits our labels, but not our date. The reference image and those with CPython's test
    suite have their base's date, and separate repositories.
    """
    has_our_date = image.created == image.labels.get(CREATED)
    if has_our_date and not image.tags:
        return [image.id]
    others = (catalog.recipes[RecipeName.REFERENCE].repository, catalog.suite_repository)
    repositories = (catalog.repository, *others) if has_our_date else others
    return [tag for tag in image.tags if tag.rpartition(":")[0] in repositories]


def _remove_folder(workspace: Workspace, kind: str, folder: Path) -> list[Path]:
    _require_unused(folder)
    if kind == "logs":
        return _remove_own(folder, FOLDERS[kind][folder.name])
    with locked(folder.with_name(IN_USE), "the cache", lambda _: None):
        if kind == "engine":
            embedded = Embedded(workspace, lambda _: None)
            embedded.down()
            embedded.sweep()  # an engine that was killed leaves mounts
        return _remove_own(folder, FOLDERS[kind][folder.name])


def _remove_own(folder: Path, pattern: str) -> list[Path]:
    """Remove what this tool has put into ``folder``, then the folder itself if it is empty; returns what is left."""
    if not require_type(folder, stat.S_IFDIR):  # another process has removed it
        return []
    reasons = list[str]()
    for path in folder.iterdir():
        own = re.fullmatch(rf"{pattern}|.+\.(lock|checksums)|\..+\.partial", path.name)
        if not own or (folder.name == "apt" and path.is_dir() and not (path / "apt.conf").exists()):
            continue
        if path.is_dir() and not path.is_symlink():
            _require_no_mount(path)
            shutil.rmtree(path, onerror=lambda _function, _path, raised: reasons.append(reason_of(raised[1])))
        else:
            path.unlink(missing_ok=True)
        if path.exists():
            reason = reasons[0] if reasons else "another process created it again"
            problem = f"{path} could not be removed completely: {reason}"
            raise BakeryError(problem, hint="Check whether a process still uses it, and whether you may remove it.")
    left = sorted(folder.iterdir())
    if not left and not folder.is_mount():
        folder.rmdir()
    return left


def _require_unused(folder: Path) -> None:
    """Raise :exc:`BakeryError` if another command is working in ``folder``: without its files, it would fail."""
    locks = folder.with_name(IN_USE), folder.with_suffix(".lock"), folder / "lock"
    for lock in (*locks, *folder.glob("*.lock"), *folder.glob("logs/*.lock")):
        if holder := holder_of(lock):
            problem = f"{folder} is not removed: {holder} uses it ({lock.name})"
            raise BakeryError(problem, hint="Run the same command again when that process has ended.")


def _require_no_mount(folder: Path) -> None:
    """Raise :exc:`BakeryError` if a file system is mounted at or below ``folder``: its files are not the cache's."""
    own = os.path.realpath(folder)
    if point := next((point for point in mount_points() if f"{point}/".startswith(f"{own}/")), None):
        problem = f"{folder} is not removed: a file system is mounted at {point}"
        raise BakeryError(problem, hint=f"Unmount it, then run the same command again: umount {shlex.quote(point)}")
