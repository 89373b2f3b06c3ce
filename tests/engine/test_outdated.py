"""Images in a real registry compared with a small package archive, both on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery.build.archive_query import query_newer
from bakery.build.builder import Builder
from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.display.progress import Display
from bakery.engine.engine import Engine
from bakery.options import Building
from bakery.platforms import AMD64
from bakery.sbom.outdated import Outdated, Survey
from bakery.workspace import Workspace
from tests.archives import MANIFEST, NAMED, Archive, digest_of, make_tar

from .fixtures import ROOT
from .package_archive import PackageArchive, base_of, served
from .registry import upload

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg on this machine")]
STANZA = (
    "Package: {}\nStatus: install ok installed\nArchitecture: all\nMaintainer: A Test <t@example.org>\nVersion: {}\n"
)
FRIDAY = 1_790_323_200
"""Friday, 2026-09-25, 08:00 UTC."""


def status(**versions: str) -> bytes:
    return "\n".join(STANZA.format(name, version) for name, version in versions.items()).encode()


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace
) -> Iterator[tuple[PackageArchive, Path]]:
    """An archive with a security update of libssl3, the image's tzdata and an older zlib1g; and a base that uses it."""
    folder = tmp_path_factory.mktemp("outdated")
    with served(workspace, folder) as (archive, layout):
        archive.add("libssl3", "3.0.9-1+deb12u9")
        fixed = archive.add("libssl3", "3.0.9-1+deb12u10", "bookworm-security")
        os.utime(fixed, (FRIDAY, FRIDAY))
        archive.add("tzdata", "2026f-0")
        archive.add("zlib1g", "1:1.2-1")
        yield archive, base_of(engine, layout, archive, [], folder / "base", alone=True)


TOP = make_tar({"var/lib/dpkg/status": status(libssl3="3.0.9-1+deb12u9", tzdata="2026f-0", zlib1g="1:1.2-2")})
PYTHON = make_tar({"usr/local/bin/python3": b"\x7fELF"})


