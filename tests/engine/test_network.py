"""A proxy's login, a mirror's login and a private certificate authority leave no trace where packages are installed.

The step is the first RUN of the families' Dockerfile, on a real base, with shared/apt-install.sh.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import ssl
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from bakery.bases import apt
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.engine.buildx import BuildxOptions
from bakery.engine.engine import Engine
from bakery.net.build_secrets import users_network
from bakery.platforms import AMD64
from bakery.workspace import Workspace
from tests.loopback import QuietHandler, serving_requests

from .fixtures import ROOT, install_step
from .registry import DATA

pytestmark = pytest.mark.engine

MARKER = "mArKeR-4711"
OUTWARDS = urllib.request.build_opener(urllib.request.ProxyHandler(urllib.request.getproxies()))
"""Opens URLs with the machine's own settings, as they were before a test set a proxy."""


class _Handler(QuietHandler):
    """Fetches what apt requests from the host's own mirror, as a proxy or as a mirror."""

    def do_GET(self) -> None:  # noqa: N802
        self.server.requests.append(dict(self.headers.items()))  # type: ignore[attr-defined]
        path = re.sub(r"^/archive/([^/]+)/\d{8}T\d{6}Z", r"/\1", self.path)
        # In requests to a proxy, apt leaves the login in the URL.
        url = re.sub("//[^/]*@", "//", path) if "://" in path else self.server.mirror + path  # type: ignore[attr-defined]
        try:
            with OUTWARDS.open(url, timeout=60) as answer:
                status, body = 200, answer.read()
        except OSError:
            status, body = 404, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(mirror: str, *, tls: bool) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A proxy for, or a mirror of, the server ``mirror``: its address with a login, and the headers of its requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    requests: list[dict[str, str]] = []
    server.requests, server.mirror = requests, mirror  # type: ignore[attr-defined]
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(DATA / "server.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving_requests(server):
        yield f"user:{MARKER}@127.0.0.1:{server.server_port}", requests


@pytest.fixture
def context(engine: Engine, workspace: Workspace, tmp_path: Path) -> Iterator[Path]:
    """A folder with a Dockerfile that begins like the family's, on a base that was made on this machine."""
    base = workspace.home / "bases" / "bookworm-amd64"
    if not (base / "oci-layout").exists() or engine.kind != "embedded":
        pytest.skip("no base was made on this machine, or the engine's steps have their own network")
    (tmp_path / "base").symlink_to(base)
    # Cached steps would not use the proxy, so the first step is a new one each time.
    lines = ["FROM base", f"RUN echo {time.time_ns()} >/salt", "ARG BUILD_PACKAGES=netbase", install_step()]
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    yield folder


def build(engine: Engine, catalog: Catalog, folder: Path, options: BuildxOptions) -> tuple[str, bytes, list[str]]:
    """Build an image: buildx's output, the uncompressed blobs of image and provenance, and the names in its layers."""
    (image,) = select_images(catalog, ["3.13"], platform=AMD64)
    archive = folder.parent / "image.tar"
    command = [
        *engine.buildx, "build", "--progress=plain", "--network=host", "--provenance=mode=max",
        *options.arguments(image.slug),
        "--build-context", f"base=oci-layout://{folder.parent / 'base'}",
        "--build-context", f"shared={ROOT / 'shared'}",
        f"--output=type=oci,dest={archive}", str(folder),
    ]  # fmt: skip
    assert MARKER not in " ".join(command)
    done = subprocess.run(
        command, env={**engine.environment, **options.network.environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    blobs, names = [], []
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None:
                data = stream.read()
                if data.startswith(b"\x1f\x8b"):
                    data = gzip.decompress(data)
                    with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                        names += layer.getnames()
                blobs.append(data)
    return done.stdout + done.stderr, b"".join(blobs), names


@pytest.mark.parametrize(
    "way", ["snapshot", *(pytest.param(way, marks=pytest.mark.extended) for way in ("proxy", "docker", "mirror"))]
)
def test_packages_are_installed_and_the_login_leaves_no_trace(
    engine: Engine, catalog: Catalog, context: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    archive = apt.host_mirror().uris[""]
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    mirror = re.sub(r"(https?://[^/]+).*", r"\1", archive)
    with serving(mirror, tls=way in ("mirror", "snapshot")) as (address, requests):
        if way == "proxy":
            monkeypatch.setenv("http_proxy", f"http://{address}")
            network = users_network()
        elif way == "docker":
            proxies = {"default": {"httpProxy": f"http://{address}", "httpsProxy": f"http://{address}"}}
            (context.parent / "config.json").write_text(json.dumps({"proxies": proxies}))
            monkeypatch.setenv("DOCKER_CONFIG", str(context.parent))
            network = users_network()
        else:
            path = "/archive/{archive}/20261124T000000Z" if way == "snapshot" else ""
            network = users_network(str(DATA / "ca.pem"), f"https://{address}{path}")
        assert MARKER not in repr(network)
        output, content, names = build(engine, catalog, context, BuildxOptions(network=network))
    logins = [key for headers in requests for key in headers if key in ("Proxy-Authorization", "Authorization")]
    assert logins, "no request had the login"
    assert "usr/share/doc/netbase/copyright" in {name.removeprefix("./") for name in names}
    assert b"slsa.dev/provenance" in content
    assert MARKER.encode() not in content
    assert MARKER not in output
    authority = (DATA / "ca.pem").read_text().splitlines()[2]
    assert authority.encode() not in content
    assert authority not in output
    left = [name for name in names if name.startswith(("run/secrets", "dev/shm/", "tmp/"))]
    assert left == []
