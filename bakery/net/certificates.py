"""Trusted TLS certificates: the public authorities and, in addition, the user's.

These come from ``--ca-bundle``, else $REQUESTS_CA_BUNDLE, $CURL_CA_BUNDLE or $SSL_CERT_FILE, and from docker's
configuration of each registry (https://docs.docker.com/engine/security/certificates/).
"""

import os
import re
import ssl
from pathlib import Path

from bakery.errors import InputError, reason_of
from bakery.files import write_whole
from bakery.regular_files import open_regular

CERTIFICATES = Path("/etc/docker/certs.d")
"""Where docker looks for a registry's own authorities: in a folder named after its host and port."""
CERTIFICATE = re.compile(r"-----BEGIN (?:\w+ )?CERTIFICATE-----[^-]+-----END (?:\w+ )?CERTIFICATE-----")
"""A certificate as OpenSSL reads it: it may also be a TRUSTED or X509 CERTIFICATE."""
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def users_bundle(option: str | None = None) -> Path | None:
    """The user's CA bundle, ``option`` or from the environment; :exc:`InputError` if it has no certificates."""
    choices = {"--ca-bundle": option, **{variable: os.environ.get(variable) for variable in VARIABLES}}
    name, text = next(((name, text) for name, text in choices.items() if text), ("", ""))
    if not text:
        return None
    file = Path(os.path.expanduser(text))
    if file.is_dir() and name != "--ca-bundle":
        return file
    try:
        open_regular(file).close()
        ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError):
        raise InputError(
            f"{name}={text}: expected a file with CA certificates in PEM format",
            hint="It begins with -----BEGIN CERTIFICATE-----; it may contain several, one after another.",
        ) from None
    return file


def context_for(host: str, bundle: Path | None) -> ssl.SSLContext:
    """The TLS settings for ``host``: public authorities, the user's, docker's for this host, and its client key."""
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    folder = CERTIFICATES / host
    files = [*([bundle] if bundle and bundle.is_file() else []), *sorted(folder.glob("*.crt"))]
    try:
        if bundle and bundle.is_dir():
            context.load_verify_locations(capath=str(bundle))
        for file in files:
            context.load_verify_locations(cafile=str(file))
        for file in sorted(folder.glob("*.cert")):
            context.load_cert_chain(str(file), str(file.with_suffix(".key")))
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"{folder}: docker's certificates for {host} cannot be read: {reason_of(error)}") from None
    return context


def trust_bundle(bundle: Path | None, home: Path) -> None:
    """Make all downloads of this process trust ``bundle`` and the public authorities, joined in a file in ``home``.

    Only certificates are copied: the user's file may also have a private key.
    """
    import certifi

    if bundle is None or not bundle.is_file() or os.environ.get("REQUESTS_CA_BUNDLE") == str(bundle):
        return
    certificates = CERTIFICATE.findall(bundle.read_text("utf-8", "replace"))
    file = home / "authorities.pem"
    write_whole(file, "\n".join([Path(certifi.where()).read_text(encoding="utf-8"), *certificates, ""]))
    os.environ["REQUESTS_CA_BUNDLE"] = str(file)
