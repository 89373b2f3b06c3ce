"""Writes and checks OCI image layouts (https://specs.opencontainers.org/image-spec/image-layout/).

buildx accepts such a folder as a named context with any builder, local or remote, and identifies it by its digest.
"""

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from bakery.errors import BakeryError, InputError
from bakery.files import require_type, sha256_of
from bakery.oci.archives import blob_path
from bakery.oci.manifests import (
    CONFIG,
    INDEX,
    MANIFEST,
    Descriptor,
    ImageConfig,
    ImageManifest,
    Index,
    ManifestError,
    is_attestation,
    parse_config,
    parse_index,
    parse_manifest,
    pick,
    platforms_of,
)
from bakery.platforms import Platform
from bakery.regular_files import MEDIUM, SMALL, open_regular, read_regular
from bakery.tar import CHUNK, TOO_LARGE, open_compressed_tar, read_errors

GZIP_LEVEL = 6
VERSION = b'{"imageLayoutVersion":"1.0.0"}'
"""The file oci-layout."""
ROOT_BYTES = 10_000_000_000
"""Bytes of the largest root file system that is read; slim images have less than 0.1 GB."""


def to_json(content: Mapping[str, object]) -> bytes:
    """``content`` as JSON without white space, as this project writes all JSON that it identifies by a digest."""
    return json.dumps(content, separators=(",", ":")).encode()


def describe(data: bytes | IO[bytes], media_type: str) -> Descriptor:
    """The descriptor of a blob: bytes, or a seekable stream."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    stream.seek(0)
    digest = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"  # type: ignore[arg-type]
    return {"mediaType": media_type, "digest": digest, "size": stream.seek(0, io.SEEK_END)}


class LayoutWriter:
    """Writes an image layout into a folder or a tar: each file once, then the index.

    The same content gives the same bytes: nothing that depends on the time or the machine is written.
    """

    def __init__(self, target: Path | tarfile.TarFile) -> None:
        self.target, self.names = target, set[str]()

    def file(self, name: str, data: bytes | IO[bytes]) -> None:
        """Write the file ``name``, bytes or a seekable stream, unless it has been written already."""
        if name in self.names:
            return
        self.names.add(name)
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        member = tarfile.TarInfo(name)
        member.size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if isinstance(self.target, tarfile.TarFile):
            self.target.addfile(member, stream)
            return
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as copy:
            while chunk := stream.read(CHUNK):
                copy.write(chunk)

    def blob(self, data: bytes | IO[bytes], media_type: str) -> Descriptor:
        """Write a blob and return its descriptor."""
        descriptor = describe(data, media_type)
        self.file(blob_path(descriptor["digest"]), data)
        return descriptor

    def json(self, content: Mapping[str, object], media_type: str) -> Descriptor:
        """Write a manifest, an index, a configuration or a statement as a blob and return its descriptor."""
        return self.blob(to_json(content), media_type)

    def finish(self, index: Index) -> None:
        """Complete the layout: write ``index`` and the version of the format."""
        self.file("index.json", to_json(index))
        self.file("oci-layout", VERSION)


def write_layout(folder: Path, tar: IO[bytes], *, architecture: str, created: str) -> str:
    """Make ``folder`` an image layout with one gzip layer from the uncompressed ``tar``; return the manifest's digest.

    ``architecture`` as OCI spells it (amd64, arm64), ``created`` as RFC 3339. The same tar gives the same digest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    diff, writer, size = hashlib.sha256(), LayoutWriter(folder), 0
    with tempfile.TemporaryFile(dir=folder) as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=GZIP_LEVEL, mtime=0, filename="") as packed:
            while chunk := tar.read(CHUNK):
                size += len(chunk)
                require_size(size, "the root file system")
                diff.update(chunk)
                packed.write(chunk)
        layer = writer.blob(raw, "application/vnd.oci.image.layer.v1.tar+gzip")
    config: ImageConfig = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff.hexdigest()}"]},
        "history": [{"created": created, "created_by": "root file system from the distribution's archive"}],
    }
    manifest: ImageManifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": writer.json(config, CONFIG), "layers": [layer],
    }  # fmt: skip
    descriptor = writer.json(manifest, MANIFEST)
    writer.finish({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})
    return descriptor["digest"]


