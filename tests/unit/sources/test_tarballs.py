"""The cache of tarballs: providers in order, the pinned bytes or no build, and no partial files."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakery import urls
from bakery.bases import apt
from bakery.catalog.models import Series
from bakery.catalog.pins import Extra, Pin
from bakery.errors import BakeryError, DiskFullError, SourceError
from bakery.net import http
from bakery.sources import providers, tarballs
from bakery.sources.tarballs import SourceCache
from bakery.workspace import Workspace

DATA = b"the tarball of a test " * 1000
COMMAND = "inv build --target=jammy --version={version}"


class Client:
    """Everything that a fetch needs, with a list of the messages to the user."""

    def __init__(self, workspace: Workspace, make_pin: Callable[..., Pin], make_series: Callable[..., Series]) -> None:
        self.workspace, self.make_pin, self.make_series = workspace, make_pin, make_series
        self.pin = make_pin("3.13.5", DATA)
        self.others: tuple[Pin, ...] = ()
        self.messages: list[str] = []

    @property
    def folder(self) -> Path:
        return self.workspace.home / "sources" / self.pin.release

    def fetch(self, mirror: str | None = None) -> Path:
        series = self.make_series(self.pin, *self.others)
        return SourceCache(self.workspace, mirror, self.messages.append).fetch(self.pin, series, COMMAND)

    def refused(self, mirror: str | None = None) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.fetch(mirror)
        assert caught.value.exit_code == 1
        return caught.value

    def cached_files(self) -> list[str]:
        """Files in the cache, without locks."""
        paths = (self.workspace.home / "sources").rglob("*")
        return sorted(
            str(path.relative_to(self.workspace.home)) for path in paths if path.is_file() and path.suffix != ".lock"
        )


@pytest.fixture
def client(workspace: Workspace, pin: Callable[..., Pin], fake_series: Callable[..., Series]) -> Client:
    return Client(workspace, pin, fake_series)


@pytest.fixture
def python_org(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A loopback server that replaces python.org; tests add routes to it."""
    server = serve()
    monkeypatch.setattr(urls, "PYTHON_ORG", server.url)
    return server


class FakePool:
    """A fake apt of a Debian host whose mirror has ``data``."""

    def __init__(self, data: bytes | None = None, error: str = "Could not resolve 'deb.example'") -> None:
        self.data, self.error, self.requests = data, error, list[str]()

    def host_mirror(self) -> apt.Mirror:
        return apt.Mirror("bookworm", {"": "http://deb.example/debian"})

    def download(self, uri: str, file: Path, sha256: str) -> None:
        self.requests.append(uri)
        if self.data is None:
            raise apt.AptError(f"apt-helper failed: E: {self.error}")
        if hashlib.sha256(self.data).hexdigest() != sha256:
            raise apt.AptError("apt-helper failed: E: Failed to fetch x  Hash Sum mismatch")
        file.write_bytes(self.data)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakePool]:
    """Replaces the host's Debian mirror with a fake one."""

    def put(data: bytes | None = None, host: str = "debian", **more: Any) -> FakePool:
        fake = FakePool(data, **more)
        monkeypatch.setattr(apt, "host_mirror", fake.host_mirror)
        monkeypatch.setattr(apt, "download", fake.download)
        monkeypatch.setattr(apt, "host_id", lambda: host)
        return fake

    return put


PATH = "/3.13.5/Python-3.13.5.tar.xz"


def test_mirror_comes_first_and_is_enough(client: Client, serve: Any, python_org: Any, pool: Any) -> None:
    mirror, fake = serve({PATH: DATA}), pool(DATA)
    python_org.routes[PATH] = DATA
    client.pin = client.make_pin("3.13.5", DATA, pool="pool/p")
    folder = client.fetch(mirror.url)
    assert folder == client.folder
    assert [file.name for file in folder.iterdir()] == ["Python-3.13.5.tar.xz"]
    assert (folder / client.pin.file).read_bytes() == DATA
    assert mirror.requests == [f"GET {PATH}"]
    assert python_org.requests == [] and fake.requests == []
    assert client.messages == [f"Python-3.13.5.tar.xz from the mirror {mirror.url}{PATH}, sha256 verified"]


