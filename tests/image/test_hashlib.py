"""Hashes and key derivation.

Package installers verify downloads with them, and web frameworks store passwords with them. Without OpenSSL, hashing is
slow and scrypt is missing.
"""

import hashlib
import hmac
import unittest

DIGESTS_OF_ABC = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha224": "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384": "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "sha512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "sha3_224": "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
    "sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
    "blake2s": "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
    "blake2b": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
}


class HashlibTest(unittest.TestCase):
    def test_every_guaranteed_algorithm_is_available(self):
        """hashlib.new and the named constructor give the same digest for each guaranteed name."""
        for name in sorted(hashlib.algorithms_guaranteed):
            with self.subTest(algorithm=name):
                length = (32,) if name.startswith("shake") else ()
                self.assertEqual(
                    hashlib.new(name, b"abc").hexdigest(*length), getattr(hashlib, name)(b"abc").hexdigest(*length)
                )
                self.assertIn(name, hashlib.algorithms_available)

    def test_digests_are_the_published_ones(self):
        """Digests of "abc" are those of the standards."""
        for name, digest in DIGESTS_OF_ABC.items():
            with self.subTest(algorithm=name):
                self.assertEqual(hashlib.new(name, b"abc").hexdigest(), digest)
        self.assertEqual(hashlib.shake_128(b"").hexdigest(16), "7f9c2ba4e88f827d616045507605853e")

    def test_blake2_supports_key_and_digest_size(self):
        """blake2 supports keys and custom digest sizes (the module _blake2, not OpenSSL's)."""
        digest = hashlib.blake2b(b"message", key=b"key", digest_size=20, salt=b"salt", person=b"person")
        self.assertEqual(digest.digest_size, 20)
        self.assertNotEqual(digest.digest(), hashlib.blake2b(b"message", digest_size=20).digest())

    def test_hashes_use_openssl(self):
        """_hashlib is available, and hashlib uses it for SHA-2."""
        import _hashlib

        self.assertIs(hashlib.sha256, _hashlib.openssl_sha256)
        self.assertIn("sha512_256", hashlib.algorithms_available)
        self.assertEqual(
            hashlib.new("sha512_256", b"abc").hexdigest(),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
        )

    def test_scrypt(self):
        """scrypt, which only OpenSSL provides, gives the value of RFC 7914."""
        self.assertEqual(
            hashlib.scrypt(b"", salt=b"", n=16, r=1, p=1, dklen=64).hex(),
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
            "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
        )

    def test_pbkdf2(self):
        """pbkdf2_hmac gives the value of RFC 6070 (SHA-1, 2 rounds)."""
        self.assertEqual(
            hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 2).hex(), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"
        )

    def test_hmac(self):
        """HMAC-SHA-256 gives the value of RFC 4231, test case 2."""
        digest = hmac.new(b"Jefe", b"what do ya want for nothing?", "sha256").hexdigest()
        self.assertEqual(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")


if __name__ == "__main__":
    unittest.main()
