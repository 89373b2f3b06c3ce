"""What is pushed is what was tested, whatever the records in the cache say."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.pins import UNVERIFIED
from bakery.catalog.tags import labels_that_name
from bakery.errors import BakeryError, DiskFullError, InputError, PublishError
from bakery.platforms import Platform
from bakery.publish import digest_files, push
from bakery.publish.cosign import Signer, make_signer
from bakery.publish.digest_files import read_digests, write_digests
from bakery.publish.push import Pusher
from bakery.records.builds import manifest_digest_of, record_attested
from bakery.registry import PUSH, RegistryError, Repository, Transport
from bakery.sbom.vulnerabilities import OPENVEX
from bakery.workspace import Workspace
from tests.archives import INDEX, MANIFEST, Archive, digest_of, make_tar

FULL = {"io.github.infra7.python.recipe": "full"}
"""The label of a build that may be published."""


class FakeEngine:
    """A fake engine with an image that has attestations."""

    keeps_layers = True

    def __init__(self, method: str = "gzip", media_type: str = "") -> None:
        archive = Archive()
        self.manifest = archive.image([make_tar({"file": b"tested"})], method)
        if media_type:
            content = json.loads(archive.blobs[self.manifest["digest"]])
            content["layers"][0]["mediaType"] = media_type
            self.manifest |= archive.json(content, MANIFEST)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [self.manifest]}
        archive.descriptors = [archive.json(index, INDEX)]
        self.identity, self.saved = archive.descriptors[0]["digest"], archive.save()

    def save(self, _: str) -> Iterator[bytes]:
        yield self.saved


class FakeRepository:
    """A fake registry that has all blobs and no tag."""

    def check(self) -> None:
        """It answers."""

    def index(self, _: str) -> None:
        """No tag."""

    def has_blob(self, _: str) -> bool:
        return True


@pytest.fixture
def pushed(
    catalog: Catalog, image: Callable[..., Image], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Callable[[FakeEngine], Any]:
    """Pushes the engine's image, of which everything has been approved; nothing is sent."""

    def act(engine: FakeEngine) -> Any:
        approved = [(image("3.13"), "", engine.identity, "20261127")]
        monkeypatch.setattr(push, "approved", lambda *_: approved)
        repository: Any = FakeRepository()
        return Pusher(workspace, catalog, repository, lambda _: None, dry=True).push_digests(engine, [])  # type: ignore[arg-type]

    return act


def test_image_that_was_tested_is_pushed(pushed: Any, workspace: Workspace) -> None:
    engine = FakeEngine()
    record_attested(workspace.home, engine.identity, engine.manifest["digest"])
    assert [entry["digest"] for entry in pushed(engine)[0].entries] == [engine.manifest["digest"]]


@pytest.mark.parametrize("size", [0, 5, 1000, 2000])
@pytest.mark.parametrize("keeps_layers", [True, False])
def test_an_archive_that_the_engine_cuts_off_is_reported(pushed: Any, size: int, keeps_layers: bool) -> None:
    engine = FakeEngine()
    engine.saved, engine.keeps_layers = engine.saved[:size], keeps_layers
    with pytest.raises(BakeryError, match="an image archive cannot be read"):
        pushed(engine)


def test_a_full_disk_is_reported_wherever_push_writes(
    pushed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(push.tempfile, "TemporaryFile", full)
    with pytest.raises(DiskFullError, match="no space left on the file system of"):
        pushed(FakeEngine())
    monkeypatch.setattr(digest_files, "write_whole", full)
    with pytest.raises(DiskFullError, match=f"no space left on the file system of {tmp_path}"):
        write_digests(str(tmp_path / "digests.json"), [])


def test_record_in_the_cache_cannot_pass_off_another_image_as_the_tested_one(pushed: Any, workspace: Workspace) -> None:
    engine = FakeEngine()
    record_attested(workspace.home, engine.identity, "sha256:" + "1" * 64)
    with pytest.raises(PublishError, match=f"contains the image {engine.manifest['digest']}; the tested image is"):
        pushed(engine)


def test_record_that_is_not_a_file_is_refused_by_name(workspace: Workspace) -> None:
    folder = workspace.home / "layers" / "attested"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "sha256-1")
    with pytest.raises(BakeryError, match="sha256-1 is a FIFO: expected a regular file"):
        manifest_digest_of(workspace.home, "sha256:1")


