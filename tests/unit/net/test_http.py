"""Downloads: https never becomes http."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bakery.errors import Unavailable
from bakery.net import http
from bakery.registry.errors import RegistryError
from bakery.registry.transport import PULL, Transport
from tests.loopback import QuietHandler, serving_requests


def certify(file: Path) -> None:
    """Write a key and a self-signed certificate for 127.0.0.1."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(address, critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Starts an https server that the client trusts and that redirects every request; returns its address."""
    file = tmp_path / "server.pem"
    certify(file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    stack = ExitStack()

    def start(location: str) -> str:
        class Handler(QuietHandler):
            def redirect(self) -> None:
                self.send_response(302)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = redirect  # noqa: N815

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server = HTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        stack.enter_context(serving_requests(server))
        return f"127.0.0.1:{server.server_port}"

    with stack:
        yield start


def test_https_is_not_redirected_to_http(serve: Any, secure: Callable[[str], str], tmp_path: Path) -> None:
    plain = serve({"/file": b"another file"})
    url = f"https://{secure(f'{plain.url}/file')}/file"
    for fetch in (
        lambda: http.read(url, 100),
        lambda: http.download(url, tmp_path / "f", 100),
        lambda: http.status_of(url),
    ):
        with pytest.raises(Unavailable, match="a redirect from https to another protocol is not followed"):
            fetch()
    assert plain.requests == []
    assert http.status_of(url, follow=False) == 302


def test_an_error_does_not_repeat_all_that_a_server_sent(serve: Any) -> None:
    def answer(request: Any) -> None:
        request.wfile.write(b"x" * 60_000)

    with pytest.raises(Unavailable, match=r"cannot be reached \(x{300}\.\.\.\)$"):
        http.read(f"{serve(default=answer).url}/", 100)


def test_https_is_redirected_to_https_and_http_to_anything(serve: Any, secure: Callable[[str], str]) -> None:
    plain = serve({"/file": b"content"})
    first = serve({"/file": (302, b"", {"Location": f"{plain.url}/file"})})
    assert http.read(f"{first.url}/file", 100) == b"content"
    with pytest.raises(Unavailable, match="another protocol is not followed"):
        http.read(f"https://{secure(f'https://{secure(plain.url)}/')}/", 100)


def test_a_registrys_redirect_from_https_to_http_is_not_followed(
    serve: Any, secure: Callable[[str], str], tmp_path: Path
) -> None:
    plain = serve(default=b"{}")
    host = secure(f"{plain.url}/v2/x")
    transport = Transport(host, "x", PULL, bundle=tmp_path / "server.pem", tell=print)
    with pytest.raises(RegistryError):
        transport.once("GET", "manifests/latest")
    transport.close()
    assert plain.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_that_does_not_exist_makes_servers_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))
    for request in (http.status_of, lambda url: http.read(url, 1)):
        with pytest.raises(Unavailable, match=r"TLS CA certificate bundle, invalid path: .*missing\.pem"):
            request("https://127.0.0.1:1/")
