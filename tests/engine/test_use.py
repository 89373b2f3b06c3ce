"""Third-party programs that run on a Python image or are built on one: use/ has a script for each kind.

A script runs with `bash -xeuo pipefail` in /srv, in a new container of the image under test, with a compiler unless
the script is quick, with the host's settings of pip and network, and with a free TCP port in $FREE_PORT. Its first
lines say what it protects; it exits with 77 if the image's series does not have that. It also passes on the image of
the official recipe (`BAKERY_IMAGE=reference/python:3.13`): a script that fails there shows nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bakery.benchmarks.wheelhouse import settings_for
from bakery.engine.containers import execute
from bakery.engine.engine import Engine

pytestmark = pytest.mark.engine

FOLDER = Path(__file__).with_name("use")
QUICK = ("remote-debugging", "shadowed-modules")
"""Scripts that compile and install nothing; the others are extended tests."""
NOT_APPLICABLE = 77
"""A script's exit code, as in Automake's test suites."""
UNAVAILABLE = ("No matching distribution found", "Temporary failure resolving", "Unable to locate package",
               "Failed to fetch", "Connection to ", "error sending request")  # fmt: skip
"""What pip, apt and uv report if a package or an index is not available."""


def free_port() -> int:
    """A TCP port that is free on this host and outside Linux's range for outgoing connections.

    Containers here share the host's network. Its connections have local ports from 32768 on
    (Documentation/networking/ip-sysctl.rst, ip_local_port_range), one of which once had the fixed port of a test.
    """
    for port in random.sample(range(20_000, 32_768), k=100):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("none of 100 ports from 20000 to 32767 is free")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=script.stem, marks=() if script.stem in QUICK else pytest.mark.extended)
        for script in sorted(FOLDER.glob("*.sh"))
    ],
)
def test_it_works_as_with_the_official_image(engine: Engine, request: pytest.FixtureRequest, script: Path) -> None:
    image = request.getfixturevalue("reference" if script.stem in QUICK else "compilers")
    config = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    variables, paths = settings_for(config.stdout, os.environ)
    container = engine.client.containers.run(
        image, ["sleep", "1200"], detach=True, init=True, network_mode="host", cap_add=["SYS_PTRACE"],
        environment={
            **variables, "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_COMPILE": "0",  # takes longer than the rest of an installation
            "FREE_PORT": str(free_port()),
        },
        volumes=[f"{path}:{path}:ro" for path in paths], mem_limit="3g",
    )  # fmt: skip
    try:
        command = ["bash", "-xeuo", "pipefail", "-c", f"exec 2>&1\n{script.read_text()}"]
        done = execute(engine.client.api, container.id, command, workdir="/srv")
    finally:
        container.remove(force=True)
    if done.code == NOT_APPLICABLE:
        pytest.skip("for other series")
    unavailable = next((line for line in done.stdout.splitlines() if any(part in line for part in UNAVAILABLE)), None)
    if done.code and unavailable:
        pytest.skip(unavailable)
    assert done.code == 0, done.stdout[-3000:]
