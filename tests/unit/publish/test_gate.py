"""A refusal to push names the commands that fix the problem."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from bakery.catalog.labels import LABELS
from bakery.catalog.models import Catalog, Image
from bakery.catalog.tags import labels_that_name
from bakery.errors import BuildError, PublishError
from bakery.platforms import AMD64
from bakery.publish.gate import approved, day_of
from bakery.records.builds import write_record
from bakery.workspace import Workspace
from tests.records import local_record, run_of_tests

ARGUMENTS = "--version=3.13 --target=bookworm --variant=default --platform=amd64"
BUILD, TEST = f"inv build {ARGUMENTS}", f"inv test {ARGUMENTS}"


class Engine:
    """A fake engine with one image under every name, or without images."""

    def __init__(self, identity: str, image: Image, recipe: str = "full") -> None:
        labels = {f"{LABELS}.recipe": recipe, **labels_that_name(image)}
        self.image = SimpleNamespace(id=identity, platform=AMD64, labels=labels)

    def find(self, reference: str) -> SimpleNamespace | None:
        return self.image if self.image.id else None


def refusal(catalog: Catalog, image: Image, folder: Path, engine: Engine) -> tuple[type[Exception], str]:
    with pytest.raises((BuildError, PublishError)) as caught:
        approved(Workspace(folder, folder), catalog, engine, [image], False, print)  # type: ignore[arg-type]
    return caught.type, str(caught.value)


def test_an_image_that_is_not_built_has_to_be_built_and_tested(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    kind, text = refusal(catalog, image("3.13"), tmp_path, Engine("", image("3.13")))
    assert kind is BuildError and "-gzip for linux/amd64 is not in the engine" in text
    assert text.endswith(f"To fix it:\n    {BUILD}\n    {TEST}")


def test_an_image_of_a_tree_that_is_not_built_has_to_be_built_from_the_tree(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    built = image("3.13")
    tree = dataclasses.replace(built, pin=dataclasses.replace(built.pin, local="a folder", recorded_by="--source=/src"))
    _, text = refusal(catalog, tree, tmp_path, Engine("", tree))
    assert "To fix it:\n    inv build --version=3.13 --source=/src --target=bookworm" in text


def test_in_a_fresh_clone_the_hint_is_to_build_the_image(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    kind, text = refusal(catalog, image("3.13"), tmp_path, Engine("sha256:1", image("3.13")))
    assert kind is PublishError and "recorded as built and tested here" in text
    assert f"\n    {BUILD}\n    {TEST}\n  --force" in text


def test_an_image_that_was_not_tested_or_failed_has_to_be_tested_only(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    for tests, reason in ((None, "have not been run"), (run_of_tests(1, failed=2), "2 of its tests failed")):
        record = local_record(id="sha256:1", twin="sha256:1", tests=tests)
        write_record(Workspace(tmp_path, tmp_path), image("3.13"), record)
        _, text = refusal(catalog, image("3.13"), tmp_path, Engine("sha256:1", image("3.13")))
        assert reason in text and f"\n    {TEST}\n" in text and "inv build" not in text


def test_a_quick_build_has_to_be_built_in_full(catalog: Catalog, image: Callable[..., Image], tmp_path: Path) -> None:
    record = local_record(id="sha256:1", twin="sha256:1", tests=run_of_tests(5))
    write_record(Workspace(tmp_path, tmp_path), image("3.13"), record)
    _, text = refusal(catalog, image("3.13"), tmp_path, Engine("sha256:1", image("3.13"), "quick"))
    assert f"\n    {BUILD}\n    {TEST}\n" in text


def test_an_image_that_got_the_name_of_another_one_is_refused_before_the_upload(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    write_record(
        Workspace(tmp_path, tmp_path),
        image("3.13"),
        local_record(id="sha256:1", twin="sha256:1", tests=run_of_tests(5)),
    )
    kind, text = refusal(catalog, image("3.13"), tmp_path, Engine("sha256:1", image("3.12")))
    assert kind is BuildError
    assert f"infra7/python:{image('3.13').name} is another image: " in text
    assert ".series is 3.12, not 3.13" in text or ".version is 3.12" in text


def test_an_image_is_not_dated_by_the_record_of_another_one(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    workspace, engine = Workspace(tmp_path, tmp_path), Engine("sha256:1", image("3.13"))
    for identity, day in (("sha256:1", "20261101"), ("sha256:2", "")):
        write_record(workspace, image("3.13"), local_record(id=identity, twin="sha256:1", tests=run_of_tests(5)))
        forced = approved(workspace, catalog, engine, [image("3.13")], True, print)  # type: ignore[arg-type]
        assert [each[3] for each in forced] == [day, "20261101"]


@pytest.mark.parametrize(
    ("built", "day"),
    [
        ("2026-11-28T01:00:00+00:00", "20261128"), ("1970-01-01T00:00:09+00:00", ""), ("2026-11-01T23:00:00+00:00", ""),
        ("2106-02-07T06:28:15+00:00", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_day_of_a_permanent_tag_is_unknown_if_a_clock_was_wrong(built: str, day: str) -> None:
    labels = {"org.opencontainers.image.created": "2026-11-02T10:00:00Z"}
    record = local_record(built=built) if built else None
    assert day_of(record, labels, datetime(2026, 11, 28, 2, tzinfo=UTC)) == day
