"""CPython's tarballs: providers in order, the same bytes or no build, and nothing half left behind."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import apt
from bakery.catalog.models import Series
from bakery.catalog.pins import Extra, Pin
from bakery.errors import BakeryError, DiskFullError, SourceError
from bakery.net import http
from bakery.sources import tarballs
from bakery.sources.tarballs import Sources
from bakery.workspace import Workspace

DATA = b"the tarball of a test " * 1000
AGAIN = "inv build --target=jammy --version={version}"


class House:
    """Everything that a fetch needs, with a list of what the user was told."""

    def __init__(self, workspace: Workspace, make_pin: Callable[..., Pin], make_series: Callable[..., Series]) -> None:
        self.workspace, self.make_pin, self.make_series = workspace, make_pin, make_series
        self.pin = make_pin("3.13.5", DATA)
        self.others: tuple[Pin, ...] = ()
        self.said: list[str] = []

    @property
    def folder(self) -> Path:
        return self.workspace.home / "sources" / self.pin.release

    def fetch(self, mirror: str | None = None) -> Path:
        series = self.make_series(self.pin, *self.others)
        return Sources(self.workspace, mirror, self.said.append).fetch(self.pin, series, AGAIN)

    def refused(self, mirror: str | None = None) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.fetch(mirror)
        assert caught.value.exit_code == 1
        return caught.value

    def left(self) -> list[str]:
        """Files in the cache, without locks."""
        found = (self.workspace.home / "sources").rglob("*")
        return sorted(
            str(one.relative_to(self.workspace.home)) for one in found if one.is_file() and one.suffix != ".lock"
        )


@pytest.fixture
def house(workspace: Workspace, pin: Callable[..., Pin], fake_series: Callable[..., Series]) -> House:
    return House(workspace, pin, fake_series)


@pytest.fixture
def python_org(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A loopback server in the place of python.org; it has nothing until a test gives it something."""
    server = serve()
    monkeypatch.setattr(tarballs, "PYTHON_ORG", server.url)
    return server


class FakePool:
    """Stands in for apt: answers like a host of Debian whose mirror has ``data``."""

    def __init__(self, data: bytes | None = None, error: str = "Could not resolve 'deb.example'") -> None:
        self.data, self.error, self.asked = data, error, list[str]()

    def host_mirror(self) -> apt.Mirror:
        return apt.Mirror("bookworm", {"": "http://deb.example/debian"})

    def download(self, uri: str, file: Path, sha256: str) -> None:
        self.asked.append(uri)
        if self.data is None:
            raise apt.AptError(f"apt-helper failed: E: {self.error}")
        if hashlib.sha256(self.data).hexdigest() != sha256:
            raise apt.AptError("apt-helper failed: E: Failed to fetch x  Hash Sum mismatch")
        file.write_bytes(self.data)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakePool]:
    """Puts a fake pool in the place of the host's Debian mirror."""

    def put(data: bytes | None = None, host: str = "debian", **more: Any) -> FakePool:
        fake = FakePool(data, **more)
        monkeypatch.setattr(apt, "host_mirror", fake.host_mirror)
        monkeypatch.setattr(apt, "download", fake.download)
        monkeypatch.setattr(apt, "host_id", lambda: host)
        return fake

    return put


PATH = "/3.13.5/Python-3.13.5.tar.xz"


def test_the_mirror_is_asked_first_and_then_nobody_else(house: House, serve: Any, python_org: Any, pool: Any) -> None:
    mirror, fake = serve({PATH: DATA}), pool(DATA)
    python_org.routes[PATH] = DATA
    house.pin = house.make_pin("3.13.5", DATA, pool="pool/p")
    folder = house.fetch(mirror.url)
    assert folder == house.folder
    assert [one.name for one in folder.iterdir()] == ["Python-3.13.5.tar.xz"]
    assert (folder / house.pin.file).read_bytes() == DATA
    assert mirror.asked == [f"GET {PATH}"]
    assert python_org.asked == [] and fake.asked == []
    assert house.said == [f"Python-3.13.5.tar.xz from the mirror {mirror.url}{PATH}, sha256 verified"]


