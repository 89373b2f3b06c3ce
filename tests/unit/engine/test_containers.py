"""What a container may send: its image may come from an untrusted source."""

from __future__ import annotations

import io
import struct
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from bakery.engine.containers import LARGEST_OUTPUT, STDERR, STDOUT, execute
from bakery.errors import BuildError


def api(output: bytes) -> Any:
    """A stand-in for Docker's client; ``output`` is what its command writes, in the frames of Docker's API."""
    response = SimpleNamespace(raw=io.BytesIO(output), raise_for_status=lambda: None)
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


@pytest.mark.parametrize("output", [header(STDOUT, 0xFFFFFFFF), frame(STDERR, bytes(1 << 20)) * 65])
def test_output_without_end_is_refused_before_it_is_read(output: bytes) -> None:
    with pytest.raises(BuildError, match=r"cat in the container wrote more than 64 MiB"):
        execute(api(output), "container", ["cat", "/dev/zero"])
    assert LARGEST_OUTPUT == 64 << 20
