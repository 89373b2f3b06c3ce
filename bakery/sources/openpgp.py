"""OpenPGP signatures, checked by gpgv against the keys that are pinned for a series and no others.

gpgv is the distribution's verifier for exactly this: it knows no key servers, no web of trust and no keyring but the
one that it is given. Its status lines are read, not its prose (https://github.com/gpg/gnupg/blob/master/doc/DETAILS).
"""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["BadSignature", "CannotCheck", "Checked", "ExpiredKey", "dearmor", "judge", "verify"]

TIMEOUT = 120
"""Seconds for gpgv; a tarball takes a fraction of one."""
DIGESTS = {"1": "MD5", "2": "SHA1", "3": "RIPEMD160", "11": "SHA224"}
STRONG = ("8", "9", "10")
"""Numbers of digests (RFC 9580 9.5): SHA256, SHA384 and SHA512 are strong enough; some others are called by name."""
BINARY = "00"
"""Class of a signature over bytes as they are; a text signature (01) also fits other line endings."""
LEEWAY = 86400
"""Seconds that the signer's clock may be ahead of ours."""
REFUSALS = {
    "BADSIG": "does not fit the file: its bytes are not those that were signed",
    "EXPSIG": "has expired",
    "REVKEYSIG": "was made with a key that has been revoked",
}


class BadSignature(Exception):
    """There is a signature, and it does not prove what it should; the message says what is wrong."""


class ExpiredKey(BadSignature):
    """The signature is sound but was made when the key, as far as this repository's copy of it says, had expired."""


class CannotCheck(Exception):
    """Nothing can be said: no key, no tool, or no signature; the message says which."""


@dataclass(frozen=True)
class Checked:
    """A good signature: how it was made, by whom, on which day (``YYYY-MM-DD``), and what else is to be said."""

    kind: str
    signer: str
    made: str
    note: str = ""

    @property
    def record(self) -> str:
        """How the lock, the labels and messages call it."""
        return f"{self.kind} {self.signer} {self.made}"


def verify(file: Path, signature: bytes, fingerprints: Sequence[str], keys: Path, now: datetime) -> Checked:
    """Check that ``signature`` is a detached one of ``file`` by a key of ``fingerprints``, which lie in ``keys``.

    Raises :exc:`BadSignature` where it is not, and :exc:`CannotCheck` where keys or gpgv are missing.
    """
    packets = dearmor(signature, "SIGNATURE", "the signature")
    known = [one for one in fingerprints if (keys / f"{one}.asc").is_file()]
    if not known:
        raise CannotCheck(f"no key of {', '.join(fingerprints)} lies in {keys.parent.name}/{keys.name}")
    with tempfile.TemporaryDirectory(prefix="gpgv.") as folder:
        ring, detached = Path(folder) / "pinned.gpg", Path(folder) / "signature.sig"
        armored = ((one, (keys / f"{one}.asc").read_bytes()) for one in known)
        ring.write_bytes(b"".join(dearmor(text, "PUBLIC KEY BLOCK", f"{one}.asc") for one, text in armored))
        detached.write_bytes(packets)
        command = ["gpgv", "--homedir", folder, "--keyring", str(ring), "--status-fd", "1", str(detached), str(file)]
        try:
            done = subprocess.run(
                command, env={**os.environ, "LC_ALL": "C"}, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=TIMEOUT,
            )  # fmt: skip
        except FileNotFoundError:
            raise CannotCheck("gpgv is not on this machine (apt-get install gpgv)") from None
        except subprocess.TimeoutExpired:
            raise BadSignature(f"was not checked in {TIMEOUT} s") from None
    return judge(done.stdout.decode("utf-8", "replace").splitlines(), known, now, done.returncode)


def dearmor(text: bytes, kind: str, what: str) -> bytes:
    """The packets of one ASCII-armored block of ``kind`` (RFC 9580 6.2); :exc:`BadSignature` for anything else."""
    lines = [line.strip() for line in text.strip().split(b"\n")]
    try:
        if lines[0] != f"-----BEGIN PGP {kind}-----".encode() or lines[-1] != f"-----END PGP {kind}-----".encode():
            raise ValueError
        body = lines[lines.index(b"") + 1 : -1]
        return base64.b64decode(b"".join(line for line in body if not line.startswith(b"=")), validate=True)
    except (ValueError, binascii.Error):
        shown = text[:40].decode("ascii", "replace").strip()
        raise BadSignature(f"{what} is no OpenPGP {kind.lower()}: it begins with {shown!r}") from None


def judge(lines: Iterable[str], fingerprints: Sequence[str], now: datetime, code: int = 0) -> Checked:
    """What gpgv's status ``lines`` and exit ``code`` mean: one good signature by one of ``fingerprints``, or an error.

    A key that has expired since is accepted for what it signed before, and this is noted: the keys in the repository
    are copies, and releases are older than the renewal of the key that signed them.
    """
    status = [line.removeprefix("[GNUPG:] ").split(" ") for line in lines if line.startswith("[GNUPG:] ")]
    found = {keyword: values for keyword, *values in status}
    _refuse(found, sum(keyword == "NEWSIG" for keyword, *_ in status))
    made, digest, kind, primary = int(found["VALIDSIG"][2]), *found["VALIDSIG"][7:10]
    when = datetime.fromtimestamp(made, UTC)
    if primary not in fingerprints:
        raise BadSignature(f"the signature was made with a key that is not pinned for this series ({primary})")
    if digest not in STRONG:
        raise BadSignature(f"the signature rests on a weak digest ({DIGESTS.get(digest, f'number {digest}')})")
    if kind != BINARY:
        raise BadSignature(f"the signature is of class {kind}; expected {BINARY}, over the bytes of a file")
    if made > now.timestamp() + LEEWAY:
        raise BadSignature(f"the signature was made on {when:%Y-%m-%d}, which is yet to come")
    note = ""
    if "EXPKEYSIG" in found:
        ended = datetime.fromtimestamp(min(int(one[1]) for one in status if one[0] == "KEYEXPIRED"), UTC)
        if when >= ended:
            raise ExpiredKey(f"the signature of {when:%Y-%m-%d} is by a key that had expired on {ended:%Y-%m-%d}")
        note = f"the key has expired since, on {ended:%Y-%m-%d}"
    elif "GOODSIG" not in found or code:
        raise BadSignature(f"gpgv does not call the signature good (exit code {code})")
    return Checked("openpgp", primary, f"{when:%Y-%m-%d}", note)


def _refuse(found: Mapping[str, Sequence[str]], signatures: int) -> None:
    """Raise :exc:`BadSignature` unless the status lines tell of exactly one signature that fits the file."""
    if signatures > 1:
        raise BadSignature(f"there are {signatures} signatures; expected one")
    for keyword, reason in REFUSALS.items():
        if keyword in found:
            raise BadSignature(f"the signature {reason} (key {found[keyword][0]})")
    if "NO_PUBKEY" in found:
        raise BadSignature(
            f"the signature was made with a key that is not pinned for this series ({found['NO_PUBKEY'][0]})"
        )
    if "ERRSIG" in found:
        weak = DIGESTS.get(found["ERRSIG"][2], "")
        if weak:
            raise BadSignature(f"the signature rests on a weak digest ({weak})")
        raise BadSignature(
            f"gpgv cannot check the signature: its class, date or key will not do (ERRSIG {' '.join(found['ERRSIG'])})"
        )
    if signatures == 0 or len(found.get("VALIDSIG", ())) < 10:
        raise BadSignature("there is no detached signature in it that gpgv can read")
