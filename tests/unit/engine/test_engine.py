"""Which engine is used, in which order, and the errors if none is available. Every engine here is a fake."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.context import ContextAPI
from packaging.version import Version

from bakery.bases import apt
from bakery.engine import daemons, discovery
from bakery.engine.containers import ContainerOptions, idle_container
from bakery.engine.daemons import answers, foreign_daemon, version_of
from bakery.engine.discovery import engine_status, find_engine, running_engine
from bakery.engine.embedded import Embedded
from bakery.engine.engine import PROVENANCE, Engine, EngineImage, EngineInfo
from bakery.engine.scratch import fresh_engine
from bakery.errors import BuildError, EngineError, InputError
from bakery.platforms import ARM64
from bakery.workspace import Workspace
from tests.loopback import serving_requests

IDENTITY = f"sha256:{'1' * 64}"
VERSION = {"Version": "26.1.5+dfsg1", "ApiVersion": "1.45", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("26.1.5", "26.1.5"),
        ("26.1.5+dfsg1-9", "26.1.5"),
        ("20.10.24+dfsg1-1+deb12u1", "20.10.24"),
        ("5:27.3.1-1~debian.12~bookworm", "27.3.1"),
        ("28.5.2~rc1", "28.5.2"),
        ("github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0", "0.13.1"),
        ("github.com/docker/buildx 0.29.1+ds1-3 0.29.1+ds1-3", "0.29.1"),
        ("", "0"),
        ("dev", "0"),
        ("v7", "0"),
    ],
)
def test_version_of_returns_the_upstream_version(text: str, version: str) -> None:
    assert version_of(text) == Version(version)


def test_minimum_versions_are_read_from_engine_toml(workspace: Workspace) -> None:
    assert Embedded(workspace).minimums == (Version("23.0"), Version("0.13"))


@pytest.fixture
def fake_engine(serve: Callable[..., Any]) -> Callable[..., str]:
    """Starts a server that answers /version as an engine does; returns its address for DOCKER_HOST."""

    def start(version: str = VERSION["Version"]) -> str:
        body = json.dumps({**VERSION, "Version": version}).encode()
        server = serve(default=lambda request: body if request.path.endswith("/version") else 404)
        return str(server.url.replace("http://", "tcp://"))

    return start


class FakeEmbedded:
    """Replaces the embedded engine, and counts how often it is started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs, self.started = False, 0
        monkeypatch.setattr(Embedded, "running", lambda _: self.runs)
        monkeypatch.setattr(Embedded, "up", lambda _: setattr(self, "started", self.started + 1))


@pytest.fixture
def fake_embedded(monkeypatch: pytest.MonkeyPatch) -> FakeEmbedded:
    return FakeEmbedded(monkeypatch)


