"""Adds a bill of materials to what BuildKit attests of an image, in the image layout that is going to be loaded.

The form is BuildKit's (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md): beside
the image's manifest, its index has one for the platform unknown/unknown whose layers are in-toto statements. Nothing of
the image itself changes, so that its manifest keeps its digest whatever is attested of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bakery.errors import BakeryError
from bakery.oci.archives import blob_path

__all__ = ["SPDX", "attest"]

SPDX = "https://spdx.dev/Document"
STATEMENT = "application/vnd.in-toto+json"
KIND = "in-toto.io/predicate-type"
METADATA = "https://mobyproject.org/buildkit@v1#metadata"


def attest(source: Path, target: Path, bill: Callable[[], dict[str, Any]], repository: str) -> tuple[str, ...]:
    """Write the layout in the tar ``source`` to ``target`` with ``bill()``, an SPDX document, as one more statement.

    ``repository`` is this repository's URL, which takes the place of the remote that the builder's clone has in the
    provenance. Returns the digests of the index' entries. :exc:`BakeryError` where BuildKit attested nothing.
    """
    with tarfile.open(source) as layout, tarfile.open(target, "w") as out:
        writer = _Writer(layout, bill, repository)
        top = json.loads(writer.read("index.json"))
        top["manifests"] = [writer.index(one) for one in top["manifests"]]
        for member in layout:
            if member.name not in writer.replaced and member.name != "index.json":
                out.addfile(member, layout.extractfile(member))
        for name, data in {**writer.new, "index.json": _json(top)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return tuple(one["digest"] for one in top["manifests"])


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


class _Writer:
    """Makes the new index, attestation manifest and statements; says which blobs they take the place of."""

    def __init__(self, layout: tarfile.TarFile, bill: Callable[[], dict[str, Any]], repository: str) -> None:
        self.layout, self.bill, self.repository = layout, bill, repository
        self.new, self.replaced, self.indexes = dict[str, bytes](), set[str](), dict[str, dict[str, Any]]()

    def read(self, name: str) -> bytes:
        stream = self.layout.extractfile(name)
        assert stream is not None
        return stream.read()

    def old(self, descriptor: dict[str, Any]) -> dict[str, Any]:
        """The content of a blob that something else is written for."""
        name = blob_path(descriptor["digest"])
        self.replaced.add(name)
        return dict(json.loads(self.read(name)))

    def put(self, descriptor: dict[str, Any], content: Any) -> dict[str, Any]:
        """``descriptor`` for new content, which is kept to be written."""
        data = _json(content)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.new[blob_path(digest)] = data
        return {**descriptor, "digest": digest, "size": len(data)}

    def index(self, descriptor: dict[str, Any]) -> dict[str, Any]:
        """The new descriptor of an index; several names of an image share one."""
        old = descriptor["digest"]
        if old not in self.indexes:
            content = self.old(descriptor)
            listed = content.get("manifests", [])
            if not any(map(_is_attestation, listed)):
                raise BakeryError("buildx attested nothing of the image: expected its provenance")
            content["manifests"] = [self.manifest(one) if _is_attestation(one) else one for one in listed]
            self.indexes[old] = self.put({}, content)
        return {**descriptor, **self.indexes[old]}

    def manifest(self, descriptor: dict[str, Any]) -> dict[str, Any]:
        """The new descriptor of an attestation manifest."""
        manifest = self.old(descriptor)
        statements = [self.old(layer) for layer in manifest["layers"]]
        for statement in statements:
            self.publish(statement)
        bill = {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": SPDX,
            "subject": statements[0]["subject"],
            "predicate": self.bill(),
        }
        annotations = [*(layer["annotations"] for layer in manifest["layers"]), {KIND: SPDX}]
        manifest["layers"] = [
            self.put({"mediaType": STATEMENT, "digest": "", "size": 0, "annotations": known}, statement)
            for statement, known in zip([*statements, bill], annotations, strict=True)
        ]
        config = self.old(manifest["config"])
        config["rootfs"]["diff_ids"] = [layer["digest"] for layer in manifest["layers"]]
        manifest["config"] = self.put(manifest["config"], config)
        return self.put(descriptor, manifest)

    def publish(self, statement: dict[str, Any]) -> None:
        """Take out of a provenance where the builder's clone and its folders lie; its commit stays."""
        found = statement.get("predicate", {}).get("metadata", {}).get(METADATA, {})
        if "vcs" in found:
            known = {"source": self.repository, "revision": found["vcs"].get("revision", "")}
            found["vcs"] = {key: value for key, value in known.items() if value}


def _is_attestation(descriptor: dict[str, Any]) -> bool:
    return bool(descriptor.get("annotations", {}).get("vnd.docker.reference.type") == "attestation-manifest")
