"""CPython's source tarballs: where they come from, how they are verified, and how new releases are pinned."""

from bakery.sources.lock_changes import lock_text
from bakery.sources.signatures import Signatures
from bakery.sources.tarballs import PYTHON_ORG, Sources
from bakery.sources.trust import load_upstream
from bakery.sources.update import update_lock

__all__ = [
    "PYTHON_ORG", "Signatures", "Sources", "load_upstream", "lock_text", "update_lock",
]  # fmt: skip
