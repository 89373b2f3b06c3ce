"""Sizes in comparisons equal those in a registry's manifest and in `docker save`, to the byte."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.engine.engine import Engine
from bakery.platforms import host_platform
from bakery.registry.client import Registry
from bakery.sizes.baseline import read_baseline
from bakery.sizes.comparison import document
from bakery.sizes.measure import Comparer
from bakery.workspace import Workspace
from tests.archives import LAYER, NAMED, Archive, make_tar

from .fixtures import manifest_of
from .registry import raw, stored, upload

pytestmark = pytest.mark.engine

BASE = make_tar({"var/lib/dpkg/status": b"Package: x\n" * 5000, "usr/bin/sh": bytes(range(256)) * 2000})
TOP = make_tar(
    {"usr/local/bin/python3": bytes(range(255)) * 900, "usr/local/lib/python3.13/os.py": b"import os\n" * 900}
)
OLD = make_tar(
    {"usr/local/bin/python3": bytes(range(255)) * 990, "usr/local/lib/python3.13/idlelib/a.py": b"import tk\n" * 99}
)
METHODS = ["gzip", "zstd"]


@pytest.fixture
def images(engine: Engine) -> Iterator[list[str]]:
    """References that the engine forgets after the test."""
    names: list[str] = []
    yield names
    for name in names:
        engine.remove(name)


def load(engine: Engine, images: list[str], reference: str, layers: list[bytes], method: str) -> None:
    """Give the engine an image by `docker load`, with layers packed by ``method``."""
    archive = Archive()
    descriptor = archive.image(layers, method, host_platform(), config={"Env": ["PYTHON_VERSION=3.13.15"], **NAMED})
    descriptor["annotations"] = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    manifest = json.loads(archive.blobs[descriptor["digest"]])
    listed = [
        {
            "Config": f"blobs/{manifest['config']['digest'].replace(':', '/')}",
            "RepoTags": [reference],
            "Layers": [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]],
        }
    ]
    with io.BytesIO(archive.save(**{"manifest.json": json.dumps(listed).encode()})) as stream:
        list(engine.client.images.load(stream))
    images.append(reference)
    if not any(layer["mediaType"].endswith(method) for layer in manifest_of(engine, reference)["layers"]):
        pytest.skip("this engine stores its layers uncompressed")


def push(engine: Engine, reference: str) -> None:
    for line in engine.client.api.push(reference, stream=True, decode=True):
        assert "error" not in line, line["error"]


def named(catalog: Catalog, repository: str) -> Catalog:
    """The catalog with another name for its images."""
    recipe = dataclasses.replace(catalog.recipes[RecipeName.FULL], repository=repository)
    return dataclasses.replace(catalog, repository=repository, recipes={**catalog.recipes, RecipeName.FULL: recipe})


def image(catalog: Catalog) -> Image:
    return select_images(catalog, ["3.13"])[0]


def comparer(catalog: Catalog, engine: Engine | None, workspace: Workspace, **more: Any) -> Comparer:
    return Comparer(catalog, engine, read_baseline(workspace.root), [], tell=lambda _: None, **more)


@pytest.mark.parametrize("method", METHODS)
def test_sizes_from_engine_and_registry_equal_the_manifest_to_the_byte(
    engine: Engine, workspace: Workspace, catalog: Catalog, registry: str, images: list[str], method: str
) -> None:
    name = f"{method}/python"
    own = named(catalog, f"{registry}/{name}")
    tag = "3.13.15-bookworm"
    load(engine, images, f"{own.repository}:{tag}", [BASE, TOP], method)
    push(engine, f"{own.repository}:{tag}")
    other = f"{registry}/{method}/other:1"
    load(engine, images, other, [BASE, OLD], method)
    push(engine, other)

    manifest, digest = raw(registry, name, tag)
    expected = [(layer["digest"], layer["size"]) for layer in manifest["layers"]]
    assert [size for _, size in expected] == [stored(registry, name, blob) for blob, _ in expected]

    (saved,) = comparer(own, engine, workspace, against=other).compare(image(own))
    (pulled,) = comparer(own, engine, workspace, against=other, repository=own.repository).compare(image(own))
    (bare,) = comparer(own, None, workspace, against=other, repository=own.repository).compare(image(own))
    for comparison in (saved, pulled, bare):
        assert comparison.ours is not None
        assert [(layer.digest, layer.compressed_bytes) for layer in comparison.ours.layers] == expected
        assert {layer.method for layer in comparison.ours.layers} == {method}
        assert comparison.ours.compressed_bytes == sum(size for _, size in expected)
        assert comparison.ours.digest == digest
    assert [comparison.ours.source for comparison in (saved, pulled, bare) if comparison.ours] == [
        "engine",
        "registry",
        "registry",
    ]

    theirs = [layer["size"] for layer in raw(registry, f"{method}/other", "1")[0]["layers"]]
    disk = 5000 * 11 + 256 * 2000
    for comparison in (saved, pulled):
        data = document(comparison)
        assert data["disk_bytes"] == disk + 255 * 900 + 9000
        assert data["reference_disk_bytes"] == disk + 255 * 990 + 990
        assert data["official_compressed_bytes"] == sum(theirs)
        for kind in ("compressed_bytes", "disk_bytes"):
            assert sum(part[kind] for part in data["ours"]["parts"].values()) == data[kind]
        assert [file["path"] for file in data["only_in_reference"]] == ["usr/local/lib/python3.13/idlelib/a.py"]
        assert [file["path"] for file in data["only_in_ours"]] == ["usr/local/lib/python3.13/os.py"]
    assert (document(bare)["disk_bytes"], document(bare)["official_compressed_bytes"]) == (None, sum(theirs))


def test_an_index_with_attestations_is_read_for_each_platform(registry: str) -> None:
    archive = Archive()
    for platform, layers in (("linux/amd64", [BASE, TOP]), ("linux/arm64", [BASE, OLD])):
        archive.image(layers, "zstd", platform)
        attestation = archive.image([make_tar({"statement": platform.encode() * 400})], "none", "unknown/unknown")
        attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    upload(archive, registry, "index/python", "1")
    client, reference = Registry(), f"{registry}/index/python:1"
    assert client.platforms(reference) == ("linux/amd64", "linux/arm64")
    for descriptor in archive.descriptors[::2]:
        platform = f"linux/{descriptor['platform']['architecture']}"
        remote = client.image(reference, platform)
        manifest, digest = raw(registry, "index/python", descriptor["digest"])
        assert remote.digest == digest
        assert [layer.compressed_bytes for layer in remote.layers] == [
            stored(registry, "index/python", layer["digest"]) for layer in manifest["layers"]
        ]
        assert {layer["mediaType"] for layer in manifest["layers"]} == {f"{LAYER}+zstd"}


def test_a_different_build_in_the_registry_has_no_size_on_disk(
    engine: Engine, workspace: Workspace, catalog: Catalog, registry: str, images: list[str]
) -> None:
    own = named(catalog, f"{registry}/stale/python")
    reference = f"{own.repository}:3.13.15-bookworm"
    load(engine, images, reference, [BASE, OLD], "gzip")
    push(engine, reference)
    load(engine, [], reference, [BASE, TOP], "gzip")
    (comparison,) = comparer(own, engine, workspace, against=reference, repository=own.repository).compare(image(own))
    assert comparison.ours is not None and comparison.ours.disk_bytes is None
    assert any("a different build from the registry's" in note for note in comparison.notes)