def attest(image: Archive, packages: list[str], subject: dict[str, Any]) -> None:
    """Add a bill of materials to the index; ``subject`` describes its manifest."""
    refs = [{"externalRefs": [{"referenceType": "purl", "referenceLocator": purl}]} for purl in packages]
    statement = {
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"digest": {"sha256": subject["digest"].removeprefix("sha256:")}}],
        "predicate": {"packages": refs},
    }
    layer = image.blob(json.dumps(statement).encode(), "application/vnd.in-toto+json")
    layer["annotations"] = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
    config = image.blob(b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    descriptor = image.blob(json.dumps(manifest).encode(), MANIFEST)
    descriptor["platform"] = {"os": "unknown", "architecture": "unknown"}
    descriptor["annotations"] = {
        "vnd.docker.reference.digest": subject["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    image.descriptors.append(descriptor)


class Comparison:
    """Compares the default image in ``repository`` with the archive that ``base`` uses."""

    def __init__(self, catalog: Catalog, engine: Engine, folder: Path, repository: str, base: Path) -> None:
        self.image: Image = select_images(catalog, ["3.13"], platform=AMD64)[0]
        self.messages: list[str] = []
        workspace = Workspace(ROOT, folder / "home")
        self.builder = Builder(workspace, catalog, engine, Display(sys.stderr), Building(base=str(base)))
        self.outdated = Outdated(catalog, engine, lambda *query: query_newer(self.builder, *query), repository)
        self.outdated.tell = self.messages.append

    def survey(self) -> Survey:
        return self.outdated.survey([self.image])

    def rows(self) -> list[tuple[object, ...]]:
        survey = self.survey()
        assert survey.unknown == []
        return [(row["package"], row["installed"], row["available"]) for row in survey.rows]


@pytest.fixture
def compare(
    catalog: Catalog, engine: Engine, registry: str, archive: tuple[PackageArchive, Path], tmp_path: Path
) -> Any:
    """Compares the image in the repository of this name, with a new :class:`Comparison`."""
    return lambda name: Comparison(catalog, engine, tmp_path, f"{registry}/{name}/python", archive[1])


@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_dpkgs_status_is_read_from_the_topmost_layer_that_has_it(registry: str, compare: Any, method: str) -> None:
    image = Archive()
    image.image([b"not a tar: reading it would fail the test", TOP, PYTHON], method, config=NAMED)
    upload(image, registry, f"{method}/python", "3.13.15-bookworm")
    comparison = compare(method)
    assert comparison.rows() == [("libssl3", "3.0.9-1+deb12u9", "3.0.9-1+deb12u10")]
    assert any("read from its layers" in line for line in comparison.messages)


def test_packages_of_an_image_without_dpkg_are_read_from_all_layers(registry: str, compare: Any) -> None:
    layers = [
        make_tar({f"var/lib/dpkg/status.d/{name}": status(**{name: version})})
        for name, version in (("libssl3", "3.0.9-1+deb12u9"), ("tzdata", "2026a-0"))
    ]
    image = Archive()
    image.image([*layers, PYTHON], config=NAMED)
    upload(image, registry, "minimal/python", "3.13.15-bookworm")
    assert [row[0] for row in compare("minimal").rows()] == ["libssl3", "tzdata"]


def test_an_attested_bill_of_materials_is_used_without_pulling_layers(registry: str, compare: Any) -> None:
    image = Archive()
    descriptor = image.image([b"not a tar"], config=NAMED)
    attest(
        image,
        ["pkg:deb/debian/libssl3@3.0.9-1%2Bdeb12u9?arch=amd64", "pkg:pypi/pip@1", "pkg:deb/debian/zlib1g@1:1.2-1"],
        descriptor,
    )
    upload(image, registry, "attested/python", "3.13.15-bookworm")
    comparison = compare("attested")
    assert comparison.rows() == [("libssl3", "3.0.9-1+deb12u9", "3.0.9-1+deb12u10")]
    assert any("read from its bill of materials" in line for line in comparison.messages)


def test_a_bill_of_materials_of_another_image_is_ignored(registry: str, compare: Any) -> None:
    image = Archive()
    descriptor = image.image([TOP], config=NAMED)
    attest(image, ["pkg:deb/debian/libssl3@9?arch=amd64"], {"digest": digest_of(b"another")})
    image.descriptors[-1]["annotations"]["vnd.docker.reference.digest"] = descriptor["digest"]
    upload(image, registry, "forged/python", "3.13.15-bookworm")
    assert compare("forged").rows()[0][1] == "3.0.9-1+deb12u9"


def test_a_row_says_what_is_fixed_since_when_and_for_which_platform(registry: str, compare: Any) -> None:
    image = Archive()
    for platform in ("linux/amd64", "linux/arm64"):
        image.image([TOP], platform=platform, config=NAMED)
    upload(image, registry, "both/python", "3.13.15-bookworm")
    survey = compare("both").survey()
    assert [row["platform"] for row in survey.rows] == ["linux/amd64", "linux/arm64"], "all that the registry has"
    assert {key: survey.rows[1][key] for key in ("package", "security", "suites", "since", "target")} == {
        "package": "libssl3", "security": True, "suites": ("bookworm-security",), "since": "2026-09-25",
        "target": "bookworm",
    }  # fmt: skip


def test_packages_that_the_archive_does_not_have_are_not_up_to_date(registry: str, compare: Any) -> None:
    image = Archive()
    image.image([make_tar({"var/lib/dpkg/status": status(nowhere="1", neither="1")})], config=NAMED)
    upload(image, registry, "foreign/python", "3.13.15-bookworm")
    (reason,) = compare("foreign").survey().unknown
    assert "does not have neither, nowhere" in reason


def test_an_image_without_a_list_of_packages_is_not_up_to_date(registry: str, compare: Any) -> None:
    image = Archive()
    image.image([PYTHON], config=NAMED)
    upload(image, registry, "bare/python", "3.13.15-bookworm")
    (reason,) = compare("bare").survey().unknown
    assert "it lists no packages" in reason


def test_images_that_are_not_published_are_skipped(compare: Any) -> None:
    survey = compare("empty").survey()
    assert (survey.rows, survey.images, survey.unknown) == ([], [], [])


OS_RELEASE = 'ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID="24.04"\n'


class Command:
    """Runs `inv outdated` on an image with an outdated package, as a user does."""

    def __init__(self, engine: Engine, host: str, base: Path) -> None:
        self.engine = engine
        self.words = [
            sys.executable, "-m", "invoke", "outdated", "--version=3.13", "--target=bookworm", "--variant=default",
            f"--repository={host}/command/python", f"--base={base}", "--check", "--format=json",
        ]  # fmt: skip

    def run(self, *options: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
        """The exit code, and everything that was printed."""
        command, environment = [*before, *self.words, *options], {**os.environ, **self.engine.environment}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def command(registry: str, engine: Engine, archive: tuple[PackageArchive, Path]) -> Command:
    image = Archive()
    image.image([TOP], config=NAMED)
    upload(image, registry, "command/python", "3.13.15-bookworm")
    return Command(engine, registry, archive[1])


def test_a_fix_is_reported_on_this_host(command: Command) -> None:
    code, text = command.run()
    assert (code, '"available": "3.0.9-1+deb12u10"' in text) == (1, True), text


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting another /etc/os-release needs root")
@pytest.mark.extended
def test_a_fix_is_reported_on_a_host_that_claims_to_be_ubuntu(command: Command, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(OS_RELEASE)
    script = f'mount --bind {tmp_path}/os-release /etc/os-release && grep -q ubuntu /etc/os-release && exec "$@"'
    code, text = command.run(before=("unshare", "--mount", "sh", "-c", script, "sh"))
    assert (code, '"available": "3.0.9-1+deb12u10"' in text) == (1, True), text


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_a_fix_is_reported_in_a_container(command: Command, reference: str) -> None:
    """In a container on this machine's file system, because no image has the libraries that bakery needs."""
    client, keys = command.engine.client, ("PATH", "PYTHONPATH", "HOME", "DOCKER_HOST", "BAKERY_HOME")
    environment = {key: os.environ[key] for key in keys if key in os.environ} | dict(command.engine.environment)
    container = client.containers.create(
        reference, ["chroot", "/host", "env", f"--chdir={ROOT}", *command.words], environment=environment,
        network_mode="host", volumes={"/": {"bind": "/host", "mode": "rw"}},
    )  # fmt: skip
    try:
        container.start()
        code, text = container.wait()["StatusCode"], container.logs().decode()
    finally:
        container.remove(force=True)
    assert (code, '"available": "3.0.9-1+deb12u10"' in text) == (1, True), text


@pytest.mark.extended
def test_an_unreachable_archive_is_a_failure_instead_of_up_to_date_packages(command: Command) -> None:
    code, text = command.run("--apt-mirror=http://127.0.0.1:1")
    assert code == 2
    assert "the package archive of bookworm for linux/amd64 could not be queried about" in text