@pytest.fixture(autouse=True)
def no_system_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides the engines of this machine from the tests."""
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr(daemons, "foreign_daemon", lambda: None)


@pytest.fixture
def system_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A fake system engine on a temporary socket."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1]
            while self.rfile.readline().strip():
                pass
            body = json.dumps(VERSION).encode() if path.endswith(b"/version") else b"OK"
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)

    socket = tmp_path / "docker.sock"
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", socket)
    with serving_requests(socketserver.ThreadingUnixStreamServer(str(socket), Handler)):
        yield socket


def add_context(name: str, host: str, current: bool = False) -> None:
    """Write a docker context as `docker context create` does."""
    folder = Path(os.environ["DOCKER_CONFIG"])
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}), encoding="utf-8")
    if current:
        (folder / "config.json").write_text(json.dumps({"currentContext": name}), encoding="utf-8")


def find(workspace: Workspace) -> tuple[str, str]:
    engine = find_engine(workspace, lambda _: None)
    engine.close()
    return engine.kind, engine.host


def test_engines_are_chosen_in_order_of_precedence(
    workspace: Workspace,
    fake_engine: Callable[..., str],
    fake_embedded: FakeEmbedded,
    system_socket: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts = {name: fake_engine() for name in ("variable", "named", "current")}
    add_context("named", hosts["named"])
    add_context("current", hosts["current"], current=True)
    monkeypatch.setenv("DOCKER_CONTEXT", "named")
    monkeypatch.setenv("DOCKER_HOST", hosts["variable"])
    assert find(workspace) == ("DOCKER_HOST", hosts["variable"])
    monkeypatch.delenv("DOCKER_HOST")
    assert find(workspace) == ("context named", hosts["named"])
    monkeypatch.delenv("DOCKER_CONTEXT")
    assert find(workspace) == ("context current", hosts["current"])
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert find(workspace) == ("system", f"unix://{system_socket}")
    monkeypatch.delenv("DOCKER_CONTEXT")
    (Path(os.environ["DOCKER_CONFIG"]) / "config.json").write_text("{}", encoding="utf-8")
    assert find(workspace) == ("system", f"unix://{system_socket}")
    assert fake_embedded.started == 0
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", Path("/nowhere"))
    kind, host = find(workspace)
    assert kind == "embedded" and host.startswith("unix:///run/infra7-python/")
    assert fake_embedded.started == 1


def test_a_running_embedded_engine_is_not_started_again(workspace: Workspace, fake_embedded: FakeEmbedded) -> None:
    fake_embedded.runs = True
    assert find(workspace)[0] == "embedded"
    assert fake_embedded.started == 0


def test_running_engine_starts_nothing(workspace: Workspace, fake_embedded: FakeEmbedded) -> None:
    assert running_engine(workspace) is None
    assert fake_embedded.started == 0


def test_status_without_an_engine_starts_nothing(workspace: Workspace, fake_embedded: FakeEmbedded) -> None:
    status = engine_status(workspace)
    assert set(status) == {"kind", "host", "embedded"}
    assert (status["kind"], status["host"], status["embedded"]["pid"]) == (None, None, None)
    assert status["embedded"]["folder"] == str(workspace.home / "engine")
    assert fake_embedded.started == 0


def test_docker_host_can_be_the_embedded_engine(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Embedded(workspace).host
    monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.setattr(Engine, "check", lambda self: self)
    engine = find_engine(workspace)
    assert (engine.kind, engine.host) == ("embedded", host)


@pytest.mark.parametrize("by", ["variable", "config"])
def test_a_missing_docker_context_is_an_input_error(
    workspace: Workspace, fake_embedded: FakeEmbedded, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "variable":
        monkeypatch.setenv("DOCKER_CONTEXT", "nope")
    else:
        folder = Path(os.environ["DOCKER_CONFIG"])
        folder.mkdir()
        (folder / "config.json").write_text('{"currentContext": "nope"}', encoding="utf-8")
    with pytest.raises(InputError, match="docker context 'nope'") as caught:
        find_engine(workspace, print)
    assert caught.value.exit_code == 2
    assert fake_embedded.started == 0


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"currentContext": ""}', '{"currentContext": null}', "{}"])
def test_a_docker_configuration_without_a_context_is_ignored(
    workspace: Workspace, fake_embedded: FakeEmbedded, text: str
) -> None:
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir()
    (folder / "config.json").write_text(text, encoding="utf-8")
    assert find(workspace)[0] == "embedded"


def test_no_other_engine_is_used_if_the_users_choice_does_not_answer(
    workspace: Workspace,
    fake_embedded: FakeEmbedded,
    system_socket: Path,
    nowhere: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = nowhere.replace("http", "tcp")
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineError, match=rf"the Docker engine at {host} \(DOCKER_HOST\) does not answer") as caught:
        find_engine(workspace, print)
    assert "unset DOCKER_HOST" in caught.value.hint
    assert fake_embedded.started == 0


def test_the_error_about_an_engine_over_ssh_says_how_to_forward_its_socket(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://127.0.0.1:1")
    with pytest.raises(EngineError, match="does not answer: ") as caught:
        find_engine(workspace, print)
    assert "ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST" in caught.value.hint


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # docker's client does not close its socket
def test_a_socket_that_does_not_exist_is_an_engine_error(
    workspace: Workspace, fake_embedded: FakeEmbedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(EngineError, match="does not answer"):
        find_engine(workspace, print)
    gc.collect()


@pytest.mark.parametrize("host", ["nonsense://x", "tcp://", "tcp://h:99999", "foo", " ", "fd://", "https://[::1"])
def test_an_invalid_address_of_an_engine_is_an_input_error_with_an_example(
    workspace: Workspace, fake_embedded: FakeEmbedded, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(InputError, match=r"\(DOCKER_HOST\) is not the address of an engine") as caught:
        find_engine(workspace, print)
    assert "unix:///var/run/docker.sock" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["[]", "5", '{"proxies": null}', '{"auths": {"x": 5}}', '{"auths": {"x": {"auth": "!"}}}']
)
def test_a_configuration_that_dockers_client_cannot_use_is_not_blamed_on_the_engine(
    workspace: Workspace, fake_engine: Callable[..., str], text: str
) -> None:
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir()
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="docker's configuration cannot be used: ") as caught:
        Engine("DOCKER_HOST", fake_engine(), Embedded(workspace)).check()
    assert "config.json in $DOCKER_CONFIG" in caught.value.hint


@pytest.mark.parametrize("version", ["abc", "1.47/..", "1.47\r\nX: y", "", None, 1.47])
def test_an_engine_without_a_valid_version_of_its_api_is_not_blamed_on_dockers_configuration(
    workspace: Workspace, serve: Callable[..., Any], version: object
) -> None:
    body = json.dumps({**VERSION, "ApiVersion": version}).encode()
    engine = Engine("DOCKER_HOST", serve(default=body).url.replace("http://", "tcp://"), Embedded(workspace))
    with pytest.raises(EngineError, match=r"its API has the version .*, expected two numbers such as 1\.47"):
        engine.check()


def test_an_engine_that_is_too_old_is_rejected_with_the_minimum_version(
    workspace: Workspace, fake_engine: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake_engine("20.10.24+dfsg1"))
    with pytest.raises(EngineError, match=r"is 20\.10\.24\+dfsg1: too old, expected 23\.0 or newer") as caught:
        find_engine(workspace, print)
    assert "Upgrade it" in caught.value.hint


def test_a_socket_answers_only_if_it_speaks_the_engine_api(system_socket: Path, tmp_path: Path) -> None:
    assert answers(system_socket)
    assert not answers(tmp_path / "missing.sock")
    (tmp_path / "file.sock").touch()
    assert not answers(tmp_path / "file.sock")


def test_the_embedded_engine_needs_root_and_the_error_names_alternatives(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineError, match="starting the embedded one needs root") as caught:
        find_engine(workspace, lambda _: None)
    assert caught.value.exit_code == 1
    for alternative in ("Run as root", "DOCKER_HOST at Docker Engine 23", "apt-get install docker.io"):
        assert alternative in caught.value.hint


@pytest.mark.parametrize(("host", "named"), [("fedora", "this host is fedora"), ("", "this host is unknown")])
def test_the_embedded_engine_needs_debian_or_ubuntu_and_the_error_names_alternatives(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, host: str, named: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "host_id", lambda: host)
    with pytest.raises(EngineError, match=f"on debian and ubuntu only; {named}") as caught:
        find_engine(workspace, lambda _: None)
    assert "DOCKER_HOST" in caught.value.hint


def test_the_error_lists_versions_if_no_suite_has_an_engine_that_is_new_enough(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeApt(apt.PrivateApt):
        def update(self) -> None:
            pass

        def candidate(self, package: str) -> str:
            return {"docker.io": "20.10.24", "docker-buildx": ""}[package]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": "http://deb.example"}))
    monkeypatch.setattr(apt, "PrivateApt", FakeApt)
    messages: list[str] = []
    with pytest.raises(EngineError, match=r"expected docker\.io 23\.0 .*bookworm has docker\.io 20\.10\.24"):
        find_engine(workspace, messages.append)
    assert [line.split()[-1] for line in messages if "looking" in line] == ["bookworm", "trixie", "forky"]


def test_the_embedded_engine_is_never_started_next_to_another_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "foreign_daemon", lambda: 4711)
    monkeypatch.setattr(Embedded, "_prepare", lambda _: pytest.fail("unpacked next to another one"))
    with pytest.raises(EngineError, match=r"dockerd, process 4711.* never started next to another one") as caught:
        find_engine(workspace, lambda _: None)
    assert "systemctl stop docker" in caught.value.hint


def test_a_daemon_without_our_label_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = (7, ["dockerd", "--label", daemons.LABEL]), (8, ["/usr/bin/dockerd", "-H", "fd://"])
    # tests/unit/engine/test_embedded.py has real processes.
    monkeypatch.setattr(daemons, "_is_docker", lambda pid: True)
    for running, expected in (([], None), ([ours], None), ([ours, theirs], 8)):
        monkeypatch.setattr(daemons, "processes", lambda _, running=running: running)
        assert foreign_daemon() == expected


def test_each_cache_folder_has_its_own_engine_with_a_short_socket_path(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200)
    first, second = (Embedded(Workspace(tmp_path, home)) for home in (long, tmp_path))
    assert first.host != second.host
    assert len(first.host.removeprefix("unix://")) < 100


class FakeClient:
    """An engine's API that only lists networks."""

    def __init__(self, *networks: str) -> None:
        self.networks, self.names = self, networks

    def list(self, names: list[str]) -> list[str]:
        return [name for name in self.names if name in names]


