"""A temporary second embedded engine: empty, or with some images of the first one and nothing else."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import InputError
from bakery.files import locked, staged_file

STORES = ("containerd", "overlay2")
"""An engine's image store: containerd's, which keeps layers as they are compressed, the default since Docker 29
(https://docs.docker.com/engine/storage/containerd/); or overlay2, which keeps them unpacked, the default before."""


@contextmanager
def second_engine(first: Embedded, home: Path, store: str = "containerd") -> Iterator[Embedded]:
    """An empty engine with the packages of ``first`` in ``home``, emptied before and after; :exc:`EngineError`."""
    first.prepare()
    scratch = replace(first, workspace=replace(first.workspace, home=home), store=store)
    with locked(home.with_name(f"{home.name}.lock"), f"the engine in {home}", first.tell):
        _remove(scratch)
        try:
            scratch.folder.mkdir(parents=True)
            scratch.root.symlink_to(first.root)
            scratch.up()
            yield scratch
        finally:
            _remove(scratch)


def _remove(scratch: Embedded) -> None:
    """Stop the engine and remove all its files."""
    scratch.down()
    scratch.sweep()
    shutil.rmtree(scratch.folder, ignore_errors=True)


@contextmanager
def fresh_engine(first: Engine, references: Sequence[str], store: str = "containerd") -> Iterator[Engine]:
    """An engine with these images of ``first`` and nothing else; removed afterwards.

    ``store`` is its image store. :exc:`InputError` if that is not one of STORES or ``first`` is not the embedded
    engine, :exc:`EngineError` if an image cannot be copied.
    """
    if store not in STORES:
        raise InputError(f"{store!r} is not an image store: expected one of {', '.join(STORES)}")
    if first.kind != "embedded":
        raise InputError(
            f"no second engine is started next to {first.host} ({first.kind}): expected the embedded engine",
            hint="Measure in the engine in use, or set DOCKER_HOST to one that holds only the two images.",
        )
    with second_engine(first.embedded, first.embedded.workspace.home / "bench" / "another", store) as embedded:
        engine, archive = Engine("embedded", embedded.host, embedded), embedded.folder / "image.tar"
        for reference in dict.fromkeys(references):
            with staged_file(archive) as stream:
                stream.writelines(first.save(reference))
            engine.load(archive)
        archive.unlink(missing_ok=True)
        try:
            yield engine
        finally:
            engine.close()
