"""Manifests, indexes, image layouts and archives as the OCI image specification defines them."""

from bakery.oci.archives import (
    ImageArchive,
    archive_errors,
    find_index,
    image_archive,
    open_blob,
    open_layer,
    open_member,
    read_blob,
)
from bakery.oci.attestations import PACKAGES, PREDICATE, SPDX, STATEMENT, Origin, Publication, statement_about
from bakery.oci.compression import Compressor, compressor
from bakery.oci.contents import Contents, Overlay, contents_of
from bakery.oci.indexes import digest_of, entries_for, merged
from bakery.oci.layout import (
    check_root_file_system,
    describe,
    layout_digest,
    require_size,
    to_json,
    verified,
    write_layout,
)
from bakery.oci.manifests import (
    ACCEPTED,
    INDEX,
    MANIFEST,
    Descriptor,
    ImageConfig,
    ImageManifest,
    Index,
    LayerSize,
    ManifestError,
    PlatformFields,
    annotations_of,
    is_index,
    labelled,
    labels_of,
    layer_sizes,
    parse_config,
    parse_index,
    parse_manifest,
    parse_object,
    pick,
    platforms_of,
    require_complete,
)
from bakery.oci.recompress import LayerCache, recompress
