"""Upstream's own signature of a tarball, beside the digest: found, checked against pinned signers, and remembered.

A signature that is there and bad ends the build under every policy; what a missing one means is the policy's
(shared/upstream.toml). What the lock records of a release was checked when it was pinned, for the digest that is
checked at every build, so it is not asked for again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bakery.catalog import Pin
from bakery.errors import SourceError
from bakery.files import Tell, write_whole
from bakery.net import Unavailable
from bakery.sources import openpgp, sigstore
from bakery.sources.openpgp import BadSignature, CannotCheck, Checked, ExpiredKey
from bakery.sources.tarballs import Sources
from bakery.sources.trust import Policy, Upstream

__all__ = ["NOT_CHECKED", "Signatures"]

NOT_CHECKED = "not checked"
"""How the lock's, the labels' and the records' word for a signature reads where there is none."""
LIMIT = 64 << 10
"""Bytes of the largest signature that is read: OpenPGP's have 1 KB, Sigstore's bundles 6 KB."""
PATIENCE = timedelta(days=1)
"""How long it is remembered that nobody had a signature."""
Check = Callable[[Path, bytes], Checked]


@dataclass(frozen=True)
class Signatures:
    """Checks the signatures of tarballs that ``sources`` fetched. ``trusted_root`` is for a Sigstore of one's own."""

    sources: Sources
    upstream: Upstream
    tell: Tell = print
    trusted_root: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ensure(self, pin: Pin, number: str, file: Path) -> str:
        """What is known of ``file``'s signature, for the record of a build; raises as :meth:`check` does."""
        if pin.signed:
            self.tell(f"{pin.file} is signed: {pin.signed} (checked when it was pinned)")
            return pin.signed
        silent = self._cached(pin, ".none")
        if self.upstream.policy is Policy.WHEN_AVAILABLE and self._is_fresh(silent):
            self.tell(f"{pin.file}: signature {silent.read_text(encoding='utf-8')}")
            return NOT_CHECKED
        checked = self.check(pin, number, file, pinned=True)
        return checked.record if checked else NOT_CHECKED

    def check(self, pin: Pin, number: str, file: Path, *, pinned: bool = False) -> Checked | None:
        """Check ``file``, the tarball of ``pin``, and say how; ``None`` where no signature could be checked.

        ``pinned``: its digest stood in the lock before. Then a key that had expired proves nothing, and takes nothing
        away either: the repository's copy of a key grows old, the bytes do not. Raises :exc:`SourceError` for a bad
        signature, and for a missing one where the policy requires it.
        """
        reasons = []
        for kind, suffix, check in self._ways(number):
            try:
                checked = self._one(pin, file, suffix, check)
            except (Unavailable, CannotCheck) as reason:
                reasons.append(f"{kind}: {reason}")
                continue
            except ExpiredKey as error:
                if not pinned:
                    raise self._bad(pin, suffix, error) from None
                reasons.append(f"{kind}: {error}; is there a renewed copy of it for shared/keys?")
                continue
            except BadSignature as error:
                raise self._bad(pin, suffix, error) from None
            self.tell(f"{pin.file} is signed: {checked.record}{f' ({checked.note})' if checked.note else ''}")
            return checked
        why = "; ".join(reasons) or f"shared/upstream.toml names no signer of {number}"
        if self.upstream.policy is Policy.REQUIRE:
            raise SourceError(
                f"no signature of {pin.file} could be checked, and shared/upstream.toml requires one: {why}",
                hint='Mend what is missing, or set signatures = "when-available" there.',
            )
        write_whole(self._cached(pin, ".none"), f"{NOT_CHECKED}: {why}")
        self.tell(f"{pin.file}: signature {NOT_CHECKED}: {why}")
        return None

    def _ways(self, number: str) -> list[tuple[str, str, Check]]:
        """How a series is signed: kind, suffix of the file beside the tarball, and how that is checked."""
        signers, ways = self.upstream.of(number), list[tuple[str, str, Check]]()
        if signers.openpgp:
            keys = self.upstream.keys
            ways.append(
                ("openpgp", ".asc", lambda file, sig: openpgp.verify(file, sig, signers.openpgp, keys, self.clock()))
            )
        if signers.sigstore:
            root = self.trusted_root
            ways.append(("sigstore", ".sigstore", lambda file, sig: sigstore.verify(file, sig, signers.sigstore, root)))
        return ways

    def _one(self, pin: Pin, file: Path, suffix: str, check: Check) -> Checked:
        """Check the signature that was kept, else the one that the first provider has."""
        kept = self._cached(pin, suffix)
        if kept.exists():
            try:
                return check(file, kept.read_bytes())
            except BadSignature as error:
                kept.unlink()
                self.tell(f"{kept}: {error}; removed, fetching it again")
        with tempfile.TemporaryDirectory(prefix="signature.") as folder:
            provider = self.sources.unverified(pin, suffix, Path(folder) / "signature", LIMIT)
            signature = (Path(folder) / "signature").read_bytes()
        try:
            checked = check(file, signature)
        except BadSignature as error:
            raise type(error)(f"from {provider}: {error}") from None
        write_whole(kept, signature.decode("utf-8"))
        return checked

    @staticmethod
    def _bad(pin: Pin, suffix: str, error: BadSignature) -> SourceError:
        return SourceError(
            f"{pin.file}{suffix} {error}. The tarball is not used",
            hint="Find out who sends other bytes; the signers that are trusted stand in shared/upstream.toml.",
        )

    def _cached(self, pin: Pin, suffix: str) -> Path:
        return self.sources.workspace.home / "sources" / "signatures" / f"{pin.file}{suffix}"

    def _is_fresh(self, file: Path) -> bool:
        try:
            written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except FileNotFoundError:
            return False
        return self.clock() - written < PATIENCE
