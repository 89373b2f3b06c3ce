"""Makes valid and invalid OpenPGP keys and signatures for tests (RFC 9580, version 4, Ed25519).

gpg itself refuses to make most of what an attacker could.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EDDSA = 22
OID = bytes.fromhex("2b06010401da470f01")
HASHES = {"MD5": 1, "SHA1": 2, "SHA256": 8, "SHA512": 10}
YEAR = 365 * 86400
MADE = 1_735_689_600
"""2025-01-01, when the keys of the tests were created."""


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def mpi(data: bytes) -> bytes:
    number = int.from_bytes(data, "big")
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def sub(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def armor(data: bytes, kind: str = "SIGNATURE") -> bytes:
    text = base64.encodebytes(data).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{text}-----END PGP {kind}-----\n".encode()


@dataclass
class Key:
    """A key pair; ``lasts`` is in seconds after ``made``, 0 for no expiry."""

    name: str = "Release Manager <rm@example.org>"
    made: int = MADE
    lasts: int = 0
    revoked: bool = False
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    subkey: Key | None = None
    bound: bool = True
    claims: str = ""
    """The fingerprint that its signatures name as their issuer, if not its own."""

    @property
    def body(self) -> bytes:
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"\x04" + struct.pack(">I", self.made) + bytes([EDDSA, len(OID)]) + OID + mpi(b"\x40" + public)

    @property
    def hashed(self) -> bytes:
        return b"\x99" + struct.pack(">H", len(self.body)) + self.body

    @property
    def fingerprint(self) -> str:
        return hashlib.sha1(self.hashed).hexdigest().upper()

    def signature(
        self, data: bytes, kind: int = 0x00, when: int | None = None, digest: str = "SHA512", subpackets: bytes = b""
    ) -> bytes:
        """A signature packet over ``data``."""
        issuer = bytes.fromhex(self.claims or self.fingerprint)
        hashed = sub(2, struct.pack(">I", self.made + 86400 if when is None else when))
        hashed += sub(33, b"\x04" + issuer) + subpackets
        head = bytes([4, kind, EDDSA, HASHES[digest]]) + struct.pack(">H", len(hashed)) + hashed
        value = hashlib.new(digest, data + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        made = self.private.sign(value)
        unhashed = sub(16, issuer[-8:])
        body = head + struct.pack(">H", len(unhashed)) + unhashed + value[:2] + mpi(made[:32]) + mpi(made[32:])
        return packet(2, body)

    def public(self, lasts: int | None = None) -> bytes:
        """The public key, armored; ``lasts`` is the lifetime in a renewed copy."""
        lasts = self.lasts if lasts is None else lasts
        until = sub(9, struct.pack(">I", lasts)) if lasts else b""
        name = self.name.encode()
        data = packet(6, self.body)
        if self.revoked:
            data += self.signature(self.hashed, 0x20, when=self.made + 1, subpackets=sub(29, b"\x02stolen"))
        certified = self.hashed + b"\xb4" + struct.pack(">I", len(name)) + name
        data += packet(13, name) + self.signature(certified, 0x13, when=self.made, subpackets=sub(27, b"\x03") + until)
        if self.subkey:
            data += packet(14, self.subkey.body)
            both = self.hashed + self.subkey.hashed
            if self.bound:
                back = self.subkey.signature(both, 0x19, when=self.made)[6:]
                embedded = bytes([255]) + struct.pack(">I", len(back) + 1) + b"\x20" + back
                data += self.signature(both, 0x18, when=self.made, subpackets=sub(27, b"\x02") + embedded)
        return armor(data, "PUBLIC KEY BLOCK")

    def sign(self, data: bytes, **more: object) -> bytes:
        """A detached signature of ``data``, armored."""
        return armor(self.signature(data, **more))  # type: ignore[arg-type]
