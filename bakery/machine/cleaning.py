"""What `inv clean` removes, by kind, so that nothing is removed that the user did not select."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import LABELS
from bakery.engine import Embedded, running_engine
from bakery.errors import BakeryError, NothingSelected
from bakery.files import Tell
from bakery.workspace import Workspace

KINDS = ("logs", "images", "cache", "sources", "layers", "bases", "engine", "environments")


@dataclass(frozen=True)
class Removal:
    """Something to remove: its kind, its name, and its path if it is a folder."""

    kind: str
    name: str
    path: Path | None = None


def clean(workspace: Workspace, kinds: Sequence[str], tell: Tell, *, dry: bool = False) -> None:
    """Remove ``kinds`` and ``tell`` each removal; with ``dry``, only tell. :exc:`NothingSelected` if empty."""
    if not kinds:
        options = ", ".join(f"--{kind}" for kind in KINDS)
        hint = "They are explained by: inv clean --help"
        raise NothingSelected(f"nothing to remove was selected: expected {options} or --all", hint=hint)
    for removal in list(removals(workspace, kinds)):
        tell(f"{'would remove' if dry else 'removing'} {removal.kind}: {removal.name}")
        if not dry:
            remove(workspace, removal)


def removals(workspace: Workspace, kinds: Sequence[str]) -> Iterator[Removal]:
    """Everything of ``kinds`` that exists; nothing is removed or started."""
    paths = {
        "logs": [workspace.build],
        "sources": [workspace.home / "sources"],
        "layers": [workspace.home / "layers"],
        "bases": [workspace.home / "bases"],
        "engine": [workspace.home / "engine", workspace.home / "apt", workspace.home / "tools"],
        "environments": [workspace.home / "environments", workspace.home / "python"],
    }
    for kind in kinds:
        for path in paths.get(kind, ()):
            if path.exists():
                yield Removal(kind, str(path), path)
    engine = running_engine(workspace) if {"images", "cache"} & set(kinds) else None
    if engine and "images" in kinds:
        for image in engine.images(label=f"{LABELS}.target"):
            for tag in image.tags or (image.id,):
                yield Removal("images", tag)
    if engine and "cache" in kinds:
        yield Removal("cache", f"build cache of {engine.host}")


def remove(workspace: Workspace, removal: Removal) -> None:
    """Remove it. Raises :exc:`BakeryError`, for images and build cache :exc:`bakery.errors.EngineError`."""
    if removal.kind == "engine":
        Embedded(workspace, lambda _: None).down()
    if removal.path is not None:
        shutil.rmtree(removal.path, ignore_errors=True)
        if removal.path.exists():
            hint = "Check whether a process still uses it."
            raise BakeryError(f"{removal.path} could not be removed completely", hint=hint)
        return
    engine = running_engine(workspace)
    if engine is None:
        return
    if removal.kind == "images":
        engine.remove(removal.name)
    else:
        engine.prune()
