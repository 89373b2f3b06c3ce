"""Random numbers from the kernel, and unique identifiers.

Without libuuid, uuid1 falls back to a clock that two processes may read at the same time. Without the kernel's
generator, tokens could be guessed.
"""

import os
import random
import secrets
import unittest
import uuid


class RandomAndUuidTest(unittest.TestCase):
    def test_uuid_uses_libuuid(self):
        """The extension module _uuid is available and has the safe generator."""
        import _uuid

        self.assertTrue(_uuid.has_uuid_generate_time_safe)
        self.assertEqual(len(_uuid.generate_time_safe()[0]), 16)

    def test_uuids_are_unique(self):
        """uuid1 and uuid4 give unique values of the right version; uuid5 gives the published one."""
        for maker, version in ((uuid.uuid1, 1), (uuid.uuid4, 4)):
            with self.subTest(version=version):
                values = {maker() for _ in range(1000)}
                self.assertEqual(len(values), 1000)
                self.assertEqual({value.version for value in values}, {version})
        self.assertEqual(str(uuid.uuid5(uuid.NAMESPACE_DNS, "python.org")), "886313e1-3b8a-5372-9b90-0c9aee199e5d")

    def test_kernels_random_numbers(self):
        """os.urandom, os.getrandom, secrets and SystemRandom work."""
        self.assertEqual(len(os.urandom(64)), 64)
        self.assertNotEqual(os.urandom(32), os.urandom(32))
        self.assertEqual(len(os.getrandom(16)), 16)
        self.assertEqual(len(secrets.token_hex(16)), 32)
        self.assertIn(random.SystemRandom().randrange(10), range(10))

    def test_seeded_generator(self):
        """A seeded Mersenne Twister gives the same sequence as on every other platform."""
        generator = random.Random(42)
        self.assertEqual([generator.randrange(100) for _ in range(3)], [81, 14, 3])


if __name__ == "__main__":
    unittest.main()
