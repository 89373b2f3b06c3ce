"""The distribution packages of an image: from its attested bill of materials, else from dpkg's status in its layers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from packageurl import PackageURL

from bakery.oci import SPDX, Overlay, entries_for, is_index, open_compressed_tar, parse_index, parse_manifest
from bakery.registry import Registry, RemoteImage
from bakery.sbom.components import STATUS, installed

__all__ = ["STATUS_FILES", "packages_in_registry", "versions_of"]

STATUS_FILES = re.compile(STATUS)
WHOLE_STATUS = "var/lib/dpkg/status"


def versions_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Versions by package according to dpkg's status files."""
    return {name: package.get("Version", "") for name, package in installed(files).items()}


def packages_in_registry(registry: Registry, remote: RemoteImage) -> tuple[dict[str, str], str]:
    """Versions by package of ``remote``, and where they were read.

    Raises :exc:`bakery.registry.errors.RegistryError` and :exc:`bakery.oci.manifests.ManifestError`.
    """
    bill = _attested_bill(registry, remote)
    if bill is not None:
        return _listed(bill), "its bill of materials"
    return versions_of(_status_files(registry, remote)), "its layers"


def _attested_bill(registry: Registry, remote: RemoteImage) -> Mapping[str, Any] | None:
    """The SPDX document that an attestation of the image contains, if there is one."""
    reference, digest = remote.reference, remote.digest
    tag = reference.rpartition("@" if "@" in reference else ":")[2]
    content, _ = registry.manifest(reference, tag)
    for attestation in entries_for(parse_index(content), remote.platform)[1:] if is_index(content) else []:
        manifest, _ = registry.manifest(reference, attestation["digest"])
        for layer in parse_manifest(manifest)["layers"]:
            if layer.get("annotations", {}).get("in-toto.io/predicate-type") == SPDX:
                statement = json.loads(registry.read_blob(reference, layer["digest"]))
                subjects = {subject.get("digest", {}).get("sha256") for subject in statement.get("subject", [])}
                if digest.removeprefix("sha256:") in subjects:
                    return dict(statement["predicate"])
    return None


def _listed(bill: Mapping[str, Any]) -> dict[str, str]:
    """The distribution packages in a bill, by their package URLs."""
    versions = {}
    for package in bill.get("packages", []):
        for reference in package.get("externalRefs", []):
            try:
                purl = PackageURL.from_string(str(reference.get("referenceLocator")))
            except ValueError:  # a CPE
                continue
            if purl.type == "deb" and purl.version:
                versions[purl.name] = purl.version
    return versions


def _status_files(registry: Registry, remote: RemoteImage) -> dict[str, bytes]:
    """Dpkg's status files, read from the top layer down until a layer has the whole status."""
    files: dict[str, bytes] = {}
    for layer in reversed(remote.manifest.layers):
        overlay = Overlay(STATUS_FILES)
        with registry.open_blob(remote.reference, layer.digest) as stream, open_compressed_tar(stream) as tar:
            overlay.add(tar)
        files = {**overlay.files, **files}
        if WHOLE_STATUS in files:
            break
    return files
