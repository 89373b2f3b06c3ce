"""Pushes tested images: by digest first, tags last."""

from bakery.publish.digest_files import read_digests, write_digests
from bakery.publish.push import open_pusher
