"""Twins with gzip layers: the same content, built, attested, tested and pushed together; images derived from them."""

from __future__ import annotations

import base64
import io
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.tags import all_references
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.engine.scratch import second_engine
from bakery.errors import BakeryError
from bakery.oci.attestations import PACKAGES
from bakery.oci.indexes import digest_of
from bakery.oci.manifests import DOCKER_MANIFEST, MANIFEST
from bakery.publish.cosign import Signer
from bakery.publish.push import Pusher, open_repository
from bakery.records.builds import read_record, write_record
from bakery.tar import decompressed
from bakery.testing.image_tests import twin_failure
from bakery.workspace import Workspace
from tests.records import run_of_tests

from .faults import faulty
from .fixtures import SALT, Bench, blobs_of, manifest_of, output_of
from .registry import DATA, NAME, PASSWORD, program, raw, running, tags
from .test_attestations import inspected, pushed

pytestmark = pytest.mark.engine

DOCKERFILE = "ARG BASE\nFROM ${BASE}\nRUN echo hello >/hello\n"
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace, layers: Path, resolution: Path
) -> Iterator[Bench]:
    """A clone with a full build of an image and its twin."""
    if not engine.keeps_layers:
        pytest.skip("this engine does not keep layers as they are packed")
    bench = Bench(
        tmp_path_factory.mktemp("bench"), engine, workspace.home, salt=SALT, layers=layers, packages=resolution
    )
    (result,) = bench.builder("zstd:1").build([bench.image()])
    assert result.error == ""
    yield bench
    bench.remove_images()


def installed(workspace: Workspace, catalog: Catalog, package: str, release: str = "") -> list[str]:
    """The command that runs the program of a package; the test is skipped if this host cannot have the package."""
    try:
        executable = program(workspace, catalog, package, release)
    except (BakeryError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the package {package} is not available: {error}")
    folders = sorted({str(file.parent) for file in executable.parents[1].rglob("*.so*")})
    libraries = ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")])
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(executable)]


def names(bench: Bench) -> tuple[str, str]:
    """The image and its twin."""
    first, twins = all_references(bench.catalog, bench.image())
    return first[0], twins[0]


def config_of(engine: Engine, reference: str) -> Any:
    manifest, blobs = blobs_of(engine, reference)
    return json.loads(blobs[manifest["config"]["digest"]])


def unpacked(engine: Engine, reference: str) -> bytes:
    """The last layer's tar."""
    manifest, blobs = blobs_of(engine, reference)
    with decompressed(io.BytesIO(blobs[manifest["layers"][-1]["digest"]])) as stream:
        return stream.read()


def test_a_twin_has_the_same_configuration_and_content_in_gzip_layers(bench: Bench) -> None:
    image, twin = names(bench)
    ours, packed = (manifest_of(bench.engine, name) for name in (image, twin))
    assert packed["layers"][0] != ours["layers"][0]
    own, other = config_of(bench.engine, image), config_of(bench.engine, twin)
    # Only the last diff_id differs: more zeros at the end of that tar give the twin another chain of layers. With the
    # same chain, a builder that knows both would use the layers that it saw first.
    last, marked = (config["rootfs"]["diff_ids"].pop() for config in (own, other))
    assert own == other
    content, same = (unpacked(bench.engine, name) for name in (image, twin))
    assert same == content + bytes(1024)
    assert (last, marked) == (digest_of(content), digest_of(same))
    assert {layer["mediaType"] for layer in ours["layers"]} == {f"{OCI}+zstd"}
    assert {layer["mediaType"] for layer in packed["layers"]} == {f"{OCI}+gzip"}
    record = read_record(bench.workspace, bench.image())
    assert record is not None and record.twin and record.twin != record.id
    assert record.gzip_bytes == sum(layer["size"] for layer in packed["layers"])
    for name, tags_of_name in zip((image, twin), all_references(bench.catalog, bench.image()), strict=True):
        assert {bench.engine.require(tag).id for tag in tags_of_name} == {bench.engine.require(name).id}


