"""After a file of the cache was changed, a push sends the image that was built or nothing, and the user sees why."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import BaseResolver
from bakery.engine.engine import Engine
from bakery.errors import BakeryError
from bakery.publish.push import Pusher, open_repository
from bakery.records import write_record
from bakery.tar import decompressed
from bakery.workspace import Workspace
from tests.records import recorded, run_of_tests

from .fixtures import RELEASE, SALT, Bench
from .registry import platform_digests, tags

pytestmark = [pytest.mark.engine, pytest.mark.extended]


def _link(file: Path) -> None:
    file.rename(file.with_name(f"{file.name}.real"))
    file.symlink_to(f"{file.name}.real")


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "changed": lambda file, _: file.write_bytes(file.read_bytes()[:-3] + b"XYZ"),
    "emptied": lambda file, _: file.write_bytes(b""),
    "swapped": lambda file, other: file.write_bytes(other.read_bytes()),
    "removed": lambda file, _: file.unlink(),
}


REPLACED: dict[str, Callable[[Path, Path], object]] = {
    **DAMAGE,
    "truncated": lambda file, _: os.truncate(file, file.stat().st_size // 2),
    "a link": lambda file, _: _link(file),
    "a dangling link": lambda file, _: (file.unlink(), file.symlink_to("missing")),
    "endless": lambda file, _: (file.unlink(), file.symlink_to("/dev/zero")),
    "a FIFO": lambda file, _: (file.unlink(), os.mkfifo(file)),
    "a folder": lambda file, _: (file.unlink(), file.mkdir()),
}
OPENED = """
import os, runpy, sys
def note(event, arguments, folders=tuple(sys.argv.pop(1).split(":"))):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and os.fsdecode(arguments[0]).startswith(folders):
        print("OPENED", os.fsdecode(arguments[0]), file=sys.__stderr__)
