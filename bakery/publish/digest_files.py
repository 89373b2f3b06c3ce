"""Files that name images which were pushed by digest on other machines: `inv push --digests` and `--merge`."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from bakery.errors import InputError, reason_of
from bakery.files import disk_full, write_whole
from bakery.platforms import Platform
from bakery.publish.tag_moves import PushedImage
from bakery.regular_files import read_regular

LARGEST = 4 << 20
"""Bytes of the largest file that names pushed images; one image takes about 2 kB."""


def write_digests(file: str, images: Sequence[PushedImage]) -> str:
    """Write what was pushed by digest, for :func:`read_digests` on another machine; returns what to do with it."""
    with disk_full(Path(file)):
        write_whole(Path(file), json.dumps([asdict(image) for image in images], indent=1) + "\n")
    return f"{file} written: {len(images)} images; tag them with inv push --merge={file}"


def _platform(_: type, value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]+(/[a-z0-9_]+){1,2}", value):
        raise ValueError(f"expected a platform such as linux/amd64, found {value!r}")
    return Platform(value)


def read_digests(files: Sequence[str]) -> list[PushedImage]:
    """What several machines pushed by digest; :exc:`InputError` if :func:`write_digests` did not write a file."""
    images: list[PushedImage] = []
    for name in files:
        try:
            content = msgspec.json.decode(read_regular(Path(name), LARGEST))
            checked = msgspec.convert(content, list[PushedImage], dec_hook=_platform)
        except (OSError, ValueError, RecursionError) as error:
            expected = f"expected a file that `inv push --digests={name}` wrote"
            raise InputError(f"{name}: {expected}: {reason_of(error)}") from None
        if not checked:
            raise InputError(f"{name} contains no image", hint="Push again on the machine that wrote it.")
        # The descriptors with all their fields, so that check_entries() refuses those that it does not know.
        images += [replace(image, entries=item["entries"]) for image, item in zip(checked, content, strict=True)]
    return images