def test_a_rebuild_loads_neither_the_image_nor_its_twin_again(bench: Bench) -> None:
    before = [bench.engine.require(name).id for name in names(bench)]
    (again,) = bench.builder("zstd:1").build([bench.image()])
    assert not {"attest", "load"} & set(again.record.phases)
    assert [bench.engine.require(name).id for name in names(bench)] == before


def test_the_twin_is_tested_to_be_the_image_that_was_built_and_to_start(bench: Bench) -> None:
    (image, twin), engine = names(bench), bench.engine
    record, tested, home = read_record(bench.workspace, bench.image()), engine.require(image), bench.workspace.home
    assert record is not None
    assert twin_failure(engine, tested, twin, home, record.twin) == ""
    assert "not the image that was built together" in twin_failure(engine, tested, twin, home, record.id)
    assert "not the image" in twin_failure(engine, tested, f"{twin}-absent", home, record.twin)
    context = f"FROM {twin}\nLABEL other=content\n"
    subprocess.run(
        [*engine.buildx, "build", "--provenance=false", "--tag", f"{twin}-other", "-"],
        input=context, env=engine.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    other = engine.require(f"{twin}-other").id
    assert "a different configuration" in twin_failure(engine, tested, f"{twin}-other", home, other)
    engine.remove(f"{twin}-other")


def test_both_are_pushed_with_all_tags_attestations_and_signatures(bench: Bench, registry: str, tmp_path: Path) -> None:
    record = read_record(bench.workspace, bench.image())
    assert record is not None
    write_record(bench.workspace, bench.image(), record, tests=run_of_tests(passed=3))
    repository = open_repository(f"{registry}/twins", None, print)
    signer = tmp_path / "cosign"
    signer.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/signed\n')
    signer.chmod(0o755)
    pusher = Pusher(bench.workspace, bench.catalog, repository, print, Signer(str(signer), repository.transport))
    images = pusher.push_digests(bench.engine, [bench.image()])
    pusher.tag(images)
    repository.transport.close()
    assert [image.image for image in images] == ["3.13.15-bookworm", "3.13.15-bookworm-gzip"]
    assert {f"{tag}-gzip" for tag in tags(registry, "twins") if not tag.endswith("-gzip")} == {
        tag for tag in tags(registry, "twins") if tag.endswith("-gzip")
    }
    signed = (tmp_path / "signed").read_text()
    for tag, digest, method in (("3.13-slim", record.id, "zstd"), ("3.13-slim-gzip", record.twin, "gzip")):
        index, own = raw(registry, "twins", tag)
        assert own in signed
        image, attestation = index["manifests"]
        assert (image["digest"], attestation["annotations"]["vnd.docker.reference.digest"]) == (digest, digest)
        manifest = raw(registry, "twins", digest)[0]
        assert {layer["mediaType"] for layer in manifest["layers"]} == {f"{OCI}+{method}"}
        for kind, key in (("SBOM", "SPDX"), ("Provenance", "SLSA")):
            assert inspected(bench.engine, f"{registry}/twins:{tag}", kind)[key]


@pytest.mark.extended
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "secured"])
def test_cosign_verifies_what_was_pushed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secured: bool
) -> None:
    """Cosign is Debian 13's own. A wrapper leaves out the public log of signatures, which is not for tests."""
    cosign = installed(bench.workspace, bench.catalog, "cosign", "trixie")
    monkeypatch.setenv("COSIGN_PASSWORD", "a password")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    subprocess.run([*cosign, "generate-key-pair"], cwd=tmp_path, capture_output=True, check=True)
    subprocess.run(
        [*cosign, "generate-key-pair", "--output-key-prefix=other"], cwd=tmp_path, capture_output=True, check=True
    )
    wrapper = tmp_path / "cosign"
    wrapper.write_text(f'#!/bin/sh\nverb=$1\nshift\nexec {shlex.join(cosign)} "$verb" --tlog-upload=false "$@"\n')
    wrapper.chmod(0o755)
    record = read_record(bench.workspace, bench.image())
    assert record is not None
    write_record(bench.workspace, bench.image(), record, tests=run_of_tests(passed=3))
    bundle, trust = (DATA / "ca.pem", "--registry-cacert={}") if secured else (None, "--allow-http-registry")

    def verified(verb: str, reference: str, *options: str, key: str = "cosign.pub") -> str:
        """What cosign prints; an error if it does not verify."""
        command = [*cosign, verb, f"--key={key}", "--insecure-ignore-tlog", trust.format(bundle), *options, reference]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(done.stderr)
        return done.stdout

    with running(bench.workspace, bench.catalog, tmp_path, secured=secured) as host:
        auth = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        repository = open_repository(f"{host}/signed", bundle, print)
        signer = Signer(str(wrapper), repository.transport, str(tmp_path / "cosign.key"))
        pusher = Pusher(bench.workspace, bench.catalog, repository, print, signer)
        pusher.tag(pusher.push_digests(bench.engine, [bench.image()]))
        repository.transport.close()
        for tag, digest in (("3.13-slim", record.id), ("3.13-slim-gzip", record.twin)):
            index, own = raw(host, "signed", tag, secured=secured)
            assert own in verified("verify", f"{host}/signed:{tag}")
            for entry in index["manifests"]:  # for users who pull one platform by its digest
                assert entry["digest"] in verified("verify", f"{host}/signed@{entry['digest']}")
            kinds = {}
            for kind in ("slsaprovenance02", "spdxjson", "openvex", PACKAGES):
                line = verified("verify-attestation", f"{host}/signed@{digest}", f"--type={kind}")
                statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
                assert [f"sha256:{subject['digest']['sha256']}" for subject in statement["subject"]] == [digest]
                kinds[kind] = statement["predicate"]
            assert kinds["spdxjson"]["spdxVersion"] == "SPDX-2.3" and kinds["slsaprovenance02"]["materials"]
        with pytest.raises(ValueError, match="no matching signatures"):
            verified("verify", f"{host}/signed:3.13-slim", key="other.pub")


