"""One repository of a registry, to put images into: blobs, manifests and tags, each only where it is missing.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urljoin

from bakery.errors import PublishError
from bakery.oci import ACCEPTED, INDEX, digest_of, is_index
from bakery.registry.errors import Passing
from bakery.registry.transport import Wire

__all__ = ["Shelf"]

ACCEPT = {"Accept": ", ".join(ACCEPTED)}


@dataclass
class Shelf:
    """A repository behind its wire. Everything raises :exc:`PublishError` where the registry does not do it."""

    wire: Wire

    def check(self) -> None:
        """Ask for something that is not there: a login that is missing or wrong is told before any work is done."""
        self.wire.ask("HEAD", f"blobs/{digest_of(b'')}", good=(200, 404))

    def has_manifest(self, name: str) -> bool:
        """Whether a manifest is there by its digest."""
        return self.wire.ask("HEAD", f"manifests/{name}", headers=ACCEPT, good=(200, 404)).status == 200

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self.wire.ask("HEAD", f"blobs/{digest}", good=(200, 404)).status == 200

    def index(self, name: str) -> tuple[dict[str, Any], str] | None:
        """What a tag or digest stands for, and its digest; ``None`` where it is not there.

        A single image comes as an index of one, so that it can be merged with.
        """
        answer = self.wire.ask("GET", f"manifests/{name}", headers=ACCEPT, good=(200, 404))
        if answer.status == 404:
            return None
        content = self._parsed(answer.body)
        digest = digest_of(answer.body)
        return (content if is_index(content) else self._index_of_one(content, answer.body)), digest

    def _index_of_one(self, manifest: Mapping[str, Any], data: bytes) -> dict[str, Any]:
        try:
            config = self._parsed(self.wire.ask("GET", f"blobs/{manifest['config']['digest']}").body)
            platform = {"architecture": config["architecture"], "os": config["os"]}
            kind = str(manifest.get("mediaType") or ACCEPTED[2])
        except (LookupError, TypeError):
            raise PublishError(f"{self.wire.host}/{self.wire.path} holds something that is no image") from None
        entry = {"mediaType": kind, "digest": digest_of(data), "size": len(data), "platform": platform}
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            content = json.loads(data)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise PublishError(f"{self.wire.host} answered with something else than a manifest")
        return content

    def put_blob(self, digest: str, size: int, opened: Callable[[], IO[bytes]]) -> bool:
        """Upload a blob of ``size`` bytes; whether it was missing."""

        def upload() -> bool:
            # Asked at each try: what broke off may have arrived all the same.
            if self.wire.once("HEAD", f"blobs/{digest}", good=(200, 404)).status == 200:
                return False
            start = self.wire.once("POST", "blobs/uploads/", headers={"Content-Length": "0"}, good=(202,))
            where = urljoin(f"{self.wire.base}/", start.headers.get("Location", ""))
            where += f"{'&' if '?' in where else '?'}digest={digest}"
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            done = self.wire.once("PUT", where, headers=headers, body=opened, good=(201, 204, 404, 416))
            if done.status in (404, 416):
                lost = PublishError(f"{self.wire.host} forgets uploads of {self.wire.path} before they are finished")
                raise Passing("has lost the upload", lost)
            return True

        return self.wire.patiently(upload)

    def put_manifest(self, name: str, data: bytes, media_type: str) -> str:
        """Put a manifest or an index under a tag or its digest; return its digest."""
        digest = digest_of(data)
        headers = {"Content-Type": media_type}
        answer = self.wire.ask("PUT", f"manifests/{name}", headers=headers, body=data, good=(200, 201, 202))
        told = answer.headers.get("Docker-Content-Digest", digest)
        if told != digest:
            raise PublishError(f"{self.wire.host} keeps {name} under {told}, which is not the digest of what was sent")
        return digest
