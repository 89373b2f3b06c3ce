"""Sigstore bundles, checked offline with the `sigstore` library against a pinned identity and issuer (PEP 761).

A bundle carries all that is needed: the certificate, the log's entry and its inclusion proof. The roots that they are
checked against come with the library, so nothing is asked over the network. The library is an extra of this package.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.sources.openpgp import BadSignature, CannotCheck, Checked
from bakery.sources.trust import Identity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["verify"]

EXTRA = "pip install -e '.[sigstore]'"
NO_CHECKPOINT = "with checkpoint"
"""How the library calls the bundles of before 2024, whose inclusion proofs cannot be checked offline."""


def verify(file: Path, bundle: bytes, identities: Sequence[Identity], trusted_root: Path | None = None) -> Checked:
    """Check that ``bundle`` is one of ``file`` by one of ``identities``.

    ``trusted_root`` is a Sigstore trusted root in JSON; without it, the one of the public instance that the library
    ships. Raises :exc:`bakery.sources.openpgp.BadSignature` where it is not, and
    :exc:`bakery.sources.openpgp.CannotCheck` where the library is missing or the bundle is too old to be checked
    offline.
    """
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
        from sigstore.verify import Verifier
    except ImportError:
        raise CannotCheck(f"the sigstore library is not installed ({EXTRA})") from None
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns of being offline, which is what is wanted
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
            raise CannotCheck(f"the bundle cannot be checked offline: {error}") from None
        raise BadSignature(f"the bundle does not prove the file: {_told(error)}") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadSignature(f"the bundle is malformed: {type(error).__name__}: {_told(error)}") from None
    assert pinned.matched is not None
    made = parsed.signing_certificate.not_valid_before_utc  # a certificate of Sigstore lives for ten minutes
    return Checked("sigstore", f"{pinned.matched.identity} {pinned.matched.issuer}", f"{made:%Y-%m-%d}")


class _Pinned:
    """The library's policy for several identities, which remembers the one that the certificate names."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self.identities = identities
        self.matched: Identity | None = None

    def verify(self, cert: Certificate) -> None:
        """Raise the library's ``VerificationError`` unless ``cert`` names one of the identities and its issuer."""
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import Identity as Policy

        reasons = []
        for one in self.identities:
            try:
                Policy(identity=one.identity, issuer=one.issuer).verify(cert)
            except VerificationError as error:
                reasons.append(str(error))
            else:
                self.matched = one
                return
        raise VerificationError("; ".join(reasons))


def _expect_json(bundle: bytes) -> None:
    try:
        if isinstance(json.loads(bundle), dict):
            return
    except (ValueError, RecursionError):
        pass
    shown = bundle[:40].decode("ascii", "replace").strip()
    raise BadSignature(f"the bundle is no JSON object: it begins with {shown!r}")


def _told(error: BaseException) -> str:
    """What the library said on its first lines, without the dumps of models that follow."""
    return " ".join(line.strip() for line in str(error).splitlines()[:3])[:300]
