"""Writes to one repository of a registry: blobs, manifests and tags, each only if it is missing.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO
from urllib.parse import urldefrag, urljoin

from bakery import oci
from bakery.names import is_digest
from bakery.redaction import shorten
from bakery.registry.client import ACCEPT
from bakery.registry.errors import ContentError, RegistryError
from bakery.registry.transport import Answer, Transport


@dataclass
class Repository:
    """A repository to push to. All methods raise :exc:`RegistryError` if the registry refuses."""

    transport: Transport

    def check(self) -> None:
        """Ask for a blob that does not exist: a missing or wrong login is reported before any work is done."""
        self.has_blob(oci.digest_of(b""))

    def has_manifest(self, name: str) -> bool:
        """Whether the registry has a manifest under this tag or digest."""
        return self.transport.ask("HEAD", f"manifests/{name}", headers=ACCEPT, good=(200, 404)).status == 200

    def manifest(self, entry: oci.Descriptor) -> oci.ImageManifest:
        """The manifest that ``entry`` describes; :exc:`RegistryError` unless digest, size and media type match."""
        name, kind = f"manifests/{entry['digest']}", entry["mediaType"]
        answer = self.transport.ask("GET", name, headers=ACCEPT, good=(200, 404))
        if answer.status == 404:
            raise ContentError(f"{self.transport.host} does not have {entry['digest']}: push it first")
        self.transport.verified(answer.body, entry["digest"], entry["size"])
        manifest = oci.parse_manifest(answer.body)
        actual = manifest.get("mediaType") or answer.headers.get("Content-Type", "")
        if actual.partition(";")[0].strip() != kind:
            raise ContentError(
                f"{self.transport.host} has {entry['digest']} as {shorten(actual, 100)!r}, expected {kind}"
            )
        return manifest

    def has_blob(self, digest: str) -> bool:
        """Whether the registry has a blob."""
        return self.transport.ask("HEAD", f"blobs/{digest}", good=(200, 404)).status == 200

    def index(self, name: str) -> tuple[oci.Index, str] | None:
        """The index of a tag or digest, and its digest; ``None`` if missing. A single image becomes an index."""
        answer = self.transport.ask("GET", f"manifests/{name}", headers=ACCEPT, good=(200, 404))
        if answer.status == 404:
            return None
        if is_digest(name):
            self.transport.verified(answer.body, name)
        try:
            content = oci.parse_object(answer.body)
            index = oci.parse_index(content) if oci.is_index(content) else self._index_of_image(content, answer.body)
        except (oci.ManifestError, KeyError) as error:
            where = f"{self.transport.host}/{self.transport.path}"
            raise RegistryError(f"{where} has something other than an image under {name}: {error}") from None
        return index, oci.digest_of(answer.body)

    def statements(self, attestation: oci.ImageManifest, image: str) -> Iterator[tuple[str, bytes]]:
        """The type and the predicate (JSON) of each in-toto statement about the image with this digest.

        Raises :exc:`ContentError` if ``attestation`` has none, or anything else.
        """
        for layer in attestation["layers"]:
            name = f"{self.transport.host}: {layer['digest']}"
            if layer["mediaType"] != oci.STATEMENT:
                kind = shorten(layer["mediaType"], 100)
                raise ContentError(f"{name} is {kind!r} in an attestation: expected {oci.STATEMENT}")
            statement = oci.statement_about(image, self.transport.blob(layer["digest"], layer["size"]))
            if statement is None:
                raise ContentError(f"{name} is a statement about another image than {image}")
            if (stated := oci.annotations_of(layer).get(oci.PREDICATE, "")) != statement[0]:
                raise ContentError(f"{name} is of the type {statement[0]}, in its manifest {shorten(stated, 100)!r}")
            yield statement
        if not attestation["layers"]:
            raise ContentError(f"{self.transport.host}: an attestation of {image} has no statement")

    def image(self, entries: Sequence[oci.Descriptor]) -> tuple[oci.ImageManifest, oci.ImageConfig]:
        """The manifest and the configuration of an image, the first of ``entries``; the others are its attestations.

        Raises :exc:`ContentError` unless the registry has all of it, engines can run it, and statements are about it.
        """
        manifest, *attestations = map(self.manifest, entries)
        config, digest = self.config(manifest), entries[0]["digest"]
        try:
            oci.require_complete(manifest, config)
        except oci.ManifestError as error:
            raise ContentError(
                f"{digest} cannot be published: {error.message}", hint="Build it again, then push it."
            ) from None
        for layer in manifest["layers"]:
            if not self.transport.retried(partial(self._is_stored, layer["digest"], layer["size"])):
                raise ContentError(f"{self.transport.host} does not have {layer['digest']}: push it first")
        for attestation in attestations:
            list(self.statements(attestation, digest))
        return manifest, config

    def config(self, manifest: oci.ImageManifest) -> oci.ImageConfig:
        """The configuration of the image with this ``manifest``."""
        config = manifest["config"]
        return oci.parse_config(self.transport.blob(config["digest"], config["size"]))

    def _index_of_image(self, content: dict[str, object], data: bytes) -> oci.Index:
        manifest = oci.parse_manifest(content)
        config = self.config(manifest)
        platform: oci.PlatformFields = {"architecture": config["architecture"], "os": config["os"]}
        if variant := config.get("variant"):
            platform["variant"] = variant
        return oci.merged(
            None, [{**oci.describe(data, manifest.get("mediaType") or oci.MANIFEST), "platform": platform}]
        )

    def put_blob(self, digest: str, size: int, open_blob: Callable[[], IO[bytes]]) -> bool:
        """Upload a blob of ``size`` bytes unless the registry has it; returns whether it was missing."""

        def upload() -> bool:
            # Checked before each attempt: an upload whose connection broke may have been completed.
            if self._is_stored(digest, size):
                return False
            start = self.transport.once("POST", "blobs/uploads/", headers={"Content-Length": "0"}, good=(202,))
            location = start.headers.get("Location", "")
            try:
                if not location:
                    raise ValueError
                url = urldefrag(urljoin(f"{self.transport.base}/", location)).url
            except ValueError:
                raise RegistryError(f"{self.transport.host} directs the upload to an invalid URL") from None
            secure = self.transport.base.startswith("https:")
            if not url.startswith("https://" if secure else ("https://", "http://")):
                raise RegistryError(f"{self.transport.host} directs the upload to a protocol other than https")
            url += f"{'&' if '?' in url else '?'}digest={digest}"
            # requests sets Content-Length to what it sends; a manifest may state another size.
            headers = {"Content-Type": "application/octet-stream"}
            done = self.transport.once("PUT", url, headers=headers, body=open_blob, good=(201, 204, 404, 416))
            if done.status in (404, 416):
                raise RegistryError(
                    f"{self.transport.host} loses uploads to {self.transport.path} before they are complete",
                    transient="lost the upload",
                )
            self._require_stored(done, digest)
            if not self._is_stored(digest, size):  # not every registry refuses a manifest whose layers it does not have
                raise RegistryError(
                    f"{self.transport.host} confirmed the upload of {digest}, but does not have it",
                    hint="The registry is at fault: report it to its operator.",
                    transient="has not stored an upload that it confirmed",
                )
            return True

        return self.transport.retried(upload)

    def _is_stored(self, digest: str, size: int) -> bool:
        """Whether the registry has a blob, of these bytes as far as it reports them; asked once, without retries."""
        existing = self.transport.once("HEAD", f"blobs/{digest}", good=(200, 404))
        if existing.status == 404:
            return False
        self._require_stored(existing, digest)
        if (stored := existing.headers.get("Content-Length", "0")) not in ("0", str(size)):
            raise ContentError(f"{self.transport.host} has {digest} with {stored} bytes, expected {size}")
        return True

    def put_manifest(self, name: str, data: bytes, media_type: str) -> None:
        """Put a manifest or an index under a tag, which is read back, or under its digest."""
        digest, headers = oci.digest_of(data), {"Content-Type": media_type}
        answer = self.transport.ask("PUT", f"manifests/{name}", headers=headers, body=data, good=(200, 201, 202))
        self._require_stored(answer, digest)
        # Pushes to a digest are checked before a tag refers to it. The specification requires 201; login pages answer
        # 200.
        if answer.status == 200 or not is_digest(name):
            stored = self.transport.ask("GET", f"manifests/{name}", headers=ACCEPT, good=(200, 404))
            actual = "nothing" if stored.status == 404 else oci.digest_of(stored.body)
            if actual != digest:
                raise RegistryError(
                    f"{self.transport.host} confirmed {name}, but has {actual} there; expected {digest}",
                    hint="Another push may have set it at the same time. If not, the registry is at fault: report it "
                    "to its operator.",
                )

    def _require_stored(self, answer: Answer, digest: str) -> None:
        """Raise :exc:`RegistryError` if the registry reports another digest than ``digest``."""
        if (stored := answer.headers.get("Docker-Content-Digest") or digest) != digest:
            problem = f"{self.transport.host} reports the digest {shorten(stored, 100)!r}, expected {digest}"
            raise RegistryError(problem, hint="The registry is at fault: report it to its operator.")
