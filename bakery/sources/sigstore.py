"""Sigstore bundles, verified offline with the `sigstore` library against a pinned identity and issuer (PEP 761).

A bundle contains everything needed: the certificate, the log entry and its inclusion proof. The trusted root comes with
the library, so no network access is needed. The library is an optional dependency of this package.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bakery.redaction import shorten
from bakery.sources.openpgp import BadSignature, Unverifiable, VerifiedSignature
from bakery.sources.trust import Identity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

EXTRA = "pip install -e '.[sigstore]'"
NO_CHECKPOINT = "with checkpoint"
"""The end of the library's message for bundles from before 2024, whose inclusion proofs cannot be checked offline."""


def verify(
    file: Path, bundle: bytes, identities: Sequence[Identity], trusted_root: Path | None = None
) -> VerifiedSignature:
    """Check that ``bundle`` is a signature of ``file`` by one of ``identities``; :exc:`BadSignature` if it is not.

    ``trusted_root`` is a JSON file; by default, the library's copy of the public instance's root. Raises
    :exc:`Unverifiable` if the library is missing, or the bundle is too old to be verified offline.
    """
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
        from sigstore.verify import Verifier
    except ImportError:
        raise Unverifiable(f"the sigstore library is not installed ({EXTRA})") from None
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns about being offline, which is intended
    _expect_json(bundle)
    pinned = _Pinned(identities)
    try:
        parsed = Bundle.from_json(bundle)
        if trusted_root:
            root = TrustedRoot.from_file(str(trusted_root))
        else:
            root = ClientTrustConfig.production(offline=True).trusted_root
        Verifier(trusted_root=root).verify_artifact(file.read_bytes(), parsed, pinned)
    except Error as error:
        if str(error).endswith(NO_CHECKPOINT):
            raise Unverifiable(f"the bundle cannot be verified offline: {error}") from None
        raise BadSignature(f"the bundle does not verify the file: {_summary(error)}") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise BadSignature(f"the bundle is malformed: {type(error).__name__}: {_summary(error)}") from None
    assert pinned.matched is not None
    issued = parsed.signing_certificate.not_valid_before_utc  # certificates are valid for ten minutes
    return VerifiedSignature("sigstore", f"{pinned.matched.identity} {pinned.matched.issuer}", f"{issued:%Y-%m-%d}")


class _Pinned:
    """A policy for the library that accepts several identities and remembers which one matched."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self.identities = identities
        self.matched: Identity | None = None

    def verify(self, cert: "Certificate") -> None:
        """Raise the library's ``VerificationError`` unless ``cert`` names one of the identities and its issuer."""
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import Identity as Policy

        reasons = []
        for identity in self.identities:
            try:
                Policy(identity=identity.identity, issuer=identity.issuer).verify(cert)
            except VerificationError as error:
                reasons.append(str(error))
            else:
                self.matched = identity
                return
        raise VerificationError("; ".join(reasons))


def _expect_json(bundle: bytes) -> None:
    try:
        msgspec.json.decode(bundle, type=dict)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        shown = shorten(bundle[:400].decode("ascii", "replace").strip(), 40)
        raise BadSignature(f"the bundle is not a JSON object: it begins with {shown!r}") from None


def _summary(error: BaseException) -> str:
    """The first lines of the library's message, without the model dumps that follow."""
    return shorten(" ".join(line.strip() for line in str(error).splitlines()[:3]), 300)
