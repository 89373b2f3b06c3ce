"""Whose TLS certificates are believed: the public ones, and those of the user's own authority.

That is ``--ca-bundle``, else $REQUESTS_CA_BUNDLE, $CURL_CA_BUNDLE or $SSL_CERT_FILE, and what docker reads for one
registry (https://docs.docker.com/engine/security/certificates/). They are believed beside the public ones, not instead.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from bakery.errors import InputError
from bakery.files import write_whole

__all__ = ["CERTIFICATES", "believe", "context_for", "registry_folder", "users_bundle"]

CERTIFICATES = Path("/etc/docker/certs.d")
"""Where docker looks for a registry's own authorities, in a folder named after its host and port."""
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def users_bundle(given: str | None = None) -> Path | None:
    """The user's CA bundle, ``given`` or from the environment; :exc:`InputError` where it holds no certificate."""
    name, text = next(
        ((name, text) for name, text in (("--ca-bundle", given), *((v, os.environ.get(v)) for v in VARIABLES)) if text),
        ("", ""),
    )
    if not text:
        return None
    file = Path(text).expanduser()
    if file.is_dir() and name != "--ca-bundle":
        return file
    try:
        ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError):
        raise InputError(
            f"{name}={text}: expected a file with certificates of authorities in PEM form",
            hint="It begins with -----BEGIN CERTIFICATE-----; several may stand one after another.",
        ) from None
    return file


def registry_folder(host: str) -> Path:
    """Where docker's own settings for the TLS of ``host`` lie."""
    return CERTIFICATES / host


def context_for(host: str, bundle: Path | None) -> ssl.SSLContext:
    """The TLS settings for ``host``: public authorities, the user's, docker's for this host and its client key."""
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    files = [bundle] if bundle and bundle.is_file() else []
    folder = registry_folder(host)
    files += sorted(folder.glob("*.crt")) if folder.is_dir() else []
    try:
        if bundle and bundle.is_dir():
            context.load_verify_locations(capath=str(bundle))
        for file in files:
            context.load_verify_locations(cafile=str(file))
        for file in sorted(folder.glob("*.cert")) if folder.is_dir() else ():
            context.load_cert_chain(str(file), str(file.with_suffix(".key")))
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{folder}: docker's certificates for {host} cannot be read: {error}") from None
    return context


def believe(bundle: Path | None, home: Path) -> None:
    """Let all downloads of this process believe ``bundle`` beside the public authorities; ``home`` keeps both."""
    import certifi

    if bundle is None or not bundle.is_file() or os.environ.get("REQUESTS_CA_BUNDLE") == str(bundle):
        return
    both = Path(certifi.where()).read_text(encoding="utf-8") + bundle.read_text(encoding="utf-8")
    file = home / "authorities.pem"
    write_whole(file, both)
    os.environ["REQUESTS_CA_BUNDLE"] = str(file)