def test_python_org_is_asked_where_the_mirror_does_not_have_it(house: House, serve: Any, python_org: Any) -> None:
    mirror = serve()
    python_org.routes[PATH] = DATA
    house.fetch(mirror.url)
    assert mirror.asked == [f"GET {PATH}", "GET /Python-3.13.5.tar.xz"]
    assert python_org.asked == [f"GET {PATH}"]
    assert house.left() == ["sources/3.13.5/Python-3.13.5.tar.xz"]
    assert "from python.org" in house.said[-1]


def test_the_pool_is_asked_last(house: House, serve: Any, python_org: Any, pool: Any) -> None:
    mirror, fake = serve(), pool(DATA)
    house.pin = house.make_pin("3.13.5", DATA, pool="pool/main/p/x.orig.tar.xz")
    house.fetch(mirror.url)
    assert len(mirror.asked) == 2 and len(python_org.asked) == 1
    assert fake.asked == ["http://deb.example/debian/pool/main/p/x.orig.tar.xz"]
    assert (house.folder / house.pin.file).read_bytes() == DATA
    assert "from the host's Debian mirror" in house.said[-1]


def test_a_release_without_a_path_in_the_pool_is_not_looked_for_there(house: House, python_org: Any, pool: Any) -> None:
    fake = pool(DATA)
    house.refused()
    assert fake.asked == []


def test_a_pre_release_lies_in_the_folder_of_its_final_release(house: House, python_org: Any) -> None:
    house.pin = house.make_pin("3.15.0b3", DATA)
    python_org.routes["/3.15.0/Python-3.15.0b3.tar.xz"] = DATA
    assert house.fetch().name == "3.15.0b3"


@pytest.mark.parametrize("path", [PATH, "/Python-3.13.5.tar.xz"])
def test_a_mirror_may_have_a_folder_for_each_release_or_none(
    house: House, serve: Any, python_org: Any, path: str
) -> None:
    mirror = serve({f"/ftp/python{path}": DATA})
    house.fetch(f"{mirror.url}/ftp/python/")
    assert python_org.asked == []
    assert house.left() == ["sources/3.13.5/Python-3.13.5.tar.xz"]


@pytest.mark.parametrize("inner", ["3.13.5", "."])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_mirror_may_be_a_folder_with_spaces_in_its_path(
    house: House, python_org: Any, tmp_path: Path, inner: str, scheme: str
) -> None:
    folder = tmp_path / "my own  mirror"
    (folder / inner).mkdir(parents=True)
    (folder / inner / house.pin.file).write_bytes(DATA)
    house.fetch(f"{scheme}{folder}")
    assert python_org.asked == []
    assert (house.folder / house.pin.file).read_bytes() == DATA
    assert (folder / inner / house.pin.file).exists()


def test_a_folder_in_the_users_home_may_begin_with_a_tilde(
    house: House, python_org: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / house.pin.file).write_bytes(DATA)
    house.fetch("~/mirror")
    assert python_org.asked == []


def test_a_folder_without_the_file_passes_on_to_the_next(house: House, python_org: Any, tmp_path: Path) -> None:
    python_org.routes[PATH] = DATA
    house.fetch(str(tmp_path / "empty"))
    assert len(python_org.asked) == 1


def test_a_provider_that_does_not_answer_in_time_passes_on_to_the_next(
    house: House, serve: Any, python_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (2.0, 0.4))
    mirror = serve(default=lambda request: request.server.told.released.wait(10) and 404)
    python_org.routes[PATH] = DATA
    house.fetch(mirror.url)
    assert house.left() == ["sources/3.13.5/Python-3.13.5.tar.xz"]
    assert "from python.org" in house.said[-1]


