"""How build steps leave the user's network: proxies, a mirror and private authorities, as secrets of those steps.

Not as build arguments, not even those that BuildKit knows (HTTP_PROXY): provenance with mode=max records their values,
logins included. A secret is in no layer, no history and no provenance, and does not make a step run again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bakery.errors import InputError
from bakery.net.certificates import users_bundle
from bakery.net.docker_config import docker_config

__all__ = ["Network", "users_network"]

CONFIG, MIRROR, AUTHORITIES = "apt.conf", "apt.mirror", "ca.pem"
"""Names of the secrets; shared/apt-install.sh says what they are."""

LARGEST = 500 * 1024
"""Bytes of a secret (moby/buildkit, session/secrets/secrets.go)."""

ARCHIVE = "{archive}"
"""Stands in a mirror's address for the name of an archive: debian, debian-security, ubuntu."""
SNAPSHOT = re.compile(r"/\d{8}T\d{6}Z(/|$)")
"""The moment of an archive's state, as the distributions' snapshot services have it in their addresses."""


@dataclass(frozen=True)
class Network:
    """The secrets of one run: those that pass through the environment of buildx, and the bundle, which is a file."""

    texts: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    bundle: Path | None = None
    silenced: tuple[str, ...] = ()
    """Build arguments that buildx would take from docker's configuration, and that would be recorded."""

    @property
    def arguments(self) -> list[str]:
        """For ``docker buildx build``: names only."""
        words = [word for name in self.texts for word in ("--secret", f"id={name},env={_variable(name)}")]
        words += [word for name in self.silenced for word in ("--build-arg", f"{name}=")]
        return words + (["--secret", f"id={AUTHORITIES},src={self.bundle}"] if self.bundle else [])

    @property
    def environment(self) -> dict[str, str]:
        """What the process of buildx has to have in its environment."""
        return {_variable(name): text for name, text in self.texts.items()}


def users_network(ca_bundle: str | None = None, mirror: str | None = None) -> Network:
    """What the arguments and the environment say (http_proxy, https_proxy, $BAKERY_APT_MIRROR), or docker's proxies.

    A mirror has ``{archive}`` in it, or the archives' names come after it. Where it has a snapshot's moment in it, apt
    installs the packages of that day: their list may be older than it says that it is good for.

    Raises :exc:`InputError` where a value is none that apt could use.
    """
    bundle = users_bundle(ca_bundle)
    if bundle and ca_bundle and bundle.stat().st_size > LARGEST:
        raise InputError(
            f"--ca-bundle={ca_bundle} has over {LARGEST} bytes, and BuildKit takes no larger secrets",
            hint="Only your own authorities belong into it; the public ones are believed anyway.",
        )
    bundle = bundle if bundle and bundle.is_file() and bundle.stat().st_size <= LARGEST else None
    lines, docker = [], _docker_proxies()
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme.upper()}_PROXY") or docker.get(scheme)
        if proxy:
            lines.append(f'Acquire::{scheme}::Proxy "{_url(proxy, f"{scheme}_proxy")}";')
    if lines:
        lines += _without_proxy(os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or docker.get("no") or "")
    if bundle:
        lines.append(f'Acquire::https::CAInfo "/run/secrets/{AUTHORITIES}";')
    mirror = mirror or os.environ.get("BAKERY_APT_MIRROR")
    if mirror and SNAPSHOT.search(mirror):
        lines.append('Acquire::Check-Valid-Until "false";')
    texts = {CONFIG: "\n".join(lines) + "\n"} if lines else {}
    if mirror:
        address = _url(mirror.rstrip("/"), "--apt-mirror")
        texts[MIRROR] = address if ARCHIVE in address else f"{address}/{ARCHIVE}"
    upper = [f"{name.upper()}_PROXY" for name in docker]
    return Network(texts, bundle.resolve() if bundle else None, (*upper, *(name.lower() for name in upper)))


def _docker_proxies() -> dict[str, str]:
    """What docker's configuration has under ``proxies``, by scheme (https://docs.docker.com/engine/cli/proxy/)."""
    try:
        proxies = docker_config().get("proxies")
    except InputError:  # buildx warns about it, and works
        return {}
    default = proxies.get("default") if isinstance(proxies, dict) else None
    if not isinstance(default, dict):
        return {}
    return {key.removesuffix("Proxy"): str(value) for key, value in default.items() if key.endswith("Proxy") and value}


def _variable(name: str) -> str:
    return f"BAKERY_SECRET_{re.sub(r'[^A-Z]', '_', name.upper())}"


def _url(text: str, name: str) -> str:
    """``text`` with a scheme; an error about it does not repeat it, because a login may stand in it."""
    url = text if "://" in text else f"http://{text}"
    if not re.fullmatch(r"[a-z0-9]+://[^\s\"#&;\\]+", url):
        raise InputError(f"{name} is no address that apt can use", hint="Expected http://[NAME:PASSWORD@]HOST[:PORT].")
    return url


def _without_proxy(hosts: str) -> Sequence[str]:
    """What apt is told of ``no_proxy``: it knows hosts only, so domains, which begin with a dot, are left out."""
    names = [name.strip() for name in hosts.split(",")]
    named = [name for name in names if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name)]
    return [f'Acquire::{scheme}::Proxy::{name} "DIRECT";' for name in named for scheme in ("http", "https")]
