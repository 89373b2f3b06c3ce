"""The summary of a run of tests/image, and the recipe of the image that was tested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakery.catalog.labels import LABELS
from bakery.catalog.models import Catalog, Image, RecipeName
from bakery.catalog.tags import labels_that_name
from bakery.engine.engine import EngineImage
from bakery.errors import BuildError, InputError
from bakery.records import write_record
from bakery.testing import image_tests
from bakery.testing.image_tests import (
    ALL_SKIPPED,
    FAILED,
    PASSED,
    ImageTestResult,
    _result,
    as_built,
    image_test_failure,
)
from bakery.workspace import Workspace
from tests.records import local_record, recorded

OUTPUT = 'test_a ... ok\n{"passed": 2, "failed": 1, "skipped": 0, "failures": ["test_b: no"], "skips": []}\n'


@pytest.mark.parametrize("code", [PASSED, FAILED, ALL_SKIPPED])
def test_the_summary_is_the_last_line_that_is_an_object(image: Callable[..., Image], code: int) -> None:
    tested = image("3.13")
    result = _result(tested, "python:x", code, OUTPUT)
    assert result == ImageTestResult(tested, 2, 1, 0, ("test_b: no",))
    assert result.row == {
        "image": tested.name, "passed": 2, "failed": 1, "skipped": 0, "failures": ("test_b: no",), "skips": (),
    }  # fmt: skip


@pytest.mark.parametrize("output", ["", "Traceback\n", '{"passed": 1}\n', "{\n"])
def test_a_run_without_a_summary_is_an_error(image: Callable[..., Image], output: str) -> None:
    with pytest.raises(BuildError, match="exited with code 1 and printed no summary"):
        _result(image("3.13"), "python:x", FAILED, output)


def test_a_run_that_was_killed_is_an_error(image: Callable[..., Image]) -> None:
    with pytest.raises(BuildError, match="terminated with code 137"):
        _result(image("3.13"), "python:x", 137, OUTPUT)


def test_a_pattern_that_matches_no_test_is_an_input_error(
    catalog: Catalog, image: Callable[..., Image], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = '{"passed": 0, "failed": 0, "skipped": 0, "failures": [], "skips": []}'
    done = SimpleNamespace(code=image_tests.NOTHING_SELECTED, stdout=output)
    monkeypatch.setattr(image_tests, "run_container", lambda *_, **__: done)
    engine: Any = SimpleNamespace(require=lambda _: EngineImage("sha256:1", labels=labels_that_name(image("3.13"))))
    with pytest.raises(InputError, match="no test in tests/image matches sll") as caught:
        image_tests.run_image_tests(Workspace(root, root), catalog, engine, image("3.13"), ["sll"], lambda _: None)
    assert caught.value.hint == "-k takes part of a test's name."


def test_another_image_that_was_given_the_name_is_not_tested(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    other = EngineImage("sha256:1", labels=labels_that_name(image("3.13", "trixie")))
    engine: Any = SimpleNamespace(require=lambda _: other)
    with pytest.raises(BuildError, match=r"another image under the name of 3\.13\.15-bookworm: .*target is trixie"):
        image_tests.run_image_tests(Workspace(tmp_path, tmp_path), catalog, engine, image("3.13"), [], lambda _: None)


@pytest.mark.parametrize(("label", "recipe"), [("quick", RecipeName.QUICK), ("", RecipeName.FULL)])
def test_the_recipe_is_read_from_the_labels(image: Callable[..., Image], label: str, recipe: RecipeName) -> None:
    assert as_built(image("3.13"), EngineImage("sha256:1", labels={f"{LABELS}.recipe": label})).recipe is recipe


def test_a_run_fails_if_a_test_failed_in_any_image(image: Callable[..., Image]) -> None:
    good = ImageTestResult(image("3.13"), passed=3)
    bad = ImageTestResult(image("3.12"), passed=2, failed=1, failures=("test_ssl: no certificates",))
    assert image_test_failure([good]) is None
    assert str(image_test_failure([good, bad])) == "tests failed in 1 of 2 images"
    assert (good.notes, bad.notes) == ([], [f"{bad.image.name}: test_ssl: no certificates"])


def test_the_tests_run_in_the_image_that_their_result_is_recorded_for(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its ID: another process may give its name to another image, or build another twin, while they run."""
    tested, workspace, replaced = image("3.13"), Workspace(tmp_path, tmp_path), list[str]()
    write_record(workspace, tested, local_record(id="sha256:1", twin="sha256:2"))

    def find(name: str) -> EngineImage:
        identity = "sha256:2" if name.endswith("-gzip") else "sha256:1"
        return EngineImage(identity, labels=labels_that_name(tested))

    engine: Any = SimpleNamespace(require=find, find=find)
    ran = list[str]()

    def run(_: object, identity: str, *__: object, **___: object) -> object:
        ran.append(identity)
        if identity in replaced:
            write_record(workspace, tested, local_record(id="sha256:1", twin="sha256:3"))
        return SimpleNamespace(code=0, stdout=OUTPUT.replace('"failed": 1', '"failed": 0').replace('"test_b: no"', ""))

    monkeypatch.setattr(image_tests, "run_container", run)
    monkeypatch.setattr(image_tests, "tar_of", lambda *_: b"")
    monkeypatch.setattr(image_tests, "over_budget", lambda *_: "")
    shown = list[str]()
    image_tests.run_image_tests(workspace, catalog, engine, tested, [], shown.append)
    assert recorded(workspace, tested).tests and not any("not recorded" in line for line in shown)
    replaced.append("sha256:2")
    image_tests.run_image_tests(workspace, catalog, engine, tested, [], lambda _: None)
    assert not recorded(workspace, tested).tests
    assert ran == ["sha256:1", "sha256:2"] * 2
    write_record(workspace, tested, local_record(id="sha256:4"))
    image_tests.run_image_tests(workspace, catalog, engine, tested, [], shown.append)
    assert "infra7/python:3.13.15-bookworm is not the image that this clone built last: the result is" in shown[-1]
