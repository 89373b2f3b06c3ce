"""A fake Sigstore: a certificate authority, a certificate transparency log and a signature log, without servers.

The real library verifies what it signs. Each field of :class:`Fault` makes one part of a bundle invalid.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SIGNED = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
SCTS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
KeyPair = ec.EllipticCurvePrivateKey


def key() -> KeyPair:
    return ec.generate_private_key(ec.SECP256R1())


def spki(pair: KeyPair) -> bytes:
    return pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(pair: KeyPair) -> bytes:
    return hashlib.sha256(spki(pair)).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def seal(pair: KeyPair, data: bytes) -> bytes:
    return pair.sign(data, ec.ECDSA(SHA256()))


@dataclass(frozen=True)
class Fault:
    """What is wrong with a bundle; by default nothing."""

    other: Sigstore | None = None
    """The Sigstore whose log the bundle is in, if not the signer's own."""
    logged: bytes | None = None
    late: bool = False
    witnessed: bool = True
    forged_entry: bool = False
    forged_tree: bool = False
    media_type: str = "application/vnd.dev.sigstore.bundle.v0.3+json"


SOUND = Fault()


@dataclass
class Sigstore:
    """The keys of the authority and the logs, and what they sign."""

    authority: KeyPair = field(default_factory=key)
    certificates: KeyPair = field(default_factory=key)
    log: KeyPair = field(default_factory=key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sigstore of a test")])
        public = self.authority.public_key()
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(1)
            .not_valid_before(SIGNED - dt.timedelta(days=365))
            .not_valid_after(SIGNED + dt.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority, SHA256())
        )

    def trusted_root(self, file: Path) -> Path:
        """Write the trusted root that a client needs."""
        since = {"start": (SIGNED - dt.timedelta(days=365)).isoformat().replace("+00:00", "Z")}

        def instance(pair: KeyPair) -> dict[str, Any]:
            public = {"rawBytes": b64(spki(pair)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since}
            return {
                "baseUrl": "https://log.example", "hashAlgorithm": "SHA2_256", "publicKey": public,
                "logId": {"keyId": b64(key_id(pair))},
            }  # fmt: skip

        authority = {
            "subject": {"organization": "test", "commonName": "test"},
            "uri": "https://ca.example",
            "certChain": {"certificates": [{"rawBytes": b64(self.root.public_bytes(Encoding.DER))}]},
            "validFor": since,
        }
        content = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [instance(self.log)],
            "certificateAuthorities": [authority],
            "ctlogs": [instance(self.certificates)],
            "timestampAuthorities": [],
        }
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    def certificate(self, pair: KeyPair, identity: str, issuer: str, witnessed: bool = True) -> x509.Certificate:
        """A certificate that is valid for ten minutes, with the log's signed timestamp (SCT) if ``witnessed``."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(pair.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(SIGNED)
            .not_valid_after(SIGNED + 10 * MINUTE)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(pair.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER, issuer.encode()), critical=False)
        )
        if not witnessed:
            return builder.sign(self.authority, SHA256())
        body = builder.sign(self.authority, SHA256()).tbs_certificate_bytes
        stamp = int(SIGNED.timestamp() * 1000)
        entry = key_id(self.authority) + len(body).to_bytes(3, "big") + body
        signed = struct.pack(">BBQH", 0, 0, stamp, 1) + entry + struct.pack(">H", 0)
        seal_of_log = seal(self.certificates, signed)
        sct = b"\0" + key_id(self.certificates) + struct.pack(">QHBBH", stamp, 0, 4, 3, len(seal_of_log)) + seal_of_log
        listed = struct.pack(">HH", len(sct) + 2, len(sct)) + sct
        octets = b"\x04" + (bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])) + listed
        return builder.add_extension(x509.UnrecognizedExtension(SCTS, octets), critical=False).sign(
            self.authority, SHA256()
        )

    def bundle(self, data: bytes, identity: str, issuer: str, fault: Fault = SOUND) -> dict[str, Any]:
        """A bundle for ``data``, as JSON-ready dictionaries."""
        pair, logger = key(), fault.other or self
        certificate = self.certificate(pair, identity, issuer, fault.witnessed)
        signature = seal(pair, data)
        digest = hashlib.sha256(data if fault.logged is None else fault.logged)
        pem = certificate.public_bytes(Encoding.PEM)
        record = {
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": digest.hexdigest()}},
                "signature": {"content": b64(signature), "publicKey": {"content": b64(pem)}},
            },
        }
        body = json.dumps(record, separators=(",", ":"), sort_keys=True).encode()
        stamp = int((SIGNED + (60 * MINUTE if fault.late else MINUTE)).timestamp())
        promise = {
            "body": b64(body), "integratedTime": stamp, "logID": key_id(logger.log).hex(), "logIndex": 0,
        }  # fmt: skip
        promised = seal(logger.log, json.dumps(promise, separators=(",", ":"), sort_keys=True).encode())
        root = hashlib.sha256(b"\0" + (b"x" if fault.forged_tree else body)).digest()
        note = f"log.example\n1\n{b64(root)}\n"
        mark = b64(key_id(logger.log)[:4] + seal(logger.log, note.encode()))
        entry = {
            "logIndex": "0",
            "logId": {"keyId": b64(key_id(logger.log))},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
            "integratedTime": str(stamp + (1 if fault.forged_entry else 0)),
            "inclusionPromise": {"signedEntryTimestamp": b64(promised)},
            "inclusionProof": {
                "logIndex": "0", "rootHash": b64(root), "treeSize": "1", "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example {mark}\n"},
            },
            "canonicalizedBody": b64(body),
        }  # fmt: skip
        return {
            "mediaType": fault.media_type,
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))}, "tlogEntries": [entry],
            },
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(data).digest())},
                "signature": b64(signature),
            },
        }  # fmt: skip
