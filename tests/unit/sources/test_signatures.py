"""Signatures of tarballs: every policy, what is cached, and the keys of this repository."""

from __future__ import annotations

import builtins
import dataclasses
import hashlib
import json
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.models import Catalog
from bakery.errors import BakeryError, ConfigError, SourceError
from bakery.sources.openpgp import BadSignature, dearmor, interpret_status
from bakery.sources.openpgp import verify as verify_openpgp
from bakery.sources.trust import Identity, SignaturePolicy, Signers, load_trust
from tests.unit.sources.fake_upstream import MANAGER, NOW, FakeUpstream, tarball
from tests.unit.sources.forge_openpgp import MADE, YEAR

GOOD, LATER = tarball("3.13.5"), tarball("3.14.1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Python-3.13.5.tar.xz"
    file.write_bytes(GOOD)
    return file


def details(upstream: FakeUpstream) -> str:
    """The content of the file that the message about an unverified signature names."""
    return Path(upstream.messages[0].rpartition("Why: ")[2]).read_text()


def test_good_signature_is_reported_and_cached(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    record = f"openpgp {upstream.manager.fingerprint} 2025-01-02"
    assert [upstream.signatures.ensure(pin, file) for _ in range(2)] == [record, record]
    assert upstream.server.requests == ["GET /3.13.5/Python-3.13.5.tar.xz.asc"]
    assert upstream.messages == [f"Python-3.13.5.tar.xz is signed: {record}"] * 2
    assert upstream.cached_files() == ["Python-3.13.5.tar.xz.asc"]


def test_corrupt_cached_signature_is_fetched_again(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    upstream.signatures.ensure(pin, file)
    (kept,) = (upstream.workspace.home / "sources" / "signatures").glob("*.asc")
    kept.write_bytes(upstream.mallory.sign(GOOD))
    assert upstream.signatures.ensure(pin, file).startswith("openpgp ")
    assert any("removed, fetching it again" in line for line in upstream.messages)
    assert len(upstream.server.requests) == 2
    kept.write_bytes(upstream.mallory.sign(GOOD))
    upstream.server.routes.clear()
    assert upstream.signatures.ensure(pin, file) == "not checked"
    assert upstream.cached_files() == []


def test_signature_in_the_lock_is_reported_without_network_access(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD, signed="openpgp ABC 2025-01-02")
    assert upstream.signatures.ensure(pin, file) == "openpgp ABC 2025-01-02"
    assert upstream.server.requests == []
    assert upstream.messages == ["Python-3.13.5.tar.xz is signed: openpgp ABC 2025-01-02 (checked when it was pinned)"]


def test_missing_signature_is_reported_and_retried_after_a_day(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    assert [upstream.signatures.ensure(pin, file) for _ in range(2)] == ["not checked"] * 2
    assert len(upstream.server.requests) == 1
    assert all(
        line.startswith("Python-3.13.5.tar.xz: signature not checked; its digest was. Why: ") and "\n" not in line
        for line in upstream.messages
    )
    (silent,) = (upstream.workspace.home / "sources" / "signatures").glob("*.none")
    assert upstream.messages[0].endswith(str(silent))
    assert silent.read_text().startswith("not checked: openpgp: ") and "python.org answered 404" in silent.read_text()
    os.utime(silent, ((NOW - timedelta(days=2)).timestamp(),) * 2)
    upstream.signatures.ensure(pin, file)
    assert len(upstream.server.requests) == 2


@pytest.mark.parametrize("days", [1, 300])
def test_note_of_a_missing_signature_dated_in_the_future_is_ignored(
    upstream: FakeUpstream, file: Path, days: int
) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.signatures.ensure(pin, file)
    (silent,) = (upstream.workspace.home / "sources" / "signatures").glob("*.none")
    os.utime(silent, ((NOW + timedelta(days=days)).timestamp(),) * 2)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    assert upstream.signatures.ensure(pin, file).startswith("openpgp ")


@pytest.mark.parametrize("suffix", [".none", ".asc"])
def test_fifo_in_the_cache_of_signatures_is_refused_by_name(upstream: FakeUpstream, file: Path, suffix: str) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    folder = upstream.workspace.home / "sources" / "signatures"
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{pin.file}{suffix}")
    with pytest.raises(BakeryError, match=rf"{pin.file}\{suffix} is a FIFO"):
        upstream.signatures.ensure(pin, file)


def test_pinned_release_is_built_without_a_signature_if_only_new_pins_need_one(
    upstream: FakeUpstream, file: Path
) -> None:
    upstream.trust = dataclasses.replace(upstream.trust, policy=SignaturePolicy.REQUIRE_NEW)
    pin = upstream.pin("3.13.5", GOOD)
    assert upstream.signatures.ensure(pin, file) == "not checked"
    with pytest.raises(SourceError, match="requires one"):
        upstream.signatures.check(pin, file)


def test_missing_signature_ends_the_build_if_required(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.require()
    for _ in range(2):
        with pytest.raises(SourceError, match=r"requires one: openpgp: .*python\.org answered 404"):
            upstream.signatures.ensure(pin, file)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    assert upstream.signatures.ensure(pin, file).startswith("openpgp ")


@pytest.mark.parametrize("policy", list(SignaturePolicy))
def test_bad_signature_ends_the_build_under_every_policy(
    upstream: FakeUpstream, file: Path, policy: SignaturePolicy
) -> None:
    upstream.trust = dataclasses.replace(upstream.trust, policy=policy)
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.mallory.sign(GOOD), ".asc")
    with pytest.raises(SourceError, match="not pinned for this series"):
        upstream.signatures.ensure(pin, file)


def test_series_without_signers_is_not_checked(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.11.5", GOOD)
    assert upstream.signatures.ensure(pin, file) == "not checked"
    assert "lists no signer of 3.11" in details(upstream)


def test_missing_openpgp_key_falls_back_to_sigstore(upstream: FakeUpstream, file: Path) -> None:
    identities = (Identity("nobody@example.org", MANAGER.issuer), MANAGER)
    signers = Signers(("A" * 40,), identities, prereleases=False)
    upstream.trust = dataclasses.replace(upstream.trust, signers={"3.13": signers})
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    upstream.serve(pin, upstream.bundle(GOOD), ".sigstore")
    assert upstream.signatures.ensure(pin, file) == f"sigstore {MANAGER.identity} {MANAGER.issuer} 2026-03-01"


@pytest.mark.parametrize("require", [False, True])
def test_missing_gpgv_is_reported(
    upstream: FakeUpstream, file: Path, monkeypatch: pytest.MonkeyPatch, require: bool
) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    monkeypatch.setenv("PATH", str(file.parent))
    if require:
        upstream.require()
        with pytest.raises(SourceError, match="gpgv is not installed"):
            upstream.signatures.ensure(pin, file)
    else:
        assert upstream.signatures.ensure(pin, file) == "not checked"
        assert "gpgv is not installed (apt-get install gpgv)" in details(upstream)


def test_missing_sigstore_library_is_reported(
    upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "sigstore":
            raise ModuleNotFoundError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    pin = upstream.pin("3.14.1", LATER)
    upstream.serve(pin, b"{}", ".sigstore")
    (tmp_path / pin.file).write_bytes(LATER)
    assert upstream.signatures.ensure(pin, tmp_path / pin.file) == "not checked"
    assert "the sigstore library is not installed (pip install -e '.[sigstore]')" in details(upstream)


def test_old_bundle_is_unverifiable_and_not_bad(upstream: FakeUpstream, tmp_path: Path) -> None:
    pin = upstream.pin("3.14.1", LATER)
    old = upstream.sigstore.bundle(LATER, MANAGER.identity, MANAGER.issuer)
    del old["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    upstream.serve(pin, json.dumps(old).encode(), ".sigstore")
    (tmp_path / pin.file).write_bytes(LATER)
    assert upstream.signatures.ensure(pin, tmp_path / pin.file) == "not checked"
    assert "cannot be verified offline" in details(upstream)


def test_key_that_expired_later_is_accepted_with_a_note(upstream: FakeUpstream, file: Path) -> None:
    upstream.publish_key(upstream.manager, lasts=YEAR)
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD, when=MADE + YEAR - 60), ".asc")
    assert upstream.signatures.ensure(pin, file).endswith(" 2025-12-31")
    assert upstream.messages[0].endswith("(the key expired later, on 2026-01-01)")


def test_signature_by_an_expired_key_is_missing_if_pinned_and_bad_if_new(upstream: FakeUpstream, file: Path) -> None:
    upstream.publish_key(upstream.manager, lasts=YEAR)
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD, when=MADE + YEAR + 86400), ".asc")
    assert upstream.signatures.ensure(pin, file) == "not checked"
    assert "was made with a key that expired on 2026-01-01; put a renewed copy of the key in shared/keys" in details(
        upstream
    )
    with pytest.raises(
        SourceError, match=r"from python\.org: .* key that expired on 2026-01-01\. The tarball is not used"
    ):
        upstream.signatures.check(pin, file)
    upstream.require()
    with pytest.raises(SourceError, match="key that expired on 2026-01-01"):
        upstream.signatures.ensure(pin, file)


def test_oversized_signature_is_not_read(upstream: FakeUpstream, file: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD) + b" " * (64 << 10), ".asc")
    assert upstream.signatures.ensure(pin, file) == "not checked"
    assert "sent more than 65536 bytes" in details(upstream)


@pytest.mark.parametrize("lines", [[], ["[GNUPG:] NEWSIG"], ["[GNUPG:] NEWSIG", "[GNUPG:] VALIDSIG too short"]])
def test_status_lines_without_a_valid_signature_are_rejected(lines: list[str]) -> None:
    with pytest.raises(BadSignature, match="no detached signature"):
        interpret_status(lines, ["A" * 40], NOW)


VALID = f"VALIDSIG {'A' * 40} 2025-01-02 {{}} 0 4 0 22 10 00 {'A' * 40}"


@pytest.mark.parametrize(
    "lines",
    [
        ["EXPKEYSIG x", VALID.format("1735776000")], ["GOODSIG x", VALID.format("20250102T000000")],
        ["GOODSIG x", VALID.format("9" * 19)], ["GOODSIG x", VALID.format("9" * 5000)], ["ERRSIG x"], ["BADSIG"],
    ],
)  # fmt: skip
def test_status_lines_that_cannot_be_read_are_not_a_good_signature(lines: list[str]) -> None:
    with pytest.raises(BadSignature, match="gpgv's status cannot be read"):
        interpret_status([f"[GNUPG:] {line}" for line in ("NEWSIG", *lines)], ["A" * 40], NOW)


def test_signature_that_gpgv_does_not_report_as_good_is_rejected() -> None:
    valid = f"[GNUPG:] VALIDSIG {'A' * 40} 2025-01-02 1735776000 0 4 0 22 10 00 {'A' * 40}"
    with pytest.raises(BadSignature, match="does not report a good signature"):
        interpret_status(["[GNUPG:] NEWSIG", valid], ["A" * 40], NOW)
    with pytest.raises(BadSignature, match=r"does not report a good signature \(exit code 2\)"):
        interpret_status(["[GNUPG:] NEWSIG", "[GNUPG:] GOODSIG x", valid], ["A" * 40], NOW, code=2)


def test_keys_of_this_repository_match_the_pinned_fingerprints(root: Path) -> None:
    trust = load_trust(root)
    pinned = {key for signers in trust.signers.values() for key in signers.openpgp}
    files = sorted(trust.keys.glob("*"))
    assert files
    for file in files:
        packets = dearmor(file.read_bytes(), "PUBLIC KEY BLOCK", file.name)
        assert packets[0] == 0x99, "an old-format public key packet with two octets of length"
        (length,) = struct.unpack(">H", packets[1:3])
        assert hashlib.sha1(packets[: 3 + length]).hexdigest().upper() == file.stem
        assert file.stem in pinned


def test_every_series_of_the_catalog_has_signers(root: Path, catalog: Catalog) -> None:
    trust = load_trust(root)
    numbers = {series.number for series in catalog.series}
    assert set(trust.signers) == numbers
    for number in numbers:
        signers = trust.signers_of(number)
        assert bool(signers.openpgp) == (int(number.partition(".")[2]) <= 13), "PEP 761"
        assert signers.sigstore


def test_real_signature_of_3_13_5_matches_no_other_file(root: Path, tmp_path: Path) -> None:
    trust = load_trust(root)
    signature = (Path(__file__).parent / "data" / "Python-3.13.5.tar.xz.asc").read_bytes()
    (tmp_path / "other").write_bytes(GOOD)
    with pytest.raises(BadSignature, match=r"does not match the file.*\(key A821E680E5FA6305\)"):
        verify_openpgp(tmp_path / "other", signature, trust.signers_of("3.13").openpgp, trust.keys, datetime.now(UTC))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('signatures = "when-available"', 'signatures = "sometimes"', 'signatures: expected one of "require"'),
        ('[series."3.9"]', '[series."2.7"]', 'series."2.7": expected a series such as 3.13'),
        ("E3FF2839C048B25C084DEBE9B26995E310250568", "E310250568", "expected a list of fingerprints of 40 upper-case"),
        ('issuer = "https://github.com/login/oauth"', 'issuer = "github"', "sigstore[0].issuer: expected a URL"),
        ('{ identity = "lukasz@langa.pl", ', "{ ", "sigstore[0].identity: missing; expected an email"),
        ('sigstore = [{ identity = "lukasz@langa.pl"', 'sigstore = [1, { identity = "x"', "sigstore: expected"),
        ("prereleases = true", "prereleases = 1", "prereleases: expected true or false, found 1"),
        ("prereleases = true", "prerelease = true", "Is 'prerelease' a misspelling of it"),
        ('suites = ["trixie", "forky", "sid"]', 'suites = "sid"', "debian.suites: expected a list of words"),
    ],
)
def test_mistake_in_upstream_toml_is_reported_with_its_location(
    root: Path, tmp_path: Path, old: str, new: str, named: str
) -> None:
    text = (root / "shared" / "upstream.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "upstream.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_trust(tmp_path)
    assert named in str(caught.value)
    assert "upstream.toml" in str(caught.value)


def test_unlisted_series_has_no_signers(upstream: FakeUpstream) -> None:
    assert upstream.trust.signers_of("3.99") == Signers((), (), prereleases=False)


def test_a_gpgv_that_crashes_or_sees_a_key_of_the_future_is_reported_as_such() -> None:
    with pytest.raises(BadSignature, match=r"gpgv can read \(gpgv's exit code: -11, this machine's date: "):
        interpret_status([], ["A" * 40], NOW, code=-11)
    lines = ("[GNUPG:] NEWSIG", "[GNUPG:] ERRSIG A821E680E5FA6305 1 10 00 1749663954 6 A")
    with pytest.raises(BadSignature, match=r"6 A; gpgv's exit code: 2, this machine's date: 1999-12-31\)"):
        interpret_status(lines, ["A" * 40], datetime(1999, 12, 31, tzinfo=UTC), code=2)