@pytest.mark.parametrize(
    ("kind", "networks", "network"),
    [("embedded", (), "host"), ("system", ("bridge", "host"), None), ("DOCKER_HOST", ("host", "none"), "host")],
)
def test_an_engine_without_a_bridge_builds_with_host_networking(
    workspace: Workspace, kind: str, networks: tuple[str, ...], network: str | None
) -> None:
    engine = Engine(kind, "unix:///nowhere", Embedded(workspace))
    engine.__dict__["client"] = FakeClient(*networks)
    assert engine.network == network


def test_only_the_embedded_engine_changes_the_environment_of_docker(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    own = Embedded(workspace)
    assert Engine("system", "unix:///x", own).environment == dict(os.environ) | PROVENANCE
    environment = Engine("embedded", own.host, own).environment
    assert environment["DOCKER_HOST"] == own.host
    assert environment["PATH"].startswith(f"{own.root}/usr/bin:") and environment["PATH"].endswith(":/usr/bin")


def fake_docker(folder: Path, version: str, name: str = "docker") -> Path:
    """A program that answers `docker buildx version`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho github.com/docker/buildx {version} abc\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    return folder


def test_the_users_buildx_is_used_if_it_is_new_enough(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{fake_docker(tmp_path / 'bin', 'v0.17.1')}:{os.environ['PATH']}")
    assert Engine("system", "unix:///x", Embedded(workspace)).buildx == ["docker", "buildx"]


def test_the_embedded_buildx_is_used_if_the_users_is_too_old(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{fake_docker(tmp_path / 'bin', 'v0.10.5')}:{os.environ['PATH']}")
    own = Embedded(workspace)
    monkeypatch.setattr(
        Embedded, "prepare", lambda own: fake_docker(own.buildx.parent, "0.13.1+ds1-3", own.buildx.name)
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Engine("system", "unix:///x", own).buildx == [str(own.buildx)]


def test_the_error_without_a_new_enough_buildx_names_its_version_and_the_package_to_install(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", f"{fake_docker(tmp_path / 'bin', 'v0.10.5')}:{os.environ['PATH']}")
    engine = Engine("system", "unix:///x", Embedded(workspace))
    with pytest.raises(EngineError, match=r"expected 0\.13 or newer.*docker buildx is 0\.10\.5") as caught:
        _ = engine.buildx
    assert "docker-buildx-plugin" in caught.value.hint


def test_the_error_says_why_buildx_failed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho \"docker: 'buildx' is not a docker command.\" >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    reason = r"docker buildx failed with exit code 1: docker: 'buildx' is not a docker command\."
    with pytest.raises(EngineError, match=reason):
        _ = Engine("system", "unix:///x", Embedded(workspace)).buildx


def test_missing_permission_for_the_system_engine_is_reported(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "docker.sock").touch()
    monkeypatch.setattr(discovery, "SYSTEM_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr("socket.socket.connect", denied)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineError) as caught:
        find_engine(workspace, lambda _: None)
    assert "permission" in str(caught.value).lower()


def test_missing_tls_certificates_are_reported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HOST", "tcp://127.0.0.1:1"), ("TLS_VERIFY", "1"), ("CERT_PATH", "/nowhere")):
        monkeypatch.setenv(f"DOCKER_{name}", value)
    with pytest.raises(InputError, match="DOCKER_TLS_VERIFY and DOCKER_CERT_PATH cannot be used") as caught:
        find_engine(workspace, print)
    assert "ca.pem, cert.pem and key.pem in /nowhere" in caught.value.hint


@pytest.mark.parametrize("name", ["DOCKER_CONFIG", "BUILDX_CONFIG"])
@pytest.mark.parametrize("inner", ["", "/in/it"])
def test_a_file_instead_of_a_folder_with_configuration_is_reported_with_its_variable(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, inner: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(name, f"{tmp_path}/file{inner}")
    with pytest.raises(InputError, match=f"{name}={tmp_path}/file{inner}: expected a folder") as caught:
        running_engine(workspace, print)
    assert f"unset {name}" in caught.value.hint


def test_no_second_engine_is_started_next_to_the_users_own(workspace: Workspace) -> None:
    engine = Engine("system", "unix:///x", Embedded(workspace))
    with (
        pytest.raises(InputError, match="a second engine can only run next to the embedded one") as caught,
        fresh_engine(engine, ["image"]),
    ):
        pass
    assert "unix:///x" in caught.value.message
    assert "DOCKER_HOST" in caught.value.hint


def fake_image(**attributes: Any) -> Any:
    """An image as docker's client returns it."""
    return SimpleNamespace(id=IDENTITY, tags=["infra7/python:3.13"], attrs=attributes)


def test_an_image_has_the_attributes_that_the_api_returns() -> None:
    image = EngineImage.from_api(
        fake_image(
            Os="linux", Architecture="arm64", Created="2026-08-05T00:00:00Z",
            Config={"Labels": {"a": "b"}}, RootFS={"Type": "layers", "Layers": ["sha256:2", "sha256:3"]},
        )
    )  # fmt: skip
    layers = ("sha256:2", "sha256:3")
    labels, created = {"a": "b"}, "2026-08-05T00:00:00Z"
    assert image == EngineImage(IDENTITY, ("infra7/python:3.13",), labels, ARM64, created, layers)


def test_an_image_without_labels_and_layers_is_valid() -> None:
    image = EngineImage.from_api(fake_image(Os="linux", Architecture="amd64", Config={"Labels": None}, RootFS={}))
    assert (image.labels, image.layers, image.created) == ({}, (), "")


@pytest.mark.parametrize("identity", [None, "", "sha256:1", f"{IDENTITY}/../..", f"{IDENTITY}\0", "x" * 5000])
def test_an_id_that_is_not_a_digest_is_an_error_because_files_are_named_by_it(identity: str | None) -> None:
    image: Any = SimpleNamespace(id=identity, tags=[], attrs={})
    with pytest.raises(EngineError, match="expected a digest") as caught:
        EngineImage.from_api(image)
    assert len(caught.value.message) < 1200


def test_labels_that_are_not_strings_become_strings() -> None:
    image = EngineImage.from_api(fake_image(Config={"Labels": {"revision": 5}}, RootFS={"Layers": [1]}, Created=7))
    assert (image.labels, image.layers, image.created) == ({"revision": "5"}, ("1",), "7")


@pytest.mark.parametrize(
    ("version", "usage", "cause"),
    [
        ({"Os": None}, {}, r"unexpected answer: KeyError\('Os'\)"),
        ({}, {"BuildCache": 5}, "unexpected answer: TypeError"),
        ({}, {"BuildCache": [{"Size": "x"}]}, "invalid literal"),
        ({}, {"BuildCache": [{}]}, r"unexpected answer: KeyError\('Size'\)"),
    ],
)
def test_an_engines_unexpected_details_are_an_engine_error(
    workspace: Workspace, serve: Callable[..., Any], version: dict[str, Any], usage: dict[str, Any], cause: str
) -> None:
    versions = {key: text for key, text in {**VERSION, **version}.items() if text}
    bodies = {"/version": json.dumps(versions).encode(), "/system/df": json.dumps(usage).encode()}
    server = serve(default=lambda request: next(body for end, body in bodies.items() if request.path.endswith(end)))
    engine = Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))
    with closing(engine), pytest.raises(EngineError, match=cause):
        engine.details()


