"""Images in a real registry compared with a small package archive, both on the loopback interface."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.platforms import AMD64
from bakery.sbom.outdated import Outdated
from bakery.workspace import Workspace
from tests.archives import MANIFEST, Archive, digest_of, make_tar

from .registry import upload

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not shutil.which("apt-cache"), reason="no apt on this machine")]
STANZA = (
    "Package: {}\nStatus: install ok installed\nArchitecture: all\nMaintainer: A Test <t@example.org>\nVersion: {}\n"
)


def status(**versions: str) -> bytes:
    return "\n".join(STANZA.format(name, version) for name, version in versions.items()).encode()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """A sources.list line for a flat archive with newer versions of two of the image's three packages."""
    folder = tmp_path / "archive"
    folder.mkdir()
    packages = "".join(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x\nDescription: x\n"
        f"Filename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        for name, version in (("libssl3", "3.0.9-1+deb12u10"), ("tzdata", "2026f-0"), ("zlib1g", "1:1.2-1"))
    ).encode()
    listed = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in listed.items())
    date = subprocess.run(["date", "-uR"], capture_output=True, text=True, check=True).stdout.strip()
    listed["Release"] = f"Origin: Tests\nSuite: x\nDate: {date}\nSHA256:\n{sums}".encode()
    for name, data in listed.items():
        (folder / name).write_bytes(data)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"deb [trusted=yes] http://127.0.0.1:{http.server_port} ./"
        http.shutdown()
        thread.join(10)


TOP = make_tar({"var/lib/dpkg/status": status(libssl3="3.0.9-1+deb12u9", tzdata="2026f-0", zlib1g="1:1.2-2")})
PYTHON = make_tar({"usr/local/bin/python3": b"\x7fELF"})


def attested(image: Archive, packages: list[str], about: dict[str, Any]) -> None:
    """Add a bill of materials about the manifest ``about`` to the index."""
    refs = [{"externalRefs": [{"referenceType": "purl", "referenceLocator": purl}]} for purl in packages]
    statement = {
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"digest": {"sha256": about["digest"].removeprefix("sha256:")}}],
        "predicate": {"packages": refs},
    }
    layer = image.blob(json.dumps(statement).encode(), "application/vnd.in-toto+json")
    layer["annotations"] = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
    config = image.blob(b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    descriptor = image.blob(json.dumps(manifest).encode(), MANIFEST)
    descriptor["platform"] = {"os": "unknown", "architecture": "unknown"}
    descriptor["annotations"] = {
        "vnd.docker.reference.digest": about["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    image.descriptors.append(descriptor)


class Look:
    """Compares the default image with the archive in ``line``."""

    def __init__(self, catalog: Catalog, folder: Path, repository: str, line: str) -> None:
        self.image: Image = select_images(catalog, ["3.13"], platform=AMD64)[0]
        self.messages: list[str] = []
        workspace = Workspace(folder, folder / "home")
        self.outdated = Outdated(workspace, catalog, None, repository, self.messages.append, sources=lambda _: [line])

    def rows(self) -> list[tuple[str, str, str]]:
        survey = self.outdated.survey([self.image])
        assert survey.unknown == []
        return [(row["package"], row["installed"], row["available"]) for row in survey.rows]


@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_dpkgs_status_is_read_from_the_topmost_layer_that_has_it(
    catalog: Catalog, registry: str, archive: str, tmp_path: Path, method: str
) -> None:
    image = Archive()
    image.image([b"not a tar: reading it would fail the test", TOP, PYTHON], method)
    upload(image, registry, f"{method}/python", "3.13.15-bookworm")
    look = Look(catalog, tmp_path, f"{registry}/{method}/python", archive)
    assert look.rows() == [("libssl3", "3.0.9-1+deb12u9", "3.0.9-1+deb12u10")]
    assert any("read from its layers" in line for line in look.messages)


def test_packages_of_an_image_without_dpkg_are_read_from_all_layers(
    catalog: Catalog, registry: str, archive: str, tmp_path: Path
) -> None:
    layers = [
        make_tar({f"var/lib/dpkg/status.d/{name}": status(**{name: version})})
        for name, version in (("libssl3", "3.0.9-1+deb12u9"), ("tzdata", "2026a-0"))
    ]
    image = Archive()
    image.image([*layers, PYTHON])
    upload(image, registry, "minimal/python", "3.13.15-bookworm")
    assert [row[0] for row in Look(catalog, tmp_path, f"{registry}/minimal/python", archive).rows()] == [
        "libssl3", "tzdata",
    ]  # fmt: skip


def test_an_attested_bill_of_materials_is_used_without_pulling_layers(
    catalog: Catalog, registry: str, archive: str, tmp_path: Path
) -> None:
    image = Archive()
    descriptor = image.image([b"not a tar"])
    attested(
        image,
        ["pkg:deb/debian/libssl3@3.0.9-1%2Bdeb12u9?arch=amd64", "pkg:pypi/pip@1", "pkg:deb/debian/zlib1g@1:1.2-1"],
        descriptor,
    )
    upload(image, registry, "attested/python", "3.13.15-bookworm")
    look = Look(catalog, tmp_path, f"{registry}/attested/python", archive)
    assert look.rows() == [("libssl3", "3.0.9-1+deb12u9", "3.0.9-1+deb12u10")]
    assert any("read from its bill of materials" in line for line in look.messages)


def test_a_bill_about_another_image_is_ignored(catalog: Catalog, registry: str, archive: str, tmp_path: Path) -> None:
    image = Archive()
    descriptor = image.image([TOP])
    attested(image, ["pkg:deb/debian/libssl3@9?arch=amd64"], {"digest": digest_of(b"another")})
    image.descriptors[-1]["annotations"]["vnd.docker.reference.digest"] = descriptor["digest"]
    upload(image, registry, "forged/python", "3.13.15-bookworm")
    assert Look(catalog, tmp_path, f"{registry}/forged/python", archive).rows()[0][1] == "3.0.9-1+deb12u9"


def test_an_unreachable_archive_is_reported_instead_of_up_to_date_packages(
    catalog: Catalog, registry: str, tmp_path: Path
) -> None:
    image = Archive()
    image.image([TOP])
    upload(image, registry, "lonely/python", "3.13.15-bookworm")
    nowhere = "deb [trusted=yes] http://127.0.0.1:1 ./"
    look = Look(catalog, tmp_path, f"{registry}/lonely/python", nowhere)
    survey = look.outdated.survey([look.image])
    assert (survey.rows, survey.images) == ([], [])
    (line,) = survey.unknown
    assert "the archive of bookworm cannot be queried" in line


def test_images_that_are_not_published_are_skipped(
    catalog: Catalog, registry: str, archive: str, tmp_path: Path
) -> None:
    look = Look(catalog, tmp_path, f"{registry}/empty/python", archive)
    survey = look.outdated.survey([look.image])
    assert (survey.rows, survey.images, survey.unknown) == ([], [], [])
