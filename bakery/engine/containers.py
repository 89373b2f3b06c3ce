"""Throw-away containers: for one command without a network, its output passed on as it comes, or for several."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bakery.engine.engine import Engine
from bakery.errors import BuildError

__all__ = ["Finished", "archive_of", "idle", "run"]

IDLE = ["python3", "-c", "import signal; signal.pause()"]


@dataclass(frozen=True)
class Finished:
    """What a container said, line by line, and its exit code."""

    lines: tuple[str, ...]
    code: int


def run(
    engine: Engine,
    reference: str,
    command: Sequence[str],
    *,
    write: Callable[[str], object],
    files: tuple[str, bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run ``command`` in a container of ``reference`` and wait for its end; the container is always removed.

    ``files`` is a folder in the container and a tar that is unpacked there, so that it works with a remote engine too.
    Raises :exc:`BuildError` where the image is missing or its container cannot be made.
    """
    from docker.errors import APIError, ImageNotFound

    try:
        container = engine.client.containers.create(
            reference,
            list(command),
            environment=dict(environment or {}),
            network_mode="none",
        )
    except ImageNotFound:
        raise BuildError(f"{reference} is not in the engine", hint="Build it first, with `inv build`.") from None
    except APIError as error:
        raise BuildError(f"{reference} cannot be run: {error.explanation or error}") from None
    lines: list[str] = []
    try:
        if files:
            container.put_archive(*files)
        container.start()
        rest = ""
        for data in container.logs(stream=True, follow=True):
            *done, rest = (rest + data.decode("utf-8", "replace")).split("\n")
            for line in done:
                lines.append(line)
                write(line)
        return Finished((*lines, rest), int(container.wait()["StatusCode"]))
    finally:
        container.remove(force=True)


@contextmanager
def idle(engine: Engine, reference: str, **options: Any) -> Iterator[Any]:
    """A container of ``reference`` that does nothing until something is executed in it; removed at the end.

    Raises :exc:`BuildError` where the image is missing or its container cannot be started.
    """
    from docker.errors import APIError, ImageNotFound

    try:
        container = engine.client.containers.create(reference, IDLE, entrypoint=[], user="0:0", init=True, **options)
    except ImageNotFound:
        raise BuildError(f"{reference} is not in the engine", hint="Build it first, with `inv build`.") from None
    except APIError as error:
        raise BuildError(f"{reference} cannot be run: {error.explanation or error}") from None
    try:
        try:
            container.start()
        except APIError as error:
            raise BuildError(f"{reference} cannot be run: {error.explanation or error}") from None
        yield container
    finally:
        container.remove(force=True)


def archive_of(name: str, data: bytes) -> bytes:
    """A tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