def test_python_org_follows_a_mirror_without_the_file(client: Client, serve: Any, python_org: Any) -> None:
    mirror = serve()
    python_org.routes[PATH] = DATA
    client.fetch(mirror.url)
    assert mirror.requests == [f"GET {PATH}", "GET /Python-3.13.5.tar.xz"]
    assert python_org.requests == [f"GET {PATH}"]
    assert client.cached_files() == ["sources/3.13.5/Python-3.13.5.tar.xz"]
    assert "from python.org" in client.messages[-1]


def test_debian_mirror_comes_last(client: Client, serve: Any, python_org: Any, pool: Any) -> None:
    mirror, fake = serve(), pool(DATA)
    client.pin = client.make_pin("3.13.5", DATA, pool="pool/main/p/x.orig.tar.xz")
    client.fetch(mirror.url)
    assert len(mirror.requests) == 2 and len(python_org.requests) == 1
    assert fake.requests == ["http://deb.example/debian/pool/main/p/x.orig.tar.xz"]
    assert (client.folder / client.pin.file).read_bytes() == DATA
    assert "from the host's Debian mirror" in client.messages[-1]


def test_release_without_a_pool_path_is_not_requested_from_debian(client: Client, python_org: Any, pool: Any) -> None:
    fake = pool(DATA)
    client.refused()
    assert fake.requests == []


def test_prerelease_is_in_the_folder_of_its_final_release(client: Client, python_org: Any) -> None:
    client.pin = client.make_pin("3.15.0b3", DATA)
    python_org.routes["/3.15.0/Python-3.15.0b3.tar.xz"] = DATA
    assert client.fetch().name == "3.15.0b3"


@pytest.mark.parametrize("path", [PATH, "/Python-3.13.5.tar.xz"])
def test_mirror_layout_may_be_nested_or_flat(client: Client, serve: Any, python_org: Any, path: str) -> None:
    mirror = serve({f"/ftp/python{path}": DATA})
    client.fetch(f"{mirror.url}/ftp/python/")
    assert python_org.requests == []
    assert client.cached_files() == ["sources/3.13.5/Python-3.13.5.tar.xz"]


@pytest.mark.parametrize("inner", ["3.13.5", "."])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_mirror_may_be_a_folder_with_spaces_in_its_path(
    client: Client, python_org: Any, tmp_path: Path, inner: str, scheme: str
) -> None:
    folder = tmp_path / "my  mirror"
    (folder / inner).mkdir(parents=True)
    (folder / inner / client.pin.file).write_bytes(DATA)
    client.fetch(f"{scheme}{folder}")
    assert python_org.requests == []
    assert (client.folder / client.pin.file).read_bytes() == DATA
    assert (folder / inner / client.pin.file).exists()


def test_mirror_folder_without_the_file_is_skipped(client: Client, python_org: Any, tmp_path: Path) -> None:
    python_org.routes[PATH] = DATA
    client.fetch(str(tmp_path / "empty"))
    assert len(python_org.requests) == 1


def test_provider_that_times_out_is_skipped(
    client: Client, serve: Any, python_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (2.0, 0.4))
    mirror = serve(default=lambda request: request.server.state.released.wait(10) and 404)
    python_org.routes[PATH] = DATA
    client.fetch(mirror.url)
    assert client.cached_files() == ["sources/3.13.5/Python-3.13.5.tar.xz"]
    assert "from python.org" in client.messages[-1]


def test_provider_that_stalls_midway_is_skipped(
    client: Client, serve: Any, python_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (2.0, 0.4))

    def stall(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])
        request.wfile.flush()
        request.server.state.released.wait(10)

    mirror = serve(default=stall)
    python_org.routes[PATH] = DATA
    client.fetch(mirror.url)
    assert client.cached_files() == ["sources/3.13.5/Python-3.13.5.tar.xz"]