def test_the_message_about_an_engines_long_version_is_short(
    workspace: Workspace, fake_engine: Callable[..., str]
) -> None:
    engine = Engine("DOCKER_HOST", fake_engine("1" * 1_000_000), Embedded(workspace))
    with closing(engine), pytest.raises(EngineError, match="too old") as raised:
        engine.check()
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    ("status", "keeps_layers"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"]], False),
        (None, False),
    ],
)
def test_only_containerds_image_store_keeps_layers(status: list[list[str]] | None, keeps_layers: bool) -> None:
    info = EngineInfo.from_api({"ServerVersion": "26.1.5", "Driver": "overlayfs", "NCPU": 2, "DriverStatus": status})
    assert info == EngineInfo("26.1.5", "overlayfs", 2, 0, keeps_layers)


def test_the_error_about_a_missing_image_says_how_to_build_it(
    workspace: Workspace, fake_engine: Callable[..., str]
) -> None:
    engine = Engine("DOCKER_HOST", fake_engine(), Embedded(workspace))
    with closing(engine):
        assert engine.find("infra7/python:3.13") is None
        with pytest.raises(BuildError, match=r"infra7/python:3\.13 is not in the engine\n +Build it first"):
            engine.require("infra7/python:3.13")


@pytest.mark.parametrize("file", ["config.json", "contexts/meta/1/meta.json"])
@pytest.mark.parametrize("large", [False, True])
def test_a_fifo_or_a_large_file_instead_of_dockers_configuration_is_refused_and_not_read(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, large: bool
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(ContextAPI, "get_context", lambda _: pytest.fail("was read"))
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    if large:
        with (tmp_path / file).open("wb") as sparse:
            sparse.truncate((1 << 20) + 1)
    else:
        os.mkfifo(tmp_path / file)
    monkeypatch.setenv("DOCKER_CONTEXT", "some")
    expected = r"\.json: expected docker's configuration, a regular file of at most 1 MiB"
    with pytest.raises(InputError, match=expected):
        running_engine(workspace)


def test_an_error_of_the_api_is_an_engine_error(workspace: Workspace, fake_engine: Callable[..., str]) -> None:
    engine = Engine("DOCKER_HOST", fake_engine(), Embedded(workspace))
    with closing(engine), pytest.raises(EngineError, match=r"\(DOCKER_HOST\) failed or stopped answering"):
        engine.prune()


@pytest.mark.parametrize("body", [b"[1]", b"[]", b"7", b"null", b"[" * 100_000, b"\xff", b"<html>"])
def test_nonsense_from_an_engine_is_an_engine_error(workspace: Workspace, serve: Any, body: bytes) -> None:
    version = json.dumps(VERSION).encode()
    server = serve(default=lambda request: version if request.path.endswith("/version") else body)
    with closing(Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))) as engine:
        pull = partial(engine.pull, tell=print)
        for ask in (engine.find, engine.configuration, pull, lambda _: engine.details(), lambda _: engine.info):
            with pytest.raises(EngineError, match="failed or stopped answering"):
                ask("infra7/python:3.13")


