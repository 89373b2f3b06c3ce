"""Verdicts on two builds of an image, by a fake builder that returns given archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.build.builder import Builder
from bakery.build.reproducibility import verdict_report, verify_image
from bakery.catalog.models import Catalog, Image
from bakery.errors import BuildError
from bakery.workspace import Workspace
from tests.archives import Archive, make_tar


class FakeBuilder:
    """Builds the given identities and archives, one after the other."""

    def __init__(self, root: Path, catalog: Catalog, *made: tuple[str, Path], error: str = "") -> None:
        self.workspace, self.catalog, self.made, self.error = Workspace(root, root), catalog, list(made), error
        self.engine = SimpleNamespace(save=lambda _: [self.saved])
        self.saved, self.builds = b"", 0

    def build(self, _: list[Image]) -> list[Any]:
        self.builds += 1
        if self.error:
            return [SimpleNamespace(error=self.error, id="")]
        identity, file = self.made.pop(0)
        self.saved = file.read_bytes()
        return [SimpleNamespace(error="", id=identity, tags=("python:3.13",))]


def archive(file: Path, content: bytes) -> Path:
    made = Archive()
    made.image([make_tar({"a": content})], "none")
    file.write_bytes(made.save())
    return file


def verify(builder: FakeBuilder, image: Image) -> Any:
    verdict = verify_image(cast(Builder, builder), image)
    assert not list((builder.workspace.build / "verify").iterdir()), "an archive was left behind"
    return verdict


def test_two_builds_with_the_same_identity_are_the_same_bits(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    file = archive(tmp_path / "1.tar", b"x")
    builder = FakeBuilder(tmp_path, catalog, ("sha256:1", file), ("sha256:1", file))
    verdict = verify(builder, image("3.13"))
    assert (verdict.same, verdict.digests, builder.builds) == (True, ("sha256:1", "sha256:1"), 2)
    report = verdict_report([verdict])
    assert report.rows[0]["same"] == "the same bits"  # type: ignore[index]
    assert (report.notes, report.failure) == ([], None)


def test_the_files_that_differ_are_reported(tmp_path: Path, catalog: Catalog, image: Callable[..., Image]) -> None:
    first = archive(tmp_path / "1.tar", b"x")
    second = archive(tmp_path / "2.tar", b"y")
    verdict = verify(FakeBuilder(tmp_path, catalog, ("sha256:1", first), ("sha256:2", second)), image("3.13"))
    report = verdict_report([verdict])
    with pytest.raises(BuildError, match="1 of 1 images are not reproducible"):
        report.show()
    assert report.notes == ["3.13.15-bookworm: layer 1, a: 1 of 1 bytes, first at 0: 78 against 79"]
    assert report.rows[0] == {
        "image": "3.13.15-bookworm", "same": "different", "digest": "sha256:1 sha256:2", "differences": 1,
    }  # fmt: skip


def test_a_failed_build_is_not_the_same(tmp_path: Path, catalog: Catalog, image: Callable[..., Image]) -> None:
    builder = FakeBuilder(tmp_path, catalog, error="no room")
    verdict = verify(builder, image("3.13"))
    assert (verdict.same, verdict.error, builder.builds) == (False, "no room", 1)
    assert isinstance(verdict_report([verdict]).failure, BuildError)
