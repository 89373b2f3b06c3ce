"""A temporary second embedded engine: empty, or with some images of the first one and nothing else."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import InputError
from bakery.files import locked


@contextmanager
def second_engine(first: Embedded, home: Path, store: str = "containerd") -> Iterator[Embedded]:
    """An empty engine with the packages of ``first`` in ``home``, emptied before and after; :exc:`EngineError`."""
    first.prepare()
    scratch = Embedded(replace(first.workspace, home=home), first.tell, store)
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


def require_embedded(engine: Engine) -> None:
    """Raise :exc:`InputError` unless ``engine`` is the embedded one, next to which a second one can be started."""
    if engine.kind != "embedded":
        raise InputError(
            f"a second engine can only run next to the embedded one, not next to {engine.host} ({engine.kind})",
            hint="Measure in the engine in use, or set DOCKER_HOST to an engine that has only the two images.",
        )


@contextmanager
def fresh_engine(first: Engine, references: Sequence[str], store: str = "containerd") -> Iterator[Engine]:
    """An engine with these images of ``first`` and nothing else; removed afterwards.

    ``store`` is its image store, one of :data:`bakery.options.STORES`. :exc:`InputError` if ``first`` is not the
    embedded engine, :exc:`EngineError` if an image cannot be copied.
    """
    require_embedded(first)
    home = first.embedded.workspace.home / "bench" / "another"
    with (
        second_engine(first.embedded, home, store) as embedded,
        closing(Engine("embedded", embedded.host, embedded)) as engine,
    ):
        for reference in dict.fromkeys(references):
            engine.load(first.save(reference))
        yield engine
