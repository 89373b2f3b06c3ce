"""What `inv update` finds on a fake python.org and on a fake Debian mirror, and how it is verified."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import apt
from bakery.catalog.models import Catalog
from bakery.catalog.pins import LOCK, Extra, Profile
from bakery.errors import InputError, SourceError, Unavailable
from bakery.net import http
from bakery.sources import published, update
from bakery.sources.lock_changes import LockChange, needed_changes
from bakery.sources.trust import SignaturePolicy
from bakery.sources.update import CANDIDATES, UpdateResult, select_subjects
from bakery.workspace import Workspace
from tests.locks import change_while_locked
from tests.unit.sources.fake_upstream import NOW, FakePythonOrg, tarball

HTML = b"<html><body>We are down for maintenance</body></html>"
DIGEST = "sha256:" + "c" * 64


def test_new_patch_release_is_verified_and_pinned(org: FakePythonOrg) -> None:
    pin = org.publish("3.13.16", tarball("3.13.16", pip="26.1"))
    findings = org.find()
    (change,) = findings.changes
    assert (findings.notes, findings.problems) == ([], [])
    assert (change.table, change.name) == ("releases", "3.13.16")
    assert list(change.content.items()) == [
        ("file", "Python-3.13.16.tar.xz"),
        ("sha256", pin.sha256),
        ("bytes", len(tarball("3.13.16", pip="26.1"))),
        ("recorded_by", "python.org"),
        ("pip", "26.1"),
        ("date", "2025-01-01"),
        ("signed", f"openpgp {org.manager.fingerprint} 2025-01-02"),
    ]
    assert change.message == (
        "Pin Python 3.13.16\n\n"
        f"Python-3.13.16.tar.xz, {change.content['bytes']} bytes, recorded by python.org.\n"
        f"sha256: {pin.sha256}\n"
        f"signature: openpgp {org.manager.fingerprint} 2025-01-02\n"
        "ensurepip bundles pip 26.1.\n"
        "The newest file is from 2025-01-01.\n"
    )
    assert org.cached_files() == ["Python-3.13.16.tar.xz", "Python-3.13.16.tar.xz.asc"], (
        "the build need not fetch it again"
    )


def test_release_of_a_sigstore_series_is_pinned_by_its_bundle(org: FakePythonOrg) -> None:
    org.lock(org.pin("3.14.0", b""))
    org.publish("3.14.0")
    org.publish("3.14.1")
    (change,) = org.find().changes
    assert change.content["signed"] == "sigstore manager@example.org https://issuer.example/oauth 2026-03-01"


def test_profiles_that_a_new_pin_makes_stale_are_listed(org: FakePythonOrg) -> None:
    names = ("3.13", "3.13t", "3.14")
    profiles = {name: Profile(name, "clang", "19.1.7", f"{name[:4]}.15", "a" * 64, 1) for name in names}
    org.catalog = dataclasses.replace(org.catalog, profiles=profiles)
    org.publish("3.13.16")
    assert org.find().notes == [
        f"the profile of {name} was recorded on 3.13.15; record it again: inv profile --version={release}"
        for name, release in (("3.13", "3.13.16"), ("3.13t", "3.13.16t"))
    ]


def test_no_change_if_the_newest_release_is_pinned(org: FakePythonOrg) -> None:
    discovery = org.find()
    assert (discovery.changes, discovery.notes, discovery.problems) == ([], [], [])
    assert not any("tar.xz" in line for line in org.server.requests)


def test_only_the_newest_of_several_releases_is_pinned(org: FakePythonOrg) -> None:
    for release in ("3.13.9", "3.13.16", "3.13.10"):
        org.publish(release)
    assert [change.name for change in org.find().changes] == ["3.13.16"]


def test_new_series_is_reported_but_not_added(org: FakePythonOrg) -> None:
    org.publish("3.16.0")
    org.publish("3.17.0a1")
    findings = org.find()
    assert findings.changes == []
    assert findings.notes == [
        "Python 3.16 is out: add it to shared/catalog.toml and its signers to shared/upstream.toml"
    ]


def test_pinned_release_that_python_org_dropped_is_reported(org: FakePythonOrg) -> None:
    org.lock(org.pin("3.13.5", b""), org.pin("3.13.6", b""))
    findings = org.find()
    assert findings.changes == []
    assert findings.notes == ["Python 3.13.6 is pinned, but python.org no longer has it: was it withdrawn?"]


def test_withdrawn_release_is_not_pinned(org: FakePythonOrg) -> None:
    org.publish("3.13.6")
    pin = org.publish("3.13.7")
    del org.server.routes[org.path(pin)]
    findings = org.find()
    assert [change.name for change in findings.changes] == ["3.13.6"]
    assert "Python 3.13.7 is listed, but its tarball is not available: " in findings.unknown[0]
    assert "python.org answered 404" in findings.unknown[0]


def test_a_list_with_a_thousand_releases_that_no_server_has_costs_few_requests(org: FakePythonOrg) -> None:
    for micro in range(20, 120):
        org.announce(f"3.13.{micro}")
        org.list_folder(f"3.13.{micro}")
    findings = org.find()
    assert len([request for request in org.server.requests if ".tar.xz" in request]) == CANDIDATES
    assert findings.changes == [] and "Python 3.13.114 and older releases" in findings.unknown[-1]


def test_release_needs_both_an_announcement_and_files(org: FakePythonOrg) -> None:
    org.announce("3.13.8")
    org.announce("3.13.9", published=False)
    org.list_folder("3.13.9")
    org.list_folder("3.13.10")
    discovery = org.find()
    assert (discovery.changes, discovery.notes, discovery.problems) == ([], [], [])


@pytest.mark.parametrize(
    "broken",
    [HTML, b"", b"[", b"{}", b"[1]", b"[]", b'[{"name": 1}]', (503, HTML, {}), b"[" * 100_000],
    ids=["HTML", "empty", "cut off", "an object", "numbers", "nothing", "no names", "an error", "nested"],
)
def test_broken_api_falls_back_to_the_directory(org: FakePythonOrg, broken: Any) -> None:
    org.publish("3.13.6")
    org.server.routes["/api/release/"] = broken
    findings = org.find()
    assert [change.name for change in findings.changes] == ["3.13.6"]
    assert findings.notes[0].startswith("python.org's API ")


def test_responses_of_python_org_are_limited_to_a_few_times_what_is_expected(org: FakePythonOrg) -> None:
    for limit in (published.LARGEST_LIST, published.LARGEST_PAGE):
        assert limit <= 4 << 20, "objects take 25 times as many bytes in memory"
    org.publish("3.13.6")
    org.server.routes["/api/release/"] = b"[" + b"{}," * (published.LARGEST_LIST // 3) + b"{}]"
    assert f"sent more than {published.LARGEST_LIST} bytes" in org.find().notes[0]


def test_broken_directory_falls_back_to_the_api(org: FakePythonOrg) -> None:
    org.publish("3.13.6")
    org.server.routes["/"] = HTML
    findings = org.find()
    assert [change.name for change in findings.changes] == ["3.13.6"]
    assert findings.notes == ["python.org's directory lists no releases"]


def test_no_source_of_releases_is_an_error(org: FakePythonOrg) -> None:
    org.server.routes.update({"/": HTML, "/api/release/": HTML})
    with pytest.raises(SourceError, match=r"no list of new releases is available: python\.org.s API sent") as e:
        org.find()
    assert "lists no releases" in str(e.value) and "fedora" in str(e.value)


def test_python_org_timeout_is_reported(org: FakePythonOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (0.5, 0.3))
    hang = lambda request: request.server.state.released.wait(10) and 404  # noqa: E731
    org.server.routes.update({"/": hang, "/api/release/": hang})
    with pytest.raises(SourceError, match="did not answer in time"):
        org.find()


def test_tarball_timeout_is_reported(org: FakePythonOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = org.publish("3.13.6")
    monkeypatch.setattr(http, "TIMEOUT", (2, 0.3))
    org.server.routes[org.path(pin)] = lambda request: request.server.state.released.wait(10) and 404
    findings = org.find()
    assert findings.changes == [] and "did not answer in time" in findings.unknown[0]


@pytest.mark.parametrize(
    ("data", "more", "named"),
    [
        (tarball("3.13.4"), {}, "contains 'Python-3.13.4/README.rst'; expected everything below Python-3.13.6/"),
        (tarball("3.13.4", top="Python-3.13.6"), {}, "its Include/patchlevel.h is of 3.13.4"),
        (None, {"sha256_sum": "0" * 64}, "python.org's API has sha256_sum 0000"),
        (None, {"filesize": 5}, "python.org's API has filesize 5, the file has"),
        (HTML, {}, "expected xz or gzip"),
    ],
    ids=["an older release", "an older release in disguise", "another digest", "another size", "HTML"],
)
def test_release_that_fails_verification_is_left_out_and_reported(
    org: FakePythonOrg, data: bytes | None, more: dict[str, Any], named: str
) -> None:
    org.publish("3.13.6", data, **more)
    findings = org.find()
    assert findings.changes == []
    assert findings.problems[0].startswith("Python 3.13.6 is not pinned: ") and named in findings.problems[0]
    assert org.cached_files() == []


def test_bad_signature_leaves_out_only_that_release(org: FakePythonOrg) -> None:
    org.lock(org.pin("3.13.5", b""), org.publish("3.14.0"))
    pin = org.publish("3.13.6")
    org.serve(pin, org.mallory.sign(tarball("3.13.6")), ".asc")
    org.publish("3.14.1")
    findings = org.find()
    assert [change.name for change in findings.changes] == ["3.14.1"]
    assert "not pinned for this series" in findings.problems[0]


def test_a_release_that_fails_verification_does_not_prevent_an_older_valid_one_from_being_pinned(
    org: FakePythonOrg,
) -> None:
    org.lock(org.pin("3.13.5", b""))
    org.publish("3.13.6")
    org.serve(org.publish("3.13.7"), org.mallory.sign(tarball("3.13.7")), ".asc")
    findings = org.find()
    assert [change.name for change in findings.changes] == ["3.13.6"]
    assert [problem.partition(":")[0] for problem in findings.problems] == ["Python 3.13.7 is not pinned"]


@pytest.mark.parametrize("require", [False, True])
def test_unsigned_release_is_pinned_unless_signatures_are_required(org: FakePythonOrg, require: bool) -> None:
    org.publish("3.13.6", signed=False)
    if require:
        org.require()
    findings = org.find()
    if require:
        assert findings.changes == [] and "requires one" in findings.problems[0]
    else:
        assert "signed" not in findings.changes[0].content
        reason = f"{NOW:%Y-%m-%d}: openpgp: python.org answered 404 for "
        (change,) = findings.changes
        assert str(change.content["unsigned"]).startswith(reason)
        assert f"signature: not checked {reason}" in change.message


def test_new_pin_needs_a_signature_if_only_new_pins_do(org: FakePythonOrg, tmp_path: Path) -> None:
    org.trust = dataclasses.replace(org.trust, policy=SignaturePolicy.REQUIRE_NEW)
    org.publish("3.13.6", signed=False)
    pinned = org.catalog.series[0].default
    org.server.routes.pop(org.path(pinned, ".asc"), None)
    findings = org.find(pins=[pinned])
    assert [change.name for change in findings.changes] == ["3.13.5"]
    (problem,) = findings.problems
    assert "Python 3.13.6 is not pinned: no signature of Python-3.13.6.tar.xz could be checked" in problem


def test_new_pin_of_a_series_without_signers_has_no_note(org: FakePythonOrg) -> None:
    org.trust = dataclasses.replace(org.trust, signers={})
    org.publish("3.13.6", signed=False)
    (change,) = org.find().changes
    assert {"signed", "unsigned"}.isdisjoint(change.content) and "signature: not checked\n" in change.message


def test_signature_that_comes_later_replaces_the_note_that_there_was_none(org: FakePythonOrg) -> None:
    org.publish("3.13.6", signed=False)
    (change,) = org.find().changes
    pin = org.pin("3.13.6", tarball("3.13.6"), unsigned=change.content["unsigned"])
    org.lock(pin)
    org.serve(pin, org.manager.sign(tarball("3.13.6")), ".asc")
    (change,) = org.find(pins=[pin]).changes
    assert change.content["signed"] and "unsigned" not in change.content


def test_base_follows_its_tag_on_every_platform(org: FakePythonOrg, serve: Any, catalog: Catalog) -> None:
    platforms = {"c": ("linux", "amd64"), "d": ("linux", "arm64"), "e": ("unknown", "unknown")}
    index = {
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST.replace("c", letter),
                "size": 1, "platform": {"os": system, "architecture": architecture},
            }
            for letter, (system, architecture) in platforms.items()
        ]
    }  # fmt: skip
    server = serve({"/v2/debian/manifests/bookworm-slim": json.dumps(index).encode()})
    real = next(target for target in catalog.targets if target.name == "bookworm")
    base = dataclasses.replace(real.base, image=f"{server.address}/debian:bookworm-slim")
    findings = org.find(targets=[dataclasses.replace(real, base=base)])
    (change,) = findings.changes
    assert (change.table, change.name) == ("bases", "bookworm")
    assert change.content["date"] == "2026-11-24"
    assert change.content["digests"] == {"linux/amd64": DIGEST, "linux/arm64": DIGEST.replace("c", "d")}
    moved = dataclasses.replace(base, digests=change.content["digests"])
    assert org.find(targets=[dataclasses.replace(real, base=moved)]).changes == []


@pytest.mark.parametrize("answer", [HTML, b"{}", b'{"manifests": [1]}', 404, b'{"manifests": []}'])
def test_base_is_unchanged_if_its_registry_gives_no_valid_response(
    org: FakePythonOrg, serve: Any, catalog: Catalog, answer: Any
) -> None:
    server = serve(default=answer)
    real = catalog.targets[0]
    base = dataclasses.replace(real.base, image=f"{server.address}/debian:x")
    findings = org.find(targets=[dataclasses.replace(real, base=base)])
    assert findings.changes == [] and "its digests are not changed" in findings.unknown[0]
    new = dataclasses.replace(base, digests={})
    assert "not pinned yet" in org.find(targets=[dataclasses.replace(real, base=new)]).unknown[0]


def wheel_of(catalog: Catalog) -> Extra:
    """The first wheel that a variant pins."""
    return next(extra for variant in catalog.variants for extra in variant.extras)


@pytest.mark.parametrize(
    ("found", "message"), [("uv-0.14.0-py3-none-any.whl", "Pin uv-0.14.0"), ("uv-0.13.9-py3-none-any.whl", "")]
)
def test_newest_wheel_of_a_variant_is_pinned_unless_its_file_changed_under_the_same_name(
    org: FakePythonOrg, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, message: str
) -> None:
    (tmp_path / found).write_bytes(b"wheel")
    monkeypatch.setattr("bakery.sources.update.newest_wheel", lambda _: contextlib.nullcontext(tmp_path / found))
    pinned = dataclasses.replace(wheel_of(catalog), file="uv-0.13.9-py3-none-any.whl")
    findings = org.find(wheels=[pinned])
    if message:
        (change,) = findings.changes
        assert (change.table, change.name) == ("extras", pinned.name) and change.message.startswith(message)
        assert change.content["bytes"] == 5 and change.content["platform"] == pinned.platform
    else:
        assert findings.changes == [] and pinned.sha256 in findings.problems[0]


def test_wheel_stays_pinned_if_the_index_has_none(
    org: FakePythonOrg, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: str) -> None:
        raise Unavailable("does not have uv")

    monkeypatch.setattr("bakery.sources.update.newest_wheel", unavailable)
    findings = org.find(wheels=[wheel_of(catalog)])
    assert findings.changes == [] and "stays pinned" in findings.unknown[0]


def test_wheel_stays_pinned_if_the_index_has_only_older_versions(
    org: FakePythonOrg, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "uv-0.9.30-py3-none-any.whl"
    found.write_bytes(b"wheel")
    monkeypatch.setattr("bakery.sources.update.newest_wheel", lambda _: contextlib.nullcontext(found))
    findings = org.find(wheels=[dataclasses.replace(wheel_of(catalog), file="uv-0.13.9-py3-none-any.whl")])
    assert findings.changes == [] and "has 0.9.30 at most; uv-0.13.9-py3-none-any.whl stays" in findings.notes[0]


def test_signature_of_a_pinned_release_is_recorded_on_request(org: FakePythonOrg) -> None:
    pin = org.catalog.series[0].default
    org.find()
    (change,) = org.find(pins=[pin]).changes
    assert change.content["signed"].startswith("openpgp ") and change.content["sha256"] == pin.sha256
    assert change.message.startswith("Record the signature of Python 3.13.5\n")
    assert needed_changes({"releases": {"3.13.5": dict(change.content)}}, [change]) == []
    assert needed_changes({"releases": {"3.13.5": {"file": "x"}}}, [change]) == [change]


def test_expired_key_rejects_new_releases_but_not_pinned_ones(org: FakePythonOrg) -> None:
    org.publish_key(org.manager, lasts=3600)
    pin = org.catalog.series[0].default
    org.publish("3.13.6")
    findings = org.find(pins=[pin])
    assert [(change.name, change.content.get("signed")) for change in findings.changes] == [("3.13.5", None)]
    assert "Python 3.13.6 is not pinned" in findings.problems[0] and "key that expired" in findings.problems[0]


def test_bundled_pip_is_recorded_without_a_signature_too(org: FakePythonOrg) -> None:
    pin = org.publish("3.13.6", tarball("3.13.6", pip="26.1"), signed=False)
    org.lock(pin)
    (change,) = org.find(pins=[pin]).changes
    assert change.content["pip"] == "26.1" and "signed" not in change.content
    assert change.message == (
        "Record the contents of the 3.13.6 tarball\n\nsignature: not checked\nensurepip bundles pip 26.1.\n"
        "The newest file is from 2025-01-01.\n"
    )


SOURCES = """
Package: python3.13
Version: 3.13.15-1
Checksums-Sha256:
 {a} 4040 python3.13_3.13.15-1.dsc
 {b} 23160540 python3.13_3.13.15.orig.tar.xz
 {a} 833 python3.13_3.13.15.orig.tar.xz.asc
