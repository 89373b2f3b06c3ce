"""Builds from a tarball to an image on a real engine, with a fake source of CPython."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from bakery.build.builder import BuildResult
from bakery.catalog.models import Budget
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.engine.engine import Engine
from bakery.records.builds import ComparedWith, PartSize, ReferenceSize, record_file, write_record
from bakery.records.status import adopt, write_status
from bakery.sizes.breakdown import Size
from bakery.sizes.layers import saved_image
from bakery.testing.image_tests import over_budget
from bakery.workspace import Workspace
from tests.records import local_record, recorded, run_of_tests

from .conftest import BuildLock
from .fixtures import RELEASE, REPOSITORY, ROOT, SALT, Bench, manifest_of, output_of

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("images_removed")]


@pytest.fixture
def bench(tmp_path: Path, engine: Engine, workspace: Workspace, layers: Path, resolution: Path) -> Bench:
    """A bench whose builds may use build steps and compressed layers that another test of this run has cached."""
    return Bench(tmp_path, engine, workspace.home, salt=SALT, layers=layers, packages=resolution)


@pytest.fixture
def fresh_bench(tmp_path: Path, engine: Engine, workspace: Workspace, layers: Path, resolution: Path) -> Bench:
    """A bench whose first build compiles."""
    return Bench(tmp_path, engine, workspace.home, layers=layers, packages=resolution)


def size_of(result: BuildResult) -> Size:
    assert result.record is not None
    return Size(result.record.compressed_bytes, result.record.disk_bytes)


def test_a_full_build_runs_all_phases_and_writes_image_log_and_record(fresh_bench: Bench) -> None:
    (result,) = fresh_bench.builder(packages=None).build([fresh_bench.image()])
    assert result.error == ""
    expected = ["source", "base", "configure", "instrumented build", "training", "optimised build", "install", "export"]
    shown = [phase for phase in fresh_bench.phases() if phase in expected]
    assert list(dict.fromkeys(shown)) == expected
    assert f"{REPOSITORY}:{RELEASE}-bookworm" in result.tags
    assert "training with -m test --pgo" in result.log.read_text()
    record = recorded(fresh_bench.workspace, fresh_bench.image())
    assert record.id == result.record.id
    assert set(expected) <= set(record.phases)
    assert record.source.signature == "not checked", "the fake tarball is not signed"


def test_a_profile_can_be_recorded_before_anything_was_built(fresh_bench: Bench) -> None:
    image, tag = fresh_bench.image(), "bakery-tests/training:latest"
    identity = fresh_bench.builder().stage(image, "training", tag, packages=False)
    assert fresh_bench.engine.require(tag).id == identity
    assert not list(fresh_bench.root.glob("build/packages/*")), "no packages were resolved for it"
    fresh_bench.engine.remove(tag)


def test_a_second_build_compiles_nothing_and_makes_the_same_image(fresh_bench: Bench) -> None:
    workspace, image = fresh_bench.workspace, fresh_bench.image()
    (first,) = fresh_bench.builder().build([image])
    compared = ComparedWith(reference=ReferenceSize(reference="reference/python:3.13", disk_bytes=1))
    write_record(workspace, image, recorded(workspace, image), tests=run_of_tests(3), compared=compared)
    (second,) = fresh_bench.builder().build([image])
    assert first.compiled
    assert not second.compiled
    assert second.record.id == first.record.id
    assert size_of(second) == size_of(first)
    record = recorded(workspace, image)
    assert record.phases == pytest.approx(first.record.phases, abs=0.1)
    assert (record.tests, record.compared) == (run_of_tests(3), compared), "kept from the first build"


@pytest.fixture(scope="module")
def quick(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, layers: Path, resolution: Path
) -> tuple[Bench, BuildResult]:
    """A quick build, for the tests below, which only read it."""
    bench = Bench(tmp_path_factory.mktemp("quick"), engine, workspace.home, layers=layers, packages=resolution)
    (result,) = bench.builder().build([bench.image(RecipeName.QUICK)])
    assert result.error == ""
    return bench, result


def test_a_quick_build_skips_the_training_and_is_labelled_quick(quick: tuple[Bench, BuildResult]) -> None:
    bench, result = quick
    assert "training" not in bench.phases()
    labels = bench.engine.require(result.tags[0]).labels
    assert labels["io.github.infra7.python.recipe"] == "quick"


def test_sizes_match_the_manifest_that_docker_save_writes(quick: tuple[Bench, BuildResult]) -> None:
    bench, result = quick
    manifest = manifest_of(bench.engine, result.tags[0])
    if not all(layer["mediaType"].endswith("gzip") for layer in manifest["layers"]):
        pytest.skip("this engine keeps its layers uncompressed")
    size = saved_image(bench.engine.save(result.tags[0]), bench.image().platform).size
    assert size == size_of(result)
    assert size.compressed_bytes == sum(layer["size"] for layer in manifest["layers"])
    parts = recorded(bench.workspace, bench.image()).anatomy.values()
    assert [sum(sizes) for sizes in zip(*parts, strict=True)] == [size.disk_bytes, size.compressed_bytes]


@pytest.mark.extended
def test_recompressed_layers_are_loaded_and_have_the_same_content(quick: tuple[Bench, BuildResult]) -> None:
    bench, plain = quick
    if not bench.engine.keeps_layers:
        pytest.skip("this engine does not keep layers as they are packed")
    layers = bench.engine.require(plain.tags[0]).layers
    # containerd keeps unpacked layers as long as it has the image that they were unpacked for. Without this tag, they
    # could be collected when another worker removes an image, while the container below is created.
    bench.engine.client.images.get(plain.tags[0]).tag(REPOSITORY, "plain")
    (packed,) = bench.builder("zstd:1").build([bench.image(RecipeName.QUICK)])
    assert packed.error == ""
    assert packed.record.id != plain.record.id
    assert {"compress", "load"} <= set(packed.record.phases)
    for tag in packed.tags:
        image = bench.engine.require(tag)
        assert (image.id, image.layers) == (packed.record.id, layers)
    assert output_of(bench.engine, packed.tags[0]).startswith("Python 3.13.15\n")
    assert size_of(packed).disk_bytes == size_of(plain).disk_bytes
    manifest = manifest_of(bench.engine, packed.tags[0])
    assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]} == {"zstd"}
    assert size_of(packed).compressed_bytes == sum(layer["size"] for layer in manifest["layers"])
    (again,) = bench.builder("zstd:1").build([bench.image(RecipeName.QUICK)])
    assert again.record.id == packed.record.id
    assert list(bench.workspace.build.glob("*.tar")) == []


@pytest.fixture(scope="module")
def full(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, layers: Path, resolution: Path
) -> tuple[Bench, BuildResult]:
    """A full build with gzip layers, for the two tests below."""
    bench = Bench(
        tmp_path_factory.mktemp("full"), engine, workspace.home, salt=SALT, layers=layers, packages=resolution
    )
    (result,) = bench.builder().build([bench.image()])
    assert result.error == ""
    return bench, result


def test_the_image_contains_no_source_compiler_package_lists_logs_or_byte_code(full: tuple[Bench, BuildResult]) -> None:
    bench, result = full
    names = set()
    with tarfile.open(fileobj=io.BytesIO(b"".join(bench.engine.save(result.tags[0])))) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as files:
                names |= {file.name.removeprefix("./") for file in files if not file.isdir()}
    assert "usr/local/bin/python3" in names
    assert "usr/local/bin/python" in names
    unwanted = ("usr/src/", "usr/bin/gcc", "usr/bin/make", "out", "var/lib/apt/lists/", "var/log/apt", "var/log/dpkg")
    assert [name for name in names if name.startswith(unwanted) or name.endswith(".pyc")] == []


def test_an_image_over_its_budget_is_reported_with_the_parts_that_grew(full: tuple[Bench, BuildResult]) -> None:
    bench, result = full
    image = bench.image()
    built = size_of(result)
    key = (image.series.name, "default", image.target.name)

    def verdict(compressed: int, disk: int) -> str:
        tight = dataclasses.replace(bench.catalog, budgets={key: Budget(compressed, disk)})
        return over_budget(bench.workspace, tight, bench.engine, image, bench.engine.require(result.tags[0]).id)

    disk, compressed = result.record.anatomy.get("upgrades", PartSize(0, 0))  # not part of the budget
    size = Size(built.compressed_bytes - compressed, built.disk_bytes - disk)
    write_status(bench.root, [])
    assert verdict(size.compressed_bytes, size.disk_bytes) == ""
    assert "has no build with a breakdown to compare with" in verdict(size.compressed_bytes - 1, size.disk_bytes)
    before = {**result.record.anatomy, "interpreter": PartSize(0, 0)}
    tests = run_of_tests(1)
    old = local_record(
        image="3.13.14-bookworm", release="3.13.14", built="2026-01-01", anatomy=before, platform=image.platform,
        tests=tests,
    )  # fmt: skip
    write_status(bench.root, adopt([], [old]))
    measured = verdict(size.compressed_bytes, size.disk_bytes - 1)
    assert "1 more than the budget of" in measured
    assert f"Interpreter: +{result.record.anatomy['interpreter'][0]:,} bytes on disk" in measured
    record_file(bench.workspace, image).unlink()
    assert verdict(size.compressed_bytes, size.disk_bytes - 1) == measured
    image = dataclasses.replace(image, recipe=RecipeName.QUICK)
    assert verdict(1, 1) == ""


def test_a_failed_step_is_reported_with_its_last_lines_and_the_log(
    tmp_path: Path, engine: Engine, workspace: Workspace
) -> None:
    bench = Bench(
        tmp_path,
        engine,
        workspace.home,
        configure="#!/bin/sh\necho checking for a C compiler\necho nothing here >&2; exit 77\n",
    )
    (result,) = bench.builder().build([bench.image()])
    assert "nothing here" in result.error
    # The configure runs of both stages fail; either may be reported first.
    assert re.search(r"compile.sh (train|sysconfig)", result.error)
    assert str(result.log) in result.error
    assert "Traceback" not in result.error


def test_nothing_is_built_from_a_tarball_with_a_bad_signature(bench: Bench) -> None:
    shutil.copyfile(ROOT / "shared" / "upstream.toml", bench.root / "shared" / "upstream.toml")
    signature = bench.mirror / RELEASE / f"Python-{RELEASE}.tar.xz.asc"
    shutil.copyfile(ROOT / "tests" / "unit" / "sources" / "data" / "Python-3.13.5.tar.xz.asc", signature)
    before = bench.engine.find(f"{REPOSITORY}:{RELEASE}")  # of another test
    (result,) = bench.builder().build([bench.image()])
    assert "does not match the file: its bytes are not those that were signed" in result.error
    assert not result.log.exists(), "buildx was started"
    assert bench.engine.find(f"{REPOSITORY}:{RELEASE}") == before


def test_one_failed_image_does_not_stop_the_others(bench: Bench) -> None:
    absent = select_images(bench.catalog, ["3.10"])[0]
    first, second = bench.builder().build([absent, bench.image(RecipeName.QUICK)])
    assert "no provider has Python-3.10" in first.error
    assert second.error == ""


@pytest.mark.extended
def test_images_that_are_built_in_parallel_are_the_same_and_survive_a_failed_one(bench: Bench) -> None:
    images = select_images(bench.catalog, [RELEASE], variants=["default", "minimal"])
    variants = [dataclasses.replace(image, recipe=RecipeName.QUICK) for image in images]
    absent = select_images(bench.catalog, ["3.10"])[0]
    first, failed, second = bench.builder(jobs=3, packages=None).build([variants[0], absent, variants[1]])
    assert "no provider has Python-3.10" in failed.error
    assert first.error == ""
    assert second.image == variants[1]
    again = bench.builder().build([variants[0]])
    assert [(result.record.id, result.compiled) for result in again] == [(first.record.id, False)]


def start_build(bench: Bench, *arguments: str) -> subprocess.Popen[str]:
    """A quick build by `inv build` in a separate process."""
    options = [f"--version={RELEASE}", f"--mirror={bench.mirror}", "--quick", *arguments]
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", "build", *options], cwd=bench.root, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "BAKERY_HOME": str(bench.workspace.home), "DOCKER_HOST": bench.engine.host},
        # A script's background processes ignore SIGINT, so these tests may inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_an_interruption_ends_all_builds(
    tmp_path: Path, engine: Engine, workspace: Workspace, build_lock: BuildLock
) -> None:
    bench = Bench(tmp_path, engine, workspace.home, seconds=300)
    with build_lock, start_build(bench, "--target=bookworm", "--jobs=2", "--variant=default,minimal") as process:
        assert process.stderr is not None
        started = set()
        for line in process.stderr:
            # Shared steps run once, and are reported for only one of the images.
            started |= set(re.findall(r"(\S+): build steps$", line.rstrip()))
            if line.rstrip().endswith(": build") and len(started) == 2:
                break
        process.send_signal(signal.SIGTERM)
        output = process.stderr.read()
    assert process.returncode == 143
    assert "Traceback" not in output


@pytest.mark.extended
def test_two_simultaneous_builds_of_an_image_compile_once_and_both_succeed(fresh_bench: Bench) -> None:
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.extend(fresh_bench.builder().build([fresh_bench.image(RecipeName.QUICK)]))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.error for result in results] == ["", ""]
    assert sorted(result.compiled for result in results) == [False, True]
    assert len({result.record.id for result in results}) == 1


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_can_be_completed(
    tmp_path: Path, engine: Engine, workspace: Workspace, resolution: Path, build_lock: BuildLock,
    number: signal.Signals,
) -> None:  # fmt: skip
    bench = Bench(tmp_path, engine, workspace.home, packages=resolution, seconds=6)
    with build_lock, start_build(bench, f"--packages={resolution}") as process:
        assert process.stderr is not None
        output = ""
        while not output.endswith(": build\n") and (line := process.stderr.readline()):
            output += line
        time.sleep(1)
        process.send_signal(number)
        output += process.stderr.read()
    assert process.returncode == (-9 if number is signal.SIGKILL else 128 + number), output
    assert "Traceback" not in output
    (result,) = bench.builder().build([bench.image(RecipeName.QUICK)])
    assert result.error == ""
