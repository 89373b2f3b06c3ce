"""Reads images from registries (https://distribution.github.io/distribution/).

Nothing is pulled unless a caller opens a blob: manifests and configurations are a few kilobytes. Reading works without
a login for public images; docker's own login is used if a registry requires one.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

from bakery import oci
from bakery.names import is_digest
from bakery.platforms import Platform
from bakery.redaction import shorten
from bakery.registry.errors import RegistryError, Unreachable
from bakery.registry.references import split_reference
from bakery.registry.transport import PAUSE, PULL, Answer, Transport

ERRORS = 3
"""After this many errors, a registry gets no more requests: a command may need dozens of images."""
ATTESTATIONS = 16
"""The most attestations of an image that are read; BuildKit makes one, with a statement for each predicate."""
ACCEPT = {"Accept": ", ".join(oci.ACCEPTED)}


@dataclass(frozen=True)
class RemoteImage:
    """An image for one platform as its registry describes it: only manifest and configuration were fetched."""

    reference: str
    host: str
    platform: Platform
    digest: str
    layers: tuple[oci.LayerSize, ...]
    config: oci.ImageConfig = field(hash=False)

    @property
    def compressed_bytes(self) -> int:
        """Bytes of all layers, as they are pulled."""
        return sum(layer.compressed_bytes for layer in self.layers)


def require_manifest(reference: str) -> None:
    """Raise :exc:`RegistryError` unless its registry has ``reference``, and under that digest if it names one."""
    tag = split_reference(reference)[2]
    # The caller can do without it, so do not wait for a busy registry.
    answer = Registry(patience=0).ask("HEAD", reference, f"manifests/{tag}")
    digest = str(answer.headers.get("Docker-Content-Digest", ""))
    if digest and (not is_digest(digest) or (is_digest(tag) and digest != tag)):
        raise RegistryError(f"{reference}: its registry answered with another digest: {shorten(digest, 100)!r}")


def platform_digest(reference: str, platform: Platform) -> str:
    """The digest of the manifest for ``platform`` in an index; :exc:`RegistryError` if it cannot be read."""
    host, path, tag = split_reference(reference)
    content, _ = Registry(patience=0).manifest(reference, tag)
    if not oci.is_index(content):
        raise RegistryError(f"{host} answered for {path} with something other than an image index")
    try:
        return oci.pick(oci.parse_index(content), platform)["digest"]
    except oci.ManifestError:
        raise RegistryError(f"{host} has no {path}:{tag} for {platform}") from None


@dataclass
class Registry:
    """Reads from any registry, with a token for each repository and a pause after each error.

    ``errors`` has the times of each host's errors, ``given_up`` the error that is raised for a host that cannot be
    reached or had :data:`ERRORS`.
    """

    patience: float = PULL.patience
    transports: dict[tuple[str, str], Transport] = field(default_factory=dict)
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    given_up: dict[str, Unreachable] = field(default_factory=dict)

    def platforms(self, reference: str) -> tuple[Platform, ...]:
        """The platforms of ``reference``, sorted; empty if neither an index nor a configuration names them."""
        content, _ = self.manifest(reference, split_reference(reference)[2])
        if oci.is_index(content):
            return tuple(sorted(filter(None, oci.platforms_of(oci.parse_index(content)))))
        config = self._config(reference, oci.parse_manifest(content)["config"])
        return (Platform.from_descriptor(config),) if config.get("architecture") else ()

    def image(self, reference: str, platform: Platform) -> RemoteImage:
        """The image for ``platform``; :exc:`RegistryError`, or :exc:`oci.ManifestError` if it has no such image."""
        host, _, tag = split_reference(reference)
        content, digest = self.manifest(reference, tag)
        if oci.is_index(content):
            digest = oci.pick(oci.parse_index(content), platform)["digest"]
            content, _ = self.manifest(reference, digest)
        manifest = oci.parse_manifest(content)
        config = self._config(reference, manifest["config"])
        # An index may list an image for one platform under another.
        if config and not f"{platform}/".startswith(f"{config.get('os')}/{config.get('architecture')}/"):
            actual = Platform.from_descriptor(config) or "no platform"
            raise oci.ManifestError(f"{reference} is an image for {actual}, not for {platform}")
        layers = oci.labelled(oci.layer_sizes(manifest), config)
        return RemoteImage(reference, host, platform, digest, layers, config)

    def attestation(self, image: RemoteImage, kind: str) -> bytes | None:
        """The predicate (JSON) of the type ``kind`` in the attestations of ``image``; ``None`` if there is none.

        Raises :exc:`RegistryError`, or :exc:`oci.ManifestError` if an attestation is not valid.
        """
        reference = image.reference
        content, _ = self.manifest(reference, split_reference(reference)[2])
        entries = oci.entries_for(oci.parse_index(content), image.platform)[1:] if oci.is_index(content) else []
        for entry in entries[:ATTESTATIONS]:
            manifest, _ = self.manifest(reference, entry["digest"])
            for layer in oci.parse_manifest(manifest)["layers"][:ATTESTATIONS]:
                if oci.annotations_of(layer).get(oci.PREDICATE) == kind:
                    statement = oci.statement_about(image.digest, self.read_blob(reference, layer))
                    if statement and statement[0] == kind:
                        return statement[1]
        return None

    def manifest(self, reference: str, name: str) -> tuple[dict[str, object], str]:
        """A manifest or an index by its tag or digest, and the digest of its bytes."""
        data = self.ask("GET", reference, f"manifests/{name}").body
        with self._transport(reference) as transport:
            if is_digest(name):
                transport.verified(data, name)
            try:
                content = oci.parse_object(data)
                (oci.parse_index if oci.is_index(content) else oci.parse_manifest)(content)
            except oci.ManifestError as error:
                message = f"{transport.host} answered with something other than a manifest: {error.message}"
                raise RegistryError(message) from None
            return content, name if is_digest(name) else oci.digest_of(data)

    def read_blob(self, reference: str, blob: oci.Descriptor) -> bytes:
        """A small blob, such as a configuration, verified; raises :exc:`RegistryError`."""
        with self._transport(reference) as transport:
            return transport.blob(blob["digest"], blob["size"])

    @contextmanager
    def open_blob(self, reference: str, digest: str, size: int) -> Iterator[IO[bytes]]:
        """A blob of ``size`` bytes in a temporary file, verified; raises :exc:`RegistryError`."""
        with self._transport(reference) as transport, transport.open(digest, size) as stream:
            yield stream

    def _config(self, reference: str, config: oci.Descriptor) -> oci.ImageConfig:
        """An image's configuration; empty if it cannot be read, because it only explains the manifest."""
        try:
            return oci.parse_config(self.read_blob(reference, config))
        except (RegistryError, oci.ManifestError):
            return {}

    def ask(self, verb: str, reference: str, resource: str) -> Answer:
        """The answer 200 for ``resource`` (``manifests/TAG``), else :exc:`RegistryError`.

        A host that is unreachable is not asked again.
        """
        with self._transport(reference) as transport:
            try:
                return transport.ask(verb, resource, headers=ACCEPT)
            except Unreachable as error:
                self.given_up[transport.host] = error
                raise

    @contextmanager
    def _transport(self, reference: str) -> Iterator[Transport]:
        """The transport to the registry of ``reference``; after an error, at most once a second."""
        host, path, _ = split_reference(reference)
        if host in self.given_up:
            raise self.given_up[host]
        errors = self.errors[host]
        if errors:
            time.sleep(max(0.0, errors[-1] + PAUSE - time.monotonic()))
        try:
            yield self.transports.setdefault((host, path), Transport(host, path, replace(PULL, patience=self.patience)))
        except RegistryError as error:
            if error.status != 404:  # not a fault: a registry need not have the image
                errors.append(time.monotonic())
            if len(errors) == ERRORS:
                message = f"{host} is not asked again after {ERRORS} errors; the last one: {error.message}"
                self.given_up.setdefault(host, Unreachable(message, hint=error.hint))
            raise