@dataclass
class Attested(FakeRepository):
    """A fake registry with an image whose attestations have three statements."""

    labels: dict[str, str]

    def has_manifest(self, name: str) -> bool:
        return not name.endswith((".att", ".sig"))

    def manifest(self, _: object) -> object:
        return {"config": {}, "layers": []}

    def image(self, _: object) -> object:
        config = {"os": "linux", "architecture": "amd64", "config": {"Labels": self.labels}}
        return {"config": {}, "layers": []}, config

    def put_manifest(self, *_: object) -> None:
        """It takes everything."""

    def statements(self, _: object, image: str) -> Iterator[tuple[str, bytes]]:
        assert image == f"sha256:{'1' * 64}"
        yield "https://slsa.dev/provenance/v0.2", b'{"builder": {"id": "https://ci.example/1"}}'
        yield "https://spdx.dev/Document", b'{"spdxVersion": "SPDX-2.3"}'
        yield OPENVEX, b'{"statements": []}'


def test_statements_are_signed_as_attestations_of_the_image_and_indexes_with_all_they_refer_to(
    catalog: Catalog, image: Callable[..., Image], workspace: Workspace, tmp_path: Path
) -> None:
    program = tmp_path / "cosign"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfile = [a[12:] for a in sys.argv if a.startswith('--predicate=')]\n"
        f"print(*sys.argv[1:], open(file[0]).read() if file else '', file=open('{tmp_path}/log', 'a'))\n"
    )
    program.chmod(0o755)
    transport: Any = SimpleNamespace(base="https://r.example", bundle=None, host="r.example", path="python")
    repository: Any = Attested(labels_that_name(image("3.13")) | FULL)
    platform = {"architecture": "amd64", "os": "linux"}
    entries: Any = [
        {"mediaType": MANIFEST, "digest": f"sha256:{'1' * 64}", "size": 1, "platform": platform},
        {
            "mediaType": MANIFEST, "digest": f"sha256:{'2' * 64}", "size": 1,
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {
                "vnd.docker.reference.digest": f"sha256:{'1' * 64}",
                "vnd.docker.reference.type": "attestation-manifest",
            },
        },
    ]  # fmt: skip
    pusher = Pusher(workspace, catalog, repository, lambda _: None, Signer(str(program), transport))
    tags = push.tags_for(catalog, image("3.13"), "20261127")
    pusher.tag([push.PushedImage(image("3.13").name, Platform("linux/amd64"), tags, entries)])
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["attest", "attest", "attest", "sign"]
    assert "--type=slsaprovenance02 " in lines[0] and lines[0].endswith('{"builder": {"id": "https://ci.example/1"}}')
    assert "--type=spdxjson " in lines[1] and lines[1].endswith('{"spdxVersion": "SPDX-2.3"}')
    assert "--type=openvex " in lines[2], "cosign finds no other type by that name"
    assert all(f"r.example/python@sha256:{'1' * 64}" in line for line in lines[:3])
    assert " --recursive " in lines[3]


class Merge:
    """A file that another machine wrote, and a registry that has its image."""

    def __init__(self, server: Any, catalog: Catalog, image: Image, workspace: Workspace) -> None:
        archive = Archive()
        self.labels = labels_that_name(image) | FULL
        entry = archive.image([make_tar({"file": b"x"})], config={"Labels": self.labels})
        attestation = archive.attestation(entry)
        names: Any = asdict(push.tags_for(catalog, image, "20261127"))
        self.image: dict[str, Any] = {"image": image.name, "platform": "linux/amd64", "names": names}
        self.image["entries"] = [entry, attestation]
        self.tags, self.gets, self.lies = list[str](), list[str](), dict[str, Any]()
        self.file = workspace.home / "digests.json"
        server.default = self.answer
        self.blobs = archive.blobs
        repository = Repository(Transport(server.address, "x", PUSH))
        self.pusher = Pusher(workspace, catalog, repository, lambda _: None)

    def answer(self, request: Any) -> Any:
        name = request.path.rpartition("/")[2]
        if request.command == "PUT":
            data = request.rfile.read(int(request.headers["Content-Length"]))
            self.tags.append(name)
            if not name.startswith("sha256:"):
                self.blobs[name] = self.lies.get(name, data)
            return 201
        self.gets += [name] if request.command == "GET" else []
        return self.blobs.get(name, 404)

    def run(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps([self.image]))
        self.pusher.tag(read_digests([str(self.file)]))


