"""A second embedded engine for a while: empty, or with some images of the first one and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import InputError
from bakery.files import locked

__all__ = ["STORES", "another", "fresh_engine"]

STORES = ("containerd", "overlay2")
"""How an engine keeps images: in containerd's store, which keeps layers as they are packed, the default from Docker 29
on (https://docs.docker.com/engine/storage/containerd/); or unpacked alone, the default before."""


@contextmanager
def another(first: Embedded, home: Path, store: str = "containerd") -> Iterator[Embedded]:
    """An engine that holds nothing, with the packages of ``first``, below the folder ``home``; gone afterwards.

    What a killed process left of one there goes first. Raises :exc:`EngineError`.
    """
    first.prepare()
    own = replace(first, workspace=replace(first.workspace, home=home), store=store)
    with locked(home.with_name(f"{home.name}.lock"), f"an engine in {home}", first.tell):
        _remove(own)
        try:
            own.folder.mkdir(parents=True)
            own.root.symlink_to(first.root)
            own.up()
            yield own
        finally:
            _remove(own)


def _remove(own: Embedded) -> None:
    """Stop the engine and remove all that it has."""
    own.down()
    own.sweep()
    for folder in (own.folder, own.runtime):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_engine(first: Engine, references: Sequence[str], store: str = "containerd") -> Iterator[Engine]:
    """An engine that holds these images of ``first`` and nothing else; gone afterwards.

    ``store`` says how it keeps them. :exc:`InputError` where that is none of STORES or ``first`` is not the embedded
    engine, :exc:`EngineError` where an image cannot be moved.
    """
    if store not in STORES:
        raise InputError(f"{store!r} is no image store: expected one of {', '.join(STORES)}")
    if first.kind != "embedded":
        raise InputError(
            f"no second engine is started beside {first.host} ({first.kind}): expected the embedded engine",
            hint="Measure in the engine that is there, or let DOCKER_HOST name one that holds the two images only.",
        )
    with another(first.embedded, first.embedded.workspace.home / "bench" / "another", store) as embedded:
        engine, archive = Engine("embedded", embedded.host, embedded), embedded.folder / "image.tar"
        for reference in dict.fromkeys(references):
            with archive.open("wb") as stream:
                stream.writelines(first.save(reference))
            engine.load(archive)
        archive.unlink(missing_ok=True)
        try:
            yield engine
        finally:
            engine.close()
