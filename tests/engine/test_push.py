"""Pushes to a real registry: complete, resumable, in the right order, and only images that passed their tests."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.labels import ANNOTATIONS, LABELS
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.catalog.tags import all_references, labels_that_name
from bakery.engine.engine import Engine
from bakery.errors import BakeryError, InputError, PublishError
from bakery.oci.indexes import digest_of
from bakery.platforms import Platform, host_platform
from bakery.publish.cosign import Signer
from bakery.publish.digest_files import read_digests, write_digests
from bakery.publish.push import Pusher, open_repository
from bakery.records.builds import record_attested, record_file, write_record
from bakery.registry import transport
from bakery.registry.errors import RegistryError
from bakery.registry.transport import Transport
from bakery.workspace import Workspace
from tests.archives import Archive, make_tar
from tests.records import local_record, run_of_tests

from .faults import DROP, LOSE, faulty
from .fixtures import RELEASE, ROOT, repository, source
from .processes import watch_arguments
from .registry import DATA, NAME, PASSWORD, platform_digests, raw, running, tags

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("images_removed")]

STAMP = "20261122"
ENDS = ("", "-bookworm", "-slim", "-slim-bookworm")
TAGS = sorted([f"{RELEASE}-bookworm-{STAMP}", *(f"{version}{end}" for version in (RELEASE, "3.13") for end in ENDS)])
TWINS = sorted(f"{tag}-gzip" for tag in TAGS)
ARM = "linux/arm64"


class Publisher:
    """A clone of the repository whose engine has tiny images under the names of real ones."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.engine, self.folder = engine, folder
        repository(folder / "clone", ROOT, source(folder / "mirror"))
        self.catalog, self.release = load_catalog(folder / "clone"), RELEASE
        self.workspace = Workspace(folder / "clone", folder / "home")
        self.messages: list[str] = []
        self.transports: list[Transport] = []

    def image(self, platform: str = "") -> Image:
        local = platform.rpartition("/")[2]
        (image,) = select_images(
            self.catalog, [self.release], platform=Platform(platform) if platform else host_platform()
        )
        return dataclasses.replace(image, local=local)

    def load(
        self, content: bytes, platform: str = "", tests: dict[str, int] | None = None, day: str = "2026-11-22",
        **labels: str,
    ) -> str:  # fmt: skip
        """Load an image with this content, built and tested that day, into the engine; returns its digest."""
        image = self.image(platform)
        archive = Archive()
        labels = {f"{LABELS}.recipe": "full", f"{LABELS}.base.origin": "registry", **labels_that_name(image)} | labels
        built = archive.image([make_tar({"etc/hello": content})], "gzip", image.platform, config={"Labels": labels})
        archive.attestation(built)
        entry = archive.blob(archive.index(), "application/vnd.oci.image.index.v1+json")
        archive.descriptors[:] = [entry]
        reference, twin = (names[0] for names in all_references(self.catalog, image))
        archive.descriptors[:] = [
            {**entry, "annotations": {"io.containerd.image.name": f"docker.io/{name}"}} for name in (reference, twin)
        ]
        list(self.engine.client.images.load(io.BytesIO(archive.save())))
        identity = self.engine.require(reference).id
        record = local_record(
            image=image.name, release=image.pin.release, platform=image.platform, id=identity,
            built=f"{day}T10:00:00+00:00",
        )  # fmt: skip
        run = run_of_tests(**(tests or {"passed": 3})) if tests is None or tests else None
        write_record(self.workspace, image, record, tests=run)
        return str(built["digest"])

    def pusher(self, repository: str, **more: Any) -> Pusher:
        bundle = more.pop("bundle", None)
        target = open_repository(repository, bundle, self.messages.append)
        self.transports.append(target.transport)
        target.transport.policy = dataclasses.replace(target.transport.policy, patience=20.0)
        return Pusher(self.workspace, self.catalog, target, self.messages.append, **more)

    def push(self, repository: str, *platforms: str, **more: Any) -> dict[str, str]:
        """Push and tag; the state of each tag."""
        pusher = self.pusher(repository, **more)
        images = [self.image(platform) for platform in platforms or ("",)]
        reports = pusher.tag(pusher.push_digests(self.engine, images))
        return {move.tag: move.state for report in reports for move in report.moves}

    def command(self, repository: str, *more: str) -> list[str]:
        options = [f"--version={RELEASE}", f"--repository={repository}"]
        return [sys.executable, "-m", "invoke", "push", *options, *more]

    def start(self, repository: str, *more: str, **environment: str) -> subprocess.Popen[str]:
        """The command in a separate process, which can be killed."""
        return subprocess.Popen(
            self.command(repository, *more), cwd=self.workspace.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "DOCKER_HOST": self.engine.host, **environment},
        )  # fmt: skip


