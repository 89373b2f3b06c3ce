"""Image references as docker reads them."""

import re

from bakery.names import reference as checked

HUB = "registry-1.docker.io"
"""Docker Hub's registry, which references call ``docker.io``."""


def split_reference(reference: str) -> tuple[str, str, str]:
    """Registry host, repository, and tag or digest of ``reference``; :exc:`bakery.errors.InputError` if it is not one.

    >>> split_reference("debian:bookworm-slim")
    ('registry-1.docker.io', 'library/debian', 'bookworm-slim')
    """
    name, _, digest = checked(reference).partition("@")
    name, _, tag = name.rpartition(":") if re.search(r":[^/]*$", name) else (name, "", "latest")
    host, slash, path = name.partition("/")
    if not slash or not (re.search(r"[.:]", host) or host == "localhost"):
        host, path = "docker.io", name if slash else f"library/{name}"
    return (HUB if host == "docker.io" else host), path, digest or tag
