"""Runs programs that may hang, or print without end: each has a limit of time and of bytes."""

import math
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bakery.errors import BakeryError
from bakery.redaction import redact


class ProgramError(subprocess.SubprocessError):
    """A program that cannot be run, or was ended because it took too long or printed too much.

    The text continues a sentence that begins with the program's name.
    """


@dataclass(frozen=True)
class Limits:
    """What a program may take; the defaults are for one that answers at once with a few lines.

    ``seconds`` to run, ``output`` bytes on both streams, and ``grace`` seconds from SIGTERM to SIGKILL. After
    ``notice`` seconds, a line on standard error says that the program still runs.
    """

    seconds: float = 120
    output: int = 1 << 20
    grace: float = 0
    notice: float = 15


@dataclass(frozen=True)
class Finished:
    """A program's exit code, its output, and the seconds until it ended and until its first line was complete."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    first_line: float | None


def csv_field(text: str) -> str:
    """``text`` as one of the comma-separated fields in an option of buildx (RFC 4180): a path may have commas.

    >>> csv_field("dest=/build"), csv_field("dest=/a,b")
    ('dest=/build', '"dest=/a,b"')
    """
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if re.search('[,"\n]', text) else text


def run_program(
    command: Sequence[str], environment: Mapping[str, str], limits: Limits = Limits(), *, data: bytes = b"",
    cwd: Path | None = None, umask: int = -1,
) -> Finished:  # fmt: skip
    """Run ``command`` in the folder ``cwd`` with ``data`` as its input, within ``limits``.

    Raises :exc:`ProgramError`, FileNotFoundError without such a program, and :exc:`BakeryError` without a temporary
    folder.
    Whatever interrupts the call also stops the program and its children.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:  # callers would report a program that is not installed
        hint = "Free some space, or set TMPDIR to a folder that can be written."
        raise BakeryError(f"no temporary file can be written: {error.strerror}", hint=hint) from None
    with tempfile.TemporaryFile() as given:
        given.write(data)
        given.seek(0)
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, cwd=cwd, umask=umask,
            )  # fmt: skip
        except FileNotFoundError:
            raise
        except OSError as error:  # not executable, not a program, or a limit of processes or of open files
            raise ProgramError(f"cannot be run: {error.strerror}") from None
        except ValueError as error:  # an argument with a NUL, or with text that the file system cannot encode
            raise ProgramError(f"cannot be run: {error}") from None
        with process:
            try:
                stdout, stderr, line = _follow(process, began + limits.seconds, limits.output, began + limits.notice)
                process.wait(max(0.0, began + limits.seconds - time.perf_counter()))
            except BaseException as error:
                _end(process, limits)
                if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
                    raise ProgramError(f"took more than {limits.seconds:.0f} s") from None
                raise
            return Finished(
                process.returncode, stdout, stderr, time.perf_counter() - began, line - began if line else None
            )


def _end(process: "subprocess.Popen[bytes]", limits: Limits) -> None:
    """Send SIGTERM to the program and its children, so that they can remove temporary folders, then SIGKILL."""
    with suppress(ProcessLookupError):
        try:
            if limits.grace:
                os.killpg(process.pid, signal.SIGTERM)
                with suppress(TimeoutError, ProgramError):
                    _follow(process, time.perf_counter() + limits.grace, limits.output)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _follow(
    process: "subprocess.Popen[bytes]", deadline: float, limit: int, notice: float = math.inf
) -> tuple[bytes, bytes, float]:
    """Both streams of the process, and when it had printed a line or 0; TimeoutError, :exc:`ProgramError`.

    If it still runs at the time ``notice``, standard error says so.
    """
    assert process.stdout is not None and process.stderr is not None
    output, errors = process.stdout.fileno(), process.stderr.fileno()
    streams, line = {output: bytearray(), errors: bytearray()}, 0.0
    with selectors.DefaultSelector() as selector:
        for descriptor in streams:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            now = time.perf_counter()
            if notice <= now < deadline:
                _report_wait(process, deadline - now)
                notice = math.inf
            ready = selector.select(max(0.0, min(notice, deadline) - now))
            if not ready and time.perf_counter() >= deadline:
                raise TimeoutError
            for descriptor in (key.fd for key, _ in ready):
                data = os.read(descriptor, 1 << 16)
                if not data:
                    selector.unregister(descriptor)
                streams[descriptor] += data
                if not line and descriptor == output and b"\n" in data:
                    line = time.perf_counter()
            if sum(map(len, streams.values())) > limit:
                raise ProgramError(f"wrote more than {limit >> 20} MiB")
    return bytes(streams[output]), bytes(streams[errors]), line


def _report_wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    command = process.args
    assert isinstance(command, Sequence)
    name = redact(Path(str(command[0])).name)
    with suppress(OSError, ValueError):  # a standard error that is closed or full
        print(f"{name} is still running: waiting up to {seconds:.0f} s more", file=sys.stderr)
