"""What `inv doctor` reports, and that it shows no credentials."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest

from bakery.bases import apt
from bakery.catalog.models import Catalog
from bakery.errors import EngineError
from bakery.machine import doctor
from bakery.machine.doctor import State, examine_machine, platforms_in
from bakery.options import Building
from bakery.workspace import Workspace

INSPECTED = """Name:   far
Driver: docker-container

Nodes:
Name:      far0
Endpoint:  ssh://one
Platforms: linux/amd64*, linux/amd64/v2, linux/386
Name:      far1
Endpoint:  ssh://two
Platforms: linux/arm64, linux/arm/v7
"""


def test_platforms_of_all_nodes_are_read() -> None:
    assert platforms_in(INSPECTED) == ("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7")


@pytest.fixture
def findings(workspace: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> dict[str, doctor.Finding]:
    """The findings on a machine without an engine, behind a proxy."""

    def absent(*_: object, **__: object) -> None:
        raise EngineError("too old", hint="Upgrade it.")

    monkeypatch.setattr(doctor, "running_engine", absent)
    monkeypatch.setattr(doctor, "_server_checks", lambda _: iter(()))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:mark%2Fer@127.0.0.1:9")
    building = Building(ca_bundle="/nowhere.pem")
    return {finding.check: finding for finding in examine_machine(workspace, catalog, building)}


def test_unusable_engine_is_missing_with_a_remedy(findings: dict[str, doctor.Finding]) -> None:
    assert findings["engine"]._asdict() == {
        "check": "engine",
        "state": "missing",
        "details": "too old",
        "advice": "Upgrade it.",
    }


def test_proxy_credentials_are_hidden(findings: dict[str, doctor.Finding]) -> None:
    assert findings["https_proxy"].details == "http://...@127.0.0.1:9"


@pytest.mark.parametrize(
    "proxy", ["http://[::1", "http://h:99999999", "ftp://x", "http://user:mark/er@h:9", "http://a b", "http://"]
)
def test_a_proxy_that_builds_cannot_use_is_missing_and_not_the_ca_bundle(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    finding = next(finding for finding in doctor._proxies() if finding.check == "http_proxy")
    assert (finding.state, finding.details) == (State.MISSING, "http_proxy is not a URL that apt can use")
    assert doctor._bundle(None).state is State.OK


def test_a_mirror_in_the_environment_that_builds_cannot_use_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKERY_APT_MIRROR", "http://h/{x}")
    findings = {finding.check: finding for finding in doctor._proxies()}
    assert findings["$BAKERY_APT_MIRROR"].state is State.MISSING


def test_a_mirror_of_tarballs_that_builds_refuse_is_missing(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path
) -> None:
    states = []
    for mirror in ("ftp://h/x", f"file://{tmp_path}", str(tmp_path), str(tmp_path / "missing")):
        monkeypatch.setenv("BAKERY_MIRROR", mirror)
        *_, check = doctor._server_checks(catalog)
        states.append(check().state)
    assert states == [State.MISSING, State.OK, State.OK, State.WARNING]


def test_a_builder_that_is_missing_is_looked_up_with_the_buildx_in_use(catalog: Catalog) -> None:
    engine: Any = SimpleNamespace(buildx=["sh", "-c", "echo no such builder >&2; exit 1"], environment={})
    (finding,) = doctor._builder(catalog, engine, "far")
    assert (finding.details, finding.advice[:5]) == ("far: no such builder", "sh -c")


@pytest.mark.parametrize(
    ("node", "state"), [("two", State.WARNING), ("", State.MISSING)], ids=["one of two nodes", "all nodes"]
)
def test_nodes_of_a_builder_that_do_not_answer_are_reported(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, node: str, state: State
) -> None:
    text = re.sub(rf"(Endpoint:  ssh://.*{node}\n)Platforms: .*", r"\1Error:     connection refused", INSPECTED)
    engine: Any = SimpleNamespace(buildx=["sh", "-c", 'echo "$TEXT"'], environment={"TEXT": text})
    builder, *platforms = doctor._builder(catalog, engine, "far")
    assert (builder.state, bool(platforms)) == (state, state is State.WARNING)
    assert "connection refused" in builder.details and builder.advice.endswith("ls")


def test_unreadable_ca_bundle_is_missing(findings: dict[str, doctor.Finding]) -> None:
    assert findings["CA bundle"].state is State.MISSING
    assert "/nowhere.pem" in findings["CA bundle"].details


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_bundle_that_build_steps_do_not_get_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv(variable, str(bundle))
    assert doctor._bundle(None) == doctor.Finding("CA bundle", State.OK, str(bundle))
    with bundle.open("ab") as file:
        file.write(b"\n" * (500 << 10))
    for path in (bundle, tmp_path):
        monkeypatch.setenv(variable, str(path))
        finding = doctor._bundle(None)
        assert finding.state is State.WARNING and str(path) in finding.details and "--ca-bundle" in finding.advice


def test_missing_security_suite_of_the_host_is_a_warning(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    uris = {"": "http://deb.example/debian"}
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", uris))
    finding = doctor._host_archive(catalog)
    assert finding.state is State.WARNING and "without bookworm-security" in finding.details
    uris["-security"] = "http://deb.example/debian-security"
    assert doctor._host_archive(catalog).state is State.OK


def test_a_source_of_packages_with_an_invalid_uri_is_a_warning(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": "http://[::1/debian"}))
    finding = doctor._host_archive(catalog)
    assert (finding.state, finding.details) == (doctor.State.WARNING, "not a valid URI")


def test_low_disk_space_is_reported(workspace: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(Path("/"))
    monkeypatch.setattr(doctor, "running_engine", lambda *_, **__: None)
    monkeypatch.setattr(doctor, "_server_checks", lambda _: iter(()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000_000))
    states = {finding.check: finding.state for finding in examine_machine(workspace, catalog, Building())}
    assert states["disk, cache"] is State.MISSING


def test_a_folder_that_cannot_be_written_makes_a_build_fail() -> None:
    nowhere = Path("/proc/nowhere")  # not even root may create it
    findings = list(doctor._disk(Workspace(root=nowhere, home=nowhere / "cache")))
    assert [finding.state for finding in findings] == [State.MISSING, State.MISSING]
    assert findings[0].details.startswith("/proc/nowhere/cache cannot be written: ")
    assert ["BAKERY_HOME=" in finding.advice for finding in findings] == [True, False]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    8000000 kB\n", State.OK), ("MemAvailable: 9 kB\n", State.MISSING),
        ("MemTotal: 9 kB\nMemFree: 9 kB\n", State.WARNING), ("", State.WARNING), ("MemAvailable:\n\nx", State.WARNING),
        (None, State.WARNING),
    ],
)  # fmt: skip
def test_memory_is_unknown_if_the_kernel_does_not_say_how_much_is_available(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, state: State
) -> None:
    monkeypatch.setattr(doctor, "MEMINFO", tmp_path / "meminfo")
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    finding = doctor._memory()
    assert finding.state is state and "available" in finding.details


def test_missing_findings_are_the_failure() -> None:
    findings = (doctor.Finding("engine", State.OK, "x"), doctor.Finding("memory", State.MISSING, "y"))
    failure = doctor.failure_of(findings)
    assert failure is not None and failure.message == "a build would fail: memory"
    assert doctor.failure_of(findings[:1]) is None


def test_server_is_ok_with_any_status_and_unreachable_is_a_warning(serve: Any, nowhere: str) -> None:
    server = serve(default=(302, b"", {"Location": nowhere}))
    assert doctor._check_server("registry", f"{server.url}/v2/", "x").state is State.OK
    assert server.requests == ["HEAD /v2/"], "redirects are not followed"
    unreachable = doctor._check_server("registry", nowhere, "Try this.")
    assert (unreachable.state, unreachable.advice) == (State.WARNING, "Try this.")
    assert "cannot be reached" in unreachable.details