def test_a_provider_that_stops_in_the_middle_passes_on_to_the_next(
    house: House, serve: Any, python_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (2.0, 0.4))

    def stall(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])
        request.wfile.flush()
        request.server.told.released.wait(10)

    mirror = serve(default=stall)
    python_org.routes[PATH] = DATA
    house.fetch(mirror.url)
    assert house.left() == ["sources/3.13.5/Python-3.13.5.tar.xz"]


def test_a_connection_dropped_midway_passes_on_and_leaves_no_part(house: House, serve: Any, python_org: Any) -> None:
    def drop(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:1000])

    mirror = serve(default=drop)
    error = house.refused(mirror.url)
    assert str(error).count("cannot be reached") == 2
    assert house.left() == []
    python_org.routes[PATH] = DATA
    house.fetch(mirror.url)
    assert (house.folder / house.pin.file).read_bytes() == DATA


def test_a_file_that_is_too_large_is_not_taken_to_its_end(
    house: House, python_org: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tarballs, "MAX_BYTES", 1000)
    python_org.routes[PATH] = DATA
    assert "python.org: sent more than 1000 bytes" in str(house.refused())
    assert house.left() == []


@pytest.mark.parametrize(
    "wrong", [b"<html><body>Please log in</body></html>", DATA[:-1], b""], ids=["html", "short", "empty"]
)
def test_other_bytes_end_the_build_and_nobody_else_is_asked(
    house: House, serve: Any, python_org: Any, pool: Any, wrong: bytes
) -> None:
    mirror, fake = serve({PATH: (200, wrong, {"Content-Type": "text/html"})}), pool(DATA)
    python_org.routes[PATH] = DATA
    error = house.refused(mirror.url)
    for words in (
        "Python-3.13.5.tar.xz", f"the mirror {mirror.url}{PATH}", f"expected sha256 {house.pin.sha256}",
        f"found {hashlib.sha256(wrong).hexdigest()}", f"({len(wrong)} bytes)", "nothing was built",
    ):  # fmt: skip
        assert words in error.message
    assert house.left() == []
    assert not house.folder.exists()
    assert python_org.asked == [] and fake.asked == []


def test_other_bytes_from_python_org_leave_no_folder(house: House, serve: Any, python_org: Any) -> None:
    python_org.routes[PATH] = b"other"
    assert "from python.org is not the pinned file" in str(house.refused(serve().url))
    assert house.left() == []


def test_other_bytes_in_the_pool_end_the_build(house: House, python_org: Any, pool: Any) -> None:
    pool(b"other")
    house.pin = house.make_pin("3.13.5", DATA, pool="pool/p")
    error = house.refused()
    for words in ("host's Debian mirror is not the pinned file", "Hash Sum mismatch", house.pin.sha256):
        assert words in error.message
    assert house.left() == []


def test_a_corrupt_tarball_in_the_cache_is_told_removed_and_fetched_again(house: House, python_org: Any) -> None:
    python_org.routes[PATH] = DATA
    house.fetch()
    (house.folder / house.pin.file).write_bytes(DATA[:100])
    house.said.clear()
    house.fetch()
    assert "corrupt in the cache" in house.said[0]
    assert house.pin.sha256 in house.said[0] and hashlib.sha256(DATA[:100]).hexdigest() in house.said[0]
    assert (house.folder / house.pin.file).read_bytes() == DATA
    assert len(python_org.asked) == 2


def test_a_corrupt_tarball_does_not_stay_where_nobody_has_it(house: House, python_org: Any) -> None:
    house.folder.mkdir(parents=True)
    (house.folder / house.pin.file).write_bytes(b"corrupt")
    house.refused()
    assert house.left() == []


