"""Nothing that a build and a push leave behind, show or publish contains a secret of the user or of the machine."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bakery.bases import apt
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.engine.engine import Engine
from bakery.records import write_record
from bakery.workspace import Workspace
from tests.loopback import QuietHandler, serving_requests
from tests.records import recorded, run_of_tests

from .conftest import BuildLock
from .fixtures import RELEASE, Bench
from .processes import watch_arguments
from .registry import DATA, NAME, PASSWORD, running
from .test_network import serving

pytestmark = [pytest.mark.engine, pytest.mark.extended]

CORE = f"mArKeR{secrets.token_hex(4)}"
"""A part of every secret, so that a truncated secret is found, too."""


def needles() -> list[bytes]:
    """The core as plain text, in hexadecimal and in base64 at each offset; and the registry's login."""
    encodings = [CORE.encode(), CORE.encode().hex().encode(), PASSWORD.encode(), f"{NAME}:{PASSWORD}".encode()]
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + CORE.encode() + bytes(2))
        encodings.append(encoded[4:-4])
    return [*encodings, base64.b64encode(f"{NAME}:{PASSWORD}".encode())]


class LoginHandler(QuietHandler, SimpleHTTPRequestHandler):
    """Serves files to clients that send a login."""

    def do_GET(self) -> None:
        if "Authorization" in self.headers:
            self.server.used.append(self.path)  # type: ignore[attr-defined]
            super().do_GET()
        else:
            self.send_error(401)