@pytest.fixture
def merge(serve: Any, catalog: Catalog, image: Callable[..., Image], workspace: Workspace) -> Merge:
    return Merge(serve(), catalog, image("3.13"), workspace)


def test_image_that_another_machine_pushed_gets_its_tags(merge: Merge) -> None:
    merge.run()
    assert "3.13" in merge.tags


@pytest.mark.parametrize(("stored", "found"), [(404, "nothing"), (b"{}", digest_of(b"{}")), (b"", digest_of(b""))])
@pytest.mark.parametrize("name", ["dated", "release", "shared"])
def test_a_registry_that_confirms_a_tag_without_storing_it_is_reported(
    merge: Merge, name: str, stored: Any, found: str
) -> None:
    tag = merge.image["names"][name]
    tag = tag if isinstance(tag, str) else tag[-1]
    merge.lies[tag] = stored
    with pytest.raises(RegistryError, match=f"confirmed {tag}, but has {found} there; expected sha256:"):
        merge.run()
    assert merge.tags[-1] == tag, "no other tag moves"


def test_each_manifest_is_read_once_before_the_tags_move_and_each_tag_once_after(merge: Merge) -> None:
    merge.run()
    assert [merge.gets.count(entry["digest"]) for entry in merge.image["entries"]] == [1, 1]
    assert {merge.gets.count(tag) for tag in merge.tags if not tag.startswith("sha256:")} == {3}


def test_a_tag_that_another_push_sets_at_the_same_time_keeps_its_platform(merge: Merge) -> None:
    """Between reading a tag and setting it, cosign may sign for minutes."""
    other = Archive()
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [other.image([make_tar({})], "gzip", "linux/arm64")]}
    dated, asked = merge.image["names"]["dated"], list[str]()
    first = merge.pusher.repository.transport.once

    def once(verb: str, what: str, **options: Any) -> Any:
        answer = first(verb, what, **options)
        if (verb, what) == ("GET", f"manifests/{dated}"):
            asked.append(what)
            merge.blobs[dated] = json.dumps(index).encode()
        return answer

    merge.pusher.repository.transport.once = once  # type: ignore[method-assign]
    with pytest.raises(PublishError, match=f"{dated} was set by another push at the same time"):
        merge.run()
    assert len(asked) == 2 and merge.tags == [tag for tag in merge.tags if tag.startswith("sha256:")]


NAMES = [
    {"dated": "latest"}, {"release": "stable"}, {"shared": ["3.14"]}, {"shared": []}, {"dated": "3.13"},
    {"dated": "3.13.15-bookworm-gzip"}, {"release": "3.13"},
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("name", ["", "3.13.99-bookworm"])
def test_image_from_another_machine_moves_only_its_own_tags(merge: Merge, names: dict[str, Any], name: str) -> None:
    merge.image["names"] |= names
    if name:
        merge.image |= {"image": name}
    with pytest.raises(InputError, match="these are not its tags"):
        merge.run()
    assert merge.tags == []


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("io.github.infra7.python.variant", "minimal"), ("org.opencontainers.image.version", "3.12.5"),
        ("io.github.infra7.python.target", "missing"),
    ],
)  # fmt: skip
def test_image_whose_labels_name_another_image_gets_no_tag(merge: Merge, label: str, value: str) -> None:
    archive = Archive()
    labels = {key: text for key, text in (merge.labels | {label: value}).items() if text != "missing"}
    other = archive.image([make_tar({"file": b"x"})], config={"Labels": labels})
    merge.blobs |= archive.blobs
    merge.image["entries"] = [other]
    with pytest.raises(PublishError, match=f"{other['digest']} is another image: {label} is {value}, not "):
        merge.run()
    assert merge.tags == []


