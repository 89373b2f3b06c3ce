"""Reads the sizes and the files of an image from the output of ``docker save``, or from an OCI layout in a tar."""

import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO

from bakery.files import spooled
from bakery.oci import (
    Compressor,
    ImageArchive,
    ImageConfig,
    LayerSize,
    compressor,
    image_archive,
    labelled,
    open_layer,
    open_member,
)
from bakery.platforms import Platform
from bakery.sizes.breakdown import Entry, FileSize, Part, Share, Size, breakdown, classify, final_files, is_base
from bakery.tar import CHUNK, method_of

GZIP_LEVEL = 6  # at which layers are commonly pushed to registries
UPGRADES = "packages.sh install base"
"""Part of the build step that upgrades the base's own packages (debian/Dockerfile)."""
ZSTD_LEVEL = 9  # at which the parts of a layer are compressed: their proportions hardly depend on it; 19 takes a minute


@dataclass(frozen=True)
class SavedImage:
    """An image from an archive; ``estimated`` is explained at :class:`bakery.sizes.SizeReport`."""

    digest: str
    layers: tuple[LayerSize, ...]
    parts: Mapping[Part, Share] = field(hash=False)
    files: Mapping[str, FileSize] = field(hash=False)
    config: ImageConfig = field(hash=False)
    estimated: bool

    @property
    def size(self) -> Size:
        """Bytes of the image, as pulled and on disk."""
        disk = sum(share.disk_bytes for share in self.parts.values())
        return Size(sum(layer.compressed_bytes for layer in self.layers), disk)


def saved_image(chunks: Iterable[bytes], platform: Platform, identity: str = "") -> SavedImage:
    """The image for ``platform`` in the output of ``docker save``; :exc:`BakeryError` if it has none.

    ``identity`` is the image's ID in the engine: an archive of another image is an error, too.
    Layers are those of the OCI manifest (Docker Engine 25 and newer) or of ``manifest.json``.
    """
    with spooled(chunks) as archive, image_archive(archive, platform, identity) as image:
        steps = labelled([LayerSize(name, "", 0) for name in image.layers], image.config)
        read = [_Layer(image, step, first=number == 0) for number, step in enumerate(steps)]
        sizes = tuple(layer.size for layer in read)
        return SavedImage(
            digest=image.digest,
            layers=labelled(sizes, image.config),
            parts=breakdown([(layer.entries, layer.size.compressed_bytes, layer.weights) for layer in read]),
            files=final_files(layer.entries for layer in read),
            config=image.config,
            estimated=any(size.method == "none" for size in sizes),
        )


class _Layer:
    """The entries of a layer, and the compressed size of each part by itself.

    A base is one part and not divided, nor are upgrades of a base's own packages.
    """

    def __init__(self, image: ImageArchive, step: LayerSize, *, first: bool) -> None:
        name, tar = step.digest, image.tar
        self.entries: list[Entry] = []
        self.weights: dict[Part, int] = {}
        method = method_of(open_member(tar, name).read(512))
        if first:
            with open_layer(image, name) as files:
                self.entries = [_entry(member) for member in files]
        if not (first and is_base(self.entries)):
            self._weigh(image, name, method)
        if UPGRADES in step.label:
            self.weights = {Part.UPGRADES: 1}
        packed = tar.getmember(name).size if method != "none" else _gzip_size(open_member(tar, name))
        algorithm, _, digest = name.removeprefix("blobs/").partition("/")
        self.size = LayerSize(f"{algorithm}:{digest}" if name.startswith("blobs/") else name, method, packed)

    def _weigh(self, image: ImageArchive, name: str, method: str) -> None:
        compressors: dict[Part, Compressor] = {}
        level = ZSTD_LEVEL if method == "zstd" else GZIP_LEVEL
        self.entries = []
        with open_layer(image, name) as files:
            for member in files:
                entry = _entry(member)
                self.entries.append(entry)
                part = classify(f"{entry.path}/" if entry.folder else entry.path)
                if part not in compressors:
                    compressors[part] = compressor(method, level)
                packer = compressors[part]
                weight = len(packer.compress(member.tobuf()))
                stream = files.extractfile(member) if member.isfile() else None
                while stream is not None and (chunk := stream.read(CHUNK)):
                    weight += len(packer.compress(chunk))
                self.weights[part] = self.weights.get(part, 0) + weight
        for part, packer in compressors.items():
            self.weights[part] += len(packer.flush())


def _gzip_size(stream: IO[bytes]) -> int:
    packer, size = compressor("gzip", GZIP_LEVEL), 0
    while chunk := stream.read(CHUNK):
        size += len(packer.compress(chunk))
    return size + len(packer.flush())


def _entry(member: tarfile.TarInfo) -> Entry:
    path = member.name.removeprefix("./").strip("/")
    link = member.linkname if member.issym() else ""
    return Entry(path, member.size if member.isreg() else 0, link, member.isdir())
