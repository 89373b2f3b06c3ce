"""Bills of materials are valid SPDX 2.3, reproducible, and attached to the index in BuildKit's form."""

from __future__ import annotations

import json
import tarfile
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bakery.catalog.labels import LICENCES
from bakery.compression import Compression
from bakery.errors import BakeryError
from bakery.oci.attestations import SPDX, Origin, Publication
from bakery.oci.recompress import LayerCache, recompress
from bakery.platforms import Platform
from bakery.records.builds import manifest_digest_of, record_attested
from bakery.sbom.components import Component
from bakery.sbom.document import Bill, bill_rows, document, text_of
from tests.archives import MANIFEST, Archive, digest_of, make_tar

PACKING = Compression("zstd", 1)
COMPONENTS = (
    Component("generic", "CPython", "3.13.15", "pkg:generic/python@3.13.15", "Python-2.0",
              "Organization: Python Software Foundation", "https://www.python.org/",
              "https://www.python.org/ftp/python/3.13.15/Python-3.13.15.tar.xz", "a" * 64,
              "cpe:2.3:a:python:python:3.13.15:*:*:*:*:*:*:*"),
    Component("bundled", "expat", "2.8.2", "pkg:generic/expat@2.8.2", "MIT", within="CPython"),
    Component("deb", "libstdc++6", "12.2.0-14", "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14", source="gcc-12",
              licence="GPL-3.0-or-later WITH GCC-exception-3.1 AND LicenseRef-Debian-permissive",
              supplier="Debian GCC Maintainers <debian-gcc@lists.debian.org>"),
    Component("deb", "libstdc--6", "1", "pkg:deb/debian/libstdc--6@1"),
    Component("pypi", "pip", "26.2.1", "pkg:pypi/pip@26.2.1", "MIT"),
    Component("pypi", "zipp", "", "pkg:pypi/zipp", "", within="pip"),
)  # fmt: skip
BILL = Bill(
    "infra7/python:3.13-bookworm", "https://example.org/spdx/1", "sha256:" + "d" * 64, Platform("linux/amd64"),
    "2026-08-05T00:00:00.123456789Z", {"org.opencontainers.image.revision": "r1"}, COMPONENTS,
)  # fmt: skip


def schema() -> dict[str, Any]:
    return dict(json.loads((files("lib4sbom") / "schemas" / "spdx" / "2.3-schema.json").read_text(encoding="utf-8")))


def test_a_bill_conforms_to_the_spdx_schema(golden_bill: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(schema()).validate(golden_bill)
    broken = json.loads(json.dumps(golden_bill))
    broken["packages"][0]["externalRefs"][0]["referenceCategory"] = "PARCEL"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema()).validate(broken)


@pytest.fixture
def golden_bill() -> dict[str, Any]:
    return document(BILL)


def test_the_bill_of_an_image_is_reproducible(golden_bill: dict[str, Any]) -> None:
    assert text_of(BILL) == json.dumps(golden_bill, indent=1, ensure_ascii=False) + "\n"
    assert golden_bill["creationInfo"]["created"] == "2026-08-05T00:00:00Z"


def test_the_licences_of_an_image_are_defined_in_its_bill() -> None:
    bill = document(replace(BILL, labels={"org.opencontainers.image.licenses": LICENCES}))
    jsonschema.Draft7Validator(schema()).validate(bill)
    assert bill["packages"][0]["licenseDeclared"] == "Python-2.0 AND LicenseRef-Included-Software"  # type: ignore[index]
    texts = {entry["licenseId"]: entry["extractedText"] for entry in bill["hasExtractedLicensingInfos"]}  # type: ignore[attr-defined]
    assert texts["LicenseRef-Included-Software"].endswith(
        ": GPL-3.0-or-later WITH GCC-exception-3.1 AND LicenseRef-Debian-permissive AND MIT"
    )


def test_each_package_is_contained_in_the_image_or_in_another_package(golden_bill: dict[str, Any]) -> None:
    names = {package["SPDXID"]: package["name"] for package in golden_bill["packages"]}
    assert len(names) == len(COMPONENTS) + 1, "identifiers are unique"
    contained = {
        (names[relationship["spdxElementId"]], names[relationship["relatedSpdxElement"]])
        for relationship in golden_bill["relationships"]
        if relationship["relationshipType"] == "CONTAINS"
    }
    assert {("CPython", "expat"), ("pip", "zipp"), (BILL.name, "CPython"), (BILL.name, "libstdc++6")} <= contained


