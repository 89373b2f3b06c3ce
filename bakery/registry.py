"""Whether a registry answers for an image, by the distribution protocol (https://distribution.github.io/distribution/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

__all__ = ["RegistryUnavailable", "manifest_digest", "platform_digest", "split_reference"]

TIMEOUT = (3.0, 10.0)
"""Seconds to connect, and to answer. A registry that is not there must not hold up a build that can do without."""
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class RegistryUnavailable(Exception):
    """The registry did not answer, or not for this image; the message says which."""


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
    host, path, tag = split_reference(reference)
    answer = _ask("HEAD", host, path, tag)
    return str(answer.headers.get("Docker-Content-Digest", tag if tag.startswith("sha256:") else ""))


def platform_digest(reference: str, platform: str) -> str:
    """The digest of the manifest that ``reference``'s index names for ``platform``, such as ``linux/arm64``.

    :exc:`RegistryUnavailable` where it cannot be had.
    """
    host, path, tag = split_reference(reference)
    try:
        for one in _ask("GET", host, path, tag).json()["manifests"]:
            found = one["platform"]
            if platform == f"{found['os']}/{found['architecture']}":
                return str(one["digest"])
    except (ValueError, LookupError, TypeError):
        raise RegistryUnavailable(f"{host} answered for {path} with something else than an image index") from None
    raise RegistryUnavailable(f"{host} has no {path}:{tag} for {platform}")


def _ask(verb: str, host: str, path: str, tag: str) -> requests.Response:
    """The registry's answer for a manifest, with an anonymous token where it asks for one."""
    import requests  # 0.1 s that `inv --list` need not pay

    ask = requests.head if verb == "HEAD" else requests.get
    scheme = "http" if re.fullmatch(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?", host) else "https"
    url = f"{scheme}://{host}/v2/{path}/manifests/{tag}"
    headers = {"Accept": MANIFESTS}
    try:
        answer = ask(url, headers=headers, timeout=TIMEOUT, allow_redirects=True)
        if answer.status_code == 401:
            token = _token(answer.headers.get("WWW-Authenticate", ""))
            headers["Authorization"] = f"Bearer {token}"
            answer = ask(url, headers=headers, timeout=TIMEOUT, allow_redirects=True)
    except requests.RequestException as error:
        raise RegistryUnavailable(f"{host} cannot be reached ({type(error).__name__})") from None
    if answer.status_code != 200:
        raise RegistryUnavailable(f"{host} answered {answer.status_code} for {path}")
    return answer


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
