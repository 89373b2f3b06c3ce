"""Who a registry is asked as: the login that docker's own configuration or its credential helpers hold.

Nothing of it is ever printed: a login has no text form, and errors name the registry alone.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from bakery.errors import PublishError

__all__ = ["Login", "find_login"]

HUB = "registry-1.docker.io"


@dataclass(frozen=True)
class Login:
    """A name and its password, or an identity token that stands for both."""

    name: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def encoded(self) -> tuple[bytes, bytes]:
        """Name and password in UTF-8; as text they would be sent in Latin-1 (RFC 7617 leaves it open)."""
        return self.name.encode(), self.password.encode()

    def __bool__(self) -> bool:
        return bool(self.token or self.name)


def find_login(host: str) -> Login:
    """What `docker login HOST` left, by docker's order: credHelpers, credsStore, auths; empty where nothing is there.

    Raises :exc:`PublishError` where docker's configuration or a helper cannot be read.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a helper that is missing is told by the error below
            found = auth.load_config().resolve_authconfig(None if host == HUB else host) or {}
    except (DockerException, OSError, ValueError, LookupError, AttributeError):
        raise PublishError(
            f"docker's login for {host} cannot be read: its configuration is damaged or a credential helper failed",
            hint=f"`docker login {host}` writes a new one; $DOCKER_CONFIG or ~/.docker holds config.json.",
        ) from None
    entry = {key.lower(): value for key, value in found.items()}
    return Login(entry.get("username") or "", entry.get("password") or "", entry.get("identitytoken") or "")