Directory: pool/main/p/python3.13

Package: python3.15
Version: 3.15.0~b3-1
Directory: pool/main/p/python3.15
Checksums-Sha256:
 {b} 5 python3.15_3.15.0~b3.orig.tar.gz

Package: python3.11
Version: 3.11.2+dfsg-1
Directory: pool/main/p/python3.11
Checksums-Sha256:
 {b} 5 python3.11_3.11.2+dfsg.orig.tar.xz

Package: python3.12
Version: nonsense
"""


def test_source_index_yields_pins_but_no_repacked_tarball() -> None:
    pins = list(published.parse_source_index(SOURCES.format(a="a" * 64, b="b" * 64), "Debian sid"))
    assert [(pin.release, pin.file, pin.bytes, pin.pool) for pin in pins] == [
        ("3.13.15", "Python-3.13.15.tar.xz", 23160540, "pool/main/p/python3.13/python3.13_3.13.15.orig.tar.xz"),
        ("3.15.0b3", "Python-3.15.0b3.tgz", 5, "pool/main/p/python3.15/python3.15_3.15.0~b3.orig.tar.gz"),
    ]
    assert {(pin.sha256, pin.recorded_by) for pin in pins} == {("b" * 64, "Debian sid")}


@pytest.mark.parametrize("served", [True, False])
def test_unreachable_python_org_falls_back_to_the_debian_mirror(
    org: FakePythonOrg, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    data = tarball("3.13.15")
    pin = org.pin("3.13.15", data, bytes=len(data), pool="pool/p.tar.xz")
    older = org.pin("3.13.14", data, pool="pool/o.tar.xz")
    org.server.routes.clear()
    monkeypatch.setattr(
        published,
        "list_debian",
        lambda *_: published.PublishedReleases((older, dataclasses.replace(pin, recorded_by="Debian forky"), older)),
    )
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": org.server.url}))

    def download(uri: str, file: Path, sha256: str) -> None:
        if not served:
            raise apt.AptError("404  Not Found")
        file.write_bytes(data)

    monkeypatch.setattr(apt, "download", download)
    org.server.routes["/pool/p.tar.xz.asc"] = org.manager.sign(data)
    findings = org.find()
    if served:
        (change,) = findings.changes
        assert (change.content["recorded_by"], change.content["pool"]) == ("Debian forky", "pool/p.tar.xz")
        assert change.content["signed"].startswith("openpgp ")
    else:
        assert findings.changes == []
        assert [note[:14] for note in findings.unknown] == ["Python 3.13.15", "Python 3.13.14"]


def test_tarball_that_differs_from_the_source_index_is_left_out(
    org: FakePythonOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = org.pin("3.13.15", tarball("3.13.15"), pool="pool/p.tar.xz")
    org.server.routes.clear()
    org.serve(pin, tarball("3.13.15", pip="0.1"))
    monkeypatch.setattr(published, "list_debian", lambda *_: published.PublishedReleases((pin,)))
    assert "is not the file that a test lists" in org.find().problems[0]


def test_prereleases_are_enabled_by_data(org: FakePythonOrg) -> None:
    org.lock(org.pin("3.14.0b1", b""))
    org.publish("3.14.0b1")
    org.publish("3.14.0b2")
    assert org.find().changes == []
    signers = {**org.trust.signers, "3.14": dataclasses.replace(org.trust.signers_of("3.14"), prereleases=True)}
    org.trust = dataclasses.replace(org.trust, signers=signers)
    assert [change.name for change in org.find().changes] == ["3.14.0b2"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (([], []), ("all", [], "all")),
        ((["3.13"], []), (["3.13"], [], [])),
        ((["3.13", "3.13.5"], []), (["3.13"], ["3.13.5"], [])),
        (([], ["noble"]), ([], [], ["noble"])),
        ((["3.12"], ["noble"]), (["3.12"], [], ["noble"])),
    ],
)
def test_options_select_subjects(catalog: Catalog, chosen: Any, expected: Any) -> None:
    subjects = select_subjects(catalog, *chosen)
    everything = [series.name for series in catalog.series], [target.name for target in catalog.targets]
    assert [series.name for series in subjects.series] == (everything[0] if expected[0] == "all" else expected[0])
    assert [pin.release for pin in subjects.pins] == expected[1]
    assert [target.name for target in subjects.targets] == (everything[1] if expected[2] == "all" else expected[2])


def test_unknown_version_is_rejected(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"release 3\.13\.99 is not pinned"):
        select_subjects(catalog, ["3.13.99"], [])


def test_an_update_keeps_concurrent_changes_of_the_lock(
    workspace: Workspace, catalog: Catalog, data_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, file = dataclasses.replace(workspace, root=data_tree), data_tree / LOCK
    new = LockChange("bases", "noble", {"image": "x"}, "Change it")
    monkeypatch.setattr(update.Discovery, "find", lambda discovery, _: discovery.changes.append(new))
    monkeypatch.setattr(update, "load_trust", lambda _: None)

    def run(tell: Any, *, write: bool = True) -> UpdateResult:
        return update.update_lock(workspace, catalog, [], [], tell, write=write)

    assert run(print, write=False).messages == ("Change it",) and not (data_tree / "build").exists()
    change_while_locked(
        data_tree, LOCK, run, lambda: file.write_text(file.read_text().replace('version = "19.', 'version = "18.'))
    )
    lock = tomllib.loads(file.read_text())
    assert lock["bases"]["noble"] == {"image": "x"}
    assert {profile["version"][:2] for profile in lock["profiles"].values()} == {"18"}
