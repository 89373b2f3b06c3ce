"""CPython's source tarballs: where they come from, how they are verified, and how new releases are pinned."""

from bakery.sources.lock import apply, difference, effective, lock_text
from bakery.sources.signatures import Signatures
from bakery.sources.tarballs import PYTHON_ORG, Sources
from bakery.sources.trust import load_upstream
from bakery.sources.updater import make_updater, wanted

__all__ = [
    "PYTHON_ORG", "Signatures", "Sources", "apply", "difference", "effective", "load_upstream", "lock_text",
    "make_updater", "wanted",
]  # fmt: skip