def test_a_second_fetch_asks_nobody(house: House, python_org: Any) -> None:
    python_org.routes[PATH] = DATA
    house.fetch()
    before = (house.folder / house.pin.file).stat().st_mtime_ns
    house.said.clear()
    assert house.fetch("http://127.0.0.1:9") == house.folder
    assert len(python_org.asked) == 1
    assert house.said == []
    assert (house.folder / house.pin.file).stat().st_mtime_ns == before


def test_where_nobody_has_it_each_provider_is_named_with_its_reason(
    house: House, serve: Any, nowhere: str, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve({PATH: 503})
    monkeypatch.setattr(tarballs, "PYTHON_ORG", nowhere)
    pool(error="Could not resolve 'deb.example'")
    house.pin = house.make_pin("3.13.5", DATA, pool="pool/p")
    error = house.refused(mirror.url)
    assert error.message.splitlines()[0] == "no provider has Python-3.13.5.tar.xz:"
    lines = [line.strip() for line in error.message.splitlines()[1:]]
    assert lines[0] == f"the mirror {mirror.url}{PATH}: answered 503 for {mirror.url}{PATH}"
    assert lines[1].endswith(f"answered 404 for {mirror.url}/Python-3.13.5.tar.xz")
    assert lines[2].startswith("python.org: cannot be reached (") and "refused" in lines[2]
    assert lines[3].startswith("the host's Debian mirror: ") and "Could not resolve" in lines[3]
    assert "--mirror=" in error.hint


def test_on_another_distribution_the_pool_says_why_it_cannot_help(house: House, python_org: Any, pool: Any) -> None:
    fake = pool(DATA, host="ubuntu")
    house.pin = house.make_pin("3.13.5", DATA, pool="pool/p")
    assert "this host's apt reaches ubuntu packages, not Debian's" in str(house.refused())
    assert fake.asked == []


def test_another_release_in_the_cache_is_offered_with_the_exact_command(house: House, python_org: Any) -> None:
    older, broken = house.make_pin("3.13.4", b"older"), house.make_pin("3.13.6", b"newer")
    for one, data in ((older, b"older"), (broken, b"corrupt")):
        folder = house.workspace.home / "sources" / one.release
        folder.mkdir(parents=True)
        (folder / one.file).write_bytes(data)
    house.others = (broken, older)
    assert house.refused().hint.endswith("3.13.4 of the same series can be had: " + AGAIN.format(version="3.13.4"))


@pytest.mark.parametrize(("served", "offered"), [(True, True), (False, False)])
def test_another_release_in_the_pool_is_offered_only_if_it_is_served(
    house: House, serve: Any, python_org: Any, pool: Any, monkeypatch: pytest.MonkeyPatch, served: bool, offered: bool
) -> None:
    mirror = serve({"/debian/pool/p": b"x"} if served else {})
    pool()
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": f"{mirror.url}/debian"}))
    house.others = (house.make_pin("3.13.2", b"other", pool="pool/p"),)
    assert ("3.13.2 of the same series" in house.refused().hint) is offered
    assert mirror.asked == ["HEAD /debian/pool/p"]


def test_leftovers_of_a_killed_process_are_swept(house: House, python_org: Any) -> None:
    stale = house.workspace.home / "sources" / ".3.13.5.abc.partial"
    stale.mkdir(parents=True)
    (stale / "half").write_bytes(b"x")
    foreign = house.workspace.home / "sources" / ".3.13.50.abc.partial"
    foreign.mkdir()
    python_org.routes[PATH] = DATA
    house.fetch()
    assert not stale.exists()
    assert foreign.exists()


def test_two_builds_at_once_download_once(house: House, python_org: Any) -> None:
    started, go = threading.Event(), threading.Event()

    def slow(_: Any) -> bytes:
        started.set()
        go.wait(10)
        return DATA

    python_org.routes[PATH] = slow
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(house.fetch())) for _ in range(2)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    while not any("waiting" in line for line in house.said):
        assert threads[1].is_alive()
    go.set()
    for thread in threads:
        thread.join(10)
    assert folders == [house.folder, house.folder]
    assert len(python_org.asked) == 1
    assert f"waiting: another process (pid {os.getpid()}) is busy with Python-3.13.5.tar.xz" in house.said


