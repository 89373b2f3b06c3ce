"""OpenPGP signatures, verified by gpgv against the keys that are pinned for a series and no others.

gpgv is made for this: it uses no key server, no web of trust, and no keyring except the one it is given. Its status
lines are parsed, not its messages (https://github.com/gpg/gnupg/blob/master/doc/DETAILS).
"""

import base64
import binascii
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bakery.programs import ProgramError, run_program
from bakery.redaction import shorten

WEAK_DIGESTS = {"1": "MD5", "2": "SHA1", "3": "RIPEMD160", "11": "SHA224"}
STRONG = ("8", "9", "10")
"""Numbers of digests (RFC 9580 9.5) that are strong enough: SHA256, SHA384, SHA512."""
BINARY = "00"
"""Class of a signature over the exact bytes; a text signature (01) also matches other line endings."""
LEEWAY = 86400
"""Seconds that the signer's clock may be ahead of ours."""
NOT_PINNED = "the signature was made with a key that is not pinned for this series ({})"
REJECTIONS = {
    "BADSIG": "does not match the file: its bytes are not those that were signed",
    "EXPSIG": "has expired",
    "REVKEYSIG": "was made with a key that has been revoked",
}


class BadSignature(Exception):
    """A signature exists but does not prove what it should; the message says what is wrong."""


class ExpiredKey(BadSignature):
    """The signature is valid, but the repository's copy of the key had expired when the signature was made."""


class Unverifiable(Exception):
    """A signature can be neither confirmed nor refuted: a key, a tool, or data is missing; the message says which."""


@dataclass(frozen=True)
class VerifiedSignature:
    """A good signature: its kind, its signer, the day it was made (``YYYY-MM-DD``), and a note for the user."""

    kind: str
    signer: str
    made: str
    note: str = ""

    @property
    def record(self) -> str:
        """How the lock, labels and messages write it."""
        return f"{self.kind} {self.signer} {self.made}"


def verify(file: Path, signature: bytes, fingerprints: Sequence[str], keys: Path, now: datetime) -> VerifiedSignature:
    """Verify a detached signature by a pinned key; :exc:`BadSignature`, or :exc:`Unverifiable` without keys or gpgv."""
    packets = dearmor(signature, "SIGNATURE", "the signature")
    known = [key for key in (keys / f"{fingerprint}.asc" for fingerprint in fingerprints) if key.is_file()]
    if not known:
        raise Unverifiable(f"none of the keys {', '.join(fingerprints)} is in {keys.parent.name}/{keys.name}")
    with tempfile.TemporaryDirectory(prefix="gpgv.") as folder:
        ring, detached = Path(folder) / "pinned.gpg", Path(folder) / "signature.sig"
        ring.write_bytes(b"".join(dearmor(key.read_bytes(), "PUBLIC KEY BLOCK", key.name) for key in known))
        detached.write_bytes(packets)
        command = ["gpgv", "--homedir", folder, "--keyring", str(ring), "--status-fd", "1", str(detached), str(file)]
        try:
            done = run_program(command, {**os.environ, "LC_ALL": "C"})
        except FileNotFoundError:
            raise Unverifiable("gpgv is not installed (apt-get install gpgv)") from None
        except ProgramError as error:
            raise BadSignature(f"gpgv {error}") from None
    return interpret_status(
        done.stdout.decode("utf-8", "replace").splitlines(), [key.stem for key in known], now, done.code
    )


def dearmor(text: bytes, kind: str, name: str) -> bytes:
    """The packets of one armored block of ``kind`` (RFC 9580 6.2); else :exc:`BadSignature` about ``name``."""
    lines = [line.strip() for line in text.strip().split(b"\n")]
    try:
        if lines[0] != f"-----BEGIN PGP {kind}-----".encode() or lines[-1] != f"-----END PGP {kind}-----".encode():
            raise ValueError
        body = lines[lines.index(b"") + 1 : -1]
        return base64.b64decode(b"".join(line for line in body if not line.startswith(b"=")), validate=True)
    except (ValueError, binascii.Error):
        shown = shorten(text[:400].decode("ascii", "replace").strip(), 40)
        raise BadSignature(f"{name} is not an OpenPGP {kind.lower()}: it begins with {shown!r}") from None


