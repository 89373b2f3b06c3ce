"""Upstream's signature of a tarball: downloaded, verified against pinned signers, and cached.

A bad signature ends the build under every policy; shared/upstream.toml decides whether a missing one does. A signature
that the lock records was verified when the release was pinned, for the digest that every build checks, so it is not
downloaded again.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bakery.catalog import Pin
from bakery.errors import SourceError, Unavailable
from bakery.files import require_type, staged_file, write_whole
from bakery.regular_files import read_regular
from bakery.sources import openpgp, sigstore
from bakery.sources.openpgp import BadSignature, ExpiredKey, Unverifiable, VerifiedSignature
from bakery.sources.tarballs import SourceCache
from bakery.sources.trust import SignaturePolicy, Trust

NOT_CHECKED = "not checked"
"""What messages, labels and build records say in place of a signature that was not verified."""
LIMIT = 64 << 10
"""Bytes of the largest signature that is read: OpenPGP signatures have 1 KB, Sigstore bundles 6 KB."""
RETRY_AFTER = 86400
"""Seconds for which a missing signature is cached as missing."""
Verify = Callable[[Path, bytes], VerifiedSignature]


@dataclass(frozen=True)
class SignatureChecker:
    """Verifies signatures of tarballs from ``sources``; ``trusted_root`` replaces Sigstore's public instance."""

    sources: SourceCache
    trust: Trust
    trusted_root: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ensure(self, pin: Pin, file: Path) -> str:
        """What is known about the signature of ``file``, for the build record. Raises as :meth:`check` does."""
        if pin.local:
            return pin.signed
        if pin.signed:
            self.sources.tell(f"{pin.file} is signed: {pin.signed} (checked when it was pinned)")
            return pin.signed
        missing = self._cached(pin, ".none")
        if self.trust.policy is not SignaturePolicy.REQUIRE and self._is_recent(missing):
            self._tell_unverified(pin)
            return NOT_CHECKED
        verified = self.check(pin, file, pinned=True)
        return verified.record if verified else NOT_CHECKED

    def check(self, pin: Pin, file: Path, *, pinned: bool = False) -> VerifiedSignature | None:
        """Verify ``file``, the tarball of ``pin``; ``None`` if no signature can be verified.

        ``pinned``: the digest was in the lock before. Then a signature by an expired key counts as missing and not as
        bad, since the repository's copy of the key may be older than its renewal. Raises :exc:`SourceError` for a bad
        signature, and for a missing one if the policy requires it.
        """
        reasons = []
        for kind, suffix, verify in self._methods(pin.series):
            try:
                verified = self._verify(pin, file, suffix, verify)
            except (Unavailable, Unverifiable) as reason:
                reasons.append(f"{kind}: {reason}")
                continue
            except BadSignature as error:
                if pinned and isinstance(error, ExpiredKey):
                    reasons.append(f"{kind}: {error}; put a renewed copy of the key in shared/keys, if there is one")
                    continue
                raise SourceError(
                    f"{pin.file}{suffix} {error}. The tarball is not used",
                    hint="Find out which server sent different bytes; shared/upstream.toml lists the trusted signers.",
                ) from None
            note = f" ({verified.note})" if verified.note else ""
            self.sources.tell(f"{pin.file} is signed: {verified.record}{note}")
            return verified
        why = "; ".join(reasons) or f"shared/upstream.toml lists no signer of {pin.series}"
        required = (SignaturePolicy.REQUIRE, *(() if pinned else (SignaturePolicy.REQUIRE_NEW,)))
        if self.trust.policy in required:
            raise SourceError(
                f"no signature of {pin.file} could be checked, and shared/upstream.toml requires one: {why}",
                hint='Provide what is missing, or set signatures = "when-available" there.',
            )
        write_whole(self._cached(pin, ".none"), f"{NOT_CHECKED}: {why}")
        os.utime(self._cached(pin, ".none"), (self.clock().timestamp(),) * 2)
        self._tell_unverified(pin)
        return None

    def _tell_unverified(self, pin: Pin) -> None:
        self.sources.tell(f"{pin.file}: signature {NOT_CHECKED}; its digest was. Why: {self._cached(pin, '.none')}")

    def why_unsigned(self, pin: Pin) -> str:
        """For the lock: the day, and why :meth:`check` could verify no signature; empty if no signer is known."""
        if not any(self._methods(pin.series)):
            return ""
        reason = self._cached(pin, ".none").read_text(encoding="utf-8").removeprefix(f"{NOT_CHECKED}: ")
        return f"{self.clock():%Y-%m-%d}: {' '.join(reason.split())}"

    def _methods(self, number: str) -> Iterator[tuple[str, str, Verify]]:
        """How the series ``number`` is signed: kind, suffix of the file next to the tarball, function that verifies."""
        signers, keys, root = self.trust.signers_of(number), self.trust.keys, self.trusted_root
        if signers.openpgp:
            yield "openpgp", ".asc", lambda file, data: openpgp.verify(file, data, signers.openpgp, keys, self.clock())
        if signers.sigstore:
            yield "sigstore", ".sigstore", lambda file, data: sigstore.verify(file, data, signers.sigstore, root)

    def _verify(self, pin: Pin, file: Path, suffix: str, verify: Verify) -> VerifiedSignature:
        """Verify the cached signature, else the one from the first provider that has it."""
        cached = self._cached(pin, suffix)
        if require_type(cached):
            try:
                return verify(file, read_regular(cached))
            except BadSignature as error:
                cached.unlink()
                self.sources.tell(f"{cached}: {error}; removed, fetching it again")
        with tempfile.TemporaryDirectory(prefix="signature.") as folder:
            provider = self.sources.download_unverified(pin, suffix, Path(folder) / "signature", LIMIT)
            signature = (Path(folder) / "signature").read_bytes()
        try:
            verified = verify(file, signature)
        except BadSignature as error:
            raise type(error)(f"from {provider}: {error}") from None
        with staged_file(cached) as stream:
            stream.write(signature)
        return verified

    def _cached(self, pin: Pin, suffix: str) -> Path:
        return self.sources.home / "signatures" / f"{pin.file}{suffix}"

    def _is_recent(self, file: Path) -> bool:
        if not require_type(file):
            return False
        age = self.clock().timestamp() - file.stat().st_mtime
        return 0 <= age < RETRY_AFTER  # a date in the future would never expire