@pytest.mark.parametrize(
    ("fault", "message"),
    [("absent", "-gzip for linux/.* is not in the engine"), ("another", "-gzip linux/.*: it is not the image")],
)
def test_nothing_is_pushed_if_the_twin_is_not_the_one_that_was_tested(
    bench: Bench, registry: str, fault: str, message: str
) -> None:
    record, twin = read_record(bench.workspace, bench.image()), names(bench)[1]
    assert record is not None
    changed = {"tests": run_of_tests(passed=3), **({"twin": "sha256:" + "0" * 64} if fault == "another" else {})}
    write_record(bench.workspace, bench.image(), record, **changed)
    kept = bench.engine.client.images.get(twin)
    kept.tag(f"{twin}-kept")
    repository = open_repository(f"{registry}/{fault}", None, print)
    try:
        if fault == "absent":
            bench.engine.remove(twin)
        with pytest.raises(BakeryError, match=message):
            Pusher(bench.workspace, bench.catalog, repository, print).push_digests(bench.engine, [bench.image()])
    finally:
        repository.transport.close()
        kept.tag(twin)
        bench.engine.remove(f"{twin}-kept")
        write_record(bench.workspace, bench.image(), record)
    assert tags(registry, fault) == []


@dataclass(frozen=True)
class Readers:
    """Tools that read derived images: skopeo, and an engine without containerd's image store."""

    skopeo: list[str]
    older: Engine
    folder: Path

    def copy(self, *words: str) -> subprocess.CompletedProcess[str]:
        tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        return subprocess.run([*self.skopeo, "copy", *tls, *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def readers(
    workspace: Workspace, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory, first_embedded: Embedded
) -> Iterator[Readers]:
    skopeo = [*installed(workspace, catalog, "skopeo"), "--insecure-policy"]
    with second_engine(first_embedded, tmp_path_factory.mktemp("older"), "overlay2") as embedded:
        older = Engine("embedded", embedded.host, embedded)
        yield Readers(skopeo, older, tmp_path_factory.mktemp("copies") / "copy")
        older.close()


def derive(engine: Engine, base: str, reference: str, *options: str, output: str = "") -> None:
    """Build an application's image from ``base`` and push it; the engine does not keep it."""
    subprocess.run(
        [*engine.buildx, "build", "--network=host", f"--build-arg=BASE={base}", *options,
         f"--output=type=image,name={reference},push=true{output}", "-"],
        input=DOCKERFILE, env=engine.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    engine.remove(reference)


def derived(bench: Bench, host: str, tag: str) -> dict[str, Any]:
    """Derive the image that ``tag`` describes (BASE-OPTION) and return its manifest in the registry."""
    base, option = tag.split("-")
    provenance = f"--provenance={'true' if option == 'proven' else 'false'}"
    output = ",oci-mediatypes=true" if option == "oci" else ""
    derive(bench.engine, names(bench)[base == "gzip"], f"{host}/derived:{tag}", provenance, output=output)
    content = raw(host, "derived", tag)[0]
    return raw(host, "derived", content["manifests"][0]["digest"])[0] if "manifests" in content else content


@pytest.mark.extended
@pytest.mark.parametrize(
    ("tag", "manifest", "layer"),
    [
        # Not a media type of Docker's schema: what the twins are for.
        ("zstd-plain", DOCKER_MANIFEST, "application/vnd.docker.image.rootfs.diff.tar.zstd"),
        # The builder has seen the same files with zstd layers before.
        ("gzip-plain", DOCKER_MANIFEST, DOCKER_GZIP),
        ("gzip-proven", MANIFEST, f"{OCI}+gzip"),
        ("zstd-proven", MANIFEST, f"{OCI}+zstd"),
        ("zstd-oci", MANIFEST, f"{OCI}+zstd"),
    ],
)
def test_which_tools_read_the_media_types_of_derived_images(
    bench: Bench, readers: Readers, registry: str, tag: str, manifest: str, layer: str
) -> None:
    content, reference = derived(bench, registry, tag), f"{registry}/derived:{tag}"
    assert content["mediaType"] == manifest
    assert content["layers"][0]["mediaType"] == layer, "of the base"
    forms = ([], ["--format=v2s2"]) if tag.startswith("gzip") else ([],)
    for form in forms:
        copied = readers.copy(*form, f"docker://{reference}", f"dir:{readers.folder}")
        assert (copied.returncode == 0) == (tag != "zstd-plain"), copied.stderr
    for engine in (bench.engine, readers.older) if tag != "zstd-plain" else ():
        engine.pull(reference, print)
        assert output_of(engine, reference, ["cat", "/hello"]) == "hello\n"
        engine.remove(reference)


def only_v2s2(media_type: str, body: bytes) -> bool:
    """Whether a registry that only knows Docker's schema 2 accepts a manifest: a fake, as none is available."""
    content = json.loads(body)
    return media_type == DOCKER_MANIFEST and {layer["mediaType"] for layer in content["layers"]} == {DOCKER_GZIP}


@pytest.mark.extended
def test_a_registry_that_only_knows_dockers_schema_accepts_images_derived_from_a_twin(
    bench: Bench, readers: Readers, registry: str
) -> None:
    # The twin itself has OCI media types, which a client converts, as it does for an image with provenance.
    twin, reference = names(bench)[1], f"{registry}/derived:twin"
    pushed(bench.engine, twin, reference)
    with faulty(registry) as double:
        double.accepts = only_v2s2
        for tag, taken in (("gzip-plain", True), ("twin", True), ("zstd-plain", False), ("zstd-proven", False)):
            if tag != "twin":
                derived(bench, registry, tag)
            copied = readers.copy(f"docker://{registry}/derived:{tag}", f"docker://{double.address}/taken:{tag}")
            assert (copied.returncode == 0) == taken, copied.stderr
        assert tags(registry, "taken") == ["gzip-plain", "twin"]
