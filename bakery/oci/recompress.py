"""Recompresses the layers of a built image: reads an OCI image layout, writes the same images with smaller layers.

buildx has no zstd level above about 11 of the reference library's 19: for the default image of 3.13 on bookworm, gzip
makes 43.0 MB, buildx's ``compression-level=22`` 34.3 MB, and level 19 30.3 MB. The content does not change: the digests
of uncompressed layers (diff_id) stay the same, except for a twin's :data:`MARK`. In a configuration, only the time of
creation changes: BuildKit keeps the base's, and the image's own is in its label. Manifests, and what refers to them,
are updated. The same input gives the same bytes with the same version of the library. Compressed layers are cached by
diff_id, so a base is compressed once per machine.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bakery.compression import Compression
from bakery.errors import BakeryError
from bakery.files import Tell, disk_full, require_type, sha256_of, staged_file
from bakery.oci.archives import blob_path, open_member, read_blob, read_object
from bakery.oci.attestations import PREDICATE, STATEMENT, Publication
from bakery.oci.compression import compressed, library_of
from bakery.oci.indexes import EXPORT_TIME, SUBJECT, TAG
from bakery.oci.layout import LayoutWriter, require_size, to_json
from bakery.oci.manifests import (
    CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    Descriptor,
    ImageManifest,
    annotations_of,
    is_attestation,
    is_index,
    labels_of,
    parse_config,
    parse_index,
    parse_manifest,
    parse_object,
)
from bakery.tar import CHUNK, decompressed, method_of, open_archive, read_errors

MARK = bytes(2 * tarfile.BLOCKSIZE)
"""Ends the last layer of a twin: BuildKit identifies a base by its diff_ids and would mix up the two compressions."""
LAYER = "application/vnd.oci.image.layer.v1.tar"
ANNOTATION = "org.opencontainers.image."
OCI_TYPES = {DOCKER_INDEX: INDEX, DOCKER_MANIFEST: MANIFEST, "application/vnd.docker.container.image.v1+json": CONFIG}
"""Docker's media types do not cover zstd; OCI's equivalents do."""


@dataclass(frozen=True)
class LayerCache:
    """Compressed layers in ``folder``, by compression, digest of their content, and digest of their bytes.

    Both digests are checked at each use: the same content can be compressed to other bytes, which may even hide data.
    """

    folder: Path
    tell: Tell

    def open(self, packed: Path, method: str, diff_id: str, end: bytes) -> tuple[IO[bytes], str] | None:
        """The cached file of ``packed`` that is the layer ``diff_id`` followed by ``end``, compressed by ``method``.

        Also returns the digest of the layer and ``end`` together. Damaged files are reported and removed.
        """
        for file in sorted(packed.parent.glob(f"{packed.name}.*")):
            if opened := self._checked(file, method, diff_id, end):
                return opened
            if not file.is_dir():
                file.unlink(missing_ok=True)
        return None

    def _checked(self, packed: Path, method: str, diff_id: str, end: bytes) -> tuple[IO[bytes], str] | None:
        stream = None
        try:
            require_type(packed)
            # Without a buffer: reading from the duplicated descriptor moves the position of both.
            stream = packed.open("rb", buffering=0)
            packing = method_of(stream.read(8))
            stream.seek(0)
            content, size, tail = hashlib.sha256(), 0, b""
            with decompressed(os.fdopen(os.dup(stream.fileno()), "rb")) as opened:
                while chunk := opened.read(CHUNK):
                    size, tail = size + len(chunk), tail + chunk
                    require_size(size, packed)
                    split = max(len(tail) - len(end), 0)
                    content.update(tail[:split])
                    tail = tail[split:]
            # gzip's last four bytes are its content's size. Python's gzip ignores zeros that follow; Go's does not.
            stream.seek(-4, os.SEEK_END)
            complete = method != "gzip" or stream.read() == (size % 2**32).to_bytes(4, "little")
            actual = f"sha256:{content.hexdigest()}"
            problem = f"expected {diff_id} in {method}, found {actual} in {packing}"
            if (actual, tail, packing, complete) == (diff_id, end, method, True):
                content.update(end)
                stream.seek(0)
                if packed.suffix == f".{hashlib.file_digest(stream, 'sha256').hexdigest()}":
                    return stream, f"sha256:{content.hexdigest()}"
                problem = "its bytes do not have the digest in its name"
        except BakeryError as error:
            problem = error.message
        except read_errors() as error:
            problem = repr(error)
        if stream:
            stream.close()
        self.tell(f"{packed}: damaged in the cache: {problem}; compressing the layer again")
        return None


def recompress(
    source: Path,
    target: Path,
    compression: Compression,
    cache: LayerCache,
    publication: Publication | None = None,
    tags: Collection[str] = (),
) -> tuple[str, ...]:
    """Write the image layout in the tar ``source`` to the tar ``target`` with its layers compressed by ``compression``.

    Compressed layers are cached in ``cache``. With a ``publication``, attestations are completed by it; the image's
    manifest stays the same. With ``tags``, other entries of the index are left out. Returns the digests of the index's
    entries. Raises :exc:`BakeryError` if a layer is damaged or does not have the content that its image's configuration
    records, or if there is no attestation to complete.
    """
    with source.open("rb") as stream, open_archive(stream) as layout, tarfile.open(target, "w") as out:
        copier = _Copier(layout, LayoutWriter(out), compression, cache, publication)
        index = parse_index(read_object(layout, "index.json"))
        entries = (entry for entry in index["manifests"] if not tags or annotations_of(entry).get(TAG) in tags)
        index["manifests"] = [copier.entry(entry) for entry in entries]
        if publication and not copier.attested:
            raise BakeryError("the build has no attestation: expected provenance from buildx")
        copier.writer.finish(index)
    return tuple(entry["digest"] for entry in index["manifests"])


class _Copier:
    """Copies index entries and everything that they refer to from one layout to another, each blob once."""

    def __init__(
        self, layout: tarfile.TarFile, writer: LayoutWriter, compression: Compression, cache: LayerCache,
        publication: Publication | None,
    ) -> None:  # fmt: skip
        self.layout, self.writer, self.compression, self.publication = layout, writer, compression, publication
        library = library_of(compression.method, compression.level)
        self.cache, self.folder = cache, cache.folder / f"{compression.method}-{library}-{compression.level}"
        self.written, self.attested = dict[str, Descriptor](), False

    def entry(self, descriptor: Descriptor) -> Descriptor:
        """The new descriptor of an index or a manifest; everything that it refers to is written."""
        old, media_type = descriptor["digest"], OCI_TYPES.get(descriptor["mediaType"], descriptor["mediaType"])
        annotations = {key: value for key, value in annotations_of(descriptor).items() if key != EXPORT_TIME}
        subject = annotations.get(SUBJECT, "")
        if subject in self.written:
            annotations[SUBJECT] = self.written[subject]["digest"]
        if old not in self.written:
            content = {**parse_object(read_blob(self.layout, old)), "mediaType": media_type}
            if is_index(content):
                index = parse_index(content)
                # An attestation names the digest of its image, so images come first; the order in the index stays.
                new = {entry["digest"]: self.entry(entry) for entry in sorted(index["manifests"], key=is_attestation)}
                content["manifests"] = [new[entry["digest"]] for entry in index["manifests"]]
            elif is_attestation(descriptor):
                content = {**self.attestation(parse_manifest(content), subject, annotations.get(SUBJECT, ""))}
            else:
                content = {**self.image(parse_manifest(content))}
            self.written[old] = self.writer.json(content, media_type)
        descriptor = {**descriptor, **self.written[old]}
        return {**descriptor, "annotations": annotations} if annotations_of(descriptor) else descriptor

    def image(self, manifest: ImageManifest) -> ImageManifest:
        """``manifest`` with recompressed layers."""
        config = manifest["config"]
        data = read_blob(self.layout, config["digest"])
        content = parse_config(data)
        diff_ids = content["rootfs"]["diff_ids"]
        last, end = len(diff_ids) - 1, MARK if self.compression.marked else b""
        for number, (layer, diff_id) in enumerate(zip(manifest["layers"], diff_ids, strict=True)):
            manifest["layers"][number], diff_ids[number] = self.layer(layer, diff_id, end if number == last else b"")
        labels = labels_of(content)
        if created := labels.get(f"{ANNOTATION}created"):
            content["created"] = created
        if created or (end and diff_ids):
            data = to_json(content)
        media_type = OCI_TYPES.get(config["mediaType"], config["mediaType"])
        manifest["config"] = {**config, **self.writer.blob(data, media_type)}
        # What a registry shows without fetching the configuration: the same names as the labels.
        annotations = {name: value for name, value in labels.items() if name.startswith(ANNOTATION)}
        if annotations:
            manifest["annotations"] = {**annotations_of(manifest), **annotations}
        return manifest

    def layer(self, descriptor: Descriptor, diff_id: str, end: bytes) -> tuple[Descriptor, str]:
        """The new descriptor and diff_id of a layer: the content with the digest ``diff_id``, followed by ``end``."""
        if descriptor.get("urls"):  # stored elsewhere, under a licence that forbids distribution
            return descriptor, diff_id
        packed = self.folder / f"{diff_id.removeprefix('sha256:')}{'-marked' if end else ''}"
        cached = self.cache.open(packed, self.compression.method, diff_id, end)
        if cached is None:
            file, new = self.compress(packed, descriptor["digest"], diff_id, end)
            cached = file.open("rb"), new
        stream, new = cached
        with stream:
            return {**descriptor, **self.writer.blob(stream, f"{LAYER}+{self.compression.method}")}, new

    def compress(self, packed: Path, digest: str, diff_id: str, end: bytes) -> tuple[Path, str]:
        """Cache the layer ``digest`` and ``end`` as ``packed``, completely or not at all, and read it back to check it.

        Returns the file, whose name ends in the digest of its bytes, and the digest of the content.
        """
        content = hashlib.sha256()

        def chunks() -> Iterator[bytes]:
            try:
                with decompressed(open_member(self.layout, blob_path(digest))) as stream:
                    while chunk := stream.read(CHUNK):
                        content.update(chunk)
                        yield chunk
            except read_errors() as error:
                raise BakeryError(f"layer {digest} cannot be decompressed: {error!r}") from None
            if (actual := f"sha256:{content.hexdigest()}") != diff_id:
                raise BakeryError(f"layer {digest} unpacks to {actual}; its image's configuration says {diff_id}")
            content.update(end)
            yield end

        self.folder.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=self.folder)
        with disk_full(self.folder), partial as stage:
            file = Path(stage, packed.name)
            with staged_file(file) as raw:
                raw.writelines(compressed(chunks(), self.compression.method, self.compression.level))
            new = f"sha256:{content.hexdigest()}"
            with decompressed(file.open("rb")) as stream:
                read_back = hashlib.file_digest(stream, "sha256").hexdigest()
            if new != f"sha256:{read_back}":
                raise BakeryError(f"layer {digest} is not the same after {self.compression} has compressed it")
            return file.replace(packed.with_name(f"{packed.name}.{sha256_of(file)}")), new

    def attestation(self, manifest: ImageManifest, old: str, new: str) -> ImageManifest:
        """``manifest`` with its statements about the image ``new`` instead of ``old``, completed by the publication."""
        subject: object = []
        for number, layer in enumerate(manifest["layers"]):
            data = read_blob(self.layout, layer["digest"])
            if layer["mediaType"] == STATEMENT:
                data = data.replace(old.removeprefix("sha256:").encode(), new.removeprefix("sha256:").encode())
                statement = parse_object(data)
                if self.publication:
                    self.publication.complete(statement)
                data, subject = to_json(statement), statement["subject"]
            manifest["layers"][number] = {**layer, **self.writer.blob(data, layer["mediaType"])}
        if self.publication:
            for kind, statement in self.publication.statements(subject).items():
                blob = self.writer.json(statement, STATEMENT)
                manifest["layers"].append({**blob, "annotations": {PREDICATE: kind}})
            self.attested = True
        config = parse_config(read_blob(self.layout, manifest["config"]["digest"]))
        if "diff_ids" in config.get("rootfs", {}):
            config["rootfs"]["diff_ids"] = [layer["digest"] for layer in manifest["layers"]]
        manifest["config"] = {**manifest["config"], **self.writer.json(config, manifest["config"]["mediaType"])}
        return manifest