def layer(name: str, status: str, **detail: int) -> dict[str, Any]:
    return {"id": name, "status": status, "progressDetail": detail}


@pytest.mark.parametrize(
    ("events", "step", "progress"),
    [
        ([], 11, []),
        ([layer("a", "Downloading", current=2_500_000, total=9_000_000)], 11, ["2.5 MB"]),
        ([layer("a", "Downloading", current=2_500_000, total=9_000_000)], 1, []),
        (
            [
                layer("a", "Downloading", current=1_000_000), layer("b", "Downloading", current=1_000_000),
                layer("a", "Downloading", current=3_000_000), layer("a", "Extracting", current=100),
                layer("b", "Downloading"),
            ], 5, ["2.0 MB", "4.0 MB"],
        ),
        ([{"status": "Pulling"}, {"error": "failed to verify", "errorDetail": {}}], 1, None),
    ],
)  # fmt: skip
def test_a_pull_reports_progress_and_the_registrys_error(
    workspace: Workspace,
    serve: Any,
    monkeypatch: pytest.MonkeyPatch,
    events: list[Any],
    step: int,
    progress: list[str] | None,
) -> None:
    image = {"Id": IDENTITY, "RepoTags": ["some/image:1"], "Os": "linux", "Architecture": "amd64"}

    def answer(request: Any) -> bytes | None:
        path = request.path.partition("?")[0]
        if not path.endswith("/images/create"):
            return json.dumps(VERSION if path.endswith("/version") else image).encode()
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")  # as an engine does; otherwise, the client reads one value
        request.end_headers()
        for line in [*(json.dumps(event) + "\r\n" for event in events), ""]:
            request.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())
        return None

    clock = SimpleNamespace(monotonic=partial(next, count(step=step)))
    monkeypatch.setattr("bakery.engine.engine.time", clock)
    server, messages = serve(default=answer), list[str]()
    with closing(Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))) as engine:
        if progress is None:
            with pytest.raises(BuildError, match="cannot be pulled: failed to verify"):
                engine.pull("some/image:1", messages.append)
        else:
            assert engine.pull("some/image:1", messages.append).tags == ("some/image:1",)
    (request,) = (line for line in server.requests if "images/create" in line)
    assert "fromImage=some%2Fimage" in request and "tag=1" in request
    assert messages == ["pulling some/image:1", *(f"pulling some/image:1: {text}" for text in progress or [])]


