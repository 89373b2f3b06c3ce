"""The relay between engine and registry: what it forwards, and how fast."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bakery.benchmarks.pull import BURST, LOOPBACK, Relay, docker
from bakery.errors import BuildError, InputError
from bakery.options import bandwidths


def test_all_connections_together_get_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [100.0], list[float]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    with Relay(1) as relay:
        relay.take(10_000)
        assert slept == [0.0], "without a limit"
        relay.rate = 1000.0
        for _ in range(2):
            relay.take(500)
        # The first bytes may make up for the silence before them; after that one second for a thousand.
        assert slept[1:] == [pytest.approx(0.5 - BURST), pytest.approx(1.0 - BURST)]
        clock[0] += 60
        relay.take(500)
        assert slept[-1] == pytest.approx(0.5 - BURST), "a long silence does not allow more"
        assert relay.sent == 11_500


def test_answers_are_forwarded_and_counted() -> None:
    answer = b"answer" * 100_000
    with socket.create_server((LOOPBACK, 0)) as server, Relay(server.getsockname()[1]) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        with socket.create_connection(relay.server_address[:2]) as client:
            client.sendall(b"question")
            served, _ = server.accept()
            with served:
                assert served.recv(100) == b"question"
                served.sendall(answer)
            received = b"".join(iter(lambda: client.recv(1 << 16), b""))
        relay.shutdown()
    assert received == answer
    assert relay.sent == len(answer)


@pytest.mark.parametrize("text", ["fast", "100,", "-1", "1.5", "1000000000", ""])
def test_bandwidths_are_numbers(text: str) -> None:
    with pytest.raises(InputError, match=r"--pull=.*: expected bandwidths in Mbit/s, such as 1000,100,25"):
        bandwidths(text)


def test_a_repeated_bandwidth_is_measured_once() -> None:
    assert bandwidths("100,0,100") == (100, 0)


@pytest.mark.parametrize(
    ("script", "problem"),
    [("printf 'progress\nno such image' >&2; exit 1", "no such image"), ("exit 3", "exit code 3")],
)
def test_a_docker_command_that_fails_is_reported_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BuildError) as caught:
        docker(SimpleNamespace(environment=dict(os.environ)), "pull", "a")  # type: ignore[arg-type]
    assert caught.value.message == f"docker pull a: {problem}"
