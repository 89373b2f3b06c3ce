"""Signatures of tarballs: what the policy makes of a missing one, what is remembered, and the repository's keys."""

from __future__ import annotations

import builtins
import dataclasses
import hashlib
import json
import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog
from bakery.errors import ConfigError, SourceError
from bakery.sources import tarballs
from bakery.sources.openpgp import BadSignature, dearmor, judge
from bakery.sources.openpgp import verify as verify_openpgp
from bakery.sources.trust import Identity, Policy, Signers, load_upstream
from bakery.workspace import Workspace
from tests.unit.sources.forge_openpgp import MADE, YEAR
from tests.unit.sources.release_house import MANAGER, NOW, House, tarball

GOOD, LATER = tarball("3.13.5"), tarball("3.14.1")


@pytest.fixture
def house(workspace: Workspace, serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    server = serve()
    monkeypatch.setattr(tarballs, "PYTHON_ORG", server.url)
    return House(workspace, server, tmp_path / "keys")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Python-3.13.5.tar.xz"
    file.write_bytes(GOOD)
    return file


def test_a_good_signature_is_told_and_kept_and_not_asked_for_again(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD), ".asc")
    record = f"openpgp {house.manager.fingerprint} 2025-01-02"
    assert [house.signatures.ensure(pin, "3.13", file) for _ in range(2)] == [record, record]
    assert house.server.asked == ["GET /3.13.5/Python-3.13.5.tar.xz.asc"]
    assert house.said == [f"Python-3.13.5.tar.xz is signed: {record}"] * 2
    assert house.left() == ["Python-3.13.5.tar.xz.asc"]


def test_a_kept_signature_that_went_bad_is_fetched_again(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD), ".asc")
    house.signatures.ensure(pin, "3.13", file)
    (kept,) = (house.workspace.home / "sources" / "signatures").glob("*.asc")
    kept.write_bytes(house.mallory.sign(GOOD))
    assert house.signatures.ensure(pin, "3.13", file).startswith("openpgp ")
    assert any("removed, fetching it again" in line for line in house.said)
    assert len(house.server.asked) == 2
    kept.write_bytes(house.mallory.sign(GOOD))
    house.server.routes.clear()
    assert house.signatures.ensure(pin, "3.13", file) == "not checked"
    assert house.left() == []


def test_what_the_lock_records_is_told_and_nobody_is_asked(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD, signed="openpgp ABC 2025-01-02")
    assert house.signatures.ensure(pin, "3.13", file) == "openpgp ABC 2025-01-02"
    assert house.server.asked == []
    assert house.said == ["Python-3.13.5.tar.xz is signed: openpgp ABC 2025-01-02 (checked when it was pinned)"]


def test_a_missing_signature_is_said_to_be_missing_and_looked_for_again_a_day_later(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    assert [house.signatures.ensure(pin, "3.13", file) for _ in range(2)] == ["not checked"] * 2
    assert len(house.server.asked) == 1
    assert all(
        line.startswith("Python-3.13.5.tar.xz: signature not checked: openpgp: python.org answered 404")
        for line in house.said
    )
    (silent,) = (house.workspace.home / "sources" / "signatures").glob("*.none")
    os.utime(silent, ((NOW - timedelta(days=2)).timestamp(),) * 2)
    house.signatures.ensure(pin, "3.13", file)
    assert len(house.server.asked) == 2


def test_a_missing_signature_ends_the_build_where_one_is_required(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    house.require()
    for _ in range(2):
        with pytest.raises(SourceError, match=r"requires one: openpgp: python\.org answered 404"):
            house.signatures.ensure(pin, "3.13", file)
    house.serve(pin, house.manager.sign(GOOD), ".asc")
    assert house.signatures.ensure(pin, "3.13", file).startswith("openpgp ")


@pytest.mark.parametrize("policy", list(Policy))
def test_a_bad_signature_ends_the_build_under_every_policy(house: House, file: Path, policy: Policy) -> None:
    house.trust = dataclasses.replace(house.trust, policy=policy)
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.mallory.sign(GOOD), ".asc")
    with pytest.raises(SourceError, match="not pinned for this series"):
        house.signatures.ensure(pin, "3.13", file)


def test_a_series_that_nobody_is_trusted_to_sign_is_not_checked(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    assert house.signatures.ensure(pin, "3.11", file) == "not checked"
    assert "names no signer of 3.11" in house.said[0]


def test_without_the_managers_key_the_bundle_is_what_counts(house: House, file: Path) -> None:
    signers = Signers(openpgp=("A" * 40,), sigstore=(Identity("nobody@example.org", MANAGER.issuer), MANAGER))
    house.trust = dataclasses.replace(house.trust, signers={"3.13": signers})
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD), ".asc")
    house.serve(pin, house.bundle(GOOD), ".sigstore")
    assert house.signatures.ensure(pin, "3.13", file) == f"sigstore {MANAGER.identity} {MANAGER.issuer} 2026-03-01"


