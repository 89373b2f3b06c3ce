"""Network settings of build steps: proxies, a mirror and private certificate authorities, as secrets of those steps.

They are not build arguments, not even BuildKit's own (HTTP_PROXY): provenance with mode=max records their values,
including logins. A secret is in no layer, history or provenance, and does not invalidate the cache.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from bakery.errors import InputError
from bakery.net.certificates import users_bundle
from bakery.net.docker_config import docker_config
from bakery.programs import csv_field
from bakery.urls import is_snapshot, users_mirror

CONFIG, MIRROR, AUTHORITIES = "apt.conf", "apt.mirror", "ca.pem"
"""Names of the secrets; shared/apt-install.sh documents them."""

LARGEST = 500 * 1024
"""BuildKit's limit of a secret in bytes (moby/buildkit, session/secrets/secrets.go)."""

PROXIES = ("http", "https", "socks5h")
"""Protocols of proxies that apt supports (man apt-transport-http)."""
MIRRORS = ("http", "https", "file")
"""Protocols of mirrors that apt supports in every base; a base may have a mirror in a folder."""
EXPIRED = 'Acquire::Check-Valid-Until "false";'
ARCHIVE = "{archive}"
"""Placeholder in a mirror's URL for the name of an archive: debian, debian-security, ubuntu."""


