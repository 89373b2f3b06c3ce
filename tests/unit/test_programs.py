"""Programs that hang or print without end are ended, with their children."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bakery.programs import OverLimit, run_program


def shell(script: str, seconds: float = 30, limit: int = 1 << 20, data: bytes = b"") -> object:
    return run_program(["sh", "-c", script], os.environ, seconds=seconds, limit=limit, data=data)


def test_output_input_exit_code_and_times() -> None:
    done = run_program(
        ["sh", "-c", "echo a; sleep 0.3; cat; echo b >&2; exit 3"], os.environ, seconds=30, limit=1 << 20, data=b"given"
    )
    assert (done.code, done.stdout, done.stderr) == (3, b"a\ngiven", b"b\n")
    assert done.first_line is not None and done.first_line + 0.2 < done.seconds


def test_more_input_than_a_pipe_holds() -> None:
    done = run_program(["cat"], os.environ, seconds=30, limit=4 << 20, data=bytes(3 << 20))
    assert len(done.stdout) == 3 << 20


@pytest.mark.parametrize("script", ["exec cat /dev/zero", "exec cat /dev/zero >&2"])
def test_output_without_end(script: str) -> None:
    with pytest.raises(OverLimit, match="wrote more than 1 MiB"):
        shell(script)


@pytest.mark.parametrize("script", ["exec sleep 60", "exec sleep 60 >&- 2>&-", "sleep 60 & exit 0"])
def test_a_program_that_does_not_end_and_its_children(tmp_path: Path, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(OverLimit, match="took more than 1 s"):
        shell(f"echo $$ > {tmp_path}/group; {script}", seconds=1)
    assert time.monotonic() - began < 20
    group = int((tmp_path / "group").read_text())
    with pytest.raises(ProcessLookupError):
        while time.monotonic() - began < 30:  # init has to collect them
            os.killpg(group, 0)
            time.sleep(0.02)


def test_a_program_that_is_missing() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(["no-such-program"], os.environ, seconds=1, limit=1)