def test_dropped_connection_leaves_no_partial_file(client: Client, serve: Any, python_org: Any) -> None:
    def drop(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])

    mirror = serve(default=drop)
    error = client.refused(mirror.url)
    failures = [line for line in str(error).splitlines() if f"the mirror {mirror.url}" in line]
    assert ["cannot be reached" in failure for failure in failures] == [True, True]
    assert client.cached_files() == []
    python_org.routes[PATH] = DATA
    client.fetch(mirror.url)
    assert (client.folder / client.pin.file).read_bytes() == DATA


def test_oversized_download_is_aborted(client: Client, python_org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "MAX_BYTES", 1000)
    python_org.routes[PATH] = DATA
    assert "python.org: sent more than 1000 bytes" in str(client.refused())
    assert client.cached_files() == []


@pytest.mark.parametrize(
    "wrong", [b"<html><body>Please log in</body></html>", DATA[:-1], b""], ids=["html", "short", "empty"]
)
def test_wrong_bytes_end_the_build_without_a_fallback(
    client: Client, serve: Any, python_org: Any, pool: Any, wrong: bytes
) -> None:
    mirror, fake = serve({PATH: (200, wrong, {"Content-Type": "text/html"})}), pool(DATA)
    python_org.routes[PATH] = DATA
    error = client.refused(mirror.url)
    for words in (
        "Python-3.13.5.tar.xz", f"the mirror {mirror.url}{PATH}", f"expected sha256 {client.pin.sha256}",
        f"found {hashlib.sha256(wrong).hexdigest()}", f"({len(wrong)} bytes)", "nothing was built",
    ):  # fmt: skip
        assert words in error.message
    assert client.cached_files() == []
    assert not client.folder.exists()
    assert python_org.requests == [] and fake.requests == []


def test_wrong_bytes_from_python_org_leave_no_folder(client: Client, serve: Any, python_org: Any) -> None:
    python_org.routes[PATH] = b"other"
    assert "from python.org is not the pinned file" in str(client.refused(serve().url))
    assert client.cached_files() == []


def test_wrong_bytes_from_the_debian_mirror_end_the_build(client: Client, python_org: Any, pool: Any) -> None:
    pool(b"other")
    client.pin = client.make_pin("3.13.5", DATA, pool="pool/p")
    error = client.refused()
    for words in ("host's Debian mirror is not the pinned file", "Hash Sum mismatch", client.pin.sha256):
        assert words in error.message
    assert client.cached_files() == []


def test_corrupt_cached_tarball_is_reported_and_fetched_again(client: Client, python_org: Any) -> None:
    python_org.routes[PATH] = DATA
    client.fetch()
    (client.folder / client.pin.file).write_bytes(DATA[:100])
    client.messages.clear()
    client.fetch()
    assert "corrupt in the cache" in client.messages[0]
    assert client.pin.sha256 in client.messages[0] and hashlib.sha256(DATA[:100]).hexdigest() in client.messages[0]
    assert (client.folder / client.pin.file).read_bytes() == DATA
    assert len(python_org.requests) == 2


def test_corrupt_cached_tarball_is_removed_even_if_no_provider_has_it(client: Client, python_org: Any) -> None:
    client.folder.mkdir(parents=True)
    (client.folder / client.pin.file).write_bytes(b"corrupt")
    client.refused()
    assert client.cached_files() == []


def test_second_fetch_needs_no_network(client: Client, python_org: Any) -> None:
    python_org.routes[PATH] = DATA
    client.fetch()
    before = (client.folder / client.pin.file).stat().st_mtime_ns
    client.messages.clear()
    assert client.fetch("http://127.0.0.1:9") == client.folder
    assert len(python_org.requests) == 1
    assert client.messages == []
    assert (client.folder / client.pin.file).stat().st_mtime_ns == before