def interpret_status(lines: Iterable[str], pinned: Sequence[str], now: datetime, code: int = 0) -> VerifiedSignature:
    """The good signature that gpgv's status ``lines`` and exit ``code`` report; :exc:`BadSignature` otherwise.

    A key that expired after it signed is accepted, with a note: the repository's copies may be older than the renewal
    of a key.
    """
    try:
        return _interpret(lines, pinned, now, code)
    except (ValueError, LookupError, OSError, OverflowError) as error:
        raise BadSignature(f"gpgv's status cannot be read: {error!r}") from None


def _interpret(lines: Iterable[str], pinned: Sequence[str], now: datetime, code: int) -> VerifiedSignature:
    status = [line.removeprefix("[GNUPG:] ").split(" ") for line in lines if line.startswith("[GNUPG:] ")]
    fields = {keyword: values for keyword, *values in status}
    about = f"gpgv's exit code: {code}, this machine's date: {now:%Y-%m-%d}"
    _reject(fields, sum(keyword == "NEWSIG" for keyword, *_ in status), about)
    made, digest, kind, primary = int(fields["VALIDSIG"][2]), *fields["VALIDSIG"][7:10]
    when = datetime.fromtimestamp(made, UTC)
    if primary not in pinned:
        raise BadSignature(NOT_PINNED.format(primary))
    if digest not in STRONG:
        raise BadSignature(f"the signature uses a weak digest ({WEAK_DIGESTS.get(digest, f'number {digest}')})")
    if kind != BINARY:
        raise BadSignature(f"the signature is of class {kind}; expected {BINARY}, over the bytes of a file")
    if made > now.timestamp() + LEEWAY:
        clock = f"this machine's clock says {now:%Y-%m-%d}"
        raise BadSignature(f"the signature was made on {when:%Y-%m-%d}, which is in the future: {clock}")
    note = ""
    if "EXPKEYSIG" in fields:
        ended = datetime.fromtimestamp(min(int(entry[1]) for entry in status if entry[0] == "KEYEXPIRED"), UTC)
        if when >= ended:
            raise ExpiredKey(f"the signature of {when:%Y-%m-%d} was made with a key that expired on {ended:%Y-%m-%d}")
        note = f"the key expired later, on {ended:%Y-%m-%d}"
    elif "GOODSIG" not in fields or code:
        raise BadSignature(f"gpgv does not report a good signature (exit code {code})")
    return VerifiedSignature("openpgp", primary, f"{when:%Y-%m-%d}", note)


def _reject(fields: Mapping[str, Sequence[str]], signatures: int, about: str) -> None:
    """Raise :exc:`BadSignature` unless the status lines report exactly one signature, which matches the file.

    ``about`` may say why gpgv could not tell: it has crashed, or a wrong clock makes the key one of the future.
    """
    if signatures > 1:
        raise BadSignature(f"there are {signatures} signatures; expected one")
    for keyword, reason in REJECTIONS.items():
        if keyword in fields:
            raise BadSignature(f"the signature {reason} (key {fields[keyword][0]})")
    if "NO_PUBKEY" in fields:
        raise BadSignature(NOT_PINNED.format(fields["NO_PUBKEY"][0]))
    if "ERRSIG" in fields:
        weak = WEAK_DIGESTS.get(fields["ERRSIG"][2], "")
        if weak:
            raise BadSignature(f"the signature uses a weak digest ({weak})")
        status = " ".join(fields["ERRSIG"])
        problem = f"its class, date or key is unusable (ERRSIG {status}; {about})"
        raise BadSignature(f"gpgv cannot check the signature: {problem}")
    if signatures == 0 or len(fields.get("VALIDSIG", ())) < 10:
        raise BadSignature(f"it contains no detached signature that gpgv can read ({about})")
