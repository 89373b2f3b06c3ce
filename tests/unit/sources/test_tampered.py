"""Tampered inputs, each with the error message that it causes: none is used, and none remains in the cache."""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery import xz
from bakery.errors import SourceError
from bakery.sources import inspection, tarballs
from tests.unit.conftest import make_pin
from tests.unit.sources.fake_upstream import MANAGER, FakeUpstream, files_of, tar_of, tarball, tgz
from tests.unit.sources.forge_openpgp import MADE, YEAR, Key, armor, packet, sub
from tests.unit.sources.forge_sigstore import Sigstore

GOOD, OLDER = tarball("3.13.5"), tarball("3.13.4")
HTML = b"<!DOCTYPE html><html><body>Please log in to this network</body></html>"
ZEROS = b"\0" * 30_000_000
Case = tuple[str, Any, str]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def loop(request: Any) -> Any:
    return (302, b"", {"Location": request.path})


def half(request: Any) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(GOOD)))
    request.end_headers()
    request.wfile.write(GOOD[: len(GOOD) // 2])


TARBALLS: list[Case] = [
    ("a flipped byte at the start", flipped(GOOD, 0), "is not the pinned file: expected sha256 .* found"),
    ("a flipped byte in the middle", flipped(GOOD, len(GOOD) // 2), "is not the pinned file"),
    ("a flipped byte at the end", flipped(GOOD, len(GOOD) - 1), "is not the pinned file"),
    ("a truncated file", GOOD[:-100], "is not the pinned file"),
    ("a byte too many", GOOD + b"\n", "is not the pinned file"),
    ("an empty file", b"", r"is not the pinned file.*\(0 bytes\)"),
    ("a replayed older release", OLDER, "is not the pinned file"),
    ("the same files, compressed otherwise", tgz("3.13.5"), "is not the pinned file"),
    ("HTML with status 200", HTML, "is not the pinned file"),
    ("HTML with status 404", (404, HTML, {}), "answered 404"),
    ("an error page", (503, HTML, {}), "answered 503"),
    ("a part, called complete", (206, GOOD[:1000], {}), "answered 206"),
    ("a connection that ends midway", half, "cannot be reached"),
    ("a redirect loop", loop, "Exceeded 5 redirects"),
    ("a redirect to a file of this machine", (302, b"", {"Location": "file:///etc/passwd"}), "cannot be reached"),
    ("a redirect to nowhere", (302, b"", {"Location": "http://"}), "cannot be reached"),
    ("more bytes than any tarball has", b"x" * 5000, "sent more than 4000 bytes"),
    (
        "a bomb, called a content encoding",
        (200, gzip.compress(ZEROS)[:3900], {"Content-Encoding": "gzip"}),
        "is not the pinned file",
    ),
]


@pytest.mark.parametrize(("what", "answer", "named"), TARBALLS, ids=[case[0] for case in TARBALLS])
def test_tampered_tarball_is_not_used(
    upstream: FakeUpstream, fake_series: Any, monkeypatch: pytest.MonkeyPatch, what: str, answer: Any, named: str
) -> None:
    monkeypatch.setattr(tarballs, "MAX_BYTES", 4000)
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, answer)
    with pytest.raises(SourceError, match=named):
        upstream.signatures.sources.fetch(pin, fake_series(pin), "inv build --version={version}")
    assert upstream.cached_files() == []


def revoked(upstream: FakeUpstream) -> bytes:
    upstream.manager.revoked = True
    upstream.publish_key(upstream.manager)
    return upstream.manager.sign(GOOD)


def expired(upstream: FakeUpstream) -> bytes:
    upstream.publish_key(upstream.manager, lasts=YEAR)
    return upstream.manager.sign(GOOD, when=MADE + YEAR + 86400)


def unbound(upstream: FakeUpstream) -> bytes:
    upstream.manager.subkey, upstream.manager.bound = upstream.mallory, False
    upstream.publish_key(upstream.manager)
    return upstream.mallory.sign(GOOD)


def swapped_key(upstream: FakeUpstream) -> bytes:
    (upstream.keys / f"{upstream.manager.fingerprint}.asc").write_bytes(upstream.mallory.public())
    return upstream.mallory.sign(GOOD)


def literal(data: bytes) -> bytes:
    return packet(11, b"b\0" + b"\0" * 4 + data)


def clearsigned(upstream: FakeUpstream) -> bytes:
    text = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nPython 3.13.5 is fine\n"
    return text + upstream.manager.sign(b"Python 3.13.5 is fine", kind=1)


def compressed(upstream: FakeUpstream) -> bytes:
    return armor(packet(8, b"\x01" + zlib.compress(ZEROS, wbits=-15)))


SIGNATURES: list[Case] = [
    ("a signature of another file", lambda h: h.manager.sign(b"other"), "does not match the file"),
    ("a replayed older release's signature", lambda h: h.manager.sign(OLDER), "does not match the file"),
    ("by a key that is not pinned", lambda h: h.mallory.sign(GOOD), "a key that is not pinned for this series"),
    ("by the manager of another series", lambda h: h.other.sign(GOOD), "a key that is not pinned for this series"),
    (
        "by another key that claims to be the pinned one",
        lambda h: replace(h.mallory, claims=h.manager.fingerprint).sign(GOOD),
        "does not match the file",
    ),
    ("by another key that replaces the pinned key", swapped_key, "a key that is not pinned for this series"),
    ("by a subkey that the pinned key did not bind", unbound, "gpgv cannot check the signature"),
    ("by a key that had expired", expired, "key that expired on 2026-01-01"),
    ("by a key that was revoked", revoked, "has been revoked"),
    (
        "a signature that has expired itself",
        lambda h: h.manager.sign(GOOD, subpackets=sub(3, (3600).to_bytes(4, "big"))),
        "signature has expired",
    ),
    (
        "from the future",
        lambda h: h.manager.sign(GOOD, when=MADE + 5 * YEAR),
        "2029-12-31, which is in the future: this machine's clock says 20",
    ),
    ("older than its key", lambda h: h.manager.sign(GOOD, when=MADE - 86400), "gpgv cannot check"),
    ("using MD5", lambda h: h.manager.sign(GOOD, digest="MD5"), r"weak digest \(MD5\)"),
    ("using SHA-1", lambda h: h.manager.sign(GOOD, digest="SHA1"), r"weak digest \(SHA1\)"),
    ("over text, so that line endings may differ", lambda h: h.manager.sign(GOOD, kind=1), "of class 01"),
    ("a certification of a key", lambda h: h.manager.sign(GOOD, kind=0x10), "gpgv cannot check"),
    ("a standalone signature", lambda h: h.manager.sign(GOOD, kind=2), "gpgv cannot check"),
    (
        "two signatures, one good",
        lambda h: armor(h.manager.signature(GOOD) + h.mallory.signature(GOOD)),
        "there are 2 signatures",
    ),
    ("two good signatures", lambda h: armor(h.manager.signature(GOOD) * 2), "there are 2 signatures"),
    ("two armored blocks", lambda h: h.manager.sign(GOOD) * 2, "not an OpenPGP signature"),
    (
        "a signed message that carries its own data",
        lambda h: armor(packet(4, b"\x03\0\x0a\x16" + b"\0" * 8 + b"\1") + literal(b"x") + h.manager.signature(b"x")),
        "no detached signature",
    ),
    ("a clear-signed text", clearsigned, "not an OpenPGP signature: it begins with '-----BEGIN PGP SIGNED"),
    ("a decompression bomb", compressed, "no detached signature"),
    ("a public key", lambda h: h.manager.public(), "not an OpenPGP signature"),
    ("a key in a signature's armor", lambda h: armor(packet(6, h.manager.body)), "no detached signature"),
    ("a flipped byte", lambda h: armor(flipped(h.manager.signature(GOOD), -20)), "does not match the file"),
    ("a truncated one", lambda h: armor(h.manager.signature(GOOD)[:-20]), "no detached signature"),
    ("truncated armor", lambda h: h.manager.sign(GOOD)[:-30], "not an OpenPGP signature"),
    ("unreadable armor", lambda h: h.manager.sign(GOOD).replace(b"A", b"*"), "not an OpenPGP signature"),
    ("an empty file", lambda h: b"", "not an OpenPGP signature"),
    ("HTML", lambda h: HTML, "not an OpenPGP signature: it begins with '<!DOCTYPE html>"),
    ("noise", lambda h: bytes(range(256)) * 4, "not an OpenPGP signature"),
]


def signature_is_refused(
    upstream: FakeUpstream, release: str, data: bytes, suffix: str, answer: Any, named: str
) -> None:
    pin = upstream.pin(release, data)
    file = upstream.workspace.home / pin.file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    upstream.serve(pin, answer, suffix)
    with pytest.raises(SourceError, match=named) as caught:
        upstream.signatures.check(pin, file)
    assert f"{pin.file}{suffix} from python.org: " in str(caught.value)
    with pytest.raises(SourceError, match=named):
        upstream.signatures.ensure(pin, file)
    assert upstream.cached_files() == []
    assert not any("is signed" in line for line in upstream.messages)


@pytest.mark.parametrize(("what", "make", "named"), SIGNATURES, ids=[case[0] for case in SIGNATURES])
def test_tampered_openpgp_signature_is_rejected(upstream: FakeUpstream, what: str, make: Any, named: str) -> None:
    upstream.require()
    signature_is_refused(upstream, "3.13.5", GOOD, ".asc", make(upstream), named)


DATA = tarball("3.14.1")


def edited(edit: Callable[[dict[str, Any]], object]) -> Callable[[FakeUpstream], bytes]:
    def make(upstream: FakeUpstream) -> bytes:
        content = json.loads(upstream.bundle(DATA))
        edit(content)
        return json.dumps(content).encode()

    return make


def entry(content: dict[str, Any]) -> dict[str, Any]:
    return content["verificationMaterial"]["tlogEntries"][0]  # type: ignore[no-any-return]


def other_signature(content: dict[str, Any]) -> None:
    content["messageSignature"]["signature"] = "MEUCIQ" + content["messageSignature"]["signature"][6:-8] + "AAAAAAA="


def other_certificate(upstream: FakeUpstream) -> bytes:
    content, other = (json.loads(upstream.bundle(DATA)) for _ in range(2))
    content["verificationMaterial"]["certificate"] = other["verificationMaterial"]["certificate"]
    return json.dumps(content).encode()


def other_entry(upstream: FakeUpstream) -> bytes:
    content, other = (json.loads(upstream.bundle(DATA)) for _ in range(2))
    content["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    return json.dumps(content).encode()


def foreign(upstream: FakeUpstream) -> bytes:
    return json.dumps(Sigstore().bundle(DATA, MANAGER.identity, MANAGER.issuer)).encode()


def foreign_authority(upstream: FakeUpstream) -> bytes:
    forged = Sigstore(certificates=upstream.sigstore.certificates, log=upstream.sigstore.log)
    return json.dumps(forged.bundle(DATA, MANAGER.identity, MANAGER.issuer)).encode()


BUNDLES: list[Case] = [
    ("a bundle of another file", lambda h: h.bundle(b"other"), "message digest mismatch"),
    ("a swapped bundle, of the .tgz", lambda h: h.bundle(tgz("3.14.1")), "message digest mismatch"),
    ("a replayed older release's bundle", lambda h: h.bundle(tarball("3.14.0")), "message digest mismatch"),
    ("by the wrong identity", lambda h: h.bundle(DATA, identity="mallory@example.org"), "SANs do not match manager@"),
    ("by an identity that looks alike", lambda h: h.bundle(DATA, identity="manager@example.org.evil"), "SANs do not"),
    ("by another issuer", lambda h: h.bundle(DATA, issuer="https://evil.example"), "OIDCIssuer does not"),
    ("by another Sigstore instance", foreign, "certificate chain"),
    ("by another authority, in our logs", foreign_authority, "certificate chain"),
    ("in another transparency log", lambda h: h.bundle(DATA, other=Sigstore()), "invalid log entry"),
    ("a certificate that is in no log", lambda h: h.bundle(DATA, witnessed=False), "SCT"),
    ("signed after the certificate's ten minutes", lambda h: h.bundle(DATA, late=True), "not valid at validation time"),
    ("a changed time of the entry", lambda h: h.bundle(DATA, forged_entry=True), "invalid inclusion promise"),
    ("a tree that does not contain the entry", lambda h: h.bundle(DATA, forged_tree=True), "inclusion proof"),
    ("an entry of another file", lambda h: h.bundle(DATA, logged=b"other"), "log entry is inconsistent"),
    ("another bundle's entry", other_entry, "log entry is inconsistent"),
    ("another bundle's certificate", other_certificate, "Signature is invalid"),
    ("a changed signature", edited(other_signature), "does not verify the file"),
    ("no entry at all", edited(lambda c: c["verificationMaterial"].update(tlogEntries=[])), "exactly one log entry"),
    ("two entries", edited(lambda c: c["verificationMaterial"]["tlogEntries"].append(entry(c))), "exactly one"),
    ("no promise", edited(lambda c: entry(c).pop("inclusionPromise")), "must contain an inclusion promise"),
    ("no certificate", edited(lambda c: c["verificationMaterial"].pop("certificate")), "does not verify the file"),
    ("no signature", edited(lambda c: c.pop("messageSignature")), "does not verify the file"),
    ("another media type", lambda h: h.bundle(DATA, media_type="text/plain"), "does not verify the file"),
    ("an unreadable number", edited(lambda c: entry(c).update(logIndex="many")), "does not verify the file"),
    ("an empty object", lambda h: b"{}", "does not verify the file"),
    ("a list", lambda h: b"[]", "not a JSON object"),
    ("a truncated bundle", lambda h: h.bundle(DATA)[:-50], "not a JSON object"),
    ("deeply nested", lambda h: b"[" * 60_000, "not a JSON object"),
    ("an empty file", lambda h: b"", "not a JSON object"),
    ("HTML", lambda h: HTML, "not a JSON object: it begins with '<!DOCTYPE html>"),
]


@pytest.mark.parametrize(("what", "make", "named"), BUNDLES, ids=[case[0] for case in BUNDLES])
def test_tampered_sigstore_bundle_is_rejected(upstream: FakeUpstream, what: str, make: Any, named: str) -> None:
    signature_is_refused(upstream, "3.14.1", DATA, ".sigstore", make(upstream), named)


def with_file(name: str, data: bytes = b"", release: str = "3.13.5") -> bytes:
    return lzma.compress(tar_of({name: data, **files_of(release)}), preset=0)


def with_link(target: str, kind: bytes = tarfile.SYMTYPE, name: str = "x") -> bytes:
    """A release in which ``name`` is a link to ``target``, or another ``kind`` of file."""
    member = tarfile.TarInfo(f"Python-3.13.5/{name}")
    member.type, member.linkname = kind, target
    return lzma.compress(member.tobuf() + tar_of(files_of("3.13.5")), preset=0)


CONTENTS: list[Case] = [
    ("an older release under its name", OLDER, "contains 'Python-3.13.4/README.rst'; expected everything below"),
    ("an older release in the new one's folder", tarball("3.13.4", top="Python-3.13.5"), "patchlevel.h is of 3.13.4"),
    ("a development tree", lzma.compress(tar_of(files_of("3.13.5+", top="Python-3.13.5"))), r"is of 3\.13\.5\+"),
    ("no patchlevel.h", lzma.compress(tar_of({"Python-3.13.5/README.rst": b""})), "is of no version"),
    ("an empty archive", lzma.compress(tar_of({})), "is of no version"),
    ("a file outside of its folder", with_file("Python-3.13.5.evil"), "expected everything below"),
    ("a file above its folder", with_file("../../etc/cron.d/x"), "expected everything below"),
    ("an absolute path", with_file("/etc/cron.d/x"), "expected everything below"),
    ("a path that leaves its folder", with_file("Python-3.13.5/../../etc/x"), "expected everything below"),
    ("a path that is not normal", with_file("Python-3.13.5/./x"), "expected everything below"),
    (
        "a link that leaves its folder",
        with_link("../../../etc/passwd"),
        "x -> ../../../etc/passwd'; expected everything",
    ),
    ("a link to an absolute path", with_link("/etc/passwd"), "expected everything below"),
    ("a hard link to another folder", with_link("etc/passwd", tarfile.LNKTYPE), "expected everything below"),
    ("a device", with_link("", tarfile.CHRTYPE), "neither a file, a folder nor a link"),
    (
        "a folder named patchlevel.h",
        with_link("", tarfile.DIRTYPE, "Include/patchlevel.h"),
        "patchlevel.h is not a file",
    ),
    ("a tar without its end", lzma.compress(tar_of(files_of("3.13.5")).rstrip(b"\0")), "unexpected end of data"),
    (
        "a tar cut after a member",
        lzma.compress(tar_of(files_of("3.13.5"))[:3072]),
        "the zeros that end a tar are missing",
    ),
    ("a decompression bomb of xz", with_file("Python-3.13.5/x", ZEROS), "too much data"),
    ("a decompression bomb of gzip", gzip.compress(tar_of({"Python-3.13.5/x": ZEROS})), "too much data"),
    ("an xz stream that needs too much memory", None, "Memory usage limit"),
    ("a truncated xz stream", GOOD[: len(GOOD) // 2], "not a tarball of Python 3.13.5: (unexpected end|unexp)"),
    ("a corrupt xz stream", flipped(GOOD, len(GOOD) // 2), "not a tarball of Python 3.13.5: Corrupt"),
    ("a corrupt gzip stream", flipped(tgz("3.13.5"), 60), "not a tarball of Python 3.13.5"),
    ("a zip file", b"PK\x03\x04" + GOOD, "expected xz or gzip"),
    ("HTML", HTML, "expected xz or gzip, but the file begins with b'<!DOCT'"),
    ("an empty file", b"", "expected xz or gzip"),
    ("xz of something else", lzma.compress(HTML), "not a tarball of Python 3.13.5"),
]


@pytest.mark.parametrize(("what", "data", "named"), CONTENTS, ids=[case[0] for case in CONTENTS])
def test_file_that_is_not_the_named_release_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, data: bytes | None, named: str
) -> None:
    monkeypatch.setattr(inspection, "MAX_UNPACKED", 20_000_000)
    if data is None:
        monkeypatch.setattr(xz, "MEMORY", 1 << 20)
        data = lzma.compress(tar_of(files_of("3.13.5")), preset=9)
    file = tmp_path / "Python-3.13.5.tar.xz"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=named):
        inspection.inspect_tarball(file, make_pin("3.13.5", data))


def test_there_are_more_than_fifty_tampered_inputs() -> None:
    cases = [*TARBALLS, *SIGNATURES, *BUNDLES, *CONTENTS]
    assert len(cases) >= 50


def test_untampered_inputs_pass_the_same_checks(upstream: FakeUpstream, fake_series: Any, tmp_path: Path) -> None:
    pin = upstream.pin("3.13.5", GOOD)
    upstream.serve(pin, GOOD)
    upstream.serve(pin, upstream.manager.sign(GOOD), ".asc")
    folder = upstream.signatures.sources.fetch(pin, fake_series(pin), "{version}")
    expected = replace(pin, pip="26.0.1", date="2025-01-01")
    assert inspection.inspect_tarball(folder / pin.file, pin) == expected
    record = f"openpgp {upstream.manager.fingerprint} 2025-01-02"
    assert upstream.signatures.ensure(pin, folder / pin.file) == record
    pin, file = upstream.pin("3.14.1", DATA), tmp_path / "Python-3.14.1.tar.xz"
    file.write_bytes(DATA)
    upstream.serve(pin, upstream.bundle(DATA), ".sigstore")
    expected = f"sigstore {MANAGER.identity} {MANAGER.issuer} 2026-03-01"
    assert upstream.signatures.ensure(pin, file) == expected


def test_subkey_of_the_pinned_key_may_sign(upstream: FakeUpstream) -> None:
    upstream.manager.subkey = Key()
    upstream.publish_key(upstream.manager)
    pin, file = upstream.pin("3.13.5", GOOD), upstream.keys / "tarball"
    file.write_bytes(GOOD)
    upstream.serve(pin, upstream.manager.subkey.sign(GOOD), ".asc")
    assert upstream.signatures.ensure(pin, file).startswith(f"openpgp {upstream.manager.fingerprint} ")
