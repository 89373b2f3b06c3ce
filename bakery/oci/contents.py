"""Reads chosen files out of an image's layers without running it: what a container would see of them."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from bakery.catalog import Platform
from bakery.oci.archives import image_archive, open_layer

__all__ = ["Contents", "Overlay", "contents_of"]

LARGEST = 32 << 20
"""Bytes of the largest file that is read; dpkg's status of a slim image has 0.1 MB."""
WHITEOUT = ".wh."


@dataclass(frozen=True)
class Contents:
    """The files of an image that were asked for, by path without a leading slash, and the targets of its links."""

    digest: str
    config: Mapping[str, Any] = field(hash=False)
    files: Mapping[str, bytes] = field(hash=False)
    links: Mapping[str, str] = field(hash=False)

    def read(self, path: str) -> str:
        """The text of the file at ``path``, through links; empty where there is none."""
        for _ in range(8):
            if path in self.files:
                return self.files[path].decode("utf-8", "replace")
            parts = path.split("/")
            tops = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            top = next((one for one in tops if one in self.links), None)
            if top is None:
                break
            to = posixpath.join("/", posixpath.dirname(top), self.links[top])
            path = posixpath.normpath(to + path.removeprefix(top)).lstrip("/")
        return ""


class Overlay:
    """Collects the files whose paths match ``wanted`` from layers, bottom first; a higher layer hides a lower one's."""

    def __init__(self, wanted: re.Pattern[str]) -> None:
        self.wanted, self.files, self.links = wanted, dict[str, bytes](), dict[str, str]()

    def add(self, layer: Iterable[tarfile.TarInfo], tar: tarfile.TarFile) -> None:
        """Read one layer; ``layer`` are the members of ``tar``, in its order."""
        gone, below, files, links = set[str](), set[str](), dict[str, bytes](), dict[str, str]()
        for member in layer:
            path = member.name.removeprefix("./").strip("/")
            folder, _, name = path.rpartition("/")
            if name.startswith(WHITEOUT):
                whole = f"{folder}/{name[len(WHITEOUT) :]}".lstrip("/")
                below.add(folder if name == ".wh..wh..opq" else whole)
                gone |= set() if name == ".wh..wh..opq" else {whole}
                continue
            gone.add(path)
            below |= set() if member.isdir() else {path}
            if member.issym():
                links[path] = member.linkname
            elif self.wanted.fullmatch(path) and member.islnk():
                link = member.linkname.removeprefix("./").strip("/")
                files[path] = files.get(link, self.files.get(link, b""))
            elif self.wanted.fullmatch(path) and member.isreg() and member.size <= LARGEST:
                stream = tar.extractfile(member)
                assert stream is not None
                files[path] = stream.read()
        folders = tuple(f"{path}/" for path in below)
        for known in (self.files, self.links):
            for path in [one for one in known if one in gone or one.startswith(folders)]:
                del known[path]
        self.files |= files
        self.links |= links


def contents_of(archive: IO[bytes], platform: Platform, wanted: re.Pattern[str]) -> Contents:
    """The files whose paths match ``wanted`` as a whole in the image for ``platform``.

    :exc:`bakery.errors.BakeryError` where the archive holds no such image or is damaged.
    """
    overlay = Overlay(wanted)
    with image_archive(archive, platform) as image:
        for name in image.layers:
            with open_layer(image.tar, name) as tar:
                overlay.add(tar, tar)
        return Contents(image.digest, image.config, overlay.files, overlay.links)
