"""Pushes tested images: by digest first, tags last."""

from bakery.publish.cosign import make_signer
from bakery.publish.push import Pusher, open_shelf, read_handovers, write_handovers

__all__ = [
    "Pusher", "make_signer", "open_shelf", "read_handovers", "write_handovers",
]  # fmt: skip
