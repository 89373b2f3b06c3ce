"""Vulnerabilities from Debian's security tracker, and the OpenVEX document of an image."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog
from bakery.errors import InputError
from bakery.options import Scanning
from bakery.sbom.document import vulnerability_report
from bakery.sbom.vulnerabilities import find_vulnerabilities, openvex

TRACKER = Path(__file__).with_name("data") / "tracker.json"
"""A few entries in the form of the tracker's JSON."""
RELEASES = {"debian-12": "bookworm", "debian-13": "trixie"}


def bill(*packages: tuple[str, str, str]) -> bytes:
    """An SPDX document of an image with packages: name, version, package URL."""
    image = ("python:3.13", "sha256:1", "pkg:oci/python@sha256%3A1?arch=amd64")
    content = {
        "documentNamespace": "https://example.org/spdx/1",
        "creationInfo": {"created": "2026-11-27T00:00:00Z"},
        "packages": [
            {
                "name": name, "versionInfo": version,
                "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}],
            }
            for name, version, purl in (image, *packages)
        ],
    }  # fmt: skip
    return json.dumps(content).encode()


def deb(name: str, version: str, distro: str = "debian-12", upstream: str = "") -> tuple[str, str, str]:
    source = f"&upstream={upstream}" if upstream else ""
    return name, version, f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch=amd64&distro={distro}{source}"


def states(*packages: tuple[str, str, str]) -> dict[str, str]:
    rows = find_vulnerabilities(bill(*packages), TRACKER.read_bytes(), RELEASES)
    return {row["vulnerability"]: row["state"] for row in rows}


def test_vulnerabilities_have_a_fix_in_the_archive_are_open_or_do_not_apply() -> None:
    assert states(deb("libssl3", "3.0.17-1~deb12u2", upstream="openssl"), deb("libc6", "2.36-9", upstream="glibc")) == {
        "CVE-2025-9230": "fixed in archive",
        "CVE-2010-4756": "open",
        "CVE-2025-27587": "open",
        "CVE-2024-9143": "not affected",
        "CVE-2025-4575": "not affected",
    }


def test_a_fixed_package_is_not_affected_and_another_release_has_its_own_entries() -> None:
    assert states(deb("openssl", "3.0.17-1~deb12u3"))["CVE-2025-9230"] == "not affected"
    assert states(deb("openssl", "3.5.0-1", "debian-13")) == {
        "CVE-2025-4575": "fixed in archive", "CVE-2024-9143": "not affected",
    }  # fmt: skip


def test_the_version_of_the_source_package_counts() -> None:
    assert states(deb("libssl3", "1:9+b1", upstream="openssl@3.0.14-1~deb12u1"))["CVE-2024-9143"] == "fixed in archive"


def test_binary_packages_of_one_source_are_one_row_that_names_the_fix() -> None:
    packages = [deb(name, "3.0.17-1~deb12u2", upstream="openssl") for name in ("libssl3", "libssl-dev")]
    rows = find_vulnerabilities(bill(*packages), TRACKER.read_bytes(), RELEASES)
    assert rows[0] == {
        "state": "fixed in archive", "vulnerability": "CVE-2025-9230", "package": "openssl",
        "installed": "3.0.17-1~deb12u2", "fixed": "3.0.17-1~deb12u3", "urgency": "not yet assigned",
    }  # fmt: skip
    assert len(rows) == len({row["vulnerability"] for row in rows}) == 4


@pytest.mark.parametrize(("version", "fails"), [("3.0.17-1~deb12u2", True), ("3.0.17-1~deb12u3", False)])
def test_check_fails_only_if_the_archive_has_a_fix(catalog: Catalog, tmp_path: Path, version: str, fails: bool) -> None:
    (tmp_path / "bill").write_bytes(bill(deb("openssl", version)))
    scanning = Scanning(str(tmp_path / "bill"), str(TRACKER))
    assert bool(vulnerability_report(catalog, scanning, check=True).failure) is fails
    assert vulnerability_report(catalog, scanning, check=False).failure is None


def test_both_documents_are_needed(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="--bill and --tracker"):
        vulnerability_report(catalog, Scanning(str(TRACKER), str(tmp_path / "empty")), check=False)


