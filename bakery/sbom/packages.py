"""Which packages an image has: as its registry's attestation says, else as dpkg's records in its layers do."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from bakery.catalog import Image
from bakery.engine import Engine
from bakery.files import spooled
from bakery.oci import SPDX, Overlay, contents_of, is_index, unpacked
from bakery.registry import Registry, Remote
from bakery.sbom.components import installed

__all__ = ["packages_in_engine", "packages_in_registry"]

RECORDS = re.compile(r"var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+")
WHOLE = "var/lib/dpkg/status"


def packages_in_engine(engine: Engine, image: Image, reference: str) -> dict[str, str] | None:
    """Versions by package of ``reference`` in the engine, ``None`` where it has no such image."""
    if engine.find(reference) is None:
        return None
    with spooled(engine.save(reference)) as spool:
        return _versions(dict(contents_of(spool, image.platform, RECORDS).files), image)


def packages_in_registry(registry: Registry, image: Image, reference: str) -> tuple[dict[str, str], str]:
    """Versions by package of ``reference`` in its registry, and where they were read.

    Raises :exc:`bakery.registry.client.RegistryUnavailable` and :exc:`bakery.oci.manifests.ManifestError`.
    """
    remote = registry.image(reference, image.platform)
    bill = _bill(registry, reference, remote.digest)
    if bill is not None:
        return _listed(bill), "its bill of materials"
    return _versions(_records(registry, remote), image), "its layers"


def _versions(files: dict[str, bytes], image: Image) -> dict[str, str]:
    return {one.name: one.version for one in installed(files, image.target.family, "")}


def _bill(registry: Registry, reference: str, digest: str) -> dict[str, Any] | None:
    """The SPDX document that is attested of the manifest ``digest``, where there is one."""
    index, _ = registry.manifest(reference, _tag(reference))
    for descriptor in index.get("manifests", []) if is_index(index) else []:
        if (descriptor.get("annotations") or {}).get("vnd.docker.reference.digest") != digest:
            continue
        manifest, _ = registry.manifest(reference, str(descriptor["digest"]))
        for layer in manifest.get("layers", []):
            if (layer.get("annotations") or {}).get("in-toto.io/predicate-type") == SPDX:
                _, data = registry.ask("GET", reference, f"blobs/{layer['digest']}")
                statement = json.loads(data)
                subjects = {one.get("digest", {}).get("sha256") for one in statement.get("subject", [])}
                if digest.removeprefix("sha256:") in subjects:
                    return dict(statement["predicate"])
    return None


def _tag(reference: str) -> str:
    return reference.rpartition("@")[2] if "@" in reference else reference.rpartition(":")[2]


def _listed(bill: dict[str, Any]) -> dict[str, str]:
    """The distribution's packages of a bill, by their package URLs."""
    found = {}
    for package in bill.get("packages", []):
        for one in package.get("externalRefs", []):
            match = re.match(r"pkg:deb/\w+/([^@]+)@([^?]+)", str(one.get("referenceLocator")))
            if match:
                found[unquote(match[1])] = unquote(match[2])
    return found


def _records(registry: Registry, remote: Remote) -> dict[str, bytes]:
    """Dpkg's records, from the top layer down until one has them whole."""
    found: dict[str, bytes] = {}
    for layer in reversed(remote.manifest.layers):
        overlay = Overlay(RECORDS)
        with registry.blob(remote.reference, layer.digest) as stream, unpacked(stream, layer.method) as tar:
            overlay.add(tar, tar)
        found = {**overlay.files, **found}
        if WHOLE in found:
            break
    return found