@dataclass(frozen=True)
class Network:
    """The secrets of a build: texts, which buildx reads from its environment, and the CA bundle, which is a file."""

    texts: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    bundle: Path | None = None
    silenced: tuple[str, ...] = ()
    """Build arguments that buildx would take from docker's configuration, and that the provenance would record."""

    def reaching(self, archives: Mapping[str, str]) -> "Network":
        """The same settings, with the URL of each archive in ``archives``, unless the user has chosen a mirror.

        All other archives use the first URL.
        """
        urls = [_url(url, f"the source of {name}") for name, url in archives.items()]
        if MIRROR in self.texts or not urls:
            return self
        commands = [f"s#<{name}>#{url}#" for name, url in zip(archives, urls, strict=True)]
        texts = {**self.texts, MIRROR: "\n".join([_rewriting(f"<{ARCHIVE}>"), *commands, f"s#<[^>]*>#{urls[0]}#"])}
        if any(map(is_snapshot, urls)):
            texts[CONFIG] = self.texts.get(CONFIG, "") + f"{EXPIRED}\n"
        return replace(self, texts=texts)

    @property
    def arguments(self) -> list[str]:
        """Options for ``docker buildx build``, without any value of a secret."""
        options = [option for name in self.texts for option in ("--secret", f"id={name},env={_variable(name)}")]
        options += [option for name in self.silenced for option in ("--build-arg", f"{name}=")]
        source = csv_field(f"src={self.bundle}")
        return options + (["--secret", f"id={AUTHORITIES},{source}"] if self.bundle else [])

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that buildx needs."""
        return {_variable(name): text for name, text in self.texts.items()}


def users_network(ca_bundle: str | None = None, mirror: str | None = None) -> Network:
    """The settings in arguments and environment (http_proxy, https_proxy, $BAKERY_APT_MIRROR), or docker's proxies.

    A mirror's URL contains ``{archive}``, else the name of the archive is appended. If it has a snapshot's timestamp,
    apt installs the packages of that day, and accepts package lists that have expired since.

    Raises :exc:`InputError` if apt could not use a value.
    """
    bundle, docker = secret_bundle(ca_bundle), _docker_proxies()
    proxies = {scheme: users_proxy(scheme) for scheme in ("http", "https")}
    lines = [f'Acquire::{scheme}::Proxy "{proxy}";' for scheme, proxy in proxies.items() if proxy]
    if lines:
        excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or docker.get("no") or ""
        lines = [] if "*" in re.split(r"[\s,]+", excluded) else [*lines, *_without_proxy(excluded)]
    if bundle:
        lines.append(f'Acquire::https::CAInfo "/run/secrets/{AUTHORITIES}";')
    address = archive_url(mirror)
    if is_snapshot(address):
        lines.append(EXPIRED)
    texts = {CONFIG: "".join(f"{line}\n" for line in lines)} if lines else {}
    if address:
        texts[MIRROR] = _rewriting(address if ARCHIVE in address else f"{address}/{ARCHIVE}")
    upper = [f"{name.upper()}_PROXY" for name in docker]
    return Network(texts, bundle.resolve() if bundle else None, (*upper, *(name.lower() for name in upper)))


def secret_bundle(ca_bundle: str | None) -> Path | None:
    """The CA bundle of build steps; ``None`` if the environment's is a folder or too large for a secret.

    :exc:`InputError` if it has no certificates, or if ``ca_bundle`` is too large.
    """
    bundle = users_bundle(ca_bundle)
    if bundle and ca_bundle and bundle.stat().st_size > LARGEST:
        raise InputError(
            f"--ca-bundle={ca_bundle} has over {LARGEST} bytes, and BuildKit accepts no larger secrets",
            hint="Put only your own authorities into it; the public ones are trusted anyway.",
        )
    return bundle if bundle and bundle.is_file() and bundle.stat().st_size <= LARGEST else None


def users_proxy(scheme: str) -> str:
    """The proxy for ``http`` or ``https`` in the environment or docker's configuration, empty if there is none.

    :exc:`InputError` if it cannot be used.
    """
    name = f"{scheme}_proxy"
    proxy = os.environ.get(name) or os.environ.get(name.upper()) or _docker_proxies().get(scheme)
    return _url(proxy, name, PROXIES) if proxy else ""


def archive_url(mirror: str | None = None) -> str:
    """The URL of ``--apt-mirror`` or $BAKERY_APT_MIRROR, empty without one; :exc:`InputError` if it is not valid."""
    chosen = users_mirror(mirror)
    return _url(chosen.rstrip("/"), "--apt-mirror" if mirror else "$BAKERY_APT_MIRROR") if chosen else ""


def _rewriting(address: str) -> str:
    """A sed command that turns http://HOST/debian-security into ``address``, with debian-security for {archive}.

    The script itself is the secret: as an argument of sed, a mirror's login would show up in the list of processes.
    """
    return f"s#https?://[^/ ]+/([^/ ]+)#{address.replace(ARCHIVE, chr(92) + '1')}#"


def _docker_proxies() -> dict[str, str]:
    """What docker's configuration has under ``proxies``, by scheme (https://docs.docker.com/engine/cli/proxy/)."""
    try:
        proxies = docker_config().get("proxies")
    except InputError:  # buildx only warns about it
        return {}
    default = proxies.get("default") if isinstance(proxies, dict) else None
    if not isinstance(default, dict):
        return {}
    return {key.removesuffix("Proxy"): str(value) for key, value in default.items() if key.endswith("Proxy") and value}


def _variable(name: str) -> str:
    return f"BAKERY_SECRET_{re.sub(r'[^A-Z]', '_', name.upper())}"


def _url(text: str, name: str, schemes: Sequence[str] = MIRRORS) -> str:
    """``text`` with a scheme, one of ``schemes``; errors do not repeat it, because it may contain a login."""
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = (parts.hostname or parts.scheme == "file") and (parts.port or 0) >= 0  # ValueError if not a number
        usable = usable and parts.scheme in schemes
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[a-z0-9]+://([^\s\"#&;<>\\{}]|\{archive\})+", url):
        hint = "Expected http://HOST[:PORT], with a login if needed (its special characters as %XX)."
        raise InputError(f"{name} is not a URL that apt can use", hint=hint)
    return url


def _without_proxy(hosts: str) -> Sequence[str]:
    """Settings of apt for the hosts in ``no_proxy``; apt supports neither domains (with a leading dot) nor ports."""
    names = [re.sub(r":\d+$", "", name) for name in re.split(r"[\s,]+", hosts)]
    hosts_only = [name for name in names if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name)]
    return [f'Acquire::{scheme}::Proxy::{name} "DIRECT";' for name in hosts_only for scheme in ("http", "https")]
