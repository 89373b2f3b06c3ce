"""TLS.

HTTPS needs it, and with it pip, urllib and requests. If the system's certificates are not found, every connection
fails. If names or issuers are not checked, every connection can be intercepted.

data/ca.pem and data/server.pem were made for these tests: a CA whose key was discarded, and a certificate with its key
for localhost and 127.0.0.1, both valid until 2120.
"""

import glob
import os
import socket
import ssl
import threading
import unittest

import support

CA = os.path.join(support.DATA, "ca.pem")
SERVER = os.path.join(support.DATA, "server.pem")

# OpenSSL's X509_V_ERR_*.
UNKNOWN_ISSUER = (18, 19, 20, 21)
HOSTNAME_MISMATCH = 62
ADDRESS_MISMATCH = 64


class Server(threading.Thread):
    """Accept one connection on the loopback interface and echo one message in upper case."""

    def __init__(self):
        super().__init__(daemon=True)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(SERVER)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]

    def run(self):
        try:
            raw, _ = self.listener.accept()
            raw.settimeout(20)
            with raw, self.context.wrap_socket(raw, server_side=True) as connection:
                connection.sendall(connection.recv(1000).upper())
        except OSError:
            # The client rejected the certificate, as some tests expect.
            pass

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(20)
        self.listener.close()


def talk(context, name):
    """Connect to a new server, which must prove that it is `name`; return its reply and the protocol version."""
    with Server() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname=name) as connection:
            connection.sendall(b"hello")
            return connection.recv(1000), connection.version()


class SslTest(unittest.TestCase):
    def test_openssl_is_version_3(self):
        """The interpreter uses OpenSSL 3 and was compiled against the same major version."""
        self.assertRegex(ssl.OPENSSL_VERSION, r"^OpenSSL 3\.")
        self.assertEqual(ssl._OPENSSL_API_VERSION[0], 3)

    def test_default_context_finds_the_systems_certificates(self):
        """ssl.create_default_context trusts the CAs of the ca-certificates package."""
        paths = ssl.get_default_verify_paths()
        context = ssl.create_default_context()
        loaded = len(context.get_ca_certs())
        # Certificates in a hashed folder are read on demand, not in advance.
        hashed = len(glob.glob(os.path.join(paths.capath, "*.0"))) if paths.capath else 0
        self.assertGreater(max(loaded, hashed), 50, f"CA file {paths.cafile}, CA folder {paths.capath}")

    def test_default_context_checks_certificate_and_name(self):
        """By default clients check both the issuer and the host name."""
        context = ssl.create_default_context()
        self.assertEqual(context.verify_mode, ssl.CERT_REQUIRED)
        self.assertTrue(context.check_hostname)

    def test_handshake_with_a_trusted_server(self):
        """A TLS 1.3 connection to a server with a trusted CA works, by name and by address."""
        for name in ("localhost", "127.0.0.1"):
            with self.subTest(name=name):
                self.assertEqual(talk(ssl.create_default_context(cafile=CA), name), (b"HELLO", "TLSv1.3"))

    def test_handshake_with_tls_1_2(self):
        """TLS 1.2 works if it is requested."""
        context = ssl.create_default_context(cafile=CA)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual(talk(context, "localhost"), (b"HELLO", "TLSv1.2"))

    def test_wrong_host_name_is_rejected(self):
        """The handshake fails with a trusted certificate for another name or address."""
        for name, code in (("example.org", HOSTNAME_MISMATCH), ("127.0.0.2", ADDRESS_MISMATCH)):
            with self.subTest(name=name):
                with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                    talk(ssl.create_default_context(cafile=CA), name)
                self.assertEqual(caught.exception.verify_code, code)

    def test_untrusted_issuer_is_rejected(self):
        """The handshake fails with a certificate of a CA that the system does not trust."""
        with self.assertRaises(ssl.SSLCertVerificationError) as caught:
            talk(ssl.create_default_context(), "localhost")
        self.assertIn(caught.exception.verify_code, UNKNOWN_ISSUER)

    def test_ssl_cert_file_replaces_the_systems_certificates(self):
        """SSL_CERT_FILE, which users set for a private CA, is honoured."""
        out = support.output_of_python(
            self,
            "import ssl; print(*[dict(x[0] for x in c['subject'])['commonName'] "
            "for c in ssl.create_default_context().get_ca_certs()], sep='|')",
            env=support.environment(SSL_CERT_FILE=CA, SSL_CERT_DIR="/nonexistent"),
        )
        self.assertEqual(out.strip(), "Image test CA")

    def test_standard_library_supports_https(self):
        """http.client and urllib support HTTPS."""
        import http.client
        import urllib.request

        self.assertTrue(hasattr(http.client, "HTTPSConnection"))
        self.assertTrue(hasattr(urllib.request, "HTTPSHandler"))


if __name__ == "__main__":
    unittest.main()
