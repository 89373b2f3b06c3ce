"""Manifests, indexes, image layouts and archives as the OCI image specification defines them."""

from bakery.oci.archives import (
    CHUNK,
    ImageArchive,
    blob_path,
    image_archive,
    method_of,
    open_layer,
    open_member,
    unpacked,
)
from bakery.oci.attestations import SPDX, attest
from bakery.oci.contents import Contents, Overlay, contents_of
from bakery.oci.indexes import INDEX, digest_of, entries_for, index_bytes, merged
from bakery.oci.layout import check_root_file_system, is_whole, layout_digest, open_tar, write_layout
from bakery.oci.manifests import (
    ACCEPTED,
    LayerSize,
    Manifest,
    ManifestError,
    is_index,
    labelled,
    manifest_of,
    pick,
    platforms_of,
)
from bakery.oci.recompress import recompress

__all__ = [
    "ACCEPTED", "CHUNK", "INDEX", "SPDX", "Contents", "ImageArchive", "LayerSize", "Manifest", "ManifestError",
    "Overlay", "attest", "blob_path", "check_root_file_system", "contents_of", "digest_of", "entries_for",
    "image_archive", "index_bytes", "is_index", "is_whole", "labelled", "layout_digest", "manifest_of", "merged",
    "method_of", "open_layer", "open_member", "open_tar", "pick", "platforms_of", "recompress", "unpacked",
    "write_layout",
]  # fmt: skip
