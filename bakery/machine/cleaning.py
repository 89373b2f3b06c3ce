"""What `inv clean` removes, each kind apart, so that nothing goes that was not named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import LABELS, Catalog
from bakery.engine import Embedded, running_engine
from bakery.errors import BakeryError, NothingSelected
from bakery.files import Tell
from bakery.workspace import Workspace

__all__ = ["KINDS", "Removal", "clean", "removals", "remove"]

KINDS = {
    "logs": "logs and records of this clone (build/)",
    "images": "images that this tool built, in the engine in use",
    "cache": "the engine's build cache: the next build compiles again",
    "sources": "downloaded tarballs",
    "layers": "layers that were packed for images: the next build packs its base again",
    "bases": "base images made from packages, and what was chosen for each target",
    "engine": "the embedded engine with all its images and its build cache (it is stopped first)",
}


@dataclass(frozen=True)
class Removal:
    """One thing to remove: its kind, what it is called, and its path where it is a file or folder."""

    kind: str
    what: str
    path: Path | None = None


def clean(workspace: Workspace, catalog: Catalog, kinds: Sequence[str], tell: Tell, *, dry: bool = False) -> None:
    """Remove everything of ``kinds`` (keys of :data:`KINDS`) and ``tell`` each removal; with ``dry``, only tell.

    Raises :exc:`NothingSelected` if ``kinds`` is empty, and as :func:`remove` does.
    """
    if not kinds:
        lines = "".join(f"\n    --{kind:8} {text}" for kind, text in KINDS.items())
        raise NothingSelected(f"Nothing to remove was selected. Choose from:{lines}\n    --all")
    for removal in list(removals(workspace, catalog, kinds)):
        tell(f"{'would remove' if dry else 'removing'} {removal.kind}: {removal.what}")
        if not dry:
            remove(workspace, catalog, removal)


def removals(workspace: Workspace, catalog: Catalog, kinds: Sequence[str]) -> Iterator[Removal]:
    """What there is of ``kinds``; nothing is removed or started."""
    paths = {
        "logs": [workspace.build],
        "sources": [workspace.home / "sources"],
        "layers": [workspace.home / "layers"],
        "bases": [workspace.home / "bases"],
        "engine": [workspace.home / "engine", workspace.home / "apt", workspace.home / "tools"],
    }
    for kind in kinds:
        for path in paths.get(kind, ()):
            if path.exists():
                yield Removal(kind, str(path), path)
    engine = running_engine(workspace, catalog) if {"images", "cache"} & set(kinds) else None
    if engine and "images" in kinds:
        for image in engine.images(label=f"{LABELS}.target"):
            for tag in image.tags or (image.id,):
                yield Removal("images", tag)
    if engine and "cache" in kinds:
        yield Removal("cache", f"build cache of {engine.host}")


def remove(workspace: Workspace, catalog: Catalog, removal: Removal) -> None:
    """Remove it. Raises :exc:`bakery.errors.EngineError` where the engine does not let go of it."""
    if removal.kind == "engine":
        Embedded(workspace, catalog, lambda _: None).down()
    if removal.path is not None:
        shutil.rmtree(removal.path, ignore_errors=True)
        if removal.path.exists():
            raise BakeryError(f"{removal.path} could not be removed entirely", hint="Is something in it still in use?")
        return
    engine = running_engine(workspace, catalog)
    if engine is None:
        return
    if removal.kind == "images":
        engine.remove(removal.what)
    else:
        engine.prune()
