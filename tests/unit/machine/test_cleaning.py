"""`inv clean` removes each kind separately, and nothing that was not selected."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bakery.engine.embedded import Embedded
from bakery.engine.engine import EngineImage
from bakery.errors import BakeryError, NothingSelected
from bakery.machine import cleaning
from bakery.machine.cleaning import KINDS, Removal, clean, removals, remove
from bakery.workspace import Workspace

PATHS = {
    "logs": ["build"],
    "sources": ["home/sources"],
    "layers": ["home/layers"],
    "bases": ["home/bases"],
    "engine": ["home/engine", "home/apt", "home/tools"],
    "environments": ["home/environments", "home/python"],
}


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A clone and a cache with files of every kind, and no engine."""
    for path in (*(path for paths in PATHS.values() for path in paths), "home/keep", "bakery"):
        (tmp_path / path / "inner").mkdir(parents=True)
        (tmp_path / path / "inner" / "file").touch()
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    monkeypatch.setattr(Embedded, "down", lambda _: False)
    return Workspace(root=tmp_path, home=tmp_path / "home")


class FakeEngine:
    """An engine with two images of this tool; ``calls`` records what it had to do."""

    host = "tcp://fake"

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def images(self, label: str) -> list[EngineImage]:
        self.calls.append(("images", label))
        return [EngineImage("sha256:tagged", ("infra7/python:a", "infra7/python:b")), EngineImage("sha256:untagged")]

    def remove(self, name: str) -> None:
        self.calls.append(("remove", name))

    def prune(self) -> None:
        self.calls.append(("prune",))


def test_kinds_of_removals() -> None:
    assert set(KINDS) == {"logs", "images", "cache", "sources", "layers", "bases", "engine", "environments"}


@pytest.mark.parametrize("kind", PATHS)
def test_kind_removes_only_its_own_paths(clone: Workspace, kind: str) -> None:
    found = list(removals(clone, (kind,)))
    assert [(removal.kind, removal.path) for removal in found] == [(kind, clone.root / path) for path in PATHS[kind]]
    assert [removal.name for removal in found] == [str(removal.path) for removal in found]
    for removal in found:
        remove(clone, removal)
    left = {path for paths in PATHS.values() for path in paths if (clone.root / path).exists()}
    assert left == {path for other, paths in PATHS.items() for path in paths if other != kind}
    assert (clone.root / "bakery" / "inner" / "file").exists() and (clone.home / "keep" / "inner" / "file").exists()


def test_listing_removes_and_starts_nothing(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    before = sorted(clone.root.rglob("*"))
    assert len(list(removals(clone, tuple(KINDS)))) == 9
    assert sorted(clone.root.rglob("*")) == before


def test_missing_paths_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: None)
    assert list(removals(Workspace(tmp_path / "a", tmp_path / "b"), tuple(KINDS))) == []


def test_engine_is_contacted_only_if_needed(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: pytest.fail("contacted"))
    assert list(removals(clone, ("logs", "sources", "bases", "engine")))


def test_only_images_of_this_tool_are_removed_under_all_their_names(
    clone: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeEngine()
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: fake)
    found = list(removals(clone, ("images",)))
    assert fake.calls == [("images", "io.github.infra7.python.target")]
    assert [removal.name for removal in found] == ["infra7/python:a", "infra7/python:b", "sha256:untagged"]
    for removal in found:
        remove(clone, removal)
    assert fake.calls[1:] == [("remove", removal.name) for removal in found]


def test_whole_build_cache_is_pruned(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeEngine()
    monkeypatch.setattr(cleaning, "running_engine", lambda *_: fake)
    (removal,) = removals(clone, ("cache",))
    assert "tcp://fake" in removal.name
    remove(clone, removal)
    assert fake.calls == [("prune",)]


def test_stopped_engine_has_nothing_to_remove(clone: Workspace) -> None:
    remove(clone, Removal("images", "infra7/python:a"))


def test_embedded_engine_is_stopped_before_its_folder_is_removed(
    clone: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    existed: list[bool] = []
    monkeypatch.setattr(Embedded, "down", lambda self: existed.append(self.folder.exists()))
    remove(clone, next(iter(removals(clone, ("engine",)))))
    assert existed == [True]
    assert not (clone.home / "engine").exists()


def test_failed_removal_is_reported(clone: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(BakeryError, match="could not be removed completely"):
        remove(clone, next(iter(removals(clone, ("sources",)))))


def test_clean_reports_each_removal_and_dry_only_reports(clone: Workspace) -> None:
    messages: list[str] = []
    sources = clone.home / "sources"
    clean(clone, ["sources"], messages.append, dry=True)
    assert sources.exists()
    clean(clone, ["sources"], messages.append)
    assert not sources.exists()
    assert messages == [f"would remove sources: {sources}", f"removing sources: {sources}"]


def test_clean_without_a_kind_lists_all_kinds(clone: Workspace) -> None:
    with pytest.raises(NothingSelected) as caught:
        clean(clone, [], print)
    assert all(f"--{kind}" in caught.value.message for kind in (*KINDS, "all"))
