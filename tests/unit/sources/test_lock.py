"""`inv update`: what a python.org of the tests' own announces, and what becomes of the lock."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bakery.bases import apt
from bakery.catalog.models import Catalog, Series
from bakery.catalog.pins import Pin
from bakery.errors import InputError, SourceError
from bakery.net import http
from bakery.sources import debian_sources, python_org, tarballs
from bakery.sources.discovery import Discovery, Findings, select_subjects
from bakery.sources.lock_changes import (
    apply_changes,
    lock_diff,
    lock_text,
    needed_changes,
    newer,
    release_change,
    unknown_series,
)
from bakery.sources.trust import Signers
from bakery.workspace import Workspace
from tests.unit.sources.release_house import NOW, House, tarball

HTML = b"<html><body>We are down for maintenance</body></html>"
DIGEST = "sha256:" + "c" * 64


def versions(*names: str) -> list[Version]:
    return [Version(name) for name in names]


class PythonOrg(House):
    """A house whose server also has the API and the directory; ``publish`` puts a release into both."""

    def __init__(self, workspace: Workspace, server: Any, keys: Path, catalog: Catalog) -> None:
        super().__init__(workspace, server, keys)
        self.catalog = self.whole = catalog
        self.api: list[dict[str, Any]] = []
        self.folders: list[str] = []
        self.files: dict[str, list[dict[str, Any]]] = {}

    def publish(self, release: str, data: bytes | None = None, *, signed: bool = True, **more: Any) -> Pin:
        """Announce ``release``, lay its tarball and its signature into its folder, and say its size in the API."""
        data = tarball(release) if data is None else data
        pin = self.pin(release, data)
        number = str(len(self.api) + 100)
        self.announce(release, number)
        self.lay(release)
        self.serve(pin, data)
        if signed and pin.version < Version("3.14"):
            self.serve(pin, self.manager.sign(data), ".asc")
        elif signed:
            self.serve(pin, self.bundle(data), ".sigstore")
        self.files[number] = [{"url": f"https://x.example/{pin.file}", "filesize": len(data), **more}]
        return pin

    def announce(self, release: str, number: str = "7", published: bool = True) -> None:
        uri = f"https://x.example/api/v2/downloads/release/{number}/"
        self.api.append({"name": f"Python {release}", "is_published": published, "resource_uri": uri})
        self.server.routes["/api/release/"] = lambda _: json.dumps(self.api).encode()
        self.server.routes["/api/release_file/"] = lambda request: json.dumps(
            self.files.get(request.path.rpartition("=")[2], [])
        ).encode()

    def lay(self, release: str) -> None:
        self.folders.append(Version(release).base_version)
        rows = lambda: "".join(f'<a href="{name}/">{name}/</a>    01-Jan-2026 -\n' for name in self.folders)  # noqa: E731
        self.server.routes["/"] = lambda _: f'<html><a href="../">../</a>\n{rows()}</html>'.encode()

    def lock(self, *pins: Pin) -> None:
        """Have nothing pinned but ``pins``."""
        series = []
        for one in self.whole.series:
            number = one.number
            own = [pin for pin in pins if f"{pin.version.major}.{pin.version.minor}" == number]
            own.sort(key=lambda pin: pin.version, reverse=True)
            if own:
                series.append(dataclasses.replace(one, pins=tuple(own)))
        self.catalog = dataclasses.replace(self.catalog, series=tuple(series))

    def find(self, *names: str, targets: Any = (), pins: Any = ()) -> Findings:
        discovery = Discovery(self.workspace, self.catalog, self.trust, self.signatures, self.said.append, lambda: NOW)
        series = [one for one in self.catalog.series if not names or one.name in names]
        return discovery.find(series, pins, targets)


@pytest.fixture
def org(
    workspace: Workspace, serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> PythonOrg:
    server = serve()
    monkeypatch.setattr(tarballs, "PYTHON_ORG", server.url)
    monkeypatch.setattr(python_org, "API", f"{server.url}/api")
    monkeypatch.setattr(apt, "host_id", lambda: "fedora")
    house = PythonOrg(workspace, server, tmp_path / "keys", catalog)
    house.lock(house.publish("3.13.5"))
    return house


def test_a_new_patch_release_is_verified_and_pinned(org: PythonOrg) -> None:
    pin = org.publish("3.13.16", tarball("3.13.16", pip="26.1"))
    found = org.find()
    (change,) = found.changes
    assert (found.notes, found.problems) == ([], [])
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
        "ensurepip brings pip 26.1.\n"
        "Its newest file is of 2025-01-01.\n"
    )
    assert org.left() == ["Python-3.13.16.tar.xz", "Python-3.13.16.tar.xz.asc"], "the build need not fetch it again"


def test_a_release_of_a_sigstore_series_is_pinned_by_its_bundle(org: PythonOrg) -> None:
    org.lock(org.pin("3.14.0", b""))
    org.publish("3.14.0")
    org.publish("3.14.1")
    (change,) = org.find().changes
    assert change.content["signed"] == "sigstore manager@example.org https://issuer.example/oauth 2026-03-01"


def test_nothing_is_found_where_the_newest_is_pinned(org: PythonOrg) -> None:
    assert org.find() == Findings()
    assert not any("tar.xz" in line for line in org.server.asked)


def test_only_the_newest_of_several_is_pinned(org: PythonOrg) -> None:
    for release in ("3.13.9", "3.13.16", "3.13.10"):
        org.publish(release)
    assert [change.name for change in org.find().changes] == ["3.13.16"]


def test_a_new_series_is_told_and_left_to_people(org: PythonOrg) -> None:
    org.publish("3.16.0")
    org.publish("3.17.0a1")
    found = org.find()
    assert found.changes == []
    assert found.notes == ["Python 3.16 is out: it needs tables in shared/catalog.toml and python_org.toml"]


def test_a_pinned_release_that_python_org_has_no_longer_is_told(org: PythonOrg) -> None:
    org.lock(org.pin("3.13.5", b""), org.pin("3.13.6", b""))
    found = org.find()
    assert found.changes == []
    assert found.notes == ["Python 3.13.6 is pinned, but python.org has it no longer: was it withdrawn?"]


def test_a_release_that_was_withdrawn_before_it_was_pinned_is_not_pinned(org: PythonOrg) -> None:
    org.publish("3.13.6")
    pin = org.publish("3.13.7")
    del org.server.routes[org.path(pin)]
    found = org.find()
    assert [change.name for change in found.changes] == ["3.13.6"]
    assert "Python 3.13.7 is listed, but its tarball cannot be had: python.org answered 404" in found.notes[0]


def test_what_is_announced_but_not_there_and_what_is_there_but_not_announced_does_not_count(org: PythonOrg) -> None:
    org.announce("3.13.8")
    org.announce("3.13.9", published=False)
    org.lay("3.13.9")
    org.lay("3.13.10")
    assert org.find() == Findings()


@pytest.mark.parametrize(
    "broken",
    [HTML, b"", b"[", b"{}", b"[1]", b"[]", b'[{"name": 1}]', (503, HTML, {}), b"[" * 100_000],
    ids=["HTML", "empty", "cut off", "an object", "numbers", "nothing", "no names", "an error", "nested"],
)
def test_where_the_api_is_broken_the_directory_counts(org: PythonOrg, broken: Any) -> None:
    org.publish("3.13.6")
    org.server.routes["/api/release/"] = broken
    found = org.find()
    assert [change.name for change in found.changes] == ["3.13.6"]
    assert found.notes[0].startswith("python.org's API ")


def test_where_the_directory_is_broken_the_api_counts(org: PythonOrg) -> None:
    org.publish("3.13.6")
    org.server.routes["/"] = HTML
    found = org.find()
    assert [change.name for change in found.changes] == ["3.13.6"]
    assert found.notes == ["python.org's directory lists no release at all"]


def test_where_both_are_broken_and_there_is_no_debian_mirror_nobody_could_be_asked(org: PythonOrg) -> None:
    org.server.routes.update({"/": HTML, "/api/release/": HTML})
    with pytest.raises(SourceError, match=r"nobody could be asked for new releases: python\.org.s API answered") as e:
        org.find()
    assert "lists no release at all" in str(e.value) and "fedora" in str(e.value)


def test_a_python_org_that_does_not_answer_in_time_is_passed_over(
    org: PythonOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (0.5, 0.3))
    hang = lambda request: request.server.told.released.wait(10) and 404  # noqa: E731
    org.server.routes.update({"/": hang, "/api/release/": hang})
    with pytest.raises(SourceError, match="did not answer in time"):
        org.find()


def test_a_tarball_that_does_not_come_in_time_is_told(org: PythonOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = org.publish("3.13.6")
    monkeypatch.setattr(http, "TIMEOUT", (2, 0.3))
    org.server.routes[org.path(pin)] = lambda request: request.server.told.released.wait(10) and 404
    found = org.find()
    assert found.changes == [] and "did not answer in time" in found.notes[0]


@pytest.mark.parametrize(
    ("data", "more", "named"),
    [
        (tarball("3.13.4"), {}, "holds 'Python-3.13.4/README.rst'; expected everything below Python-3.13.6/"),
        (tarball("3.13.4", top="Python-3.13.6"), {}, "its Include/patchlevel.h says 3.13.4"),
        (None, {"sha256_sum": "0" * 64}, "python.org's API says sha256_sum 0000"),
        (None, {"filesize": 5}, "python.org's API says filesize 5, the file has"),
        (HTML, {}, "neither xz nor gzip"),
    ],
    ids=["an older release", "an older release in disguise", "another digest", "another size", "HTML"],
)
def test_a_release_that_is_not_what_it_should_be_is_left_out_and_named(
    org: PythonOrg, data: bytes | None, more: dict[str, Any], named: str
) -> None:
    org.publish("3.13.6", data, **more)
    found = org.find()
    assert found.changes == []
    assert found.problems[0].startswith("Python 3.13.6 is not pinned: ") and named in found.problems[0]
    assert org.left() == []


def test_a_release_with_a_bad_signature_is_left_out_and_the_others_are_not(org: PythonOrg) -> None:
    org.lock(org.pin("3.13.5", b""), org.publish("3.14.0"))
    pin = org.publish("3.13.6")
    org.serve(pin, org.mallory.sign(tarball("3.13.6")), ".asc")
    org.publish("3.14.1")
    found = org.find()
    assert [change.name for change in found.changes] == ["3.14.1"]
    assert "not pinned for this series" in found.problems[0]


@pytest.mark.parametrize("require", [False, True])
def test_a_release_without_a_signature_is_pinned_as_such_unless_one_is_required(org: PythonOrg, require: bool) -> None:
    org.publish("3.13.6", signed=False)
    if require:
        org.require()
    found = org.find()
    if require:
        assert found.changes == [] and "requires one" in found.problems[0]
    else:
        assert "signed" not in found.changes[0].content
        assert "signature: not checked\n" in found.changes[0].message


def test_a_base_moves_with_its_tag_on_every_platform(org: PythonOrg, serve: Any, catalog: Catalog) -> None:
    index = {
        "manifests": [
            {"digest": DIGEST, "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": DIGEST.replace("c", "d"), "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": DIGEST.replace("c", "e"), "platform": {"os": "unknown", "architecture": "unknown"}},
        ]
    }
    server = serve({"/v2/debian/manifests/bookworm-slim": json.dumps(index).encode()})
    real = next(target for target in catalog.targets if target.name == "bookworm")
    base = dataclasses.replace(real.base, image=f"{server.address}/debian:bookworm-slim")
    found = org.find(targets=[dataclasses.replace(real, base=base)])
    (change,) = found.changes
    assert (change.table, change.name) == ("bases", "bookworm")
    assert change.content["date"] == "2026-11-24"
    assert change.content["digests"] == {"linux/amd64": DIGEST, "linux/arm64": DIGEST.replace("c", "d")}
    moved = dataclasses.replace(base, digests=change.content["digests"])
    assert org.find(targets=[dataclasses.replace(real, base=moved)]).changes == []


@pytest.mark.parametrize("answer", [HTML, b"{}", b'{"manifests": [1]}', 404, b'{"manifests": []}'])
def test_a_base_stays_where_its_registry_gives_no_sound_answer(
    org: PythonOrg, serve: Any, catalog: Catalog, answer: Any
) -> None:
    server = serve(default=answer)
    real = catalog.targets[0]
    base = dataclasses.replace(real.base, image=f"{server.address}/debian:x")
    found = org.find(targets=[dataclasses.replace(real, base=base)])
    assert found.changes == [] and "its digests stay as they are" in found.notes[0]


def test_the_signature_of_a_pinned_release_is_recorded_when_it_is_asked_for(org: PythonOrg) -> None:
    pin = org.catalog.series[0].default
    org.find()
    (change,) = org.find(pins=[pin]).changes
    assert change.content["signed"].startswith("openpgp ") and change.content["sha256"] == pin.sha256
    assert change.subject == "Record whose signature Python 3.13.5 bears"
    assert needed_changes({"releases": {"3.13.5": dict(change.content)}}, [change]) == []
    assert needed_changes({"releases": {"3.13.5": {"file": "x"}}}, [change]) == [change]


def test_an_outdated_copy_of_a_key_is_no_problem_of_what_is_pinned_and_one_of_what_is_not(org: PythonOrg) -> None:
    org.publish_key(org.manager, lasts=3600)
    pin = org.catalog.series[0].default
    org.publish("3.13.6")
    found = org.find(pins=[pin])
    assert [(change.name, change.content.get("signed")) for change in found.changes] == [("3.13.5", None)]
    assert "Python 3.13.6 is not pinned" in found.problems[0] and "had expired" in found.problems[0]


def test_what_ensurepip_brings_is_recorded_also_where_there_is_no_signature(org: PythonOrg) -> None:
    pin = org.publish("3.13.6", tarball("3.13.6", pip="26.1"), signed=False)
    org.lock(pin)
    (change,) = org.find(pins=[pin]).changes
    assert change.content["pip"] == "26.1" and "signed" not in change.content
    assert change.message == (
        "Record what the tarball of 3.13.6 holds\n\nsignature: not checked\nensurepip brings pip 26.1.\n"
        "Its newest file is of 2025-01-01.\n"
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


def test_a_source_index_gives_path_size_and_digest_and_no_repacked_tarball() -> None:
    pins = list(debian_sources.parse(SOURCES.format(a="a" * 64, b="b" * 64), "Debian sid"))
    assert [(pin.release, pin.file, pin.bytes, pin.pool) for pin in pins] == [
        ("3.13.15", "Python-3.13.15.tar.xz", 23160540, "pool/main/p/python3.13/python3.13_3.13.15.orig.tar.xz"),
        ("3.15.0b3", "Python-3.15.0b3.tgz", 5, "pool/main/p/python3.15/python3.15_3.15.0~b3.orig.tar.gz"),
    ]
    assert {(pin.sha256, pin.recorded_by) for pin in pins} == {("b" * 64, "Debian sid")}


@pytest.mark.parametrize("served", [True, False])
def test_where_python_org_is_not_there_the_debian_mirror_is_asked(
    org: PythonOrg, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    data = tarball("3.13.15")
    pin = org.pin("3.13.15", data, bytes=len(data), pool="pool/p.tar.xz")
    older = org.pin("3.13.14", data, pool="pool/o.tar.xz")
    org.server.routes.clear()
    monkeypatch.setattr(
        debian_sources, "listed", lambda *_: [older, dataclasses.replace(pin, recorded_by="Debian forky")]
    )
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": org.server.url}))

    def download(uri: str, file: Path, sha256: str) -> None:
        if not served:
            raise apt.AptError("404  Not Found")
        file.write_bytes(data)

    monkeypatch.setattr(apt, "download", download)
    org.server.routes["/pool/p.tar.xz.asc"] = org.manager.sign(data)
    found = org.find()
    if served:
        (change,) = found.changes
        assert (change.content["recorded_by"], change.content["pool"]) == ("Debian forky", "pool/p.tar.xz")
        assert change.content["signed"].startswith("openpgp ")
    else:
        assert found.changes == []
        assert [note[:14] for note in found.notes] == ["Python 3.13.15", "Python 3.13.14"]


def test_bytes_that_the_source_index_does_not_list_are_left_out(
    org: PythonOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = org.pin("3.13.15", tarball("3.13.15"), pool="pool/p.tar.xz")
    org.server.routes.clear()
    org.serve(pin, tarball("3.13.15", pip="0.1"))
    monkeypatch.setattr(debian_sources, "listed", lambda *_: [pin])
    assert "is not the file that a test lists" in org.find().problems[0]


@pytest.mark.parametrize(
    ("pinned", "found", "prereleases", "expected"),
    [
        (["3.13.5"], ["3.13.4", "3.13.5", "3.13.6", "3.13.10", "3.14.9"], False, ["3.13.10", "3.13.6"]),
        (["3.13.5"], ["3.13.6rc1"], True, []),
        (["3.13.0b3"], ["3.13.0b4", "3.13.0a9"], True, ["3.13.0b4"]),
        (["3.13.0b3"], ["3.13.0b4"], False, []),
        (["3.13.0b3"], ["3.13.0rc1", "3.13.0"], True, ["3.13.0"]),
        (["3.13.0b3"], ["3.13.0"], False, ["3.13.0"]),
        (["3.13.5"], [], True, []),
    ],
)
def test_what_a_series_goes_on_to(
    fake_series: Callable[..., Series], pinned: list[str], found: list[str], prereleases: bool, expected: list[str]
) -> None:
    pins = [Pin(release, "", "", "") for release in pinned]
    assert [str(one) for one in newer(fake_series(*pins), versions(*found), prereleases)] == expected


def test_only_a_final_release_makes_a_new_series() -> None:
    assert unknown_series(["3.9", "3.14"], versions("3.8.1", "3.14.2", "3.15.0b1", "3.16.0", "3.16.1")) == ["3.16"]


def test_opting_in_to_pre_releases_is_data(org: PythonOrg) -> None:
    org.lock(org.pin("3.14.0b1", b""))
    org.publish("3.14.0b1")
    org.publish("3.14.0b2")
    assert org.find().changes == []
    signers = {**org.trust.signers, "3.14": dataclasses.replace(org.trust.of("3.14"), prereleases=True)}
    org.trust = dataclasses.replace(org.trust, signers=signers)
    assert [change.name for change in org.find().changes] == ["3.14.0b2"]


def test_a_lock_that_is_read_and_written_stays_as_it_is(root: Path) -> None:
    text = (root / "shared" / "lock.toml").read_text(encoding="utf-8")
    assert lock_text(tomllib.loads(text)) == text


def test_a_new_release_stands_after_the_next_older_one_and_nothing_else_moves(root: Path) -> None:
    text = (root / "shared" / "lock.toml").read_text(encoding="utf-8")
    lock = tomllib.loads(text)
    change = release_change(Pin("3.12.99", "Python-3.12.99.tar.xz", "0" * 64, "a test", bytes=5), "")
    new = apply_changes(lock, [change])
    names = list(new["releases"])
    assert names[names.index("3.12.99") + 1] == "3.13.0"
    diff = lock_diff(text, lock_text(new))
    changed = [line for line in diff.splitlines() if re.match(r"[+-](?![+-])", line)]
    assert len(changed) == 6 and not any(line.startswith("-") for line in changed)
    assert lock == tomllib.loads(text), "the old lock is not changed"


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
def test_what_the_options_choose(catalog: Catalog, chosen: Any, expected: Any) -> None:
    series, pins, targets = select_subjects(catalog, *chosen)
    every = [one.name for one in catalog.series], [one.name for one in catalog.targets]
    assert [one.name for one in series] == (every[0] if expected[0] == "all" else expected[0])
    assert [pin.release for pin in pins] == expected[1]
    assert [one.name for one in targets] == (every[1] if expected[2] == "all" else expected[2])


def test_a_version_that_does_not_exist_is_told(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"release 3\.13\.99 is not pinned"):
        select_subjects(catalog, ["3.13.99"], [])


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A copy of the repository's code and data, with one series, that a command may write into."""
    tree = tmp_path / "clone"
    for name in ("bakery", "shared", "debian", "ubuntu"):
        shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "tasks.py", tree)
    return tree