class Planted:
    """A machine whose user has secrets in each place that a build or a push reads, and in neighbouring places."""

    def __init__(self, bench: Bench, folder: Path, registry: str, ports: dict[str, str]) -> None:
        self.bench, self.count, self.output = bench, 0, list[str]()
        self.processes: set[bytes] = set()
        self.home = folder / f"home {self.secret()}"
        docker = self.home / ".docker"
        docker.mkdir(parents=True)
        login = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        other = base64.b64encode(f"me:{self.secret()}".encode()).decode()
        proxies = {"httpProxy": f"http://me:{self.secret()}@{ports['proxy']}", "noProxy": "localhost"}
        (docker / "config.json").write_text(json.dumps({
            "auths": {registry: {"auth": login}, "registry.test": {"auth": other, "identitytoken": self.secret()}},
            "HttpHeaders": {"X-Token": self.secret()}, "proxies": {"default": proxies},
        }))  # fmt: skip
        for name in ("netrc", ".netrc"):
            (self.home / name).write_text(f"machine 127.0.0.1 login me password {self.secret()}\n")
        (self.home / ".git-credentials").write_text(f"https://me:{self.secret()}@git.test\n")
        (self.home / ".gitconfig").write_text("[credential]\n helper = store\n")
        self.apt = self.home / "apt.conf"
        sources = self.home / "sources.list"
        self.apt.write_text(f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n')
        address, (name, path) = f"http://me:{self.secret()}@{ports['apt']}", (apt.host_codename(), apt.host_id())
        suites = {"": path, "-updates": path, "-security": f"{path}-security"}
        sources.write_text("".join(f"deb {address}/{part} {name}{end} main\n" for end, part in suites.items()))
        self.make_repository()
        self.environment = {
            "HOME": str(self.home), "DOCKER_CONFIG": str(docker), "NETRC": str(self.home / "netrc"),
            "APT_CONFIG": str(self.apt), "BAKERY_HOME": str(bench.workspace.home),
            "BAKERY_MIRROR": f"http://me:{self.secret()}@{ports['mirror']}",
            "http_proxy": f"http://me:{self.secret()}@{ports['proxy']}", "no_proxy": ports["mirror"],
            "HTTPS_PROXY": f"http://me:{self.secret()}@127.0.0.1:9", "ALL_PROXY": f"socks5://me:{self.secret()}@h",
            "PIP_INDEX_URL": f"https://me:{self.secret()}@index.test/simple", "UV_INDEX_X_PASSWORD": self.secret(),
            **{name: self.secret() for name in (
                "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN", "COSIGN_PASSWORD", "DOCKER_AUTH_CONFIG", "BUILDKIT_SECRET", "SSH_PRIVATE_KEY",
            )},
        }  # fmt: skip

    def secret(self) -> str:
        self.count += 1
        return f"{CORE}{self.count:02}"

    def make_repository(self) -> None:
        """Make the clone a git repository with ignored files, and with tokens in its remote's URL and in a header."""
        root = self.bench.root
        (root / ".gitignore").write_text("*.env\nbuild/\n__pycache__/\n")
        catalog = root / "shared" / "catalog.toml"
        catalog.write_text(catalog.read_text().replace('twin = "gzip:12"', 'twin = "gzip:1"'))
        for folder in ("", "debian", "shared", "bakery"):
            (root / folder / "secret.env").write_text(f"TOKEN={self.secret()}\n")
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        for command in (
            ["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message=Begin"],
            ["remote", "add", "origin", f"https://x-access-token:{self.secret()}@git.test/me/python-images?key=1"],
            ["config", "http.https://git.test/.extraheader", f"AUTHORIZATION: basic {self.secret()}"],
        ):  # fmt: skip
            subprocess.run(["git", *command], cwd=root, check=True)

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a task as the user does; collect what it prints and the arguments of the processes that it starts."""
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", *arguments], cwd=self.bench.root, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **self.environment, "DOCKER_HOST": self.bench.engine.host},
        )  # fmt: skip
        watcher = threading.Thread(target=self._watch, args=(process,))
        watcher.start()
        output, _ = process.communicate(timeout=500)
        watcher.join()
        assert process.returncode == code, output.replace(CORE, "SECRET")
        self.output.append(output)
        return output

    def _watch(self, process: subprocess.Popen[str]) -> None:
        # The user typed the arguments of the command itself.
        self.processes |= {line for pid, line in watch_arguments(process) if pid != process.pid}


@pytest.fixture
def planted(
    tmp_path: Path, engine: Engine, workspace: Workspace, catalog: Catalog
) -> Iterator[tuple[Planted, str, Path, dict[str, Any]]]:
    if not engine.keeps_layers:
        pytest.skip("this engine stores images without their indexes")
    origin = re.sub(r"(https?://[^/]+).*", r"\1", apt.host_mirror().uris[""])
    bench = Bench(tmp_path / f"work token={CORE}00", engine, workspace.home)
    data = tmp_path / "registry"
    data.mkdir()
    mirror = ThreadingHTTPServer(("127.0.0.1", 0), partial(LoginHandler, directory=str(bench.mirror)))
    mirror.used = []  # type: ignore[attr-defined]
    try:
        with (
            serving_requests(mirror),
            serving(origin, tls=False) as (archive, archive_requests),
            serving(origin, tls=False) as (proxy, proxy_requests),
            running(workspace, catalog, data, secured=True) as registry,
        ):
            ports = {"apt": archive.rpartition("@")[2], "proxy": proxy.rpartition("@")[2]}
            ports["mirror"] = f"localhost:{mirror.server_port}"
            planted = Planted(bench, tmp_path, registry, ports)
            used = {"apt": archive_requests, "proxy": proxy_requests, "mirror": mirror.used}  # type: ignore[attr-defined]
            yield planted, registry, data / "data", used
    finally:
        bench.remove_images()


def contents(file: Path) -> Iterator[bytes]:
    """The bytes of a file, and also uncompressed if they are compressed."""
    data = file.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        yield zstandard.ZstdDecompressor().decompressobj().decompress(data)


def leaks(text: bytes) -> list[str]:
    """The places in ``text`` that contain a secret, with their context."""
    places = [(needle, text.find(needle)) for needle in needles()]
    return [repr(text[max(at - 60, 0) : at + len(needle) + 4]) for needle, at in places if at >= 0]


def test_a_build_and_a_push_neither_leave_nor_show_nor_publish_a_secret(
    planted: tuple[Planted, str, Path, dict[str, Any]], build_lock: BuildLock
) -> None:
    machine, registry, data, used = planted
    bench, options = machine.bench, ["--version", RELEASE]
    machine.run("doctor", f"--ca-bundle={DATA / 'ca.pem'}")
    with build_lock:
        machine.run("build", *options, "--compression=zstd:1")
    for option in ("cache-to=type=s3,secret_access_key=", "cache-from=type=gha,token=", "builder-id=https://x/?token="):
        machine.run("build", *options, f"--{option}{machine.secret()}", code=2)
    catalog = load_catalog(bench.root)
    image = bench.image()
    write_record(bench.workspace, image, recorded(bench.workspace, image), tests=run_of_tests(3))
    target, digests_file = f"--repository={registry}/me/python", bench.root / "build" / "digests.json"
    # debian/secret.env makes the build one of uncommitted changes, although git ignores it.
    pushed = ("push", *options, target, f"--ca-bundle={DATA / 'ca.pem'}", f"--digests={digests_file}")
    assert "its label revision ends in -dirty" in machine.run(*pushed, code=1)
    machine.run(*pushed, "--force")
    machine.run("push", "--force", target, f"--ca-bundle={DATA / 'ca.pem'}", f"--merge={digests_file}")
    machine.run("sbom", *options, f"--output={bench.root / 'build' / 'bill.json'}")
    machine.run("outdated", *options)

    assert used["mirror"], "the mirror's login was not used"
    logins = {key for headers in used["proxy"] for key in headers if "Authorization" in key}
    assert logins == {"Authorization", "Proxy-Authorization"}, "the logins of the proxy and of apt's sources"
    kinds, leaked = set[str](), list[str]()
    for file in (file for file in data.rglob("data") if file.is_file()):
        for text in contents(file):
            kinds |= set(re.findall(r'"predicateType": ?"([^"]+)"', text[:4000].decode(errors="replace")))
            if b'"diff_ids"' in text and b'"Labels"' in text:
                kinds.add("configuration")
            if b"usr/local/bin/python3" in text:
                kinds.add("layer")
            if b"vnd.docker.reference.digest" in text:
                kinds.add("index")
            leaked += [f"registry: {leak}" for leak in leaks(text)]
    assert len(kinds) == 7, kinds  # four statements, configurations, layers, indexes
    for file in (*bench.root.rglob("*"), *bench.workspace.home.rglob("*")):
        if file.is_file() and not file.is_symlink() and file.suffix != ".env" and ".git" not in file.parts:
            private = file.stat().st_mode & 0o77 == 0 and file.name in ("auth.conf", "apt.conf")
            leaked += [f"{file.name}: {leak}" for text in contents(file) for leak in leaks(text) if not private]
    built = bench.engine.client.images.get(f"{catalog.repository}:{RELEASE}").attrs
    leaked += [f"image: {leak}" for leak in leaks(json.dumps(built).encode())]
    # The clone's own path is not a secret on this machine: the arguments of each process in it contain it.
    leaked += [f"output: {leak}" for text in machine.output for leak in leaks(text.replace(f"{CORE}00", "").encode())]
    # docker's arguments contain the path of its configuration, which is in the home folder.
    path, home = f"{CORE}00".encode(), machine.home.name.encode()
    lines = [line.replace(path, b"").replace(home, b"") for line in machine.processes]
    leaked += [f"arguments: {leak}" for line in lines for leak in leaks(line)]
    assert not leaked, "\n".join(sorted(set(leaked)))
