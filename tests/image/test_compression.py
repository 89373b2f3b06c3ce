"""Compression modules and archive formats.

Sdists, wheels, logs and downloads need them. CPython's build silently skips each module whose library's headers are
missing.
"""

import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import unittest
import zipfile
import zlib

import support

PAYLOAD = ("Grüße, мир, 世界! " * 500).encode() + bytes(range(256)) * 16
HAS_ZSTD = sys.version_info >= (3, 14)
# https://docs.python.org/3.12/library/tarfile.html#tarfile-extraction-filter
FIRST_WITH_FILTERS = {(3, 9): (3, 9, 17), (3, 10): (3, 10, 12), (3, 11): (3, 11, 4)}


class CompressionTest(unittest.TestCase):
    def round_trip(self, module):
        packed = module.compress(PAYLOAD)
        self.assertLess(len(packed), len(PAYLOAD) // 4)
        self.assertEqual(module.decompress(packed), PAYLOAD)

    def test_zlib_round_trip(self):
        """zlib compresses and decompresses, at once and in chunks, and its checksums are correct."""
        self.round_trip(zlib)
        unpacker = zlib.decompressobj()
        packed = zlib.compress(PAYLOAD, 9)
        pieces = b"".join(unpacker.decompress(packed[i : i + 100]) for i in range(0, len(packed), 100))
        self.assertEqual(pieces + unpacker.flush(), PAYLOAD)
        self.assertEqual(zlib.crc32(b"123456789"), 0xCBF43926)
        self.assertEqual(zlib.adler32(b"Wikipedia"), 0x11E60398)

    def test_gzip_round_trip(self):
        """gzip compresses and decompresses bytes and files."""
        self.round_trip(gzip)
        with support.temporary_folder() as folder:
            path = os.path.join(folder, "x.gz")
            with gzip.open(path, "wt", encoding="utf-8") as file:
                file.write("ä\n" * 1000)
            with gzip.open(path, "rt", encoding="utf-8") as file:
                self.assertEqual(file.read(), "ä\n" * 1000)

    def test_bz2_round_trip(self):
        """bz2 compresses and decompresses."""
        self.round_trip(bz2)

    def test_lzma_round_trip(self):
        """lzma compresses and decompresses .xz, .lzma and raw streams, and supports SHA-256 checks."""
        self.round_trip(lzma)
        self.assertTrue(lzma.is_check_supported(lzma.CHECK_SHA256))
        alone = lzma.compress(PAYLOAD, format=lzma.FORMAT_ALONE)
        self.assertEqual(lzma.decompress(alone), PAYLOAD)
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        raw = lzma.compress(PAYLOAD, format=lzma.FORMAT_RAW, filters=filters)
        self.assertEqual(lzma.decompress(raw, format=lzma.FORMAT_RAW, filters=filters), PAYLOAD)

    @unittest.skipUnless(HAS_ZSTD, "compression.zstd is new in 3.14")
    def test_zstd_round_trip(self):
        """compression.zstd compresses and decompresses bytes and files."""
        from compression import zstd

        self.round_trip(zstd)
        buffer = io.BytesIO()
        with zstd.open(buffer, "wb") as file:
            file.write(PAYLOAD)
        buffer.seek(0)
        with zstd.open(buffer, "rb") as file:
            self.assertEqual(file.read(), PAYLOAD)

    def test_zipfile_round_trip_with_every_compression(self):
        """Zip archives with each compression method return what was written, with valid checksums."""
        methods = ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"]
        if HAS_ZSTD:
            methods.append("ZIP_ZSTANDARD")
        for method in methods:
            with self.subTest(method=method):
                buffer = io.BytesIO()
                with zipfile.ZipFile(buffer, "w", getattr(zipfile, method)) as archive:
                    archive.writestr("Größe/内容.bin", PAYLOAD)
                with zipfile.ZipFile(buffer) as archive:
                    self.assertIsNone(archive.testzip())
                    self.assertEqual(archive.read("Größe/内容.bin"), PAYLOAD)

    def test_tarfile_round_trip_with_every_compression(self):
        """Tar archives with each compression return what was written, and the compression is detected."""
        modes = ["", "gz", "bz2", "xz"]
        if HAS_ZSTD:
            modes.append("zst")
        for mode in modes:
            with self.subTest(mode=mode), support.temporary_folder() as folder:
                path = os.path.join(folder, "x.tar")
                with tarfile.open(path, "w:" + mode) as archive:
                    member = tarfile.TarInfo("Größe/内容.bin")
                    member.size = len(PAYLOAD)
                    archive.addfile(member, io.BytesIO(PAYLOAD))
                with tarfile.open(path) as archive:
                    self.assertEqual(archive.extractfile("Größe/内容.bin").read(), PAYLOAD)

    @unittest.skipIf(
        sys.version_info < FIRST_WITH_FILTERS.get(sys.version_info[:2], (0,)), "this release predates PEP 706"
    )
    def test_tarfile_has_the_data_filter(self):
        """Extraction filters (PEP 706) are available; pip uses them to unpack source distributions."""
        self.assertTrue(callable(tarfile.data_filter))


if __name__ == "__main__":
    unittest.main()
