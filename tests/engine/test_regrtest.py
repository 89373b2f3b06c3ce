"""The layer with CPython's own tests, on a real engine, with a fake source of CPython."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bakery.build.builder import Builder, BuildResult
from bakery.catalog.models import Image
from bakery.catalog.selection import select_images
from bakery.engine.engine import Engine
from bakery.errors import BuildError
from bakery.testing.regrtest import Suite, build_suite, run_suite
from bakery.workspace import Workspace
from tests.records import recorded

from .fixtures import RELEASE, SALT, Bench, output_of

pytestmark = pytest.mark.engine
MODULES = "/usr/local/lib/python3.13/lib-dynload"


@dataclass(frozen=True)
class Built:
    """An image, the log of its build, and its tests, which were built afterwards."""

    bench: Bench
    builder: Builder
    image: Image
    result: BuildResult
    log: str
    suite: Suite

    @property
    def engine(self) -> Engine:
        return self.bench.engine


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, layers: Path, resolution: Path
) -> Iterator[Built]:
    bench = Bench(
        tmp_path_factory.mktemp("bench"), engine, workspace.home, salt=SALT, layers=layers, packages=resolution
    )
    builder, image = bench.builder(), bench.image()
    (result,) = builder.build([image])
    assert result.error == ""
    yield Built(bench, builder, image, result, result.log.read_text(), build_suite(builder, image))
    bench.remove_images()


def test_the_tests_are_a_layer_on_top_of_the_image_and_the_interpreter_is_not_rebuilt(built: Built) -> None:
    engine, image, suite = built.engine, built.result.tags[0], built.suite.id
    below, above = (engine.require(name).layers for name in (image, suite))
    assert above[: len(below)] == below
    assert len(above) > len(below)
    compiled = output_of(engine, image, ["sh", "-c", "cat /usr/local/lib/python3.13/compiled"])
    assert output_of(engine, suite, ["sh", "-c", f"cat {MODULES}/_testcapi.so"]) == compiled
    added = output_of(engine, suite, ["sh", "-c", f"cd {MODULES}/..; find -type f | sort"]).split()
    own = ["./compiled", "./ensurepip/_bundled/pip.whl", "./os.py"]
    assert added == sorted([*own, "./lib-dynload/_testcapi.so", "./test/data/text", "./test/test_os.py"])
    assert output_of(engine, suite, ["sh", "-c", "id -un; cd; pwd"]) == "tester\n/home/tester\n"


@pytest.mark.extended
def test_the_image_itself_is_built_without_the_tests(built: Built) -> None:
    assert "[test-modules" not in built.log
    (second,) = built.builder.build([built.image])
    assert (second.record.id, second.compiled) == (built.result.record.id, False)
    files = output_of(built.engine, second.tags[0], ["sh", "-c", "ls /usr/local/lib/python3.13"]).split()
    assert files == ["compiled", "ensurepip", "os.py", "site-packages"]


def test_only_a_run_of_the_whole_suite_on_an_image_built_here_is_recorded(built: Built, tmp_path: Path) -> None:
    builder, image, workspace = built.builder, built.image, built.bench.workspace
    shown: list[str] = []
    run_suite(builder, built.suite, ["test_os"], 1, shown.append)
    assert recorded(workspace, image).regrtest is None
    elsewhere = replace(builder, workspace=Workspace(tmp_path, workspace.home))
    run_suite(elsewhere, built.suite, [], 1, shown.append)
    assert recorded(workspace, image).regrtest is None
    assert sum("will not be recorded" in line for line in shown) == 1, "a part of the suite is never recorded"
    verdict = run_suite(builder, built.suite, [], 1, shown.append)
    assert verdict.passed == 1
    assert "Result: SUCCESS" in shown
    record = recorded(workspace, image).regrtest
    assert record is not None
    assert (record.passed, record.failed, record.recovered) == (1, 0, len(verdict.recovered))
    builder.build([image])
    assert recorded(workspace, image).regrtest == record


def test_an_image_that_a_build_would_not_make_is_rejected(built: Built) -> None:
    tag, engine = built.result.tags[0], built.engine
    original = engine.client.images.get(tag)
    container = engine.client.containers.run(tag, ["touch", "/changed"], detach=True, network_mode="none")
    try:
        container.wait()
        container.commit(*tag.rsplit(":", 1))
        with pytest.raises(BuildError, match="not the image that a build makes now"):
            build_suite(built.builder, built.image)
    finally:
        container.remove()
        original.tag(*tag.rsplit(":", 1))


def test_an_image_on_another_base_is_rejected_before_anything_is_built(built: Built) -> None:
    bases = built.builder.inputs.resolved
    key, base = next(iter(bases.items()))
    bases[key] = replace(base, digest="sha256:" + "0" * 64)
    try:
        with pytest.raises(BuildError, match="was built on an earlier version of its base") as caught:
            build_suite(built.builder, built.image)
    finally:
        bases[key] = base
    assert "inv build" in caught.value.hint
    assert not (built.bench.workspace.logs / f"{built.image.slug}-regrtest.log").exists(), "nothing was built"
    assert build_suite(built.builder, built.image) == built.suite


def test_a_missing_image_is_reported(built: Built) -> None:
    (minimal,) = select_images(built.bench.catalog, [RELEASE], variants=["minimal"])
    with pytest.raises(BuildError, match="inv build"):
        build_suite(built.builder, minimal)