def test_error_lists_why_each_provider_failed(
    client: Client, serve: Any, nowhere: str, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve({PATH: 503})
    monkeypatch.setattr(urls, "PYTHON_ORG", nowhere)
    pool(error="Could not resolve 'deb.example'")
    client.pin = client.make_pin("3.13.5", DATA, pool="pool/p")
    error = client.refused(mirror.url)
    assert error.message.splitlines()[0] == "no provider has Python-3.13.5.tar.xz:"
    lines = [line.strip() for line in error.message.splitlines()[1:]]
    by_name = dict(line.split(": ", 1) for line in lines)
    assert by_name[f"the mirror {mirror.url}{PATH}"] == f"answered 503 for {mirror.url}{PATH}"
    file = f"{mirror.url}/Python-3.13.5.tar.xz"
    assert by_name[f"the mirror {file}"] == f"answered 404 for {file}"
    assert by_name["python.org"].startswith("cannot be reached (") and "refused" in by_name["python.org"]
    assert "Could not resolve" in by_name["the host's Debian mirror"]
    assert "--mirror=" in error.hint


def test_debian_mirror_reports_a_host_of_another_distribution(client: Client, python_org: Any, pool: Any) -> None:
    fake = pool(DATA, host="fedora")
    client.pin = client.make_pin("3.13.5", DATA, pool="pool/p")
    assert "this host's apt has fedora packages, not debian packages" in str(client.refused())
    assert fake.requests == []


def test_the_mirror_of_an_ubuntu_host_is_asked(client: Client, python_org: Any, pool: Any) -> None:
    fake = pool(DATA, host="ubuntu")
    client.pin = client.make_pin("3.14.4", DATA, pool="pool/p")
    client.fetch()
    assert fake.requests and "from the host's Ubuntu mirror" in client.messages[-1]


def test_cached_release_is_suggested_with_the_exact_command(client: Client, python_org: Any) -> None:
    older, broken = client.make_pin("3.13.4", b"older"), client.make_pin("3.13.6", b"newer")
    for other, data in ((older, b"older"), (broken, b"corrupt")):
        folder = client.workspace.home / "sources" / other.release
        folder.mkdir(parents=True)
        (folder / other.file).write_bytes(data)
    client.others = (broken, older)
    hint = client.refused().hint.splitlines()[0]
    assert hint == "The nearest release that is available is 3.13.4: " + COMMAND.format(version="3.13.4")


@pytest.mark.parametrize("served", [True, False])
def test_release_in_the_pool_is_suggested_only_if_served(
    client: Client, serve: Any, python_org: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    mirror = serve({"/debian/pool/p": b"x"} if served else {})
    pool()
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": f"{mirror.url}/debian"}))
    client.others = (client.make_pin("3.13.2", b"other", pool="pool/p"),)
    assert ("is available is 3.13.2: " in client.refused().hint) is served
    assert mirror.requests == ["HEAD /debian/pool/p"]


def test_leftovers_of_a_killed_process_are_removed(client: Client, python_org: Any) -> None:
    stale = client.workspace.home / "sources" / ".3.13.5.abc.partial"
    stale.mkdir(parents=True)
    (stale / "half").write_bytes(b"x")
    foreign = client.workspace.home / "sources" / ".3.13.50.abc.partial"
    foreign.mkdir()
    python_org.routes[PATH] = DATA
    client.fetch()
    assert not stale.exists()
    assert foreign.exists()


def test_fifo_in_the_place_of_a_leftover_is_refused_by_name(client: Client, python_org: Any) -> None:
    stale = client.workspace.home / "sources" / ".3.13.5.abc.partial"
    stale.parent.mkdir(parents=True)
    os.mkfifo(stale)
    with pytest.raises(BakeryError, match=r"\.3\.13\.5\.abc\.partial is a FIFO: expected a folder"):
        client.fetch()


def test_concurrent_builds_download_once(client: Client, python_org: Any) -> None:
    started, go = threading.Event(), threading.Event()

    def slow(_: Any) -> bytes:
        started.set()
        go.wait(10)
        return DATA

    python_org.routes[PATH] = slow
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(client.fetch())) for _ in range(2)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    while not any("waiting" in line for line in client.messages):
        assert threads[1].is_alive()
    go.set()
    for thread in threads:
        thread.join(10)
    assert folders == [client.folder, client.folder]
    assert len(python_org.requests) == 1
    assert f"waiting: another process (pid {os.getpid()}) is busy with Python-3.13.5.tar.xz" in client.messages


def test_full_disk_is_reported(client: Client, python_org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(http, "download", full)
    with pytest.raises(DiskFullError, match="no space left on the file system of"):
        client.fetch()
    assert client.cached_files() == []


def test_content_encoding_is_not_decoded(client: Client, python_org: Any) -> None:
    data = gzip.compress(DATA, mtime=0)
    client.pin = client.make_pin("3.13.5", data)
    python_org.routes[PATH] = (200, data, {"Content-Encoding": "x-gzip"})
    client.fetch()
    assert (client.folder / client.pin.file).read_bytes() == data


def test_unreadable_mirror_folder_is_skipped(
    client: Client, python_org: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / client.pin.file).write_bytes(DATA)
    python_org.routes[PATH] = DATA

    def denied(source: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(source))

    monkeypatch.setattr(providers, "read_regular", denied)  # root may read everything, so the refusal is a fake
    client.fetch(str(tmp_path))


def test_mirror_on_a_damaged_disk_is_skipped(client: Client, python_org: Any, tmp_path: Path) -> None:
    (tmp_path / client.pin.file).symlink_to("/proc/self/mem")
    assert "which cannot be read (Input/output error)" in client.refused(str(tmp_path)).message
    python_org.routes[PATH] = DATA
    client.fetch(str(tmp_path))


@pytest.mark.parametrize("start", ["file://", "file://localhost", "FILE://"])
def test_mirror_may_be_the_url_of_a_folder(client: Client, python_org: Any, tmp_path: Path, start: str) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / client.pin.file).write_bytes(DATA)
    client.fetch(f"{start}{tmp_path}/a%20b")
    assert python_org.requests == []


def test_scheme_of_a_mirror_may_be_in_capitals(client: Client, serve: Any, python_org: Any) -> None:
    client.fetch(serve({f"/{client.pin.file}": DATA}).url.replace("http:", "HTTP:"))
    assert python_org.requests == []


def test_malformed_mirror_url_is_reported(client: Client, python_org: Any) -> None:
    client.refused("http://[::1/python")


def test_failed_fetch_leaves_no_empty_folder(client: Client, python_org: Any) -> None:
    client.refused()
    assert not client.folder.exists()


def test_unwritable_cache_is_reported(client: Client, python_org: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client.workspace = Workspace(root=client.workspace.root, home=tmp_path / "file" / "home")
    with pytest.raises(BakeryError, match="Not a directory"):
        client.fetch()


@pytest.fixture
def extra() -> Extra:
    digest = hashlib.sha256(DATA).hexdigest()
    return Extra("wheel", "python3-wheel-whl.deb", digest, "tests", len(DATA), "pool/main/w/wheel/x.deb")


def with_extra(client: Client, extra: Extra) -> Series:
    return dataclasses.replace(client.make_series(client.pin), extras=(extra,))


def test_extras_come_from_the_mirror_and_are_verified(client: Client, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA)
    folder = SourceCache(client.workspace, str(tmp_path), client.messages.append).fetch_extras(
        with_extra(client, extra)
    )
    assert [file.read_bytes() for file in folder.iterdir()] == [DATA]


def test_extra_with_wrong_bytes_ends_the_build(client: Client, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA[:-1])
    with pytest.raises(SourceError, match=extra.sha256):
        SourceCache(client.workspace, str(tmp_path), client.messages.append).fetch_extras(with_extra(client, extra))


def test_missing_extra_names_the_file_and_the_series(
    client: Client, extra: Extra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "host_mirror", FakePool().host_mirror)
    monkeypatch.setattr(apt, "host_id", lambda: "fedora")
    with pytest.raises(SourceError, match=r"python3-wheel-whl\.deb, which 3\.13 needs"):
        SourceCache(client.workspace, None, client.messages.append).fetch_extras(with_extra(client, extra))


def test_modified_extras_folder_is_restored(client: Client, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA)
    sources = SourceCache(client.workspace, str(tmp_path), client.messages.append)
    folder = sources.fetch_extras(with_extra(client, extra))
    (folder / extra.file).write_bytes(b"")
    assert [file.read_bytes() for file in sources.fetch_extras(with_extra(client, extra)).iterdir()] == [DATA]


def test_a_newer_extra_does_not_meet_the_file_of_the_older_one(client: Client, extra: Extra, tmp_path: Path) -> None:
    newer = dataclasses.replace(extra, file="newer.deb", sha256=hashlib.sha256(b"newer").hexdigest())
    (tmp_path / extra.file).write_bytes(DATA)
    (tmp_path / newer.file).write_bytes(b"newer")
    sources = SourceCache(client.workspace, str(tmp_path), client.messages.append)
    for pinned, data in ((extra, DATA), (newer, b"newer")):
        assert [file.read_bytes() for file in sources.fetch_extras(with_extra(client, pinned)).iterdir()] == [data]


def test_series_without_extras_gets_an_empty_folder(client: Client) -> None:
    folder = SourceCache(client.workspace, "http://127.0.0.1:9", client.messages.append).fetch_extras(
        client.make_series(client.pin)
    )
    assert list(folder.iterdir()) == []


INTRUDERS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a link": (lambda path, other: path.symlink_to(other), "is a symbolic link: expected a regular file"),
    "a FIFO": (lambda path, _: os.mkfifo(path), "is a FIFO: expected a regular file"),
    "a device": (
        lambda path, _: os.mknod(path, stat.S_IFCHR, os.makedev(1, 3)),
        "is a device: expected a regular file",
    ),
    "a socket": (lambda path, _: os.mknod(path, stat.S_IFSOCK), "is a socket: expected a regular file"),
    "a folder": (lambda path, _: path.mkdir(), "is a folder: expected a regular file"),
}


@pytest.mark.parametrize("kind", INTRUDERS)
@pytest.mark.parametrize("name", ["the file", "stray", ".hidden"])
def test_unexpected_entries_of_the_cache_are_refused_by_name(
    client: Client, extra: Extra, tmp_path: Path, kind: str, name: str
) -> None:
    if kind == "a device" and os.geteuid() != 0:
        pytest.skip("only root can make devices")
    (tmp_path / client.pin.file).write_bytes(DATA)
    (tmp_path / extra.file).write_bytes(DATA)
    sources = SourceCache(client.workspace, str(tmp_path), client.messages.append)
    series = with_extra(client, extra)
    folders = {sources.fetch(client.pin, series, COMMAND): client.pin.file, sources.fetch_extras(series): extra.file}
    make, problem = INTRUDERS[kind]
    for folder, file in folders.items():
        path = folder / (file if name == "the file" else name)
        path.unlink(missing_ok=True)
        make(path, tmp_path / file)  # of a link: even the right bytes are another file a moment later
    for fetch in (lambda: sources.fetch(client.pin, series, COMMAND), lambda: sources.fetch_extras(series)):
        with pytest.raises(BakeryError, match=problem) as caught:
            fetch()
        assert any(f"{folder}/" in caught.value.message for folder in folders)


@pytest.mark.parametrize("name", ["another.tar.xz", ".hidden"])
def test_file_without_a_pin_is_refused_by_name(client: Client, tmp_path: Path, name: str) -> None:
    (tmp_path / client.pin.file).write_bytes(DATA)
    (client.fetch(str(tmp_path)) / name).write_bytes(DATA)
    with pytest.raises(BakeryError) as caught:
        client.fetch(str(tmp_path))
    assert f"{client.folder / name} is not a file of this tool: expected {client.pin.file}" in caught.value.message
    (client.folder / name).unlink()
    assert client.fetch(str(tmp_path)) == client.folder


def test_folder_of_a_release_that_is_a_link_is_refused(client: Client, tmp_path: Path) -> None:
    (tmp_path / client.pin.file).write_bytes(DATA)
    client.folder.parent.mkdir(parents=True)
    client.folder.symlink_to(tmp_path)
    with pytest.raises(BakeryError, match=r"3\.13\.5 is a symbolic link: expected a folder"):
        client.fetch(str(tmp_path))


def test_fifo_of_another_release_does_not_block_the_search_for_a_suggestion(client: Client, tmp_path: Path) -> None:
    other = client.make_pin("3.13.4", b"x")
    client.others = (other,)
    folder = client.folder.with_name("3.13.4")
    folder.mkdir(parents=True)
    os.mkfifo(folder / other.file)
    with pytest.raises(BakeryError, match="is a FIFO"):
        client.fetch(str(tmp_path))