def test_a_full_disk_is_told_as_such(house: House, python_org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(http, "download", full)
    with pytest.raises(DiskFullError, match="no space left on the file system of"):
        house.fetch()
    assert house.left() == []


def test_a_tarball_is_taken_as_it_is_where_the_server_calls_it_encoded(house: House, python_org: Any) -> None:
    data = gzip.compress(DATA, mtime=0)
    house.pin = house.make_pin("3.13.5", data)
    python_org.routes[PATH] = (200, data, {"Content-Encoding": "x-gzip"})
    house.fetch()
    assert (house.folder / house.pin.file).read_bytes() == data


def test_a_mirror_folder_that_cannot_be_read_passes_on_to_the_next(
    house: House, python_org: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / house.pin.file).write_bytes(DATA)
    python_org.routes[PATH] = DATA

    def denied(source: Path, _: Path) -> None:
        raise PermissionError(13, "Permission denied", str(source))

    monkeypatch.setattr("shutil.copyfile", denied)  # root may read everything, so the refusal is a fake
    house.fetch(str(tmp_path))


def test_a_mirror_that_is_no_url_is_an_error_of_ours(house: House, python_org: Any) -> None:
    house.refused("http://[::1/python")


def test_where_nobody_has_it_no_empty_folder_is_left(house: House, python_org: Any) -> None:
    house.refused()
    assert not house.folder.exists()


def test_a_cache_that_cannot_be_written_is_an_error_of_ours(house: House, python_org: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    house.workspace = Workspace(root=house.workspace.root, home=tmp_path / "file" / "home")
    with pytest.raises(BakeryError, match="Not a directory"):
        house.fetch()


@pytest.fixture
def extra() -> Extra:
    digest = hashlib.sha256(DATA).hexdigest()
    return Extra("wheel", "python3-wheel-whl.deb", digest, "tests", "pool/main/w/wheel/x.deb", len(DATA))


def with_extra(house: House, extra: Extra) -> Series:
    return dataclasses.replace(house.make_series(house.pin), extras=(extra,))


def test_the_extras_of_a_series_come_from_the_mirror_verified(house: House, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA)
    folder = Sources(house.workspace, str(tmp_path), house.said.append).extras(with_extra(house, extra))
    assert [file.read_bytes() for file in folder.iterdir()] == [DATA]


def test_an_extra_with_other_bytes_ends_the_build(house: House, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA[:-1])
    with pytest.raises(SourceError, match=extra.sha256):
        Sources(house.workspace, str(tmp_path), house.said.append).extras(with_extra(house, extra))


def test_an_extra_that_nobody_has_names_the_file_and_the_series(
    house: House, extra: Extra, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "host_mirror", FakePool().host_mirror)
    monkeypatch.setattr(apt, "host_id", lambda: "fedora")
    with pytest.raises(SourceError, match=r"python3-wheel-whl\.deb, which 3\.13 needs"):
        Sources(house.workspace, None, house.said.append).extras(with_extra(house, extra))


def test_what_was_changed_in_the_folder_of_extras_is_mended(house: House, extra: Extra, tmp_path: Path) -> None:
    (tmp_path / extra.file).write_bytes(DATA)
    one = Sources(house.workspace, str(tmp_path), house.said.append)
    folder = one.extras(with_extra(house, extra))
    (folder / extra.file).write_bytes(b"")
    (folder / "stray").touch()
    assert [file.read_bytes() for file in one.extras(with_extra(house, extra)).iterdir()] == [DATA]


def test_a_series_without_extras_has_an_empty_folder_and_asks_nobody(house: House) -> None:
    folder = Sources(house.workspace, "http://127.0.0.1:9", house.said.append).extras(house.make_series(house.pin))
    assert list(folder.iterdir()) == []