@pytest.mark.parametrize("require", [False, True])
def test_a_machine_without_gpgv_says_so(
    house: House, file: Path, monkeypatch: pytest.MonkeyPatch, require: bool
) -> None:
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD), ".asc")
    monkeypatch.setenv("PATH", str(file.parent))
    if require:
        house.require()
        with pytest.raises(SourceError, match="gpgv is not on this machine"):
            house.signatures.ensure(pin, "3.13", file)
    else:
        assert house.signatures.ensure(pin, "3.13", file) == "not checked"
        assert "gpgv is not on this machine (apt-get install gpgv)" in house.said[0]


def test_a_machine_without_the_sigstore_library_says_so(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "sigstore":
            raise ModuleNotFoundError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    pin = house.pin("3.14.1", LATER)
    house.serve(pin, b"{}", ".sigstore")
    (tmp_path / pin.file).write_bytes(LATER)
    assert house.signatures.ensure(pin, "3.14", tmp_path / pin.file) == "not checked"
    assert "the sigstore library is not installed (pip install -e '.[sigstore]')" in house.said[0]


def test_a_bundle_that_is_too_old_to_be_checked_offline_is_not_called_bad(house: House, tmp_path: Path) -> None:
    pin = house.pin("3.14.1", LATER)
    old = house.sigstore.bundle(LATER, MANAGER.identity, MANAGER.issuer)
    del old["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    house.serve(pin, json.dumps(old).encode(), ".sigstore")
    (tmp_path / pin.file).write_bytes(LATER)
    assert house.signatures.ensure(pin, "3.14", tmp_path / pin.file) == "not checked"
    assert "cannot be checked offline" in house.said[0]


def test_a_key_that_has_expired_since_is_accepted_for_what_it_signed_before_and_this_is_told(
    house: House, file: Path
) -> None:
    house.publish_key(house.manager, lasts=YEAR)
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD, when=MADE + YEAR - 60), ".asc")
    assert house.signatures.ensure(pin, "3.13", file).endswith(" 2025-12-31")
    assert house.said[0].endswith("(the key has expired since, on 2026-01-01)")


def test_a_key_that_had_expired_proves_nothing_of_pinned_bytes_and_refuses_new_ones(house: House, file: Path) -> None:
    house.publish_key(house.manager, lasts=YEAR)
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD, when=MADE + YEAR + 86400), ".asc")
    assert house.signatures.ensure(pin, "3.13", file) == "not checked"
    assert "is by a key that had expired on 2026-01-01; is there a renewed copy of it for shared/keys?" in house.said[0]
    with pytest.raises(SourceError, match=r"from python\.org: .* had expired on 2026-01-01\. The tarball is not used"):
        house.signatures.check(pin, "3.13", file)
    house.require()
    with pytest.raises(SourceError, match="had expired on 2026-01-01"):
        house.signatures.ensure(pin, "3.13", file)


def test_a_larger_signature_than_any_is_not_read(house: House, file: Path) -> None:
    pin = house.pin("3.13.5", GOOD)
    house.serve(pin, house.manager.sign(GOOD) + b" " * (64 << 10), ".asc")
    assert house.signatures.ensure(pin, "3.13", file) == "not checked"
    assert "sent more than 65536 bytes" in house.said[0]


