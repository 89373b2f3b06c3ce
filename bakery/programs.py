"""Runs programs that may hang, or print without end: each has a limit of time and of bytes."""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

BRIEF, BRIEF_OUTPUT = 120.0, 1 << 20
"""Seconds and bytes for programs that answer at once with a few lines."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL; mmdebstrap, among others, needs them to remove its temporary folders."""


class OverLimit(subprocess.SubprocessError):
    """A program that was ended because it took too long or printed too much; the text says which."""


class Start(TypedDict, total=False):
    """How a program is started: its folder and its umask."""

    cwd: Path | None
    umask: int


@dataclass(frozen=True)
class Finished:
    """A program's exit code, its output, and the seconds until it ended and until its first line was complete."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    first_line: float | None


def run_program(
    command: Sequence[str], environment: Mapping[str, str], *, seconds: float = BRIEF, limit: int = BRIEF_OUTPUT,
    data: bytes = b"", **start: Unpack[Start],
) -> Finished:  # fmt: skip
    """Run ``command`` with ``data`` as its input, for at most ``seconds``, until it has printed ``limit`` bytes.

    Raises :exc:`OverLimit`, and OSError if it cannot be started. Whatever ends the call ends the program and its
    children too.
    """
    with tempfile.TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        began = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, **start,
        ) as process:  # fmt: skip
            try:
                stdout, stderr, line = _follow(process, began + seconds, limit)
                process.wait(max(0.0, began + seconds - time.perf_counter()))
            except BaseException as error:
                _end(process)
                if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
                    raise OverLimit(f"took more than {seconds:.0f} s") from None
                raise
            return Finished(
                process.returncode, stdout, stderr, time.perf_counter() - began, line - began if line else None
            )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a program, which may first remove what it has made and mounted, and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)


def _follow(process: "subprocess.Popen[bytes]", deadline: float, limit: int) -> tuple[bytes, bytes, float]:
    """Both streams of the process, and when it had printed a line or 0; TimeoutError, :exc:`OverLimit`."""
    assert process.stdout is not None and process.stderr is not None
    output, errors = process.stdout.fileno(), process.stderr.fileno()
    streams, line = {output: bytearray(), errors: bytearray()}, 0.0
    with selectors.DefaultSelector() as selector:
        for descriptor in streams:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.perf_counter()))
            if not ready:
                raise TimeoutError
            for descriptor in (key.fd for key, _ in ready):
                data = os.read(descriptor, 1 << 16)
                if not data:
                    selector.unregister(descriptor)
                streams[descriptor] += data
                if not line and descriptor == output and b"\n" in data:
                    line = time.perf_counter()
            if sum(map(len, streams.values())) > limit:
                raise OverLimit(f"wrote more than {limit >> 20} MiB")
    return bytes(streams[output]), bytes(streams[errors]), line
