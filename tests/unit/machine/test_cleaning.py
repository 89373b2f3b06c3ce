"""`inv clean` removes each kind separately, and nothing that was not selected."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.build.inputs import InputResolver
from bakery.catalog.models import Catalog, Image
from bakery.engine.embedded import Embedded
from bakery.engine.engine import EngineImage
from bakery.errors import BakeryError, NothingSelected
from bakery.files import IN_USE, holder_of, locked
from bakery.machine import cleaning
from bakery.machine.cleaning import CREATED, FOLDERS, KINDS, clean, removals
from bakery.options import Building
from bakery.platforms import AMD64
from bakery.workspace import Workspace

PATHS = {
    "logs": ["build"],
    "sources": ["home/sources", "home/bench"],
    "layers": ["home/layers"],
    "bases": ["home/bases"],
    "engine": ["home/engine", "home/apt", "home/tools"],
    "environments": ["home/environments", "home/python"],
}

MADE = (
    "build/logs/3.13-bookworm.log", "build/logs/3.13-bookworm.lock", "build/records/3.13-bookworm.json",
    "build/bench/a.json", "build/verify/a", "build/packages/3.13-bookworm/packages.list", "build/site/index.html",
    "home/bench/cpython-313-f30d0d0a-linux-x86_64/a.tar", "home/bench/another/daemon.json", "home/bench/lock",
    "build/3.13-bookworm.oci.tar", "build/3.13-bookworm.packed.tar",
    "build/3.13-bookworm.attested.tar", "build/.3.13.x.partial/a", "home/sources/3.13.15/Python-3.13.15.tar.xz",
    "home/sources/3.15.0b3.lock", "home/sources/extras-wheel/a.deb", "home/sources/extras/.keep",
    "home/sources/local-36bbc26e438e9163/a", "home/sources/signatures/a.none", "home/sources/.3.13.5.x.partial/a",
    "home/sources/python3-wheel-whl_0.38.4-2_all.deb/a", "home/layers/zstd-1.5.7-19/a", "home/layers/gzip-1.2.13-9/a",
    "home/layers/gzip-1.25-None/a", "home/layers/attested/sha256-1", "home/bases/bookworm-amd64/base.json",
    "home/bases/user-0123456789abcdef-arm64/base.json", "home/bases/bookworm-amd64.lock",
    "home/bases/.folder.x.partial/rootfs.tar", "home/engine/root/usr/bin/dockerd", "home/engine/data/a",
    "home/engine/daemon.json", "home/engine/dockerd.log", "home/engine/dockerd.log.1", "home/engine/root.checksums",
    "home/apt/bookworm/apt.conf",
    "home/apt/outdated-bookworm-amd64/apt.conf", "home/apt/outdated-bookworm-amd64.lock",
    "home/tools/mmdebstrap-bookworm/a", "home/tools/bases-bookworm/a", "home/tools/bases-bookworm.checksums",
    "home/tools/docker-registry/a", "home/environments/1945188136/a",
    "home/python/usr/bin/python3", "home/python/ca-certificates.crt",
)  # fmt: skip
"""What the tool makes in these folders."""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A clone and a cache with files of every kind, and no engine."""
    for path in (*MADE, "home/keep/inner/file", "bakery/inner/file"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    monkeypatch.setattr(Embedded, "down", lambda _: False)
    return Workspace(root=tmp_path, home=tmp_path / "home")


class FakeEngine:
    """An engine with images of this tool and of others; ``calls`` records what it had to do."""

    host = "tcp://fake"

    def __init__(self, kind: str = "DOCKER_HOST") -> None:
        self.kind, self.calls = kind, list[tuple[str, ...]]()

    def images(self, label: str) -> list[EngineImage]:
        self.calls.append(("images", label))
        created = "2026-08-05T00:00:00Z"
        labels = {CREATED: created}
        return [
            EngineImage(
                "sha256:ours", ("infra7/python:3.13", "infra7/python:3.13.15", "shop:base"), labels, AMD64, created
            ),
            EngineImage("sha256:untagged", (), labels, AMD64, created),
            EngineImage("sha256:reference", ("reference/python:3.13",), labels, AMD64, "2026-07-11T10:16:37Z"),
            EngineImage(
                "sha256:suite", ("infra7/python-regrtest:3.13.15-bookworm",), {}, AMD64, "2026-07-11T10:16:37Z"
            ),
            # FROM infra7/python, which inherits the labels:
            EngineImage("sha256:shop", ("shop:1", "infra7/python:shop"), labels, AMD64, "2026-11-28T05:02:51.98Z"),
            EngineImage("sha256:stage", (), labels, AMD64, "2026-11-28T05:02:51.98Z"),
        ]

    def remove(self, name: str) -> None:
        self.calls.append(("remove", name))

    def prune(self) -> None:
        self.calls.append(("prune",))


def test_kinds_of_removals() -> None:
    assert set(KINDS) == {"logs", "images", "cache", "sources", "layers", "bases", "engine", "environments"}


@pytest.mark.parametrize("kind", PATHS)
def test_kind_removes_only_its_own_paths(clone: Workspace, kind: str) -> None:
    found = list(removals(clone, (kind,)))
    assert [removal[:2] for removal in found] == [(kind, str(clone.root / path)) for path in PATHS[kind]]
    for removal in found:
        removal.remove()
    left = {path for paths in PATHS.values() for path in paths if (clone.root / path).exists()}
    assert left == {path for other, paths in PATHS.items() for path in paths if other != kind}
    assert (clone.root / "bakery" / "inner" / "file").exists() and (clone.home / "keep" / "inner" / "file").exists()


def test_listing_removes_and_starts_nothing(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    before = sorted(clone.root.rglob("*"))
    assert len(list(removals(clone, tuple(KINDS)))) == 10
    assert sorted(clone.root.rglob("*")) == before


def test_every_folder_that_the_code_writes_to_belongs_to_a_kind(root: Path) -> None:
    files = (*root.glob("bakery/**/*.py"), *root.glob("commands/*.py"))
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    cached, built = (set(re.findall(rf'{name} / "(\w+)"', code)) for name in (r"workspace\.home", r"\.build"))
    built |= set(re.findall(r'"build/(\w+)', code))
    assert {"sources", "bench"} <= cached and {"logs", "packages", "site"} <= built
    assert cached <= {name for folders in FOLDERS.values() for name in folders}
    assert [name for name in built if not re.fullmatch(FOLDERS["logs"]["build"], name)] == []


def test_missing_paths_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    assert list(removals(Workspace(tmp_path / "a", tmp_path / "b"), tuple(KINDS))) == []


def test_engine_is_contacted_only_if_needed(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: pytest.fail("contacted"))
    assert list(removals(clone, ("logs", "sources", "bases", "engine")))


def test_only_images_of_this_tool_are_removed_and_none_that_are_based_on_them(
    clone: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeEngine()
    monkeypatch.setattr(cleaning, "load_catalog", lambda _: catalog)
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: fake)
    found = list(removals(clone, ("images",)))
    assert fake.calls == [("images", "io.github.infra7.python.target")]
    assert [removal.name for removal in found] == [
        "infra7/python:3.13", "infra7/python:3.13.15", "sha256:untagged", "reference/python:3.13",
        "infra7/python-regrtest:3.13.15-bookworm",
    ]  # fmt: skip
    for removal in found:
        removal.remove()
    assert fake.calls[1:] == [("remove", removal.name) for removal in found]


def test_whole_build_cache_is_pruned(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeEngine()
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: fake)
    (removal,) = removals(clone, ("cache",))
    assert "tcp://fake" in removal.name
    removal.remove()
    assert fake.calls == [("prune",)]


@pytest.mark.parametrize(("kind", "kinds"), [("embedded", {"engine"}), ("system", {"engine", "images", "cache"})])
def test_what_the_embedded_engine_holds_is_removed_with_its_folder(
    clone: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, kind: str, kinds: set[str]
) -> None:
    monkeypatch.setattr(cleaning, "load_catalog", lambda _: catalog)
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: FakeEngine(kind))
    assert {removal.kind for removal in removals(clone, ("images", "cache", "engine"))} == kinds


def test_embedded_engine_is_stopped_before_its_folder_is_removed(
    clone: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    existed: list[bool] = []
    monkeypatch.setattr(Embedded, "down", lambda self: existed.append(self.folder.exists()))
    next(removals(clone, ("engine",))).remove()
    assert existed == [True]
    assert not (clone.home / "engine").exists()


def test_failed_removal_is_reported(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "unlink", denied)
    with pytest.raises(BakeryError, match="could not be removed completely: Read-only file system"):
        next(removals(clone, ("layers",))).remove()


def test_clean_reports_each_removal_and_dry_only_reports(clone: Workspace) -> None:
    messages: list[str] = []
    layers = clone.home / "layers"
    clean(clone, ["layers"], messages.append, dry=True)
    assert layers.exists()
    clean(clone, ["layers"], messages.append)
    assert not layers.exists()
    assert messages == [f"would remove layers: {layers}", f"removing layers: {layers}"]


def test_clean_without_a_kind_lists_all_kinds(clone: Workspace) -> None:
    with pytest.raises(NothingSelected) as caught:
        clean(clone, [], print)
    assert all(f"--{kind}" in caught.value.message for kind in (*KINDS, "all"))


@pytest.mark.parametrize("kind", PATHS)
def test_files_that_others_made_are_kept_and_reported(clone: Workspace, kind: str) -> None:
    messages = list[str]()
    folders = [clone.root / path for path in PATHS[kind]]
    for folder in folders:
        (folder / "notes" / "3.13.5").mkdir(parents=True)
        (folder / "notes" / "3.13.5" / "thesis.txt").touch()
        (folder / "mine.txt").touch()
    clean(clone, [kind], messages.append)
    for folder in folders:
        assert sorted(path.name for path in folder.rglob("*")) == ["3.13.5", "mine.txt", "notes", "thesis.txt"]
        for name in ("mine.txt", "notes"):
            assert f"kept {folder / name}: this tool did not make it" in messages


def test_links_are_removed_but_not_followed(clone: Workspace, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (clone.home / "sources" / "3.13.5").symlink_to(tmp_path / "precious")
    clean(clone, ["sources"], print)
    assert not (clone.home / "sources").exists() and (tmp_path / "precious" / "file").exists()
    (clone.home / "sources").symlink_to(tmp_path / "precious")
    with pytest.raises(BakeryError, match="sources is a symbolic link: expected a folder"):
        clean(clone, ["sources"], print)
    assert (tmp_path / "precious" / "file").exists()


def test_nothing_is_removed_from_a_file_system_that_is_mounted_in_the_cache(
    clone: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = clone.home / "sources" / "3.13.15"
    monkeypatch.setattr(cleaning, "mount_points", lambda: ["/", str(point)])
    with pytest.raises(BakeryError, match=f"a file system is mounted at {point}\n") as caught:
        clean(clone, ["sources"], print)
    assert caught.value.hint.endswith(f"umount {point}") and any(point.iterdir())
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "layers")
    clean(clone, ["layers"], print)
    assert list((clone.home / "layers").iterdir()) == []


def test_a_folder_that_another_process_removed_is_not_an_error(clone: Workspace) -> None:
    found = list(removals(clone, ("layers",)))
    shutil.rmtree(clone.home / "layers")
    assert found[0].remove() == []


@pytest.mark.parametrize(
    ("kind", "lock"),
    [
        ("logs", "build/logs/3.13-bookworm.lock"), ("sources", "home/sources/3.13.5.lock"),
        ("sources", "home/bench/lock"),
        ("bases", "home/bases/bookworm-amd64.lock"), ("engine", "home/engine.lock"),
    ],
)  # fmt: skip
def test_folder_in_which_another_command_works_is_kept(clone: Workspace, kind: str, lock: str) -> None:
    folder = (clone.root / lock).parent
    before = set(folder.rglob("*"))
    with (
        locked(clone.root / lock, "a build", print),
        pytest.raises(BakeryError, match=rf"is not removed: process {os.getpid()} uses it"),
    ):
        clean(clone, [kind], print)
    assert before <= set(folder.rglob("*"))
    clean(clone, [kind], print)


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind != "logs"])
def test_nothing_is_removed_from_a_cache_that_builds_read(clone: Workspace, catalog: Catalog, kind: str) -> None:
    def started() -> InputResolver:
        build = InputResolver(clone, catalog, Building(), "inv build")
        build._use_cache(pytest.fail)
        return build

    builds = [started(), started()]
    before = set(clone.home.rglob("*"))
    while builds:
        with pytest.raises(BakeryError, match=r"is not removed: another process uses it \(use\.lock\)"):
            clean(clone, [kind], print)
        assert set(clone.home.rglob("*")) == before
        builds.pop()
    clean(clone, [kind], print)


@pytest.mark.parametrize("method", ["resolve", "base"])
def test_a_build_uses_the_cache_from_its_first_input_on(
    clone: Workspace, catalog: Catalog, image: Callable[..., Image], method: str
) -> None:
    inputs = InputResolver(clone, catalog, Building(base="/nowhere"), "inv build")
    assert not holder_of(clone.home / IN_USE)
    with pytest.raises(BakeryError):
        inputs.resolve(image("3.13"), print, print) if method == "resolve" else inputs.base(image("3.13"), print)
    assert holder_of(clone.home / IN_USE) == "another process"


def test_a_build_that_begins_while_a_cache_is_removed_waits(
    clone: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    build = InputResolver(clone, catalog, Building(), "inv build")
    thread = threading.Thread(target=build._use_cache, args=[told.append])

    def begin(*_: object) -> list[Path]:
        thread.start()
        thread.join(0.5)
        assert told == [f"waiting: another process (pid {os.getpid()}) is busy with the cache"]
        return []

    monkeypatch.setattr("bakery.machine.cleaning._remove_own", begin)
    clean(clone, ["layers"], print)
    thread.join(10)
    assert build.uses_cache
