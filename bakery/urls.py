"""URLs that several packages know: python.org's releases, the distributions' snapshot services, the user's mirror."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

from bakery.redaction import redact

PYTHON_ORG = "https://www.python.org/ftp/python"
"""Has a folder for each release."""
SNAPSHOT = re.compile(r"/\d{8}T\d{6}Z(/|$)")
"""The timestamp in the URLs of the distributions' snapshot services."""


def is_snapshot(url: str) -> bool:
    """Whether ``url`` is a snapshot of the archive on one day. A user who chooses one accepts its expired lists."""
    return bool(SNAPSHOT.search(url))


def is_public(url: str) -> bool:
    """Whether ``url`` is absolute and may be published: without login, query, fragment, white space and tokens."""
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://(?:(?![@?#])[!-~])+", url)) and redact(url) == url


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, where docker uses no proxy and allows HTTP without TLS."""
    return bool(re.fullmatch(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", host))


def folder_of(mirror: str) -> Path:
    """The folder that ``mirror`` names, by its path or by a file URL (RFC 8089)."""
    _, separator, rest = mirror.partition("://")
    return Path(f"/{unquote(rest.partition('/')[2])}" if separator else mirror)


def has_scheme(text: str, schemes: Collection[str]) -> bool:
    """Whether ``text`` is a path, or a URL with one of ``schemes``; the URL of a file names no other host."""
    scheme, separator, rest = text.lower().partition("://")
    remote = scheme == "file" and rest.partition("/")[0] not in ("", "localhost")
    return not separator or (scheme in schemes and not remote)


def users_mirror(mirror: str | None) -> str:
    """The URL of ``--apt-mirror``, else of $BAKERY_APT_MIRROR; empty without one."""
    return mirror or os.environ.get("BAKERY_APT_MIRROR") or ""
