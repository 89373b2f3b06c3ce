"""The layer with CPython's own tests, on a real engine, with a fake source of CPython."""

from __future__ import annotations

import pytest

from bakery.engine.engine import Engine
from bakery.errors import BuildError
from bakery.testing.regrtest import build_suite, run_suite
from tests.records import recorded

from .fixtures import Bench
from .test_builder import bench

__all__ = ["bench"]

pytestmark = pytest.mark.engine
MODULES = "/usr/local/lib/python3.13/lib-dynload"


def output_of(engine: Engine, image: str, command: str) -> str:
    return engine.client.containers.run(image, ["sh", "-c", command], remove=True, network_mode="none").decode()


def test_the_tests_are_a_layer_on_top_of_the_image_and_the_interpreter_is_not_rebuilt(bench: Bench) -> None:
    builder, image = bench.builder(), bench.image()
    (result,) = builder.build([image])
    suite = build_suite(builder, image)
    engine = bench.engine
    below, above = (engine.require(name).layers for name in (result.tags[0], suite.id))
    assert above[: len(below)] == below
    assert len(above) > len(below)
    compiled = output_of(engine, result.tags[0], "cat /usr/local/lib/python3.13/compiled")
    assert output_of(engine, suite.id, f"cat {MODULES}/_testcapi.so") == compiled
    added = output_of(engine, suite.id, f"cd {MODULES}/..; find -type f | sort").split()
    own = ["./compiled", "./ensurepip/_bundled/pip.whl", "./os.py"]
    assert added == sorted([*own, "./lib-dynload/_testcapi.so", "./test/data/text", "./test/test_os.py"])
    assert output_of(engine, suite.id, "id -un; cd; pwd") == "tester\n/home/tester\n"


def test_the_image_itself_is_built_without_the_tests(bench: Bench) -> None:
    builder, image = bench.builder(), bench.image()
    (first,) = builder.build([image])
    assert "[test-modules" not in first.log.read_text()
    build_suite(builder, image)
    (second,) = builder.build([image])
    assert (second.id, second.compiled) == (first.id, False)
    files = output_of(bench.engine, first.tags[0], "ls /usr/local/lib/python3.13").split()
    assert files == ["compiled", "ensurepip", "os.py", "site-packages"]


def test_only_a_run_of_the_whole_suite_is_recorded(bench: Bench) -> None:
    builder, image = bench.builder(), bench.image()
    builder.build([image])
    suite = build_suite(builder, image)
    shown: list[str] = []
    run_suite(builder, suite, ["test_os"], 1, shown.append)
    assert recorded(bench.workspace, image).regrtest is None
    verdict = run_suite(builder, suite, [], 1, shown.append)
    assert verdict.passed == 1
    assert "Result: SUCCESS" in shown
    record = recorded(bench.workspace, image).regrtest
    assert record is not None
    assert (record.passed, record.failed, record.recovered) == (1, 0, len(verdict.recovered))
    builder.build([image])
    assert recorded(bench.workspace, image).regrtest == record


def test_an_image_that_a_build_would_not_make_is_rejected(bench: Bench) -> None:
    builder, image = bench.builder(), bench.image()
    (result,) = builder.build([image])
    container = bench.engine.client.containers.run(
        result.tags[0], ["touch", "/changed"], detach=True, network_mode="none"
    )
    container.wait()
    container.commit(*result.tags[0].rsplit(":", 1))
    container.remove()
    with pytest.raises(BuildError, match="not the image that a build makes now"):
        build_suite(builder, image)


def test_a_missing_image_is_reported(bench: Bench) -> None:
    with pytest.raises(BuildError, match="inv build"):
        build_suite(bench.builder(), bench.image())
