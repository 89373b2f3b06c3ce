"""Docker's own tool reads the attestations of a full build from a registry, and they describe that image."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bakery.build.builder import BuildResult
from bakery.engine.engine import Engine
from bakery.oci.attestations import PACKAGES, SPDX
from bakery.sbom.vulnerabilities import OPENVEX
from bakery.workspace import Workspace
from tests.records import recorded

from .fixtures import SALT, Bench, output_of
from .registry import raw

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, resolution: Path
) -> Iterator[Bench]:
    """A clone with its own layers, because a test removes attestations."""
    if not engine.keeps_layers:
        pytest.skip("this engine stores images without their indexes")
    bench = Bench(tmp_path_factory.mktemp("bench"), engine, workspace.home, salt=SALT, packages=resolution)
    yield bench
    bench.remove_images()


def inspected(engine: Engine, reference: str, field: str) -> Any:
    """A field of what `docker buildx imagetools inspect` knows of an image in a registry."""
    command = [*engine.buildx, "imagetools", "inspect", reference, "--format", f"{{{{json .{field}}}}}"]
    done = subprocess.run(command, env=engine.environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def pushed(engine: Engine, tag: str, reference: str) -> None:
    """Push the image under another name."""
    engine.client.images.get(tag).tag(reference)
    try:
        for line in engine.client.api.push(reference, stream=True, decode=True):
            assert "error" not in line, line["error"]
    finally:
        engine.remove(reference)


@pytest.fixture(scope="module")
def first(bench: Bench) -> BuildResult:
    """The first build of the image."""
    (result,) = bench.builder("zstd:1").build([bench.image()])
    assert result.error == ""
    return result


@pytest.fixture(scope="module")
def published(bench: Bench, first: BuildResult, registry: str) -> str:
    """The image's name in a registry, after its push."""
    pushed(bench.engine, first.tags[0], f"{registry}/python:attested")
    return f"{registry}/python:attested"


def test_docker_imagetools_reads_the_bill_of_materials_and_the_provenance_after_a_push(
    bench: Bench, first: BuildResult, published: str
) -> None:
    assert "attest" in first.record.phases
    bill = inspected(bench.engine, published, "SBOM")["SPDX"]
    assert (bill["spdxVersion"], bill["name"]) == ("SPDX-2.3", first.tags[0])
    names = {package["name"] for package in bill["packages"]}
    assert {"CPython", "libc6", "tzdata", "apt"} <= names
    packages = ["dpkg-query", "--show", "--showformat", "${Package}=${Version} "]
    listed = {
        f"{package['name']}={package['versionInfo']}"
        for package in bill["packages"]
        if any(ref["referenceLocator"].startswith("pkg:deb/debian/") for ref in package["externalRefs"])
    }
    assert listed == set(output_of(bench.engine, first.tags[0], packages).split())

    provenance = inspected(bench.engine, published, "Provenance")["SLSA"]
    assert provenance["buildType"] == "https://mobyproject.org/buildkit@v1"
    assert provenance["invocation"]["parameters"]["args"]["build-arg:PYTHON_SHA256"] == bench.image().pin.sha256
    assert "llbDefinition" in provenance["buildConfig"], "mode=max"


def test_attestations_describe_the_pushed_manifest_and_contain_no_local_path(
    bench: Bench, first: BuildResult, published: str
) -> None:
    registry = published.partition("/")[0]
    index, _ = raw(registry, "python", "attested")
    image, attestation = index["manifests"]
    assert image["digest"] == first.record.id == recorded(bench.workspace, bench.image()).id
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"] == {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    manifest, _ = raw(registry, "python", attestation["digest"])
    kinds = [layer["annotations"]["in-toto.io/predicate-type"] for layer in manifest["layers"]]
    assert sorted(kinds) == [PACKAGES, OPENVEX, "https://slsa.dev/provenance/v0.2", SPDX]
    for layer in manifest["layers"]:
        text = requests.get(f"http://{registry}/v2/python/blobs/{layer['digest']}", timeout=5).text
        (digest,) = {subject["digest"]["sha256"] for subject in json.loads(text)["subject"]}
        assert f"sha256:{digest}" == image["digest"]
        for folder in (bench.root, bench.mirror, bench.workspace.home, Path.home()):
            assert f"{folder}/" not in text
    labels = bench.engine.require(first.tags[0]).labels
    annotations = raw(registry, "python", image["digest"])[0]["annotations"]
    assert annotations == {key: value for key, value in labels.items() if key.startswith("org.opencontainers.image.")}


@pytest.mark.extended
def test_rebuilding_an_unchanged_image_keeps_its_attestations(bench: Bench, first: BuildResult) -> None:
    index = bench.engine.require(first.tags[0]).id
    assert index != first.record.id
    (second,) = bench.builder("zstd:1").build([bench.image()])
    assert (second.record.id, second.compiled) == (first.record.id, False)
    assert not {"attest", "load"} & set(second.record.phases)
    assert bench.engine.require(first.tags[0]).id == index
    assert output_of(bench.engine, first.tags[0]).startswith("Python 3.13.15\n")


@pytest.mark.extended
def test_the_next_full_build_adds_missing_attestations(bench: Bench, first: BuildResult) -> None:
    for file in (bench.workspace.home / "layers" / "attested").iterdir():
        file.unlink()
    (second,) = bench.builder("zstd:1").build([bench.image()])
    assert second.record.id == first.record.id
    assert {"attest", "load"} <= set(second.record.phases)
