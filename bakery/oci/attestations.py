"""Adds an SBOM to BuildKit's attestations of an image, in the image layout that is about to be loaded.

The format is BuildKit's (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md): next
to the image's manifest, its index has one for the platform unknown/unknown whose layers are in-toto statements. The
image itself does not change: its manifest has the same digest with any attestations.
"""

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError
from bakery.oci.archives import blob_path, open_member, read_blob, read_object
from bakery.oci.layout import LayoutWriter
from bakery.oci.manifests import Descriptor, annotations_of, is_attestation, parse_config, parse_index, parse_manifest

SPDX = "https://spdx.dev/Document"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "in-toto.io/predicate-type"
METADATA = "https://mobyproject.org/buildkit@v1#metadata"


def attest(source: Path, target: Path, bill: Callable[[], Mapping[str, object]], repository: str) -> tuple[str, ...]:
    """Copy the layout in the tar ``source`` to ``target`` and add a statement with ``bill()``, an SPDX document.

    ``repository`` is this repository's URL, which replaces the remote of the builder's clone in the provenance.
    Returns the digests of the index's entries. Raises :exc:`BakeryError` if BuildKit attested nothing.
    """
    with tarfile.open(source) as layout, tarfile.open(target, "w") as out:
        editor = _Editor(layout, LayoutWriter(out), bill, repository)
        top = parse_index(read_object(layout, "index.json"))
        top["manifests"] = [editor.index(entry) for entry in top["manifests"]]
        for member in layout:
            if member.isfile() and member.name not in {*editor.replaced, "index.json", "oci-layout"}:
                editor.writer.file(member.name, open_member(layout, member.name))
        editor.writer.finish(top)
    return tuple(entry["digest"] for entry in top["manifests"])


class _Editor:
    """Writes the new index, attestation manifest and statements, and collects the blobs that they replace."""

    def __init__(
        self, layout: tarfile.TarFile, writer: LayoutWriter, bill: Callable[[], Mapping[str, object]], repository: str
    ) -> None:
        self.layout, self.writer, self.bill, self.repository = layout, writer, bill, repository
        self.replaced, self.indexes = set[str](), dict[str, Descriptor]()

    def replace(self, descriptor: Descriptor) -> bytes:
        """The content of a blob that is written in another form."""
        self.replaced.add(blob_path(descriptor["digest"]))
        return read_blob(self.layout, descriptor["digest"])

    def index(self, descriptor: Descriptor) -> Descriptor:
        """The new descriptor of an index; several names of an image share one index."""
        old = descriptor["digest"]
        if old not in self.indexes:
            content = parse_index(self.replace(descriptor))
            if not any(map(is_attestation, content["manifests"])):
                raise BakeryError("buildx attested nothing about the image: expected its provenance")
            content["manifests"] = [
                self.manifest(entry) if is_attestation(entry) else entry for entry in content["manifests"]
            ]
            self.indexes[old] = self.writer.json(content, descriptor["mediaType"])
        return {**descriptor, **self.indexes[old]}

    def manifest(self, descriptor: Descriptor) -> Descriptor:
        """The new descriptor of an attestation manifest."""
        manifest = parse_manifest(self.replace(descriptor))
        statements = [json.loads(self.replace(layer)) for layer in manifest["layers"]]
        for statement in statements:
            self.publish(statement)
        bill = {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": SPDX,
            "subject": statements[0]["subject"],
            "predicate": self.bill(),
        }
        annotations = [*(annotations_of(layer) for layer in manifest["layers"]), {PREDICATE: SPDX}]
        manifest["layers"] = [
            {**self.writer.json(statement, STATEMENT), "annotations": known}
            for statement, known in zip([*statements, bill], annotations, strict=True)
        ]
        config = parse_config(self.replace(manifest["config"]))
        config["rootfs"]["diff_ids"] = [layer["digest"] for layer in manifest["layers"]]
        manifest["config"] = {**manifest["config"], **self.writer.json(config, manifest["config"]["mediaType"])}
        return {**descriptor, **self.writer.json(manifest, descriptor["mediaType"])}

    def publish(self, statement: dict[str, Any]) -> None:
        """Remove the path of the builder's clone and its folders from a provenance; the commit stays."""
        metadata = statement.get("predicate", {}).get("metadata", {}).get(METADATA, {})
        if "vcs" in metadata:
            public = {"source": self.repository, "revision": metadata["vcs"].get("revision", "")}
            metadata["vcs"] = {key: value for key, value in public.items() if value}
