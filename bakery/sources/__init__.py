"""CPython's source tarballs: where they come from, how they are verified, and how new releases are pinned."""

from bakery.sources.signatures import SignatureChecker
from bakery.sources.tarballs import SourceCache
from bakery.sources.trust import load_trust
from bakery.sources.update import update_lock