def layout_digest(folder: Path, platform: Platform | None = None) -> str:
    """The digest of the image of a layout, for ``platform`` if it lists one image for each platform.

    Raises :exc:`InputError` if ``folder`` is not a layout, or has no image for the platform, or several.
    """
    try:
        index = parse_index(read_regular(folder / "index.json", MEDIUM))
        first, *others = dict.fromkeys(manifest["digest"] for manifest in index["manifests"])
    except (OSError, ManifestError, ValueError):
        raise InputError(f"{folder} is not an OCI image layout: expected index.json with a manifest in it") from None
    if not others:  # skopeo gives any image the platform of its own machine
        return first
    images = {manifest["digest"] for manifest in index["manifests"] if not is_attestation(manifest)}
    if len(images) == len(platforms_of(index)):
        try:
            return pick(index, platform or Platform(""))["digest"]
        except ManifestError as error:
            raise InputError(f"{folder}: {error.message}") from None
    raise InputError(
        f"{folder} has {len(images)} images in its index.json: expected one, or one for each platform",
        hint=f"Copy one of them to a new layout: skopeo copy oci:{folder}:TAG oci:NEW-FOLDER",
    )


def verified(folder: Path, architecture: str) -> str:
    """The digest of the image of a layout from :func:`write_layout`; empty if a file is missing or was changed.

    It must be for this ``architecture``, as OCI spells it.
    """
    try:
        present = [require_type(folder / name) for name in ("index.json", "oci-layout")]
        digest = layout_digest(folder)
        require_type(folder / blob_path(digest))
        manifest = parse_manifest(read_regular(folder / blob_path(digest), MEDIUM))
        config = manifest["config"]["digest"]
        for blob in (digest, config, *(layer["digest"] for layer in manifest["layers"])):
            path = folder / blob_path(blob)
            if not require_type(path) or f"sha256:{sha256_of(path, ROOT_BYTES)}" != blob:
                return ""
        matches = parse_config(read_regular(folder / blob_path(config), MEDIUM)).get("architecture") == architecture
        return digest if matches and all(present) and read_regular(folder / "oci-layout", SMALL) == VERSION else ""
    except (BakeryError, OSError):
        return ""


def require_size(size: int, name: object) -> None:
    """Raise :exc:`InputError` if ``size`` bytes are more than any distribution's root file system has."""
    if size > ROOT_BYTES:
        raise InputError(f"{name} has {size:,} bytes: expected a root file system of at most {ROOT_BYTES:,}")


def check_root_file_system(tar: Path) -> None:
    """Raise :exc:`InputError` unless ``tar`` can be read to its end and is a root file system (it has ``etc``)."""
    try:
        with open_compressed_tar(open_regular(tar), whole=True, largest=ROOT_BYTES) as members:
            names = {PurePosixPath(member.name).parts[:1] for member in members}
    except read_errors() as error:
        if TOO_LARGE in str(error):
            limit = f"expected a root file system of at most {ROOT_BYTES:,} bytes and 300,000 files"
            raise InputError(f"{tar} has too many files, too long names, or too much data: {limit}") from None
        raise InputError(
            f"{tar} is not a tar file, or ends too early: {error}",
            hint="Expected a root file system as .tar, .tar.gz, .tar.bz2, .tar.xz or .tar.zst.",
        ) from None
    if ("etc",) not in names:
        raise InputError(
            f"{tar} is not a root file system: it has no etc",
            hint="What `docker save` writes is an image: pass --base=IMAGE, or use `docker export` of a container.",
        )
