"""The real commands against registries that lie, stall or send too much: little memory, few requests, one message."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bakery.engine.engine import Engine
from tests.loopback import QuietHandler, QuietServer, serving_requests

from .fixtures import RELEASE, ROOT

pytestmark = pytest.mark.engine

MEMORY = 300_000_000
LARGE = 700 << 20
BLOCK = bytes(1 << 20)
DIGEST = f"sha256:{'a' * 64}"
WRAPPER = """
import atexit, re, runpy, sys
peak = lambda: re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
atexit.register(lambda: print("PEAK", peak(), file=sys.__stderr__))
runpy.run_module("invoke", run_name="__main__")
"""
"""Prints the process's largest resident set. Not getrusage, whose maximum includes its parent's."""


@dataclass
class Run:
    """How a command ended: exit code, output, the most bytes of memory, and the requests that it made."""

    code: int
    output: str
    memory: int
    requests: list[str] = field(default_factory=list)


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        with suppress(OSError):
            self.server.answer(self)  # type: ignore[attr-defined]

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.begin(status, **{"Content-Length": str(len(body)), **headers})
        if self.command != "HEAD":
            self.wfile.write(body)

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


@contextmanager
def serving(answer: Callable[[Any], object]) -> Iterator[tuple[str, list[str]]]:
    """A registry that answers by ``answer``: its address, and the requests that it gets."""
    server = QuietServer(("127.0.0.1", 0), _Handler)
    requests: list[str] = []
    server.answer, server.requests = answer, requests  # type: ignore[attr-defined]
    with serving_requests(server):
        yield f"127.0.0.1:{server.server_port}", requests


def long_body(request: Any, status: int = 200, **headers: str) -> None:
    request.begin(status, Content_Length=str(LARGE), **headers)
    for _ in range(LARGE >> 20):
        request.wfile.write(BLOCK)


def wrong_length(request: Any, length: int) -> None:
    request.begin(200, Content_Length=str(length))
    request.wfile.write(manifest(1))


def endless_chunks(request: Any) -> None:
    request.begin(200, Transfer_Encoding="chunked")
    for _ in range(LARGE >> 20):
        request.wfile.write(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))


def endless_headers(request: Any) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000_000)


def long_header(request: Any) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(LARGE >> 20):
        request.wfile.write(BLOCK.replace(b"\0", b"x"))


@functools.cache
def bomb(method: str) -> bytes:
    zstd = zstandard.ZstdCompressor(level=3)
    packer: Any = zlib.compressobj(9, wbits=31) if method == "gzip" else zstd.compressobj()
    return b"".join(packer.compress(BLOCK) for _ in range(LARGE >> 20)) + packer.flush()


def token(request: Any, answer: Callable[[Any], object]) -> object:
    if "/token" in request.path:
        return answer(request)
    realm = f'Bearer realm="http://{request.headers["Host"]}/token",service="x"'
    return request.send(401, **{"WWW-Authenticate": realm})


def manifest(layers: int) -> bytes:
    """A manifest with this number of layers, all the same."""
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": LARGE}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": LARGE}
    kind = "application/vnd.oci.image.manifest.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] * layers}).encode()


def drip(request: Any) -> None:
    request.begin(200, Content_Length="1000000")
    for _ in range(1000):
        request.wfile.write(b" ")
        time.sleep(1)


ANSWERS: dict[str, Callable[[Any], object]] = {
    "a body of 700 MB": long_body,
    "endless chunks": endless_chunks,
    "endless headers": endless_headers,
    "a header of 700 MB": long_header,
    "a gzip bomb": lambda request: request.send(200, bomb("gzip"), Content_Encoding="gzip"),
    "a gzip bomb twice": lambda request: request.send(200, bomb("gzip"), Content_Encoding="gzip, gzip"),
    "a zstd bomb": lambda request: request.send(200, bomb("zstd"), Content_Encoding="zstd"),
    "an error with 700 MB": lambda request: long_body(request, 404),
    "a redirect to itself": lambda request: request.send(307, Location=request.path),
    "ever new redirects": lambda request: request.send(302, Location=f"{request.path}x"),
    "a redirect with 700 MB": lambda request: long_body(request, 307, Location=f"{request.path}x"),
    "401 for ever": lambda request: request.send(401, **{"WWW-Authenticate": 'Basic realm="x"'}),
    "tokens that are refused": lambda request: token(request, lambda r: r.send(200, b'{"token": "x"}')),
    "a token of 700 MB": lambda request: token(request, long_body),
    "a token from itself": lambda request: token(request, lambda r: token(r, lambda s: s.send(401))),
    "other bytes than the digest": lambda request: request.send(200, manifest(3), Docker_Content_Digest=DIGEST),
    "blobs of 700 MB": lambda request: request.send(200, manifest(3)) if "/manifests/" in request.path else long_body(
        request
    ),
    "a byte a second": drip,
    "10,000 layers": lambda request: request.send(200, manifest(10_000)),
    "deep JSON": lambda request: request.send(200, b'{"layers":' + b"[" * 3_000_000),
    "keys twice": lambda request: request.send(200, manifest(1)[:-1] + b',"layers":5,"layers":[],"config":7}'),
    "another algorithm": lambda request: request.send(200, manifest(1).replace(DIGEST.encode(), b"md5:" + b"a" * 32)),
    "a media type that lies": lambda request: request.send(
        200, manifest(1), Content_Type="application/vnd.oci.image.index.v1+json"
    ),
    "fewer bytes than announced": lambda request: wrong_length(request, 3000),
    "a negative length": lambda request: wrong_length(request, -1),
    "another host": lambda request: request.send(307, Location=f"http://127.0.0.2:9{request.path}"),
    "errors": lambda request: request.send(500, b"{}"),
    "no HTTP": lambda request: request.wfile.write(BLOCK * 700),
    "an empty answer": lambda request: request.wfile.close(),
    "status 100 for ever": lambda request: request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000),
}  # fmt: skip
BUSY: dict[str, Callable[[Any], object]] = {
    f"{status} and Retry-After {wait}": lambda request, status=status, wait=wait: request.send(
        status, **({"Retry-After": wait} if wait else {})
    )
    for status in (429, 503)
    for wait in ("", "0", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999")
}


def digests_file(folder: Path) -> Path:
    """What `inv push --digests` writes."""
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 2,
             "platform": {"os": "linux", "architecture": "amd64"}}  # fmt: skip
    names = {"dated": "1-1", "release": "1", "shared": ["2"]}
    image = {"image": "x", "platform": "linux/amd64", "names": names, "entries": [entry]}
    file = folder / "digests.json"
    file.write_text(json.dumps([image]))
    return file


COMMANDS: dict[str, Callable[[str, Path], list[str]]] = {
    "push": lambda host, folder: ["push", f"--merge={digests_file(folder)}", f"--repository={host}/x"],
    "verify": lambda host, _: ["verify", f"--image={host}/x:1"],
    "compare": lambda host, _: ["compare", f"--version={RELEASE}", f"--repository={host}/x"],
    "outdated": lambda host, _: ["outdated", f"--version={RELEASE}", f"--repository={host}/x"],
}


def run(engine: Engine, folder: Path, command: str, answer: Callable[[Any], object]) -> Run:
    """Run a command against a registry that answers by ``answer``."""
    with serving(answer) as (host, requests):
        environment = {
            **os.environ, "DOCKER_HOST": engine.host, "BAKERY_HOME": str(folder / "home"),
            "DOCKER_CONFIG": str(folder / "docker"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", WRAPPER, *COMMANDS[command](host, folder)], cwd=ROOT, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip
        peak = re.search(r"(?m)^PEAK (\d+)$", done.stderr)
        assert peak, done.stderr
        return Run(done.returncode, done.stdout + done.stderr, 1024 * int(peak[1]), requests)


def problems_of(engine: Engine, folder: Path, command: str, name: str) -> str:
    """How a command that got the answers ``name`` misbehaved; empty if it did not."""
    (folder := folder / f"{command} {name}").mkdir()
    done = run(engine, folder, command, {**ANSWERS, **BUSY}[name])
    lines = [line for line in done.output.splitlines() if line.strip() and not line.startswith("PEAK")]
    problems = {
        "exit code": done.code not in (1, 2), "memory": done.memory > MEMORY, "message": not 1 <= len(lines) <= 60,
        "traceback": "Traceback" in done.output or "bug in this tool" in done.output,
        # Redirects of one request, or its attempts in 20 s; `outdated` would query 25 images, but gives up.
        "requests": len(done.requests) > (24 if command == "outdated" else 8),
    }  # fmt: skip
    present = [problem for problem, exists in problems.items() if exists]
    details = f"code {done.code}, {done.memory / 1e6:.0f} MB, {len(done.requests)} requests: {lines[-2:]}"
    return f"{command}, {name}: {', '.join(present)}: {details}" if present else ""


IN_ERROR = ("errors", "10,000 layers", "401 for ever", "tokens that are refused", "other bytes than the digest")
LARGE_ONES = ("a body of 700 MB", "a gzip bomb", "a redirect with 700 MB", "a token of 700 MB", "blobs of 700 MB")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("verify", ["a redirect with 700 MB", "tokens that are refused"]), ("push", ["a body of 700 MB"]),
        ("compare", ["a token of 700 MB"]), ("outdated", ["a body of 700 MB"]),
    ],
    ids=["verify", "push", "compare", "outdated"],
)  # fmt: skip
def test_a_registry_with_one_fault_costs_little_memory_few_requests_and_is_reported(
    engine: Engine, tmp_path: Path, command: str, names: list[str]
) -> None:
    assert list(filter(None, (problems_of(engine, tmp_path, command, name) for name in names))) == []


@pytest.mark.extended
@pytest.mark.parametrize(
    ("command", "names", "jobs"),
    [
        ("verify", list(ANSWERS), 2), ("verify", list(BUSY), len(BUSY)), ("push", LARGE_ONES[:4], 2),
        ("compare", LARGE_ONES[:4], 2), ("outdated", LARGE_ONES, 2), ("outdated", IN_ERROR, 2),
    ],
    ids=["verify", "busy", "push", "compare", "outdated", "outdated in error"],
)  # fmt: skip
def test_a_hostile_registry_costs_little_memory_few_requests_and_is_reported(
    engine: Engine, tmp_path: Path, command: str, names: list[str], jobs: int
) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        wrong = list(filter(None, pool.map(lambda name: problems_of(engine, tmp_path, command, name), names)))
    assert wrong == []
