"""What a build records is the image that it made, whatever the cache and the engine have under its name."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakery.bases import BaseImage
from bakery.build import builder as builds
from bakery.build import export as exports
from bakery.build.builder import Builder
from bakery.build.export import Export, Packed, Stage
from bakery.build.inputs import BuildInputs
from bakery.catalog.models import Catalog, Image
from bakery.catalog.tags import labels_that_name
from bakery.compression import Compression
from bakery.display import Display
from bakery.engine.engine import EngineImage
from bakery.errors import BakeryError, BuildError
from bakery.options import Building
from bakery.plan import Inputs
from bakery.records import Resolution, write_record
from bakery.sizes import Size
from bakery.workspace import Workspace
from tests.archives import Archive, make_tar
from tests.records import local_record, recorded, run_of_tests

OURS, TWIN, OTHER = (f"sha256:{digit * 64}" for digit in "123")
Build = Callable[[str], object]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A clone without records, and an empty cache."""
    (tmp_path / "build").mkdir()
    return Workspace(tmp_path, tmp_path / "home")


@pytest.fixture
def build(
    catalog: Catalog, image: Callable[..., Image], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Build:
    """Builds OURS and its TWIN, while the engine has the given image under the name."""

    def act(held: str) -> object:
        found = EngineImage(held, labels=labels_that_name(image("3.13")))
        engine: Any = SimpleNamespace(kind="system", keeps_layers=True, require=lambda _: found)
        resolution = Resolution(target="bookworm", platform="linux/amd64", base="sha256:1", packages=())
        base = BaseImage("docker-image://x", "x", "sha256:1", "registry")
        inputs = BuildInputs(Inputs(*["x"] * 6, packages="build/packages/image"), base, Path("x"), "")
        builder = Builder(workspace, catalog, engine, Display(io.StringIO()), Building())
        monkeypatch.setattr(builder.inputs, "resolve", lambda *_: inputs)
        monkeypatch.setattr(builder, "_resolve", lambda *_: (False, resolution))
        monkeypatch.setattr(builder, "_build_stage", lambda *_: (False, [Packed(OURS, 9), Packed(TWIN, 9)]))
        monkeypatch.setattr(builds, "size_and_anatomy", lambda *_: (Size(9, 9), {}))
        return builder._build_and_measure(Stage(image("3.13"), workspace.logs / "log", {}))

    return act


def test_an_image_that_another_process_loaded_under_the_name_is_not_recorded_as_built(build: Build) -> None:
    with pytest.raises(BuildError, match=f"is {OTHER} in the engine, expected {OURS}: another process has replaced it"):
        build(OTHER)


@pytest.mark.parametrize(("twin", "kept"), [(TWIN, True), (OTHER, False), ("", False)])
def test_test_results_are_kept_only_if_they_are_also_of_the_twin(
    build: Build, image: Callable[..., Image], workspace: Workspace, twin: str, kept: bool
) -> None:
    tests = run_of_tests(3)
    write_record(workspace, image("3.13"), local_record(id=OURS, twin=twin, tests=tests, seconds=7.0))
    build(OURS)
    record = recorded(workspace, image("3.13"))
    assert (record.id, record.twin, record.seconds) == (OURS, TWIN, 7.0)
    assert record.tests == (tests if kept else None)


def test_the_record_of_another_image_in_the_cache_is_not_trusted(
    image: Callable[..., Image], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two records that were swapped made a build return the image of the other one."""

    def recompress(*_: object, **__: object) -> None:
        raise BakeryError("compressed again")

    monkeypatch.setattr(exports.oci, "recompress", recompress)
    monkeypatch.setattr(Export, "_has", lambda *_: True)
    engine: Any = SimpleNamespace(keeps_layers=True)
    packing = Compression("zstd", 1)
    export = Export(workspace, engine, Stage(image("3.13"), workspace.logs / "log", {("a:b",): packing}))
    archive = Archive()
    archive.image([make_tar({"file": b"x"})], "none", image("3.13").platform)
    export.exported.write_bytes(archive.save())
    record = export._record_file(packing)
    record.parent.mkdir(parents=True)

    def packed() -> object:
        return export.finish(Path("x"), ("", "", ""), lambda _: None, lambda _: None)

    record.write_text(f"{record.name} {OURS} 9\n")
    assert packed() == [Packed(OURS, 9)]
    for text in (f"{record.name.replace('-zstd', '-gzip')} {OURS} 9\n", f"{OURS} 9\n"):
        record.write_text(text)
        with pytest.raises(BakeryError, match="compressed again"):
            packed()