sys.path.insert(0, os.getcwd())
sys.addaudithook(note)
runpy.run_module("invoke", run_name="__main__")
"""
"""Runs a task and prints each file that it opens in some folders."""


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def files_of(home: Path) -> list[Path]:
    """The files of the cache, without locks, whose content does not matter."""
    return [file for file in sorted(home.rglob("*")) if file.is_file() and file.suffix != ".lock"]


class Cached:
    """A clone with its own cache, filled by a full build, and the images that a push of it sets."""

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

    def push(self) -> dict[str, dict[str, str]]:
        """Push to a new repository; returns the images of each of its tags."""
        workspace, image = self.bench.workspace, self.bench.image()
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
        return {tag: platform_digests(self.registry, name, tag) for tag in tags(self.registry, name)}

    def run(self, *arguments: str) -> tuple[int, str, set[Path]]:
        """Run a task as the user does: its exit code, its output, and the files of cache and build/ that it opens."""
        root, environment = self.bench.root, {**os.environ, "BAKERY_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-c", OPENED, f"{self.home}:{root / 'build'}", *arguments], cwd=root, check=False,
            env={**environment, "DOCKER_HOST": self.bench.engine.host}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=300,
        )  # fmt: skip
        opened = {Path(name) for name in re.findall("(?m)^OPENED (.*)$", done.stderr)}
        return done.returncode, done.stdout + re.sub("(?m)^OPENED .*\n", "", done.stderr), opened

    def used(self, files: list[Path]) -> list[Path]:
        """``files`` without the records of indexes that later builds have replaced in the engine."""
        ids = {image.id for image in self.bench.engine.images(name=self.bench.catalog.repository)}
        indexes = [file for file in files if re.fullmatch("sha256-[0-9a-f]{64}", file.name)]
        return [file for file in files if file not in indexes or file.name.replace("-", ":") in ids]

    def restore(self) -> None:
        for path in self.home.iterdir():
            remove(path)
        shutil.copytree(self.pristine, self.home, symlinks=True, dirs_exist_ok=True)

    @property
    def shown(self) -> str:
        """Everything that builds and the last push have shown."""
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
    base = workspace.home / "bases" / "bookworm-amd64"
    if not engine.keeps_layers or not base.exists():
        pytest.skip("no base was made on this machine, or the engine keeps its layers unpacked")
    bench = Bench(tmp_path_factory.mktemp("bench"), engine, workspace.home, salt=SALT, packages=resolution)
    for name in ("bases", "engine"):
        (bench.workspace.home / name).unlink()
    shutil.copytree(base, bench.workspace.home / "bases" / base.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseResolver, "_bootstrap", _copied(base))
        yield Cached(bench, registry)
    bench.remove_images()


def _copied(layout: Path) -> Any:
    """A mock of mmdebstrap, which takes minutes: it copies the root file system in ``layout``."""

    def bootstrap(_: object, target: object, platform: object, archive: object, tar: Path) -> bool:
        *small, layer = sorted((layout / "blobs" / "sha256").iterdir(), key=lambda blob: blob.stat().st_size)
        blobs = [blob.read_bytes() for blob in small]
        with decompressed(layer.open("rb")) as source, tar.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        created = json.loads(next(blob for blob in blobs if b"diff_ids" in blob))["created"]
        os.utime(tar, (0, datetime.fromisoformat(created).timestamp()))
        return False

    return bootstrap


@pytest.mark.parametrize("kind", DAMAGE)
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
    shown = cached.shown
    words = set(re.split(r"[:\s]+", shown))
    unreported = [str(file) for file in used if not {str(file), str(_folder(file))} & words]
    assert kind == "removed" or not unreported, f"{unreported}\n{shown}"
    assert cached.push() == cached.expected
    assert cached.build() == ""
    assert not re.search("damaged|corrupt", cached.shown)


def test_links_in_the_cache_are_refused_by_name_or_replaced(cached: Cached) -> None:
    folders = {file.parent: file for file in files_of(cached.home)}
    for file in folders.values():
        _link(file)
        if error := cached.build():
            assert f"{file} is a symbolic link" in error
        elif str(_folder(file)) not in cached.shown:  # it was not used
            assert cached.push() == cached.expected
        cached.restore()
    assert len(folders) > 5


def _folder(file: Path) -> Path:
    """The folder that is repaired as a whole."""
    return next((parent for parent in file.parents if parent.parent.name in ("bases", "sources")), file)


@pytest.mark.parametrize("kind", REPLACED)
def test_a_push_sends_the_same_image_or_nothing_after_a_file_that_it_opens_was_replaced(
    cached: Cached, kind: str
) -> None:
    workspace, image = cached.bench.workspace, cached.bench.image()
    write_record(workspace, image, recorded(workspace, image), tests=run_of_tests(3))
    handover, other = workspace.build / "handover.json", workspace.build / "other"

    def push(*arguments: str) -> tuple[int, str, set[Path], dict[str, dict[str, str]]]:
        name = f"damage/{cached.count}"
        code, output, opened = cached.run("push", f"--repository={cached.registry}/{name}", *arguments)
        return (
            code,
            output,
            opened,
            {tag: platform_digests(cached.registry, name, tag) for tag in tags(cached.registry, name)},
        )

    by_digest = [f"--version={RELEASE}", "--stamp=1", f"--digests={handover}"]
    for arguments in (by_digest[:2], [f"--merge={handover}"]):

        def prepare() -> None:
            cached.count += 1
            assert push(*by_digest)[0] == 0

        prepare()
        code, output, opened, expected = push(*arguments)
        assert code == 0, output
        files = sorted(path for path in opened if path.is_file())
        assert files
        for file in files:
            prepare()
            content = file.read_bytes()
            other.write_bytes(content[::-1])
            REPLACED[kind](file, other)
            code, output, _, pushed = push(*arguments)
            assert (code, pushed) in ((0, expected), (1, {}), (2, {})), output
            assert code == 0 or str(file) in output or kind == "removed", output
            assert not re.search("Traceback|bug in this tool", output), output
            remove(file)
            file.write_bytes(content)