def test_the_command_prints_diff_and_message_writes_only_the_lock_and_checks(org: PythonOrg, clone: Path) -> None:
    """The whole command, in its own process, against a server in the place of python.org."""
    trust = clone / "shared" / "upstream.toml"
    text = trust.read_text(encoding="utf-8").replace(
        "7169605F62C751356D054A26A821E680E5FA6305", org.manager.fingerprint
    )
    trust.write_text(text, encoding="utf-8")
    shutil.copy(org.keys / f"{org.manager.fingerprint}.asc", clone / "shared" / "keys")
    org.publish("3.13.99")
    for file, name, value in (
        ("tarballs", "PYTHON_ORG", org.server.url),
        ("python_org", "API", f"{org.server.url}/api"),
    ):
        module = clone / "bakery" / "sources" / f"{file}.py"
        code = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', module.read_text(encoding="utf-8"))
        module.write_text(code, encoding="utf-8")
    before = {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()}

    def inv(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-m", "invoke", "update", "--version=3.13", *options]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)

    checked = inv("--check")
    assert checked.returncode == 1, checked.stderr
    assert '+[releases."3.13.99"]' in checked.stdout
    assert "shared/lock.toml is not up to date\n  Bring it up to date: inv update" in checked.stderr
    assert {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()} == before
    written = inv()
    assert written.returncode == 0, written.stderr
    assert "--- commit message\nPin Python 3.13.99\n" in written.stdout
    after = {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()}
    assert [file.name for file in after if before.get(file) != after[file]] == ["lock.toml"]
    assert inv("--check").returncode == 0
    assert "shared/lock.toml is up to date" in inv().stdout


def test_the_signers_of_a_series_without_any_are_nobody(org: PythonOrg) -> None:
    assert org.trust.of("3.99") == Signers()
