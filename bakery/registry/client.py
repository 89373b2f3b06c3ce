"""Asks registries about images, by the distribution protocol (https://distribution.github.io/distribution/).

Nothing is pulled: manifests and configurations are a few kilobytes. The client is anonymous, which public images and
Docker Hub allow.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bakery.catalog import Platform
from bakery.oci import ACCEPTED, Manifest, ManifestError, is_index, labelled, manifest_of, pick, platforms_of

__all__ = ["Registry", "RegistryUnavailable", "Remote", "manifest_digest", "platform_digest", "split_reference"]

TIMEOUT = (3.0, 10.0)
"""Seconds to connect, and to answer. A registry that is not there must not hold up a build that can do without."""
PATIENCE = 20.0
"""Seconds that an image may be waited for where a registry asks for patience (429, 503 with Retry-After)."""
PAUSE = 1.0
"""Seconds to the second try where it does not say how long; doubled for each further one."""
LARGEST = 8 << 20
"""Bytes of the largest manifest or configuration that is read; registries themselves take 4 MiB."""


class RegistryUnavailable(Exception):
    """The registry did not answer, or not for this image; the message says which."""


@dataclass(frozen=True)
class Remote:
    """An image as its registry has it for one platform: nothing of it was pulled but manifest and configuration."""

    reference: str
    host: str
    platform: Platform
    digest: str
    manifest: Manifest
    config: Mapping[str, Any] = field(hash=False)


def split_reference(reference: str) -> tuple[str, str, str]:
    """Registry host, repository, and tag or digest of ``reference`` as docker reads it: ``debian:bookworm-slim``."""
    name, _, digest = reference.partition("@")
    name, _, tag = name.rpartition(":") if re.search(r":[^/]*$", name) else (name, "", "latest")
    host, slash, path = name.partition("/")
    if not slash or not (re.search(r"[.:]", host) or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    return ("registry-1.docker.io" if host == "docker.io" else host), path, digest or tag


def manifest_digest(reference: str) -> str:
    """The digest under which the registry has ``reference``; :exc:`RegistryUnavailable` where it cannot be had."""
    _, _, tag = split_reference(reference)
    # Whoever asks for this can do without: a busy registry is not waited for.
    headers, _ = Registry(patience=0).ask("HEAD", reference, f"manifests/{tag}")
    return str(headers.get("Docker-Content-Digest", tag if tag.startswith("sha256:") else ""))


def platform_digest(reference: str, platform: Platform) -> str:
    """The digest of the manifest that ``reference``'s index names for ``platform``, such as ``linux/arm64``.

    :exc:`RegistryUnavailable` where it cannot be had.
    """
    host, path, tag = split_reference(reference)
    content, _ = Registry(patience=0).manifest(reference, tag)
    if not is_index(content):
        raise RegistryUnavailable(f"{host} answered for {path} with something else than an image index")
    try:
        return str(pick(content, platform)["digest"])
    except (ManifestError, LookupError):
        raise RegistryUnavailable(f"{host} has no {path}:{tag} for {platform}") from None


@dataclass
class Registry:
    """A client that keeps what it learns: a token for each repository, and which hosts cannot be reached."""

    patience: float = PATIENCE
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)

    def platforms(self, reference: str) -> tuple[Platform, ...]:
        """The platforms that ``reference`` is there for, sorted; empty where it is a single image that says none."""
        content, _ = self.manifest(reference, split_reference(reference)[2])
        return tuple(sorted(name for name in platforms_of(content) if name)) if is_index(content) else ()

    def image(self, reference: str, platform: Platform) -> Remote:
        """``reference`` for ``platform``, with the exact size of each layer.

        Raises :exc:`RegistryUnavailable` where it cannot be had and :exc:`bakery.oci.manifests.ManifestError` where the
        registry answers but has no such image.
        """
        host, _, tag = split_reference(reference)
        content, digest = self.manifest(reference, tag)
        single = not is_index(content)
        if not single:
            digest = str(pick(content, platform)["digest"])
            content, _ = self.manifest(reference, digest)
        manifest = manifest_of(content)
        config = self._config(reference, manifest.config)
        found = f"{config.get('os')}/{config.get('architecture')}"
        if single and config and found != platform:
            raise ManifestError(f"{reference} is an image for {found}, not for {platform}")
        named = Manifest(manifest.config, labelled(manifest.layers, config))
        return Remote(reference, host, platform, digest, named, config)

    def manifest(self, reference: str, name: str) -> tuple[dict[str, Any], str]:
        """A manifest or an index by tag or digest, and the digest of its bytes."""
        _, data = self.ask("GET", reference, f"manifests/{name}")
        host, digest = split_reference(reference)[0], f"sha256:{hashlib.sha256(data).hexdigest()}"
        if name.startswith("sha256:") and name != digest:
            raise RegistryUnavailable(f"{host} answered with other bytes than {name}")
        try:
            content = json.loads(data)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise RegistryUnavailable(f"{host} answered with something else than a manifest")
        return content, digest

    @contextmanager
    def blob(self, reference: str, digest: str) -> Iterator[Any]:
        """The bytes of a blob as they come; :exc:`RegistryUnavailable` where it cannot be had.

        A manifest of the same repository was asked for before, which brought the token where one is needed.
        """
        import requests

        host, path, _ = split_reference(reference)
        token = self.tokens.get((host, path), "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{_scheme(host)}://{host}/v2/{path}/blobs/{digest}"
        try:
            with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as answer:
                if answer.status_code != 200:
                    raise RegistryUnavailable(f"{host} answered {answer.status_code} for a layer of {path}")
                yield answer.raw
        except requests.RequestException as error:
            raise RegistryUnavailable(f"{host} does not send a layer ({type(error).__name__})") from None

    def _config(self, reference: str, digest: str) -> dict[str, Any]:
        """An image's configuration; empty where it cannot be had, as it only explains what the manifest says."""
        try:
            content = json.loads(self.ask("GET", reference, f"blobs/{digest}")[1])
        except (RegistryUnavailable, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def ask(self, verb: str, reference: str, what: str) -> tuple[Mapping[str, str], bytes]:
        """Header and body of a 200 for ``what`` (``manifests/TAG``, ``blobs/DIGEST``) of ``reference``'s repository.

        A registry that wants a token gets an anonymous one, one that asks for patience gets it within ``patience``
        seconds. Raises :exc:`RegistryUnavailable` for any other answer, or none.
        """
        host, path, _ = split_reference(reference)
        pause, deadline = PAUSE, time.monotonic() + self.patience
        while True:
            status, headers, body = self._once(verb, host, path, what)
            if status not in (429, 503):
                break
            pause = _seconds(headers.get("Retry-After", ""), pause)
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            pause *= 2
        if status != 200:
            why = ": too many requests from this address" if status == 429 else ""
            raise RegistryUnavailable(f"{host} answered {status} for {path}{why}")
        return headers, body

    def _once(self, verb: str, host: str, path: str, what: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, header and body of one answer, whatever it is, by a token where the registry wants one."""
        import requests  # 0.1 s that `inv --list` need not pay

        if host in self.unreachable:
            raise RegistryUnavailable(self.unreachable[host])
        headers = {"Accept": ", ".join(ACCEPTED)}
        try:
            for renewed in (False, True):
                if (host, path) in self.tokens:
                    headers["Authorization"] = f"Bearer {self.tokens[host, path]}"
                url = f"{_scheme(host)}://{host}/v2/{path}/{what}"
                with requests.request(
                    verb, url, headers=headers, timeout=TIMEOUT, allow_redirects=True, stream=True
                ) as answer:
                    if answer.status_code != 401 or renewed:
                        return answer.status_code, answer.headers, _body(answer, host)
                self.tokens[host, path] = _token(answer.headers.get("WWW-Authenticate", ""))
        except requests.RequestException as error:
            reason = f"{host} cannot be reached ({type(error).__name__})"
            if not what.startswith("blobs/"):  # blobs lie elsewhere, and may be out of reach where manifests are not
                self.unreachable[host] = reason
            raise RegistryUnavailable(reason) from None
        raise AssertionError("the second answer is returned")


def _scheme(host: str) -> str:
    """Registries of this machine speak HTTP, as docker expects of them."""
    return "http" if re.fullmatch(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?", host) else "https"


def _body(answer: Any, host: str) -> bytes:
    """The body of an answer; :exc:`RegistryUnavailable` where it is too long for a manifest."""
    body = bytearray()
    for chunk in answer.iter_content(1 << 16):
        body += chunk
        if len(body) > LARGEST:
            raise RegistryUnavailable(f"{host} answered with more than {LARGEST} bytes, which is no manifest")
    return bytes(body)


def _seconds(text: str, otherwise: float) -> float:
    """A Retry-After in seconds (RFC 9110 10.2.3); ``otherwise`` where it is missing or a date."""
    return float(text) if re.fullmatch(r"\d{1,6}", text.strip()) else otherwise


def _token(challenge: str) -> str:
    """An anonymous token for a ``Bearer`` challenge (https://distribution.github.io/distribution/spec/auth/token/)."""
    import requests

    fields: dict[str, Any] = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not challenge.startswith("Bearer") or urlsplit(realm).scheme not in ("http", "https"):
        raise RegistryUnavailable("the registry asks for a login that an anonymous client does not have")
    answer = requests.get(realm, params=fields, timeout=TIMEOUT)
    if answer.status_code != 200:
        return ""
    try:
        body = answer.json()
        return str(body.get("token") or body["access_token"])
    except (ValueError, LookupError, AttributeError):
        raise RegistryUnavailable(f"{realm} answered without a token") from None