@pytest.mark.parametrize("helper", ["exec sleep 60", "yes", 'echo \'{"Username": "tester", "Secret": "open sesame"}\''])
def test_a_pull_sends_the_engine_the_registrys_login_and_does_not_wait_for_a_helper(
    workspace: Workspace, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str
) -> None:
    program, config = tmp_path / "docker-credential-test", Path(os.environ["DOCKER_CONFIG"])
    program.write_text(f"#!/bin/sh\n{helper}\n")
    program.chmod(0o755)
    config.mkdir()
    (config / "config.json").write_text('{"credsStore": "test"}', encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("bakery.registry.credentials.PATIENCE", 1)
    version = json.dumps(VERSION).encode()
    server = serve(default=lambda request: version if request.path.endswith("/version") else 403)
    engine = Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))
    with closing(engine), pytest.raises(BuildError, match="cannot be pulled"):
        engine.pull("registry.example/image:1", print)
    sent = json.loads(base64.urlsafe_b64decode(server.headers[-1]["x-registry-auth"]))
    login = {"username": "tester", "password": "open sesame", "identitytoken": ""}
    assert sent == ({**login, "serveraddress": "registry.example"} if "echo" in helper else {})


def test_an_engine_is_not_sent_the_login_that_netrc_has_for_its_host(
    workspace: Workspace, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 0.0.0.0 login tester password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(default=json.dumps(VERSION).encode())
    host = server.url.replace("http://127.0.0.1", "tcp://0.0.0.0")  # the same machine, but not a loopback address
    with closing(Engine("DOCKER_HOST", host, Embedded(workspace))) as engine:
        engine.check()
    assert len(server.headers) == 2
    assert not any("authorization" in headers for headers in server.headers)


def test_an_engine_on_this_machine_is_asked_without_the_users_proxy(
    workspace: Workspace, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = serve(default=json.dumps(VERSION).encode()), serve(default=502)
    monkeypatch.setenv("http_proxy", proxy.url)
    with closing(Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))) as engine:
        engine.check()
    assert server.requests and not proxy.requests


