"""Reads image archives: what `docker save` writes, and OCI image layouts in a tar."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO

from bakery.errors import BakeryError
from bakery.names import is_digest, is_digest_of
from bakery.oci.indexes import digest_of
from bakery.oci.manifests import (
    ImageConfig,
    Index,
    ManifestError,
    is_index,
    parse_config,
    parse_index,
    parse_manifest,
    parse_object,
    pick,
)
from bakery.platforms import Platform
from bakery.tar import open_archive, open_compressed_tar, read_errors

LARGEST = 8 << 20
"""Bytes of the largest manifest, configuration or statement: parsing takes up to 25 times as much memory."""


@dataclass(frozen=True)
class ImageArchive:
    """The image for one platform: the digest of its manifest, if it has one, and the names of its layers' members."""

    tar: tarfile.TarFile
    digest: str
    config: ImageConfig = field(hash=False)
    layers: tuple[str, ...]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers; empty if the configuration does not list them."""
        return tuple(self.config.get("rootfs", {}).get("diff_ids", []))


@contextmanager
def image_archive(archive: IO[bytes], platform: Platform, identity: str = "") -> Iterator[ImageArchive]:
    """The image for ``platform`` in a seekable tar; :exc:`BakeryError` if there is none.

    Its layers are listed by the manifest if there is one (Docker Engine 25 and newer), else by ``manifest.json``.
    ``identity`` is the ID of the image in the engine that wrote the archive: the digest of an index, of the manifest
    or of the configuration, depending on the engine's image store. :exc:`ManifestError` for another image.
    Errors in the block that come from a damaged archive become a :exc:`BakeryError` as well.
    """
    with archive_errors(), open_archive(archive) as tar:
        yield _image(tar, platform, identity)


@contextmanager
def archive_errors() -> Iterator[None]:
    """Turn what reading a damaged archive raises in the block into a :exc:`BakeryError`."""
    try:
        yield
    except BakeryError:  # TarError among them
        raise
    except read_errors() as error:
        raise BakeryError(f"an image archive cannot be read: {error!r}") from None


def _image(tar: tarfile.TarFile, platform: Platform, identity: str) -> ImageArchive:
    names = set(tar.getnames())
    indexes = list(_indexes(tar, platform)) if "index.json" in names else [("", Index(manifests=[]))]
    index = indexes[-1][1]
    digest = pick(index, platform)["digest"] if index["manifests"] else ""
    if digest:
        if blob_path(digest) not in names:
            raise ManifestError(f"the archive does not include {platform}: {digest} is missing")
        manifest = parse_manifest(read_blob(tar, digest))
        config = blob_path(manifest["config"]["digest"])
        layers = [blob_path(layer["digest"]) for layer in manifest["layers"]]
    else:
        image = json.loads(_read(open_member(tar, "manifest.json"), "manifest.json"))[0]
        config, layers = image["Config"], image["Layers"]
    with _open(tar, config) as stream:
        data = _read(stream, config)
    if identity not in ("", digest, digest_of(data), *(listed for listed, _ in indexes)):
        raise ManifestError(
            f"the image archive has {digest or digest_of(data)}, expected {identity}",
            hint="Run the same command again: another process may have replaced the image.",
        )
    archive = ImageArchive(tar, digest, parse_config(data), tuple(layers))
    if archive.diff_ids and len(archive.diff_ids) != len(layers):
        raise ManifestError(f"not an image: it has {len(layers)} layers and {len(archive.diff_ids)} diff_ids")
    return archive


def _indexes(tar: tarfile.TarFile, platform: Platform) -> Iterator[tuple[str, Index]]:
    """The layout's index, and those that it leads to for ``platform``, each with its digest: the first has none."""
    digest, index = "", parse_index(read_object(tar, "index.json"))
    yield digest, index
    while index["manifests"] and is_index(entry := pick(index, platform)):
        digest = entry["digest"]
        index = parse_index(read_blob(tar, digest))
        yield digest, index


def find_index(tar: tarfile.TarFile, platform: Platform) -> tuple[str, Index]:
    """The index that lists the manifest for ``platform``, and its digest: empty if that is the layout's own index.

    :exc:`ManifestError` if there is no image for the platform, unless an index is empty.
    """
    *_, last = _indexes(tar, platform)
    return last


def blob_path(digest: str) -> str:
    """The path of a blob in an image layout."""
    return f"blobs/{digest.replace(':', '/')}"


def open_member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """The file ``name`` of the archive; :exc:`ManifestError` if there is no such file."""
    try:
        stream = tar.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise ManifestError(f"the image archive has no file {name}")
    return stream


def read_blob(tar: tarfile.TarFile, digest: str) -> bytes:
    """The bytes of a small blob of a layout; :exc:`ManifestError` if it is missing, too large, or has other bytes."""
    with open_blob(tar, digest) as stream:
        return _read(stream, digest)


def _read(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ManifestError(f"the image archive is damaged or hostile: {name} has more than {LARGEST:,} bytes")
    return data


def open_blob(tar: tarfile.TarFile, digest: str) -> IO[bytes]:
    """A blob of a layout; :exc:`ManifestError` if it is missing, or if it has changed where the engine stores it."""
    stream = open_member(tar, blob_path(digest))
    if not is_digest_of(stream, digest):
        raise ManifestError(
            f"the image archive is damaged: {digest} has other bytes",
            hint="If an engine saved it, remove the image there, and build it again.",
        )
    stream.seek(0)
    return stream


def read_object(tar: tarfile.TarFile, name: str) -> dict[str, object]:
    """The JSON object in the file ``name``; :exc:`ManifestError` if there is none, or if it is too large."""
    with open_member(tar, name) as stream:
        return parse_object(_read(stream, name))


def _open(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """The file ``name``; a blob of a layout is compared with the digest that is its name."""
    kind, _, digest = name.partition("/")
    digest = digest.replace("/", ":")
    return open_blob(tar, digest) if kind == "blobs" and is_digest(digest) else open_member(tar, name)


def open_layer(image: ImageArchive, name: str) -> AbstractContextManager[tarfile.TarFile]:
    """The tar in the layer ``name``, as a context manager; :exc:`bakery.tar.TarError` if it is not one.

    :exc:`BakeryError` if its bytes do not have the digest that is its name, or, at the end of the block, if they do not
    unpack to the digest in the configuration: an engine compares neither when it saves an image.
    """
    digests = {digest for layer, digest in zip(image.layers, image.diff_ids, strict=False) if layer == name}
    if len(digests) > 1 or not all(map(is_digest, digests)):
        raise ManifestError(f"not an image: {name} has no valid digest of its uncompressed bytes")
    return open_compressed_tar(_open(image.tar, name), digest="".join(digests))