@pytest.fixture
def publisher(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    if not engine.keeps_layers:
        pytest.skip("this engine keeps its layers unpacked")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(transport, "PAUSE", 0.05)  # tests/unit/registry tests the real back-off with a fake clock
    publisher = Publisher(tmp_path, engine)
    yield publisher
    for used in publisher.transports:
        used.close()


@pytest.fixture(scope="module")
def secured(workspace: Workspace, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with running(workspace, catalog, tmp_path_factory.mktemp("secured"), secured=True) as host:
            yield host
    except BakeryError as error:
        pytest.skip(f"no registry to run: {error.message}")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A separate repository for each test."""
    return "t" + digest_of(request.node.name.encode())[7:19] + "/python"


def log_in(publisher: Publisher, host: str, password: str = PASSWORD) -> None:
    folder = publisher.folder / "docker"
    folder.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_a_push_sets_all_tags_and_includes_attestations(publisher: Publisher, registry: str, name: str) -> None:
    digest = publisher.load(b"one")
    assert set(publisher.push(f"{registry}/{name}").values()) == {"new"}
    assert tags(registry, name) == sorted([*TAGS, *TWINS])
    assert {raw(registry, name, tag)[1] for tag in [*TAGS, *TWINS]} == {raw(registry, name, TAGS[0])[1]}
    assert platform_digests(registry, name, "3.13") == {host_platform(): digest}
    _, attestation = raw(registry, name, "3.13")[0]["manifests"]
    assert attestation["annotations"]["vnd.docker.reference.digest"] == digest
    assert "annotations" not in raw(registry, name, "3.13")[0]["manifests"][0], "annotations of the archive"
    assert set(publisher.push(f"{registry}/{name}").values()) == {"unchanged"}
    assert publisher.messages[-1].endswith(": 0 of 4 blobs sent, 0.0 MB")


def test_two_platforms_become_one_index_and_a_shared_tag_never_loses_a_platform(
    publisher: Publisher, registry: str, name: str
) -> None:
    ours, arm = publisher.load(b"ours"), publisher.load(b"arm", ARM)
    publisher.push(f"{registry}/{name}", "", ARM)
    assert tags(registry, name) == sorted([*TAGS, *TWINS])
    assert all(platform_digests(registry, name, tag) == {host_platform(): ours, ARM: arm} for tag in TAGS)
    # A rebuild for one platform keeps the other platform in the release.
    newer = publisher.load(b"newer")
    publisher.push(f"{registry}/{name}", stamp="20261123")
    assert platform_digests(registry, name, "3.13") == {host_platform(): newer, ARM: arm}
    assert platform_digests(registry, name, f"{RELEASE}-bookworm-20261123") == {host_platform(): newer}
    assert platform_digests(registry, name, f"{RELEASE}-bookworm-{STAMP}") == {host_platform(): ours, ARM: arm}


def test_a_new_release_of_one_platform_waits_for_the_other(publisher: Publisher, registry: str, name: str) -> None:
    newest = publisher.catalog
    publisher.catalog, publisher.release = _before(newest, "3.13.14"), "3.13.14"
    old, arm = publisher.load(b"old"), publisher.load(b"arm", ARM)
    publisher.push(f"{registry}/{name}", "", ARM)
    publisher.catalog, publisher.release = newest, RELEASE
    assert platform_digests(registry, name, "3.13") == {host_platform(): old, ARM: arm}
    new = publisher.load(b"new")
    done = publisher.push(f"{registry}/{name}")
    assert [tag for tag, state in done.items() if state == "kept"] == [
        f"{tag}{end}" for end in ("", "-gzip") for tag in ("3.13-bookworm", "3.13", "3.13-slim-bookworm", "3.13-slim")
    ]
    assert platform_digests(registry, name, "3.13") == {host_platform(): old, ARM: arm}
    assert platform_digests(registry, name, f"{RELEASE}-bookworm") == {host_platform(): new}
    arm_new = publisher.load(b"arm, new", ARM)
    assert publisher.push(f"{registry}/{name}", ARM)["3.13"] == "moved"
    assert platform_digests(registry, name, "3.13") == {host_platform(): new, ARM: arm_new}


def _before(catalog: Catalog, release: str) -> Catalog:
    """The catalog when ``release`` was the newest one of its series."""

    def pins(series: Any) -> Any:
        renamed = (dataclasses.replace(pin, release=release) if pin.release == RELEASE else pin for pin in series.pins)
        return dataclasses.replace(series, pins=tuple(renamed))

    return dataclasses.replace(catalog, series=tuple(map(pins, catalog.series)))


def test_a_dated_tag_never_changes_even_with_force(publisher: Publisher, registry: str, name: str) -> None:
    publisher.load(b"one")
    publisher.push(f"{registry}/{name}")
    before = {tag: raw(registry, name, tag)[1] for tag in [*TAGS, *TWINS]}
    publisher.load(b"another of that day")
    with pytest.raises(InputError, match="a dated tag never changes"):
        publisher.push(f"{registry}/{name}", force=True)
    assert {tag: raw(registry, name, tag)[1] for tag in tags(registry, name)} == before
    assert publisher.push(f"{registry}/{name}", stamp=f"{STAMP}.2")["3.13"] == "moved"


@pytest.mark.parametrize(
    ("tests", "labels", "reason"),
    [
        ({}, {}, "its tests have not been run"),
        ({"passed": 7, "failed": 1}, {}, "1 of its tests failed, 7 passed"),
        ({"passed": 0, "failed": 0}, {}, "0 of its tests failed, 0 passed"),
        (None, {f"{LABELS}.recipe": "quick"}, "it is a quick build"),
        (None, {f"{LABELS}.base.origin": "user"}, "your own base"),
        (None, {f"{ANNOTATIONS}.revision": f"{'1' * 40}-dirty"}, "built from uncommitted changes"),
    ],
)
def test_an_image_with_objections_is_pushed_only_with_force_which_reports_them(
    publisher: Publisher, registry: str, name: str, tests: Any, labels: dict[str, str], reason: str
) -> None:
    publisher.load(reason.encode(), tests=tests, **labels)
    with pytest.raises(PublishError, match=reason):
        publisher.push(f"{registry}/{name}")
    assert tags(registry, name) == []
    publisher.push(f"{registry}/{name}", force=True)
    assert any("overridden" in line and reason in line for line in publisher.messages)
    assert tags(registry, name) == sorted([*TAGS, *TWINS])


def test_an_image_that_replaced_the_tested_image_is_not_pushed(publisher: Publisher, registry: str, name: str) -> None:
    publisher.load(b"tested")
    record = record_file(publisher.workspace, publisher.image()).read_text()
    publisher.load(b"not tested")
    record_file(publisher.workspace, publisher.image()).write_text(record)
    with pytest.raises(PublishError, match="not the image that is recorded"):
        publisher.push(f"{registry}/{name}")


def test_an_index_in_the_engine_is_matched_with_the_manifest_in_the_record(
    publisher: Publisher, registry: str, name: str
) -> None:
    manifest = publisher.load(b"attested")
    file = record_file(publisher.workspace, publisher.image())
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "id": manifest}))
    with pytest.raises(PublishError, match="not the image that is recorded"):
        publisher.push(f"{registry}/{name}")
    record_attested(publisher.workspace.home, record["id"], manifest)
    assert set(publisher.push(f"{registry}/{name}").values()) == {"new"}


def test_a_dry_run_reports_the_moves_and_sends_nothing(publisher: Publisher, registry: str, name: str) -> None:
    publisher.load(b"dry")
    assert set(publisher.push(f"{registry}/{name}", dry=True).values()) == {"new"}
    assert tags(registry, name) == []
    assert publisher.messages[-1].endswith(": 4 of 4 blobs would be sent, 0.0 MB")


def test_several_machines_push_by_digest_and_one_sets_the_tags(publisher: Publisher, registry: str, name: str) -> None:
    ours, arm = publisher.load(b"ours, by digest"), publisher.load(b"arm, by digest", ARM)
    files = []
    for platform in ("", ARM):
        files.append(str(publisher.folder / f"digests-{len(files)}.json"))
        pusher = publisher.pusher(f"{registry}/{name}")
        write_digests(files[-1], pusher.push_digests(publisher.engine, [publisher.image(platform)]))
        assert tags(registry, name) == []
    publisher.pusher(f"{registry}/{name}").tag(read_digests(files))
    assert platform_digests(registry, name, "3.13") == {host_platform(): ours, ARM: arm}
    with pytest.raises(RegistryError, match="push it first"):
        publisher.pusher(f"{registry}/{name}-other").tag(read_digests(files))


@pytest.mark.extended
def test_a_killed_push_leaves_all_tags_complete_and_can_be_repeated(publisher: Publisher, registry: str) -> None:
    name = "infra7/python-killed"
    dated = {f"{RELEASE}-bookworm-20261120": publisher.load(random.randbytes(300_000), day="2026-11-20")}
    with faulty(registry) as proxy:
        process = publisher.start(f"{proxy.address}/{name}")
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        length = len(proxy.requests)
        moments = sorted(random.sample(range(1, length + 1), min(10, length)))
        for number, moment in enumerate(moments, 1):
            before = list(dated.values())[-1]
            new = publisher.load(random.randbytes(300_000), day=f"2026-10-{number:02}")
            dated[f"{RELEASE}-bookworm-202610{number:02}"] = new
            start = len(proxy.requests)
            process = publisher.start(f"{proxy.address}/{name}")
            proxy.fault = lambda count, *_: _killed(process, count == start + moment)  # noqa: B023
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            proxy.wait()
            for tag in tags(registry, name):
                (digest,) = platform_digests(registry, name, tag).values()
                own = dated.get(tag.removesuffix("-gzip"))
                assert digest == own if own else digest in (before, new)
            proxy.fault = lambda *_: None
            publisher.push(f"{proxy.address}/{name}")
            for tag in [*TAGS, *TWINS]:
                assert list(platform_digests(registry, name, tag.replace(STAMP, f"202610{number:02}")).values()) == [
                    new
                ]


def _killed(process: subprocess.Popen[str], now: bool) -> str | None:
    if now:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return LOSE if now else None


def in_turn(*faults: Any, verb: str = "", part: str = "") -> Callable[[int, str, str], Any]:
    """Each fault once, in this order, for requests with this verb and this part of the path."""
    left = list(faults)
    return lambda _, method, path: left.pop(0) if left and method == verb and part in path else None


DENIED = b'{"errors": [{"code": "DENIED", "message": "x", "detail": null}]}'
NO_SPACE = b'{"errors": [{"code": "UNKNOWN", "detail": "write /data/x: no space left on device"}]}'


@pytest.mark.parametrize(
    ("verb", "part", "faults"),
    [
        ("POST", "uploads", [(429, {"Retry-After": "1"}, b""), (503, {"Retry-After": "0"}, b"")]),
        ("PUT", "uploads", [(500, {}, b"")]),
        ("PUT", "uploads", [DROP]),
        ("PUT", "uploads", [LOSE]),
        ("PUT", "uploads", [(404, {}, b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}')]),
        ("PUT", "manifests/sha256", [(502, {}, b""), LOSE]),
        ("PUT", "manifests/3.13", [LOSE]),
        ("HEAD", "blobs", [DROP]),
        ("GET", "manifests/3.13", [(500, {}, b"")]),
    ],
)
def test_transient_faults_are_retried(
    publisher: Publisher, registry: str, name: str, verb: str, part: str, faults: list[Any]
) -> None:
    digest = publisher.load(random.randbytes(50_000))
    with faulty(registry) as proxy:
        proxy.fault = in_turn(*faults, verb=verb, part=part)
        publisher.push(f"{proxy.address}/{name}")
    assert sum("retrying in" in line for line in publisher.messages) == len(faults)
    assert platform_digests(registry, name, "3.13") == {host_platform(): digest}


@pytest.mark.parametrize(
    ("request_to", "fault", "message"),
    [
        ("HEAD blobs", (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""), "requires a login"),
        ("POST uploads", (403, {}, DENIED), r"answered 403 for \S+/blobs/uploads/ \(DENIED\)"),
        ("PUT uploads", (500, {}, NO_SPACE), "has no space left"),
        ("PUT uploads", (507, {}, b""), "has no space left"),
        ("PUT uploads", (413, {}, b""), "answered 413"),
        ("PUT manifests", (405, {}, b""), "answered 405"),
        ("POST uploads", (429, {"Retry-After": "4000"}, b""), "answered 429"),
    ],
)
def test_permanent_errors_are_reported_at_once_and_no_tag_moves(
    publisher: Publisher, registry: str, name: str, request_to: str, fault: Any, message: str
) -> None:
    verb, part = request_to.split()
    publisher.load(message.encode())
    with faulty(registry) as proxy:
        proxy.fault = lambda _, method, path: fault if method == verb and part in path else None
        with pytest.raises(RegistryError, match=message):
            publisher.push(f"{proxy.address}/{name}")
    assert tags(registry, name) == []
    assert not any("retrying" in line for line in publisher.messages)


def test_a_push_uses_the_ca_bundle_and_docker_login(publisher: Publisher, secured: str, name: str) -> None:
    publisher.load(b"secret")
    repository = f"{secured}/{name}"
    with pytest.raises(RegistryError, match="is not trusted"):
        publisher.push(repository)
    bundle = DATA / "ca.pem"
    with pytest.raises(RegistryError, match=f"docker login {secured}"):
        publisher.push(repository, bundle=bundle)
    log_in(publisher, secured, "wrong")
    with pytest.raises(RegistryError, match="does not accept the login"):
        publisher.push(repository, bundle=bundle)
    log_in(publisher, secured)
    assert set(publisher.push(repository, bundle=bundle).values()) == {"new"}
    assert set(publisher.push(repository, bundle=bundle).values()) == {"unchanged"}


def test_a_credential_helper_is_used_and_its_password_appears_nowhere(
    publisher: Publisher, secured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.load(b"helped")
    helper = publisher.folder / "bin" / "docker-credential-tests"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": secured, "Username": NAME, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    (publisher.folder / "docker").mkdir()
    (publisher.folder / "docker" / "config.json").write_text(json.dumps({"credHelpers": {secured: "tests"}}))
    monkeypatch.setenv("PATH", str(helper.parent), prepend=os.pathsep)
    process = publisher.start(f"{secured}/infra7/python", f"--ca-bundle={DATA / 'ca.pem'}", "--format=json")
    commands = {line for _, line in watch_arguments(process)}
    assert len(commands) > 1
    assert process.stdout is not None
    output = process.stdout.read()
    process.stdout.close()
    assert process.returncode == 0, output
    secret = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    assert PASSWORD not in output and secret not in output
    assert not [line for line in commands if PASSWORD.encode() in line or secret.encode() in line]
    assert not [
        file
        for file in publisher.workspace.build.rglob("*")
        if file.is_file() and PASSWORD.encode() in file.read_bytes()
    ]


def test_an_index_is_signed_before_its_tag_moves(publisher: Publisher, registry: str, name: str) -> None:
    publisher.load(b"signed")
    log = publisher.folder / "cosign.log"
    program = publisher.folder / "cosign"
    listing = f"http://{registry}/v2/{name}/tags/list"
    program.write_text(
        f"#!{sys.executable}\nimport sys, urllib.request\n"
        f"try: tags = urllib.request.urlopen('{listing}').read().decode()\nexcept OSError: tags = ''\n"
        f"print(' '.join(sys.argv[1:]), '|', tags.strip(), file=open('{log}', 'a'))\n"
        "sys.exit('fail' in sys.argv[-1])\n"
    )
    program.chmod(0o755)
    pusher = publisher.pusher(f"{registry}/{name}")
    pusher.signer = Signer(str(program), pusher.repository.transport, "key.pem")
    pusher.tag(pusher.push_digests(publisher.engine, [publisher.image()]))
    statement, line, *_ = log.read_text().splitlines()
    options = "--yes --key=key.pem --allow-http-registry"
    assert statement.startswith(f"attest {options}")
    assert line.startswith(f"sign {options}")
    assert f"{registry}/{name}@{raw(registry, name, '3.13')[1]}" in line
    assert '"tags":null' in line or line.endswith("| ") or '"tags":[]' in line
    publisher.load(b"not signed", day="2026-11-23")
    program.write_text("#!/bin/sh\necho no key >&2; exit 1\n")
    with pytest.raises(PublishError, match="no key"):
        pusher.tag(pusher.push_digests(publisher.engine, [publisher.image()]))
    assert tags(registry, name) == sorted([*TAGS, *TWINS])
