"""What `inv clean` removes, each kind apart, so that nothing goes that was not named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import LABELS, Catalog
from bakery.engine import Embedded, running_engine
from bakery.errors import BakeryError
from bakery.workspace import Workspace

__all__ = ["KINDS", "Removal", "removals", "remove"]

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


def removals(workspace: Workspace, catalog: Catalog, kinds: tuple[str, ...]) -> Iterator[Removal]:
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