CONFIGS: dict[str, tuple[dict[str, Any] | str, str]] = {
    "labels that Docker reads": ({"Config": {"Labels": {"other": "1"}}}, "'Config' would be read as 'config'"),
    "a platform that Docker reads": ({"Architecture": "arm64"}, "'Architecture' would be read as 'architecture'"),
    "a command that Docker reads": ({"config": {"cmd": ["other"]}}, "'cmd' would be read as 'Cmd'"),
    "labels twice": ('"config": {"Labels": {"other": "1"}}, ', "the field 'config' is in it twice"),
    "no layers": ({"rootfs": {"type": "layers", "diff_ids": []}}, "it has 1 layers and 0 diff_ids"),
    "a diff_id too many": (
        {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{'1' * 64}"] * 2}}, "it has 1 layers and 2 diff_ids",
    ),
}  # fmt: skip
MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "a chart": ({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "has the media type"),
    "a configuration in its descriptor": ({"config": {"data": "e30="}}, "has the field 'data' in the manifest"),
    "a layer elsewhere": ({"layer": {"urls": ["https://other.example"]}}, "has the field 'urls' in the manifest"),
    "a layer of another size": ({"layer": {"size": 5}}, "bytes, expected 5"),
    "a layer that is not stored": ({"layer": {"digest": f"sha256:{'4' * 64}"}}, "does not have sha256:444"),
    "an artifact": ({"artifactType": "application/x"}, "its manifest has the field 'artifactType'"),
    "a subject": (
        {"subject": {"mediaType": MANIFEST, "digest": f"sha256:{'5' * 64}", "size": 1}},
        "its manifest has the field 'subject'",
    ),
    "a claim that is not a label": (
        {"annotations": {"org.opencontainers.image.version": "9.9.9"}},
        "its annotation 'org.opencontainers.image.version' is not one of its labels",
    ),
}


@pytest.mark.parametrize("kind", [*CONFIGS, *MANIFESTS])
def test_an_image_that_docker_reads_otherwise_or_cannot_run_gets_no_tag(merge: Merge, kind: str) -> None:
    archive, entry = Archive(), merge.image["entries"][0]
    manifest = json.loads(merge.blobs[entry["digest"]])
    config, (changes, problem) = merge.blobs[manifest["config"]["digest"]], MANIFESTS.get(kind, ({}, ""))
    change, problem = CONFIGS.get(kind, ({}, problem))
    if isinstance(change, str):
        config = b"{" + change.encode() + config[1:]
    elif change:
        fields = json.loads(config)
        fields |= {**change, "config": fields["config"] | change.get("config", {})}
        config = json.dumps(fields).encode()
    manifest["config"] |= archive.blob(config, manifest["config"]["mediaType"]) | changes.get("config", {})
    manifest["layers"][0] |= changes.get("layer", {})
    manifest |= {key: value for key, value in changes.items() if key not in ("config", "layer")}
    merge.image["entries"] = [{**entry, **archive.json(manifest, MANIFEST)}]
    merge.blobs |= archive.blobs
    with pytest.raises(BakeryError, match=problem):
        merge.run()
    assert merge.tags == []


@pytest.mark.parametrize(
    ("label", "value", "reason"),
    [
        ("io.github.infra7.python.recipe", "quick", "it is a quick build"),
        ("io.github.infra7.python.base.origin", "user", "built on your own base"),
        ("io.github.infra7.python.source.signature", UNVERIFIED, "built from your own source"),
        ("org.opencontainers.image.revision", "1234-dirty", "uncommitted changes"),
    ],
)
def test_objections_are_those_of_the_machine_that_built_the_image(
    merge: Merge, label: str, value: str, reason: str
) -> None:
    archive, messages = Archive(), list[str]()
    merge.image["entries"] = [
        archive.image([make_tar({"file": b"x"})], config={"Labels": merge.labels | {label: value}})
    ]
    merge.blobs |= archive.blobs
    with pytest.raises(PublishError, match=reason) as caught:
        merge.run()
    assert "--force" in caught.value.hint
    assert merge.tags == []
    merge.pusher = replace(merge.pusher, force=True, tell=messages.append)
    merge.run()
    assert "3.13" in merge.tags
    assert any(f"overridden: {reason}" in line or reason in line for line in messages)


@pytest.mark.parametrize("name", ["release", "dated"])
def test_a_tag_keeps_no_platform_that_is_not_our_image(merge: Merge, name: str) -> None:
    """Any program that may write to the repository can set it; the other platforms would be signed and get all tags."""
    other = Archive()
    index = {
        "schemaVersion": 2, "mediaType": INDEX, "annotations": {"org.opencontainers.image.version": "other"},
        "manifests": [other.image([make_tar({"file": b"z"})], "gzip", "linux/arm64")],
    }  # fmt: skip
    tag, messages = merge.image["names"][name], list[str]()
    merge.blobs |= {**other.blobs, tag: json.dumps(index).encode()}
    with pytest.raises(PublishError, match=f"{tag} has an image for linux/arm64 that does not belong to it"):
        merge.run()
    assert merge.tags == []
    merge.pusher = replace(merge.pusher, force=True, tell=messages.append)
    if name == "dated":
        with pytest.raises(PublishError, match="does not belong to it") as caught:
            merge.run()
        assert "--stamp" in caught.value.hint
        return
    merge.run()
    stored = json.loads(merge.blobs["3.13"])
    assert [entry["digest"] for entry in stored["manifests"]] == [entry["digest"] for entry in merge.image["entries"]]
    assert "annotations" not in stored
    assert any(f"{tag} loses it" in line for line in messages)


@pytest.mark.parametrize("platform", [{"os": "linux", "architecture": "arm64"}, {}])
def test_a_tag_keeps_no_image_under_another_platform_than_its_own(merge: Merge, platform: dict[str, str]) -> None:
    entry = {**merge.image["entries"][0], "platform": platform}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    merge.blobs[merge.image["names"]["release"]] = json.dumps(index).encode()
    with pytest.raises(PublishError, match=r"has an image for .* that does not belong to it"):
        merge.run()
    assert merge.tags == []


@pytest.mark.parametrize(("answer", "problem"), [(403, "403"), (b"x" * ((4 << 20) + 1), "answered with more than")])
def test_a_tag_loses_no_platform_if_the_registry_fails(merge: Merge, answer: Any, problem: str) -> None:
    """Not even with --force: the platform is not known to be another image."""
    other = Archive()
    entry = other.image([make_tar({"file": b"z"})], "gzip", "linux/arm64", config={"Labels": merge.labels})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    merge.blobs |= {**other.blobs, entry["digest"]: answer, merge.image["names"]["release"]: json.dumps(index).encode()}
    merge.pusher = replace(merge.pusher, force=True)
    with pytest.raises(RegistryError, match=problem):
        merge.run()
    assert merge.tags == []


def test_a_tag_keeps_another_platform_of_the_same_image(merge: Merge) -> None:
    other = Archive()
    entry = other.image([make_tar({"file": b"z"})], "gzip", "linux/arm64", config={"Labels": merge.labels})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    merge.blobs |= {**other.blobs, merge.image["names"]["release"]: json.dumps(index).encode()}
    merge.run()
    assert entry["digest"] in [each["digest"] for each in json.loads(merge.blobs["3.13"])["manifests"]]


STATEMENTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a subject that Go reads": ({"Subject": [{"digest": {"sha256": "1" * 64}}]}, {}, "would be read as 'subject'"),
    "a type that is not a URI": (
        {"predicateType": "a\0b"}, {"annotations": {"in-toto.io/predicate-type": "a\0b"}}, "expected a URI",
    ),
    "another type than announced": ({"predicateType": "https://other.example"}, {}, "is of the type https://other"),
    "another media type": (
        {}, {"mediaType": "application/vnd.in-toto+json; charset=utf-8"}, "charset=utf-8' in an attestation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATEMENTS)
def test_attestations_have_statements_about_the_image_and_nothing_else(merge: Merge, kind: str) -> None:
    archive, entry = Archive(), merge.image["entries"][1]
    manifest, (fields, changes, problem) = json.loads(merge.blobs[entry["digest"]]), STATEMENTS[kind]
    (layer,) = manifest["layers"]
    statement = json.loads(merge.blobs[layer["digest"]]) | fields
    manifest["layers"] = [{**layer, **archive.json(statement, layer["mediaType"]), **changes}]
    merge.image["entries"][1] = {**entry, **archive.json(manifest, MANIFEST)}
    merge.blobs |= archive.blobs
    with pytest.raises(BakeryError, match=problem):
        merge.run()
    assert merge.tags == []


def test_an_attestation_without_statements_is_not_published(merge: Merge) -> None:
    archive, entry = Archive(), merge.image["entries"][1]
    manifest = {**json.loads(merge.blobs[entry["digest"]]), "layers": []}
    merge.image["entries"][1] = {**entry, **archive.json(manifest, MANIFEST)}
    merge.blobs |= archive.blobs
    with pytest.raises(RegistryError, match="has no statement"):
        merge.run()
    assert merge.tags == []


def test_objections_that_were_overridden_on_this_machine_are_not_repeated(merge: Merge) -> None:
    archive = Archive()
    labels = merge.labels | {"io.github.infra7.python.recipe": "quick"}
    merge.image["entries"] = [archive.image([make_tar({"file": b"x"})], config={"Labels": labels})]
    merge.blobs |= archive.blobs
    merge.pusher.approved_digests.add(merge.image["entries"][0]["digest"])
    merge.run()
    assert "3.13" in merge.tags


def test_layers_that_are_not_compressed_as_their_type_says_are_not_sent(pushed: Any, workspace: Workspace) -> None:
    engine = FakeEngine("zstd", "application/vnd.oci.image.layer.v1.tar+gzip")
    record_attested(workspace.home, engine.identity, engine.manifest["digest"])
    with pytest.raises(PublishError, match="has the compression zstd, and gzip in its media type"):
        pushed(engine)


def test_statements_about_another_image_are_not_published(merge: Merge) -> None:
    """Not even unsigned: docker scout and `inv sbom` read them as if they were about the image."""
    archive = Archive()
    subject = [{"name": "other", "digest": {"sha256": "1" * 64}}]
    statement = {"predicateType": "https://spdx.dev/Document", "subject": subject, "predicate": {}}
    layer = archive.json(statement, "application/vnd.in-toto+json")
    attestation = merge.image["entries"][1]
    manifest = {**json.loads(merge.blobs[attestation["digest"]]), "layers": [layer]}
    merge.image["entries"][1] = {**attestation, **archive.json(manifest, MANIFEST)}
    merge.blobs |= archive.blobs
    with pytest.raises(RegistryError, match="is a statement about another image"):
        merge.run()
    assert merge.tags == []


def test_image_with_zstd_layers_gets_no_tag_of_a_gzip_twin(
    merge: Merge, catalog: Catalog, image: Callable[..., Image]
) -> None:
    archive = Archive()
    merge.image["entries"] = [archive.image([make_tar({"file": b"x"})], "zstd", config={"Labels": merge.labels})]
    merge.blobs |= archive.blobs
    merge.image["names"] = asdict(push.tags_for(catalog, image("3.13"), "20261127", "-gzip"))
    merge.image["image"] += "-gzip"
    with pytest.raises(PublishError, match="layers that are not compressed by gzip"):
        merge.run()
    assert merge.tags == []


def test_a_build_of_the_users_own_tree_gets_tags_of_its_version(merge: Merge) -> None:
    archive, version = Archive(), "org.opencontainers.image.version"
    merge.image["entries"] = [
        archive.image([make_tar({"file": b"x"})], config={"Labels": merge.labels | {version: "3.13.99+"}})
    ]
    merge.blobs |= archive.blobs
    name = "3.13.99-local-bookworm"
    shared = ["3.13.99-local", "3.13.99-local-slim-bookworm", "3.13.99-local-slim"]
    merge.image |= {"image": name, "names": {"dated": f"{name}-1", "release": name, "shared": shared}}
    merge.run()
    assert set(shared) < set(merge.tags)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("3.13.15-other", "3.13.15-bookworm-20261127"), ("3.13.15-other", "3.13.15-bookworm"), ("3.13-other", "3.13"),
        ("latest-other", "latest"), ("3.13.99-local-bookworm", "3.13.99-local-bookworm-0"),
        ("3.12.99-local-bookworm", "3.13.99-local"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_an_image_moves_no_tag_not_even_a_permanent_one(merge: Merge, name: str, tag: str) -> None:
    merge.image |= {"image": name, "names": {"dated": f"{name}-1", "release": name, "shared": [tag]}}
    with pytest.raises(InputError, match="these are not its tags"):
        merge.run()
    assert merge.tags == []


ENTRIES: dict[str, tuple[int, dict[str, Any]]] = {
    "a page": (0, {"mediaType": "text/html"}),
    "an index": (0, {"mediaType": INDEX}),
    "another platform": (0, {"platform": {"os": "linux", "architecture": "arm64"}}),
    "no platform": (0, {"platform": None}),
    "a second image": (1, {"platform": {"os": "linux", "architecture": "s390x"}}),
    "attestations of another image": (1, {"annotations": {"vnd.docker.reference.digest": f"sha256:{'3' * 64}"}}),
    "attestations without a subject": (1, {"annotations": {}}),
    "attestations of another kind": (1, {"annotations": {"vnd.docker.reference.type": "other"}}),
    "claims about the image": (0, {"annotations": {"org.opencontainers.image.source": "https://other.example"}}),
    "a digest that Docker reads": (0, {"Digest": f"sha256:{'3' * 64}"}),
    "annotations that Docker reads": (0, {"ANNOTATIONS": 5}),
    "a size in another alphabet that Docker reads": (0, {"\u017fize": 5}),
    "a variant that Docker reads": (0, {"platform": {"os": "linux", "architecture": "amd64", "Variant": "v3"}}),
    "a manifest at a URL": (0, {"urls": ["https://other.example/manifest"]}),
    "a manifest in the index": (1, {"data": "e30="}),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_entries_from_another_machine_are_an_image_and_its_attestations(merge: Merge, kind: str) -> None:
    number, change = ENTRIES[kind]
    merge.image["entries"][number] |= change
    with pytest.raises(InputError, match="expected an image for linux/amd64 and its attestations only"):
        merge.run()
    assert merge.tags == []


PLATFORMS: list[dict[str, Any]] = [
    {"variant": 0}, {"variant": False}, {"variant": []}, {"os.version": 5}, {"os.features": "x"}, {"features": [5]},
]  # fmt: skip


@pytest.mark.parametrize("fields", PLATFORMS)
def test_a_platform_that_docker_cannot_read_gets_no_tag(merge: Merge, fields: dict[str, Any]) -> None:
    """A field of another type makes the whole index unreadable, for all of its platforms."""
    merge.image["entries"][0]["platform"] |= fields
    with pytest.raises(InputError, match=r"expected a file that .* wrote: Expected"):
        merge.run()
    assert merge.tags == []


def test_an_image_for_a_later_variant_of_arm64_is_not_published_for_all_of_them(merge: Merge) -> None:
    merge.image["platform"] = "linux/arm64"
    for variant, error in (("v9", "its attestations only"), ("v8", "is an image for linux/amd64")):
        merge.image["entries"][0]["platform"] = {"os": "linux", "architecture": "arm64", "variant": variant}
        with pytest.raises(BakeryError, match=error):
            merge.run()
    assert merge.tags == []


def test_images_that_were_built_on_two_days_share_their_tags(merge: Merge) -> None:
    """A build for another platform may end after midnight: the permanent tags differ, the other ones do not.

    A tag that has both platforms already moves too, and a dry run reports the same.
    """
    archive = Archive()
    entry = archive.image([make_tar({"file": b"y"})], "gzip", "linux/arm64", config={"Labels": merge.labels})
    merge.blobs |= archive.blobs
    other = {**merge.image, "platform": "linux/arm64", "entries": [entry]}
    other["names"] = {**other["names"], "dated": other["names"]["dated"].replace("20261127", "20261128")}
    put = merge.pusher.repository.put_manifest

    def stored(name: str, data: bytes, media_type: str) -> str:
        merge.blobs[name] = data
        return put(name, data, media_type)

    merge.pusher.repository.put_manifest = stored  # type: ignore[method-assign]
    merge.file.parent.mkdir(parents=True)
    merge.file.write_text(json.dumps([merge.image, other]))
    before = [{**entry, "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")]
    merge.blobs["3.13"] = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": before}).encode()
    planned = replace(merge.pusher, dry=True).tag(read_digests([str(merge.file)]))
    assert merge.tags == []
    first, second = merge.pusher.tag(read_digests([str(merge.file)]))
    assert planned == [first, second]
    assert [move.tag for move in first.moves] == list(merge.image["names"].values())[:2]
    assert {move.tag: move.state for move in second.moves}["3.13"] == "moved"
    for tag in ("3.13", "3.13.15-bookworm"):
        index = json.loads(merge.blobs[tag])
        assert {each["platform"]["architecture"] for each in index["manifests"]} == {"amd64", "arm64", "unknown"}
    assert [tag for tag in merge.tags if tag == "3.13"] == ["3.13"], "it moves once, to both platforms"


def test_manifests_from_another_machine_are_compared_before_a_tag_moves(merge: Merge) -> None:
    entries, docker = merge.image["entries"], "application/vnd.docker.distribution.manifest.v2+json"
    for number, change, error in ((0, {"size": 1}, "do not match"), (1, {"mediaType": docker}, "expected")):
        before = entries[number].copy()
        entries[number] |= change
        with pytest.raises(RegistryError, match=error):
            merge.run()
        entries[number] = before
    merge.blobs[entries[1]["digest"]] = b"{}"
    with pytest.raises(RegistryError, match="do not match"):
        merge.run()
    assert merge.tags == []


def test_an_image_is_not_published_for_a_platform_that_its_configuration_does_not_name(merge: Merge) -> None:
    merge.image["platform"] = "linux/arm64"
    merge.image["entries"][0]["platform"] = {"os": "linux", "architecture": "arm64"}
    with pytest.raises(PublishError, match=r"3\.13\.15-bookworm linux/arm64: sha256:\w+ is an image for linux/amd64"):
        merge.run()
    assert merge.tags == []


def test_two_images_for_one_platform_are_refused(merge: Merge) -> None:
    merge.run()
    (image,) = read_digests([str(merge.file)])
    other = replace(image, entries=[{**image.entries[0], "digest": f"sha256:{'1' * 64}"}])
    merge.pusher.dry = True
    for stamp in ("20261127", "20261128"):
        names = replace(image.names, dated=image.names.dated.replace("20261127", stamp))
        with pytest.raises(InputError, match="there are two images for linux/amd64"):
            merge.pusher.tag([image, replace(other, names=names)])


def test_a_file_that_is_given_twice_changes_nothing(merge: Merge) -> None:
    merge.run()
    once, merge.tags = [tag for tag in merge.tags if tag.startswith("sha256:")], []
    merge.pusher.tag(read_digests([str(merge.file)] * 2))
    assert once == [tag for tag in merge.tags if tag.startswith("sha256:")]


def test_file_of_pushed_images_is_limited(tmp_path: Path) -> None:
    (tmp_path / "digests.json").write_bytes(b"[" + b"[]," * (digest_files.LARGEST // 3 + 1))
    with pytest.raises(InputError, match=f"expected at most {digest_files.LARGEST} bytes"):
        read_digests([str(tmp_path / "digests.json")])


@pytest.mark.parametrize(
    "key", ["https://user:S3cr3t@host/key", "https://host/key?token=S3cr3t", "awskms://S3 cr3t@h/x"]
)
def test_a_key_with_a_login_is_refused_because_arguments_of_processes_are_public(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport: Any = SimpleNamespace(base="https://r.example", bundle=None, host="r.example", path="python")
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/cosign")
    assert "--key=awskms:///alias/x" in make_signer(transport, "awskms:///alias/x").command("sign", "sha256:x")
    with pytest.raises(InputError, match="--key must not contain a login or a query") as caught:
        make_signer(transport, key)
    assert "cr3t" not in str(caught.value)


def test_an_image_without_a_day_needs_a_stamp(
    catalog: Catalog, image: Callable[..., Image], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its permanent tag would end in a hyphen."""
    engine: Any = FakeEngine()
    monkeypatch.setattr(push, "approved", lambda *_: [(image("3.13"), "", engine.identity, "")])
    repository: Any = FakeRepository()
    with pytest.raises(InputError, match=r"the day of the build is unknown, .*: 3\.13\.15-bookworm") as caught:
        Pusher(workspace, catalog, repository, lambda _: None, dry=True).push_digests(engine, [])
    assert "--stamp=" in caught.value.hint
    stamped = Pusher(workspace, catalog, repository, lambda _: None, stamp="20261122", dry=True)
    assert stamped.push_digests(engine, [])[0].names.dated == "3.13.15-bookworm-20261122"


@pytest.mark.parametrize("content", [b"", b"not a program", b"#!/no/such/interpreter\n", b"\x7fELF\x02\x01\x01"])
def test_a_cosign_that_cannot_be_started_is_reported(workspace: Workspace, content: bytes) -> None:
    program = workspace.home / "cosign"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(content)
    program.chmod(0o755)
    transport: Any = SimpleNamespace(base="https://r.example", bundle=None, host="r.example", path="python")
    with pytest.raises(PublishError, match=r"cosign did not sign sha256:1: (cannot be run|\[Errno 2\])"):
        Signer(str(program), transport).sign("sha256:1")


def test_the_message_of_a_cosign_that_prints_a_megabyte_is_short(workspace: Workspace) -> None:
    program = workspace.home / "cosign"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('token=S3cr3tS3cr3t ' + 'x' * 1_000_000)\n")
    program.chmod(0o755)
    transport: Any = SimpleNamespace(base="https://r.example", bundle=None, host="r.example", path="python")
    with pytest.raises(PublishError, match=r"cosign did not sign sha256:1: token=\.\.\. xxx") as caught:
        Signer(str(program), transport).sign("sha256:1")
    assert len(str(caught.value)) < 1000
