"""Unpacked programs are not run if they have changed: the change is reported, and they are unpacked again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.bases import apt
from bakery.bases.base_images import BaseResolver
from bakery.catalog.models import Catalog
from bakery.checksums import checked_folder, is_intact
from bakery.engine.embedded import Embedded
from bakery.errors import BakeryError
from bakery.workspace import Workspace


def swap_folder(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("other"))
    (folder.with_name("other") / "bin/tool").write_text("other")
    shutil.rmtree(folder)
    folder.with_name("other").rename(folder)


def replace_by_link(folder: Path) -> None:
    (folder / "bin/tool").rename(folder.parent / "elsewhere")
    (folder / "bin/tool").symlink_to(folder.parent / "elsewhere")


def replace_by_fifo(folder: Path) -> None:
    (folder / "bin/tool").unlink()
    os.mkfifo(folder / "bin/tool")


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda folder: (folder / "bin/tool").write_text("TOOL"),
    "emptied": lambda folder: (folder / "bin/tool").write_text(""),
    "removed": lambda folder: (folder / "bin/tool").unlink(),
    "added": lambda folder: (folder / "bin/more").write_text(""),
    "a link": replace_by_link,
    "a FIFO": replace_by_fifo,
    "another target": lambda folder: ((folder / "bin/link").unlink(), (folder / "bin/link").symlink_to("/bin/sh")),
    "writable by others": lambda folder: (folder / "bin/tool").chmod(0o777),
    "a folder writable by others": lambda folder: (folder / "bin").chmod(0o777),
    "swapped": swap_folder,
    "no checksums": lambda folder: folder.with_name("root.checksums").unlink(),
    "checksums of something else": lambda folder: folder.with_name("root.checksums").write_text("[1]"),
    "nested checksums": lambda folder: folder.with_name("root.checksums").write_text("[" * 100_000),
}


class FakeApt:
    """An archive whose packages consist of one program."""

    unpacked = 0

    def __init__(self, *_: object) -> None: ...

    def update(self) -> None: ...

    def candidate(self, package: str) -> str:
        return "26.1.5"

    def unpack(self, packages: object, into: Path) -> None:
        type(self).unpacked += 1
        for folder in (into / "bin", into / "usr/bin"):
            folder.mkdir(parents=True, exist_ok=True)
        for tool in (into / "bin/tool", into / "usr/bin/mmdebstrap"):
            tool.write_text("tool")
        if not (into / "bin/link").is_symlink():
            (into / "bin/link").symlink_to("tool")


@pytest.fixture
def fake_apt(monkeypatch: pytest.MonkeyPatch) -> type[FakeApt]:
    monkeypatch.setattr(FakeApt, "unpacked", 0)
    monkeypatch.setattr(apt, "PrivateApt", FakeApt)
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": "http://deb.example/debian"}))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return FakeApt


@pytest.mark.parametrize("change", CHANGES)
def test_the_engines_programs_are_unpacked_again_if_they_have_changed(
    change: str, workspace: Workspace, fake_apt: type[FakeApt]
) -> None:
    messages: list[str] = []
    engine = Embedded(workspace, messages.append)
    engine.prepare()
    engine.prepare()
    assert fake_apt.unpacked == 2  # the packages of two suites
    messages.clear()
    CHANGES[change](engine.root)
    engine.prepare()
    assert "is not what was unpacked there" in messages[0] and fake_apt.unpacked == 4
    assert (engine.root / "bin/tool").read_text() == "tool" and is_intact(engine.root, pytest.fail)


def test_the_programs_that_make_bases_are_checked_before_they_run(
    workspace: Workspace, catalog: Catalog, fake_apt: type[FakeApt]
) -> None:
    messages: list[str] = []
    resolver = BaseResolver(workspace, catalog, tell=messages.append)
    archive = catalog.families[0].archive
    folder, _ = resolver._tools(apt.host_mirror(), archive)
    assert resolver._tools(apt.host_mirror(), archive)[0] == folder and fake_apt.unpacked == 1 and messages == []
    (folder / "usr/bin/mmdebstrap").write_text("")
    resolver._tools(apt.host_mirror(), archive)
    assert (folder / "usr/bin/mmdebstrap").read_text() == "tool" and "usr/bin/mmdebstrap" in messages[0]


def test_a_link_in_place_of_the_folder_is_refused(
    tmp_path: Path, fake_apt: type[FakeApt], workspace: Workspace
) -> None:
    engine = Embedded(workspace, lambda _: None)
    engine.prepare()
    engine.root.rename(tmp_path / "elsewhere")
    engine.root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BakeryError, match="root is a symbolic link: expected a folder"):
        engine.prepare()


def test_a_failed_unpacking_leaves_what_was_there(tmp_path: Path) -> None:
    with checked_folder(tmp_path / "root") as stage:
        (stage / "tool").write_text("1")
    with pytest.raises(ZeroDivisionError), checked_folder(tmp_path / "root"):
        _ = 1 / 0
    assert is_intact(tmp_path / "root", pytest.fail)