@pytest.mark.parametrize(("network", "proxies"), [("none", 0), ("host", 2)])
def test_only_a_container_with_a_network_gets_the_proxies_of_dockers_configuration(
    workspace: Workspace, serve: Any, network: str, proxies: int
) -> None:
    config, created = Path(os.environ["DOCKER_CONFIG"]), list[Any]()
    config.mkdir()
    text = json.dumps({"proxies": {"default": {"httpProxy": "http://tester:secret@proxy"}}})
    (config / "config.json").write_text(text, encoding="utf-8")

    def answer(request: Any) -> Any:
        if not request.path.endswith("/containers/create"):
            return json.dumps({**VERSION, "Id": IDENTITY, "RepoTags": []}).encode()
        created.append(json.loads(request.rfile.read(int(request.headers["Content-Length"]))))
        return 403

    engine = Engine("DOCKER_HOST", serve(default=answer).url.replace("http://", "tcp://"), Embedded(workspace))
    with (
        closing(engine),
        pytest.raises(BuildError, match="cannot be run"),
        idle_container(engine, "x", ContainerOptions(network)),
    ):
        pass
    assert len([text for text in created[0]["Env"] or [] if "secret" in text]) == proxies


def test_the_embedded_daemon_inherits_no_secrets(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Embedded(workspace)
    engine.runtime = workspace.home / "run"
    program, seen = engine.root / "usr/sbin/dockerd", workspace.home / "environment"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nenv >{seen}.new && mv {seen}.new {seen}\n")
    program.chmod(0o755)
    monkeypatch.setattr(Embedded, "sweep", lambda _: None)
    monkeypatch.setattr(daemons, "mount_points", lambda: ["/"])
    monkeypatch.setattr(daemons, "answers", lambda _: seen.exists())
    for name in ("AWS_SECRET_ACCESS_KEY", "COSIGN_PASSWORD", "GITHUB_TOKEN", "BAKERY_MIRROR", "http_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, f"value of {name}")
    engine._start()
    names = {line.partition("=")[0] for line in seen.read_text(encoding="utf-8").splitlines()}
    assert {"PATH", "http_proxy", "NO_PROXY"} <= names
    assert not names & {"AWS_SECRET_ACCESS_KEY", "COSIGN_PASSWORD", "GITHUB_TOKEN", "BAKERY_MIRROR"}
    assert engine.log.stat().st_mode & 0o777 == 0o600


def test_an_endless_answer_is_an_error_and_not_read_into_memory(
    workspace: Workspace, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    def endless(request: Any) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        with suppress(OSError):
            while sent < 1 << 30:
                sent += request.wfile.write(bytes(1 << 20))
        request.close_connection = True

    monkeypatch.setattr("bakery.engine.client.LARGEST_ANSWER", 3 << 20)
    version = json.dumps(VERSION).encode()
    server = serve(default=lambda request: version if request.path.endswith("/version") else endless(request))
    engine = Engine("DOCKER_HOST", server.url.replace("http://", "tcp://"), Embedded(workspace))
    with pytest.raises(EngineError, match="sent more than 3145728 bytes"):
        engine.images()
    assert sent < 64 << 20


def test_an_engine_that_accepts_connections_but_never_answers_is_reported_and_abandoned(
    workspace: Workspace, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(default=lambda request: server.released.wait() and None)
    monkeypatch.setenv("DOCKER_HOST", server.url.replace("http://", "tcp://"))
    monkeypatch.setattr("bakery.engine.engine.FIRST_ANSWER", 1)
    monkeypatch.setattr("bakery.engine.discovery.SLOW", 0.1)
    messages: list[str] = []
    with pytest.raises(EngineError, match=r"\(DOCKER_HOST\) does not answer"):
        running_engine(workspace, messages.append)
    assert messages == [f"waiting for the Docker engine at {os.environ['DOCKER_HOST']}"]


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"], ids=["header", "body"])
@pytest.mark.parametrize("scheme", ["unix", "tcp"])
def test_an_engine_that_sends_a_byte_at_a_time_is_abandoned(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str, begin: bytes
) -> None:
    listening = socket.socket(socket.AF_UNIX if scheme == "unix" else socket.AF_INET)
    listening.bind(str(tmp_path / "socket") if scheme == "unix" else ("127.0.0.1", 0))
    listening.listen()

    def drip() -> None:
        with listening.accept()[0] as connected, suppress(OSError):
            connected.sendall(begin)
            for _ in range(300):
                connected.sendall(b" " if begin else b"H")
                time.sleep(0.1)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    name = listening.getsockname()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{name}" if scheme == "unix" else f"tcp://{name[0]}:{name[1]}")
    monkeypatch.setattr("bakery.engine.engine.FIRST_ANSWER", 1)
    monkeypatch.setattr("bakery.net.sessions.GRACE", 2)
    with listening, pytest.raises(EngineError, match="does not answer"):
        running_engine(workspace)
    thread.join(5)
    assert not thread.is_alive()


def test_a_socket_that_sends_a_byte_at_a_time_is_not_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakery.engine.daemons.PING", 0.5)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()

        def drip() -> None:
            with listening.accept()[0] as connected, suppress(OSError):
                for _ in range(300):
                    connected.sendall(b"H")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        before = time.monotonic()
        assert not answers(tmp_path / "socket")
        assert time.monotonic() - before < 20


def test_docker_and_buildx_do_not_inherit_what_would_change_an_image(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = (
        "SOURCE_DATE_EPOCH", "BUILDX_GIT_LABELS", "BUILDX_NO_DEFAULT_ATTESTATIONS", "BUILDX_METADATA_PROVENANCE",
        "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "DOCKER_DEFAULT_PLATFORM", "DOCKER_CONTENT_TRUST", "GIT_DIR",
    )  # fmt: skip
    for name in (*changing, "BUILDX_BUILDER", "DOCKER_CONFIG", "AWS_PROFILE"):
        monkeypatch.setenv(name, "1")
    for kind in ("system", "embedded"):
        environment = Engine(kind, "tcp://host", Embedded(workspace)).environment
        assert not environment.keys() & set(changing)
        assert environment.keys() >= {"PATH", "BUILDX_BUILDER", "DOCKER_CONFIG", "AWS_PROFILE", *PROVENANCE}
