"""A push after a file of the cache was changed: what is pushed is what was built, or nothing, and the user sees why."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import BaseResolver
from bakery.engine.engine import Engine
from bakery.errors import BakeryError
from bakery.oci.compression import decompressed
from bakery.publish.push import Pusher, open_repository
from bakery.records import write_record
from bakery.workspace import Workspace
from tests.records import recorded, run_of_tests

from .fixtures import SALT, Bench
from .registry import tags, whole

pytestmark = pytest.mark.engine


def _link(file: Path) -> None:
    file.rename(file.with_name(f"{file.name}.real"))
    file.symlink_to(f"{file.name}.real")


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "changed": lambda file, _: file.write_bytes(file.read_bytes()[:-3] + b"XYZ"),
    "emptied": lambda file, _: file.write_bytes(b""),
    "swapped": lambda file, other: file.write_bytes(other.read_bytes()),
    "removed": lambda file, _: file.unlink(),
}


def files_of(home: Path) -> list[Path]:
    """The files of the cache; a lock has no content that counts."""
    return [file for file in sorted(home.rglob("*")) if file.is_file() and file.suffix != ".lock"]


class Cached:
    """A clone with its own cache, in which a full build has left everything, and what it pushed."""

    def __init__(self, bench: Bench, registry: str) -> None:
        self.bench, self.registry, self.count, self.messages = bench, registry, 0, list[str]()
        self.home, self.was_damaged = bench.workspace.home, False
        self.build()
        self.pristine = self.home.with_name("pristine")
        shutil.copytree(self.home, self.pristine, symlinks=True)
        self.expected = self.push()

    def build(self) -> str:
        self.bench.shown.seek(0)
        self.bench.shown.truncate()
        (result,) = self.bench.builder("zstd:1").build([self.bench.image()])
        return result.error

    def push(self, *, tested: bool = True) -> dict[str, dict[str, str]]:
        """Push to a new repository; what each of its tags then is."""
        workspace, image = self.bench.workspace, self.bench.image()
        if tested:
            write_record(workspace, image, recorded(workspace, image), tests=run_of_tests(3))
        self.count += 1
        name = f"damage/{self.count}"
        self.messages.clear()
        repository = open_repository(f"{self.registry}/{name}", None, self.messages.append)
        pusher = Pusher(workspace, self.bench.catalog, repository, self.messages.append, stamp="1")
        try:
            pusher.tag(pusher.push_digests(self.bench.engine, [image]))
        finally:
            repository.transport.close()
        return {tag: whole(self.registry, name, tag) for tag in tags(self.registry, name)}

    def used(self, files: list[Path]) -> list[Path]:
        """Without the records of indexes that later builds have replaced in the engine."""
        ids = {image.id for image in self.bench.engine.images(name=self.bench.catalog.repository)}
        indexes = [file for file in files if re.fullmatch("sha256-[0-9a-f]{64}", file.name)]
        return [file for file in files if file not in indexes or file.name.replace("-", ":") in ids]

    def restore(self) -> None:
        for path in self.home.iterdir():
            path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
        shutil.copytree(self.pristine, self.home, symlinks=True, dirs_exist_ok=True)

    @property
    def told(self) -> str:
        return self.bench.shown.getvalue() + "\n".join(self.messages)


@pytest.fixture(autouse=True)
def restored(cached: Cached) -> Iterator[None]:
    """An intact cache for each test."""
    if cached.was_damaged:
        assert cached.build() == ""
        shutil.rmtree(cached.pristine)
        shutil.copytree(cached.home, cached.pristine, symlinks=True)
    cached.was_damaged = True
    yield
    cached.restore()


@pytest.fixture(scope="module")
def cached(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, resolution: Path, registry: str
) -> Iterator[Cached]:
    made = workspace.home / "bases" / "bookworm-amd64"
    if not engine.keeps_layers or not made.exists():
        pytest.skip("no base made here to build on, or an engine that unpacks layers")
    bench = Bench(tmp_path_factory.mktemp("bench"), engine, workspace.home, salt=SALT, packages=resolution)
    for name in ("bases", "engine"):
        (bench.workspace.home / name).unlink()
    shutil.copytree(made, bench.workspace.home / "bases" / made.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseResolver, "_bootstrap", _copied(made))
        yield Cached(bench, registry)
    bench.remove_images()


def _copied(made: Path) -> Any:
    """A mock of mmdebstrap, which takes minutes: the root file system in the layout ``made``."""

    def bootstrap(_: object, target: object, platform: object, archive: object, tar: Path) -> bool:
        *small, layer = sorted((made / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)
        blobs = [blob.read_bytes() for blob in small]
        with decompressed(layer.open("rb")) as source, tar.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        created = json.loads(next(blob for blob in blobs if b"diff_ids" in blob))["created"]
        os.utime(tar, (0, datetime.fromisoformat(created).timestamp()))
        return False

    return bootstrap


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "changed" else pytest.mark.extended) for kind in DAMAGE]
)
def test_damaged_files_of_the_cache_are_repaired_by_a_build_and_never_pushed(cached: Cached, kind: str) -> None:
    files = files_of(cached.home)
    assert {file.relative_to(cached.home).parts[0] for file in files} == {"bases", "layers", "sources"}
    used = cached.used(files)
    for file, other in zip(files, [*files[1:], files[0]], strict=True):
        DAMAGE[kind](file, cached.pristine / other.relative_to(cached.home))
        if kind != "removed" and file.read_bytes() == (cached.pristine / file.relative_to(cached.home)).read_bytes():
            used.remove(file)  # a layer that is in the cache twice
    try:
        assert cached.push() == cached.expected
    except BakeryError as error:
        assert re.search("not the image that is recorded|the one that was tested", error.message)
    assert cached.build() == ""
    told = cached.told
    words = set(re.split(r"[:\s]+", told))
    untold = [str(file) for file in used if not {str(file), str(_folder(file))} & words]
    assert kind == "removed" or not untold, f"{untold}\n{told}"
    assert cached.push() == cached.expected
    assert cached.build() == ""
    assert not re.search("damaged|corrupt", cached.told)


@pytest.mark.extended
def test_links_in_the_cache_are_refused_by_name_or_replaced(cached: Cached) -> None:
    folders = {file.parent: file for file in files_of(cached.home)}
    for file in folders.values():
        _link(file)
        if error := cached.build():
            assert f"{file} is a symbolic link" in error
        elif str(_folder(file)) not in cached.told:  # it was not used
            assert cached.push() == cached.expected
        cached.restore()
    assert len(folders) > 5


def _folder(file: Path) -> Path:
    """The folder that is repaired as a whole."""
    return next((parent for parent in file.parents if parent.parent.name in ("bases", "sources")), file)
