"""Sigstore bundles, verified offline with the `sigstore` library against a pinned identity and issuer (PEP 761).

A bundle contains everything needed: the certificate, the log entry and its inclusion proof. The trusted root comes with
the library, so no network access is needed. The library is an optional dependency of this package.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.redaction import shorten
from bakery.sources.openpgp import BadSignature, Unverifiable, VerifiedSignature
from bakery.sources.trust import Identity

if TYPE_CHECKING:
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

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
    try:
        parsed = Bundle.from_json(bundle)
        if trusted_root:
            root = TrustedRoot.from_file(str(trusted_root))
        else:
            root = ClientTrustConfig.production(offline=True).trusted_root
        signer = _verify_any(Verifier(trusted_root=root), file.read_bytes(), parsed, identities)
    except Error as error:
        if str(error).endswith(NO_CHECKPOINT):
            raise Unverifiable(f"the bundle cannot be verified offline: {error}") from None
        raise BadSignature(f"the bundle does not verify the file: {_summary(error)}") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise BadSignature(f"the bundle is malformed: {type(error).__name__}: {_summary(error)}") from None
    issued = parsed.signing_certificate.not_valid_before_utc  # certificates are valid for ten minutes
    return VerifiedSignature("sigstore", f"{signer.identity} {signer.issuer}", f"{issued:%Y-%m-%d}")


def _verify_any(verifier: "Verifier", data: bytes, bundle: "Bundle", identities: Sequence[Identity]) -> Identity:
    """The first of ``identities`` that signed ``data``; raises the library's error about the last one if none did."""
    from sigstore.errors import VerificationError
    from sigstore.verify.policy import Identity as Policy

    for identity in identities:
        policy = Policy(identity=identity.identity, issuer=identity.issuer)
        try:
            verifier.verify_artifact(data, bundle, policy)
        except VerificationError:
            if identity == identities[-1]:
                raise
        else:
            return identity
    raise AssertionError("a series without identities has no bundle")


def _summary(error: BaseException) -> str:
    """The first lines of the library's message, without the model dumps that follow."""
    return shorten(" ".join(line.strip() for line in str(error).splitlines()[:3]), 300)