def test_unknown_fields_are_null_in_the_overview() -> None:
    rows = {row["name"]: row for row in bill_rows(BILL)}
    assert rows["pip"] == {"name": "pip", "version": "26.2.1", "licence": "MIT", "purl": "pkg:pypi/pip@26.2.1"}
    assert (rows["zipp"]["version"], rows["zipp"]["licence"]) == (None, None)


def attest(file: Path, target: Path, bill: dict[str, object], repository: str) -> tuple[str, ...]:
    """Complete the attestations of an image that has been recompressed already."""
    origin = Origin(repository, "r1", "https://ci.example/run/1")
    publication = Publication({SPDX: bill}, origin, {"pkg:generic/x": "ab" * 32})
    return recompress(file, target, PACKING, LayerCache(file.parent / "cache", print), publication)


def workspace(folder: Path, *, provenance: bool = True, null: bool = False) -> tuple[Path, dict[str, Any]]:
    """A recompressed image layout, with a provenance that contains the path of the builder's clone.

    ``null``: wherever annotations may be missing, they are ``null``.
    """
    archive, absent = Archive(), {"annotations": None} if null else {}
    image = archive.image([make_tar({"etc/os-release": b"x"})], **absent)
    image.update(absent)
    if provenance:
        vcs = {"localdir:context": "debian", "revision": "r1-dirty", "source": "/home/someone/clone"}
        statement = {
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "pkg:docker/x", "digest": {"sha256": image["digest"].removeprefix("sha256:")}}],
            "predicate": {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": vcs}}},
        }
        layer = archive.blob(json.dumps(statement).encode(), "application/vnd.in-toto+json")
        layer["annotations"] = None if null else {"in-toto.io/predicate-type": statement["predicateType"]}
        config = archive.blob(
            json.dumps({"rootfs": {"diff_ids": [layer["digest"]]}}).encode(), "application/vnd.oci.image.config.v1+json"
        )
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], **absent}
        descriptor = archive.blob(json.dumps(manifest).encode(), MANIFEST)
        descriptor["platform"] = {"os": "unknown", "architecture": "unknown"}
        descriptor["annotations"] = {
            "vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest",
        }  # fmt: skip
        archive.descriptors.append(descriptor)
    index = json.dumps({**json.loads(archive.index()), **absent}).encode()
    inner = archive.blob(index, "application/vnd.oci.image.index.v1+json")
    archive.descriptors = [{**inner, "annotations": {"io.containerd.image.name": name}} for name in ("a:1", "a:latest")]
    exported, file = folder / "exported.tar", folder / "image.tar"
    exported.write_bytes(archive.save())
    (digest, _) = recompress(exported, file, PACKING, LayerCache(folder / "cache", print))
    return file, json.loads(blobs(file)[f"blobs/{digest.replace(':', '/')}"])["manifests"][0]


