"""Pushes tested images: by digest first, tags last."""

from bakery.publish.cosign import make_signer
from bakery.publish.push import Pusher, open_repository, read_digests, write_digests

__all__ = [
    "Pusher", "make_signer", "open_repository", "read_digests", "write_digests",
]  # fmt: skip