@pytest.mark.parametrize("lines", [[], ["[GNUPG:] NEWSIG"], ["[GNUPG:] NEWSIG", "[GNUPG:] VALIDSIG too short"]])
def test_status_lines_without_a_valid_signature_are_no_good_one(lines: list[str]) -> None:
    with pytest.raises(BadSignature, match="no detached signature"):
        judge(lines, ["A" * 40], NOW)


def test_a_valid_signature_that_gpgv_does_not_call_good_is_refused() -> None:
    valid = f"[GNUPG:] VALIDSIG {'A' * 40} 2025-01-02 1735776000 0 4 0 22 10 00 {'A' * 40}"
    with pytest.raises(BadSignature, match="does not call the signature good"):
        judge(["[GNUPG:] NEWSIG", valid], ["A" * 40], NOW)
    with pytest.raises(BadSignature, match=r"does not call the signature good \(exit code 2\)"):
        judge(["[GNUPG:] NEWSIG", "[GNUPG:] GOODSIG x", valid], ["A" * 40], NOW, code=2)


def test_the_keys_of_this_repository_are_those_that_are_pinned(root: Path) -> None:
    trust = load_upstream(root)
    pinned = {one for signers in trust.signers.values() for one in signers.openpgp}
    files = sorted(trust.keys.glob("*"))
    assert files
    for file in files:
        packets = dearmor(file.read_bytes(), "PUBLIC KEY BLOCK", file.name)
        assert packets[0] == 0x99, "an old-format public key packet with two octets of length"
        (length,) = struct.unpack(">H", packets[1:3])
        assert hashlib.sha1(packets[: 3 + length]).hexdigest().upper() == file.stem
        assert file.stem in pinned


def test_every_series_of_the_catalog_has_signers(root: Path, catalog: Catalog) -> None:
    trust = load_upstream(root)
    numbers = {series.number for series in catalog.series}
    assert set(trust.signers) == numbers
    for number in numbers:
        signers = trust.of(number)
        assert bool(signers.openpgp) == (int(number.partition(".")[2]) <= 13), "PEP 761"
        assert signers.sigstore


def test_the_real_signature_of_3_13_5_is_by_the_pinned_key_and_fits_no_other_file(root: Path, tmp_path: Path) -> None:
    trust = load_upstream(root)
    signature = (Path(__file__).parent / "data" / "Python-3.13.5.tar.xz.asc").read_bytes()
    (tmp_path / "other").write_bytes(GOOD)
    with pytest.raises(BadSignature, match=r"does not fit the file.*\(key A821E680E5FA6305\)"):
        verify_openpgp(tmp_path / "other", signature, trust.of("3.13").openpgp, trust.keys, datetime.now(UTC))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('signatures = "when-available"', 'signatures = "sometimes"', 'signatures: expected one of "require"'),
        ('[series."3.9"]', '[series."2.7"]', 'series."2.7": expected a series such as 3.13'),
        ("E3FF2839C048B25C084DEBE9B26995E310250568", "E310250568", "expected fingerprints of 40 upper-case"),
        ('issuer = "https://github.com/login/oauth"', 'issuer = "github"', "sigstore: expected { identity"),
        ('{ identity = "lukasz@langa.pl", ', "{ ", "sigstore: expected { identity"),
        ('sigstore = [{ identity = "lukasz@langa.pl"', 'sigstore = [1, { identity = "x"', "sigstore: expected"),
        ("prereleases = true", "prereleases = 1", "prereleases: expected true or false, found 1"),
        ("prereleases = true", "prerelease = true", "Is 'prerelease' a misspelling of it"),
        ('suites = ["trixie", "forky", "sid"]', 'suites = "sid"', "debian.suites: expected a list of words"),
    ],
)
def test_a_mistake_in_the_file_is_told_by_its_place(root: Path, tmp_path: Path, old: str, new: str, named: str) -> None:
    text = (root / "shared" / "upstream.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "upstream.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_upstream(tmp_path)
    assert named in str(caught.value)
    assert "upstream.toml" in str(caught.value)
