"""Limits on what a container may send, because its image may come from an untrusted source."""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakery.engine.containers import LARGEST_OUTPUT, STDERR, STDOUT, docker_run, execute
from bakery.errors import BuildError


def api(output: bytes, status: int = 200) -> Any:
    """A fake of Docker's client; ``output`` is the command's output, in the frames of Docker's API."""
    response = SimpleNamespace(raw=io.BytesIO(output), status_code=status, raise_for_status=lambda: None)
    return SimpleNamespace(
        exec_create=lambda *_, **__: {"Id": "1"}, base_url="", api_version="", timeout=1,
        post=lambda *_, **__: nullcontext(response), exec_inspect=lambda _: {"Running": False, "ExitCode": 3},
    )  # fmt: skip


def header(stream: int, length: int) -> bytes:
    return struct.pack(">BxxxL", stream, length)


def frame(stream: int, data: bytes) -> bytes:
    return header(stream, len(data)) + data


def test_both_streams_of_a_command_are_read() -> None:
    output = frame(STDOUT, b"a") + frame(STDERR, b"b") + frame(STDOUT, b"c")
    done = execute(api(output), "container", ["true"])
    assert (done.code, done.stdout, done.stderr) == (3, "ac", "b")


def test_a_container_that_ends_before_its_command_starts_is_not_a_failure_of_the_engine() -> None:
    with pytest.raises(BuildError, match="true cannot be run: its container is not running"):
        execute(api(b"", 409), "container", ["true"])


@pytest.mark.parametrize("output", [header(STDOUT, 0xFFFFFFFF), frame(STDERR, bytes(1 << 20)) * 65])
def test_output_without_end_is_refused_before_it_is_read(output: bytes) -> None:
    with pytest.raises(BuildError, match=r"cat in the container wrote more than 64 MiB"):
        execute(api(output), "container", ["cat", "/dev/zero"])
    assert LARGEST_OUTPUT == 64 << 20


@pytest.fixture
def fake_docker(tmp_path: Path) -> Callable[[str], Any]:
    """Makes an engine whose docker command is a shell script; its ``docker rm`` writes the arguments to ``removed``."""

    def make(script: str) -> Any:
        file = tmp_path / "docker"
        file.write_text(f'#!/bin/sh\n[ "$1" != rm ] || {{ echo "$@" >> {tmp_path}/removed; exit; }}\n{script}\n')
        file.chmod(0o755)
        return SimpleNamespace(environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return make


def test_docker_run_returns_the_time_of_the_first_line_or_of_the_end(fake_docker: Callable[[str], Any]) -> None:
    engine = fake_docker("echo ready; sleep 0.4; echo done")
    seconds, output = docker_run(engine, "image", ["python3", "-V"])
    until_line, _ = docker_run(engine, "image", ["python3", "-V"], first_line=True)
    assert output == "ready\ndone\n"
    assert until_line + 0.3 < seconds


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exec cat /dev/zero", "wrote more than 1 MiB"),
        ("exec cat /dev/zero >&2", "wrote more than 1 MiB"),
        ("echo ready; exec sleep 60", "took more than 1 s"),
    ],
)
def test_a_container_that_does_not_end_is_removed(
    fake_docker: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr("bakery.engine.containers.LONGEST_START", 1.0)
    monkeypatch.setattr("bakery.engine.containers.LARGEST_OUTPUT", 1 << 20)
    with pytest.raises(BuildError, match=reason):
        docker_run(fake_docker(script), "image", ["python3", "-V"], first_line=True)
    assert re.fullmatch(r"rm --force bakery-[0-9a-f]{16}\n", (tmp_path / "removed").read_text())


@pytest.mark.parametrize(
    ("script", "reason"), [("echo a; echo b >&2; exit 3", "b"), ("exit 3", "printed nothing, exit")]
)
def test_the_last_line_says_why_a_container_failed(fake_docker: Callable[[str], Any], script: str, reason: str) -> None:
    with pytest.raises(BuildError, match=reason):
        docker_run(fake_docker(script), "image", ["python3", "-V"])


def test_the_time_of_the_first_line_needs_a_command_that_prints_a_line(fake_docker: Callable[[str], Any]) -> None:
    with pytest.raises(BuildError, match="printed nothing, exit code 0"):
        docker_run(fake_docker("exit 0"), "image", ["python3", "-V"], first_line=True)