@pytest.mark.parametrize(
    ("document", "tracker", "message"),
    [
        (b"{}", b"{}", "expected a bill of materials"),
        (b'{"documentNamespace": "x", "packages": []}', b"{}", "expected a bill of materials"),
        (b"[" * 100_000, b"{}", "expected a bill of materials"),
        (bill(), b"{}", "lists no Debian packages"),
        (bill(deb("x", "1", "ubuntu-24.04")), b"{}", "lists no Debian packages"),
        (bill(("x", "1", "not a purl")), b"{}", "is not a package URL"),
        (bill(deb("x", "1")), b"<html>", "expected the JSON of Debian's security tracker"),
        (bill(deb("x", "1")), b'{"x": {"CVE-1": {"releases": {"bookworm": {"status": 1}}}}}', "security tracker"),
        (bill(deb("x", "1")), b"[" * 100_000, "security tracker"),
        (bill(deb("x", "1")), bill(deb("x", "1")), "it has none of the image's packages"),
        (bill(deb("x", "1")), b'{"error": "not found"}', "it has none of the image's packages"),
        (bill(deb("x", "1")), b'{"x": {%s"b": {}}}' % (b'"a": {},' * 300_000), "more than 300,000 objects"),
        (
            bill(deb("x", "1")),
            b'{"x": {"CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "a b"}}}}}',
            "is not a version",
        ),
        (
            bill(deb("x", "1")),
            b'{"x": {"CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "%s"}}}}}'
            % (b"1" * 400),
            "is not a version",
        ),
    ],
)
def test_other_documents_are_refused(document: bytes, tracker: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_vulnerabilities(document, tracker, RELEASES)


def test_only_the_packages_of_the_image_are_decoded() -> None:
    tracker = b'{%s, "x": {"CVE-1": {"releases": {"bookworm": {"status": "open"}}}}}'
    others = b", ".join(b'"package0%d": {"a": {}}' % number for number in range(100_000))
    tracemalloc.start()
    rows = find_vulnerabilities(bill(deb("x", "1"), deb("absent", "1"), deb("%22%5C", "1")), tracker % others, RELEASES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["vulnerability"] for row in rows] == ["CVE-1"]
    assert peak < 10 << 20


def test_a_bill_of_unusual_size_is_refused() -> None:
    with pytest.raises(InputError, match="expected at most 16,777,216"):
        find_vulnerabilities(bill() + b" " * (16 << 20), b"{}", RELEASES)


def statements(root: Path, *packages: tuple[str, str, str]) -> dict[str, Any]:
    document: dict[str, Any] = openvex(json.loads(bill(*packages)), root)
    assert (document["@context"], document["version"]) == ("https://openvex.dev/ns/v0.2.0", 1)
    assert document["timestamp"] == "2026-11-27T00:00:00Z"
    return {entry["vulnerability"]["name"]: entry for entry in document["statements"]}


def test_the_openvex_document_says_why_components_are_not_affected(root: Path) -> None:
    entry = statements(root, ("expat", "2.7.4", "pkg:generic/expat@2.7.4"))["CVE-2013-0340"]
    assert entry["products"] == [
        {"@id": "pkg:oci/python@sha256:1?arch=amd64", "subcomponents": [{"@id": "pkg:generic/expat@2.7.4"}]}
    ]
    assert (entry["status"], entry["justification"]) == ("not_affected", "inline_mitigations_already_exist")
    assert "amplification" in entry["impact_statement"] and "https://" in entry["impact_statement"]


def test_the_openvex_document_leaves_out_components_that_are_absent_or_too_old(root: Path) -> None:
    assert statements(root) == {}
    old = statements(root, ("expat", "2.4.9", "pkg:generic/expat@2.4.9"))
    assert "CVE-2013-0340" in old and "CVE-2024-28757" not in old
    assert "CVE-2023-52425" not in statements(root, ("expat", "unknown", "pkg:generic/expat"))


def test_each_statement_has_a_justification_of_openvex_a_reason_and_a_source(root: Path) -> None:
    import tomllib

    known = {
        "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
    }  # fmt: skip
    for entry in tomllib.loads((root / "shared/vulnerabilities.toml").read_text())["not_affected"].values():
        assert entry["justification"] in known
        assert entry["reason"].endswith(".") and entry["source"].startswith("https://")
