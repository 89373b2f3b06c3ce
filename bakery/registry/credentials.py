"""The user's login for a registry, from docker's configuration or its credential helpers.

Logins are never printed: they have no text form, and errors name the registry only.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from bakery.programs import Limits, run_program
from bakery.redaction import shorten
from bakery.registry.errors import RegistryError
from bakery.registry.references import HUB

PATIENCE = 120.0
"""Seconds for a credential helper, which may ask its user to unlock a keychain."""
PREFIX = "docker-credential-"
"""The names of credential helpers begin with it."""
FAILURES = (OSError, ValueError, LookupError, RecursionError, subprocess.SubprocessError)
"""What a damaged configuration or a credential helper can raise."""
HUB_KEY = "https://index.docker.io/v1/"
"""The key of Docker Hub in docker's configuration."""


@dataclass(frozen=True)
class Login:
    """A name with its password, or an identity token that replaces both."""

    name: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def encoded(self) -> tuple[bytes, bytes]:
        """Name and password in UTF-8; requests would send text in Latin-1 (RFC 7617 leaves the encoding open)."""
        return self.name.encode(), self.password.encode()

    def __bool__(self) -> bool:
        return bool(self.token or self.name)


def server_address(host: str) -> str:
    """The registry at ``host`` as docker's configuration, its credential helpers and engines call it."""
    return HUB_KEY if host == HUB else host


def find_login(host: str, config: Mapping[str, object]) -> Login:
    """The login for ``host`` in docker's ``config``, empty if there is none.

    Raises :exc:`RegistryError` if the configuration is damaged or a credential helper fails.
    """
    key, cause = server_address(host), "its configuration is damaged"
    try:
        helper = _mapping(config.get("credHelpers")).get(key) or config.get("credsStore")
        try:
            login = _from_helper(str(helper), key) if helper else None
        except FAILURES:
            cause = f"the credential helper {shorten(f'{PREFIX}{helper}', 100)} failed"
            raise
        login = login or _from_auths(_mapping(config.get("auths")), key)
        f"{login.name}{login.password}{login.token}".encode()  # fails for lone surrogates, which JSON can escape
        return login
    except FAILURES:
        raise RegistryError(
            f"docker's login for {host} cannot be read: {cause}",
            hint=f"`docker login {host}` stores a new one in config.json of $DOCKER_CONFIG or ~/.docker.",
        ) from None


def _mapping(value: object) -> Mapping[str, object]:
    if value is not None and not isinstance(value, dict):
        raise ValueError("expected an object")
    return value or {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


def _from_helper(helper: str, server: str) -> Login | None:
    """The login that a credential helper has for ``server``, ``None`` if it has none.

    https://github.com/docker/docker-credential-helpers#development: the server on standard input, JSON on standard
    output; the name ``<token>`` marks an identity token.
    """
    command = [f"{PREFIX}{helper}", "get"]
    done = run_program(command, os.environ, Limits(PATIENCE), data=server.encode())
    if done.code and b"credentials not found in native keychain" in done.stdout:
        return None
    if done.code:
        raise subprocess.CalledProcessError(done.code, command[0])
    answer = _mapping(json.loads(done.stdout))
    name, secret = _text(answer["Username"]), _text(answer["Secret"])
    if not name and not secret:  # docker-credential-pass
        return None
    return Login(token=secret) if name == "<token>" else Login(name, secret)


def _from_auths(auths: Mapping[str, object], key: str) -> Login:
    """The login in the configuration itself; older entries are keyed by a URL of the host.

    ``auth`` is read as docker does (decodeAuth in docker/cli, cli/config/configfile/file.go): line breaks in base64 and
    NULs around a password are ignored. All other characters count, such as the line break of ``echo NAME:PASSWORD``.
    """
    entry = auths.get(key) or next((value for name, value in auths.items() if _host(name) == _host(key)), None)
    login = _mapping(entry)
    if login.get("identitytoken"):
        return Login(token=_text(login["identitytoken"]))
    if not (encoded := re.sub("[\r\n]", "", _text(login.get("auth") or ""))):
        return Login(_text(login.get("username") or ""), _text(login.get("password") or ""))
    name, separator, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    if not name or not separator:
        raise ValueError("expected NAME:PASSWORD")
    return Login(name, password.strip("\0"))


def _host(url: str) -> str:
    host = url.removeprefix("http://").removeprefix("https://").partition("/")[0]
    return "docker.io" if host == "index.docker.io" else host
