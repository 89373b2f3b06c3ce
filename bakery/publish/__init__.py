"""Pushes tested images: by digest first, tags last."""

from bakery.publish.push import open_pusher, read_digests, write_digests
