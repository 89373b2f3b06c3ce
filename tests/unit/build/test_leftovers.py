"""Leftovers where a build writes in its clone: links are not followed, and FIFOs do not block."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.build.export import Export, Stage
from bakery.build.inputs import BuildInputs
from bakery.build.training import record_profile
from bakery.catalog.models import Catalog, Image
from bakery.catalog.pins import FILE
from bakery.compression import Compression
from bakery.errors import BakeryError
from bakery.plan import Inputs
from bakery.records import Resolution
from bakery.records.packages import Package
from bakery.workspace import Workspace

RESOLUTION = Resolution(target="bookworm", platform="linux/amd64", base="sha256:1", packages=())
PACKAGE = Package(stage="runtime", name="libssl3", version="3.0.1", architecture="amd64", sha256="0" * 64)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "victim"
    file.mkdir()
    (file / "runtime").write_text("precious")
    return file


def test_lists_of_packages_are_not_written_through_a_link(tmp_path: Path, victim: Path) -> None:
    contexts = Inputs(*["x"] * 6, packages="build/packages/image")
    inputs = BuildInputs(contexts, cast(Any, None), tmp_path, "")
    assert inputs.with_packages(tmp_path, RESOLUTION).contexts.resolution == RESOLUTION.digest
    folder = tmp_path / contexts.packages
    assert sorted(file.name for file in folder.iterdir()) == ["base", "runtime", "variant"]
    (folder / "runtime").unlink()
    os.mkfifo(folder / "runtime")
    inputs.with_packages(tmp_path, RESOLUTION)
    assert (folder / "runtime").read_text() == ""
    folder.rename(tmp_path / "moved")
    folder.symlink_to(victim)
    with pytest.raises(BakeryError, match=r"packages/image is a symbolic link: expected a folder"):
        inputs.with_packages(tmp_path, RESOLUTION)
    assert (victim / "runtime").read_text() == "precious"


def test_a_stage_and_its_image_are_built_at_the_same_time_in_separate_files(
    tmp_path: Path, image: Callable[..., Image]
) -> None:
    """They have separate locks: a package list or an export of one must not end up in the other."""
    inputs = BuildInputs(Inputs(*["x"] * 6, packages="build/packages/image"), cast(Any, None), tmp_path, "")
    other = Resolution(target="bookworm", platform="linux/amd64", base="sha256:1", packages=(PACKAGE,))
    built, tested = inputs.with_packages(tmp_path, other), inputs.with_packages(tmp_path, RESOLUTION, "regrtest")
    assert built.contexts.packages != tested.contexts.packages
    assert (tmp_path / built.contexts.packages / "runtime").read_text() == f"{PACKAGE.line}\n"
    engine, compression = cast(Any, SimpleNamespace(keeps_layers=True)), {("a:b",): Compression("zstd", 1)}
    exports = [
        Export(Workspace(tmp_path, tmp_path), engine, Stage(image("3.13"), tmp_path / "log", compression, name))
        for name in ("", "regrtest")
    ]
    assert len({file for each in exports for file in (each.exported, each.recompressed, each.attested)}) == 6


def test_labels_are_compared_without_writing_the_lists_of_packages(tmp_path: Path) -> None:
    inputs = BuildInputs(Inputs(*["x"] * 6, packages="build/packages/image"), cast(Any, None), tmp_path, "")
    assert inputs.resolved(RESOLUTION).contexts.resolution == RESOLUTION.digest
    assert not (tmp_path / "build").exists()


def test_the_path_of_the_clone_may_have_commas(catalog: Catalog, image: Callable[..., Image]) -> None:
    inputs = BuildInputs(Inputs(*["x"] * 6), cast(Any, None), Path("/x"), "")
    words = inputs.query_arguments(catalog, image("3.13"), None, "resolution", Path("/a,b/build"))
    assert next(csv.reader([words[words.index("--output") + 1]])) == ["type=local", "dest=/a,b/build"]


def test_an_export_first_removes_what_is_where_it_writes(
    tmp_path: Path, image: Callable[..., Image], victim: Path
) -> None:
    stage = Stage(image("3.13"), tmp_path / "log", {("a:b",): Compression("zstd", 1)})
    export = Export(Workspace(tmp_path, tmp_path / "home"), cast(Any, SimpleNamespace(keeps_layers=True)), stage)
    tmp_path.joinpath("build").mkdir()
    os.mkfifo(export.exported)
    export.recompressed.symlink_to(victim / "runtime")
    with export:
        assert not os.path.lexists(export.exported) and not os.path.lexists(export.recompressed)
    assert (victim / "runtime").read_text() == "precious"


def test_a_recorded_profile_replaces_a_link(tmp_path: Path, catalog: Catalog, victim: Path) -> None:
    profile = dataclasses.replace(catalog.profiles["3.13"], bytes=1)
    file = tmp_path / profile.folder / FILE
    file.parent.mkdir(parents=True)
    file.symlink_to(victim / "runtime")
    (tmp_path / "shared" / "lock.toml").write_text("schema = 1\n")
    record_profile(tmp_path, profile, b"x", print)
    assert file.read_bytes() == b"x" and not file.is_symlink()
    assert (victim / "runtime").read_text() == "precious"