def blobs(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        blobs = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    for name, data in blobs.items():
        if name.startswith("blobs/"):
            assert f"sha256:{name.rpartition('/')[2]}" == digest_of(data)
    return blobs


def test_the_bill_becomes_a_statement_about_the_same_manifest(tmp_path: Path) -> None:
    file, image = workspace(tmp_path)
    (digest, again) = attest(file, tmp_path / "out.tar", {"spdxVersion": "SPDX-2.3"}, "https://example.org/x")
    assert digest == again, "both names refer to the same index"
    layout = blobs(tmp_path / "out.tar")

    def read(digest: str) -> Any:
        return json.loads(layout.pop(f"blobs/{digest.replace(':', '/')}"))

    top = json.loads(layout.pop("index.json"))
    assert [entry["annotations"]["io.containerd.image.name"] for entry in top["manifests"]] == ["a:1", "a:latest"]
    first, attestation = read(digest)["manifests"]
    assert first == image
    manifest = read(attestation["digest"])
    provenance, bill = (read(layer["digest"]) for layer in manifest["layers"])
    assert [layer["annotations"]["in-toto.io/predicate-type"] for layer in manifest["layers"]][1] == SPDX
    assert read(manifest["config"]["digest"])["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert bill["subject"] == provenance["subject"]
    assert (bill["predicateType"], bill["predicate"]) == (SPDX, {"spdxVersion": "SPDX-2.3"})
    vcs = provenance["predicate"]["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]["vcs"]
    assert vcs == {"revision": "r1", "source": "https://example.org/x"}, "no path, and no -dirty of ignored files"
    assert provenance["predicate"]["builder"] == {"id": "https://ci.example/run/1"}
    assert provenance["predicate"]["materials"] == [{"uri": "pkg:generic/x", "digest": {"sha256": "ab" * 32}}]
    assert read(image["digest"])["layers"]
    assert not any(b"someone" in data for data in layout.values()), "replaced blobs are dropped"


def test_a_provenance_of_slsa_1_is_completed_as_well() -> None:
    vcs = {"localdir:context": "debian", "revision": "r1-dirty", "source": "/home/someone/clone"}
    statement: dict[str, Any] = {
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"resolvedDependencies": [{"uri": "pkg:oci/base"}]},
            "runDetails": {"builder": {"id": "local"}, "metadata": {"buildkit_metadata": {"vcs": vcs}}},
        },
    }
    Publication({}, Origin("https://example.org/x", "r1"), {"pkg:generic/x": "ab" * 32}).complete(statement)
    definition, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert [material["uri"] for material in definition["resolvedDependencies"]] == ["pkg:oci/base", "pkg:generic/x"]
    assert run["builder"] == {"id": "local"}, "an unknown builder replaces nothing"
    assert run["metadata"]["buildkit_metadata"]["vcs"] == {"revision": "r1", "source": "https://example.org/x"}


def test_null_annotations_are_the_same_as_absent_ones(tmp_path: Path) -> None:
    file, image = workspace(tmp_path, null=True)
    (digest, _) = attest(file, tmp_path / "out.tar", {"spdxVersion": "SPDX-2.3"}, "")
    layout = blobs(tmp_path / "out.tar")
    assert image in json.loads(layout[f"blobs/{digest.replace(':', '/')}"])["manifests"]


def test_a_layout_without_provenance_is_rejected(tmp_path: Path) -> None:
    file, _ = workspace(tmp_path, provenance=False)
    with pytest.raises(BakeryError, match="the build has no attestation"):
        attest(file, tmp_path / "out.tar", {}, "")


def test_the_manifest_of_an_attested_index_is_remembered(tmp_path: Path) -> None:
    index, another, manifest = (f"sha256:{digit * 64}" for digit in "123")
    record_attested(tmp_path, index, manifest)
    assert manifest_digest_of(tmp_path, index) == manifest
    assert manifest_digest_of(tmp_path, another) == another
    file, *_ = (tmp_path / "layers" / "attested").iterdir()
    damaged = ["", manifest[:-1], f"{another} {manifest}", f"{index} {manifest}0", "0" * 2_000_000]
    for text, digest in [(manifest, manifest), *((text, index) for text in damaged)]:
        file.write_text(text)
        told: list[str] = []
        assert manifest_digest_of(tmp_path, index, told.append) == digest
        assert [str(file) in line for line in told] == [True] * (digest == index)


def test_spdx_tools_can_read_the_bill_back(tmp_path: Path, golden_bill: dict[str, Any]) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    file = tmp_path / "bill.spdx.json"
    file.write_text(text_of(BILL), encoding="utf-8")
    assert validate_full_spdx_document(parse_file(str(file))) == []


def test_values_that_spdx_does_not_allow_are_left_out_of_a_bill() -> None:
    parts = (
        Component("deb", "a_b", "1", homepage="not a url", licence="((("),
        Component("deb", "a-b", "1", supplier=f"x{' ' * 100_000}<", licence="No-Such-Licence"),
    )
    labels = {"org.opencontainers.image.licenses": f"{LICENCES} AND ((("}
    content = document(replace(BILL, components=parts, labels=labels))
    jsonschema.Draft7Validator(schema()).validate(content)
    packages: Any = content["packages"]
    assert [package["licenseDeclared"] for package in packages] == ["NOASSERTION"] * 3
    assert len({package["SPDXID"] for package in packages}) == 3
    assert "homepage" not in packages[1]
    assert packages[2]["supplier"] == "Organization: x"


def test_an_invalid_bill_names_the_package() -> None:
    broken = replace(BILL, components=(Component("generic", "broken", "1", sha256="0"),))
    with pytest.raises(BakeryError, match="SPDXRef-generic-broken: value"):
        document(broken)


def test_the_time_for_a_bill_is_linear_in_its_packages() -> None:
    def seconds(count: int) -> float:
        parts = [Component("deb", f"p{number}", "1", f"pkg:deb/debian/p{number}@1") for number in range(count)]
        start = time.process_time()
        document(replace(BILL, components=parts))
        return time.process_time() - start

    seconds(10)
    assert seconds(2000) < 40 * seconds(200)
