"""Key-value files: dbm with each of its backends, and shelve.

Without them, files written by other programs or in the official images cannot be opened.
"""

import dbm
import importlib
import os
import shelve
import sys
import unittest

import support

BACKENDS = ["dbm.gnu", "dbm.dumb"] + (["dbm.sqlite3"] if sys.version_info >= (3, 13) else [])
if "ndbm" not in support.LACKS:
    BACKENDS.append("dbm.ndbm")


class DbmTest(unittest.TestCase):
    def test_round_trip_with_every_backend(self):
        """Each backend stores bytes, returns them after reopening, and whichdb recognises its files."""
        for name in BACKENDS:
            with self.subTest(backend=name), support.temporary_folder() as folder:
                backend = importlib.import_module(name)
                path = os.path.join(folder, "data")
                with backend.open(path, "n") as db:
                    for i in range(100):
                        db[b"key%d" % i] = b"value\0%d" % i
                with backend.open(path, "r") as db:
                    self.assertEqual(len(db.keys()), 100)
                    self.assertEqual(db[b"key42"], b"value\x0042")
                    self.assertNotIn(b"missing", db)
                self.assertEqual(dbm.whichdb(path), name)

    def test_shelve_with_every_backend(self):
        """shelve stores objects through each backend."""
        for name in BACKENDS:
            with self.subTest(backend=name), support.temporary_folder() as folder:
                backend = importlib.import_module(name)
                path = os.path.join(folder, "data")
                with shelve.Shelf(backend.open(path, "n")) as shelf:
                    shelf["größe"] = {"a": [1, 2.5, None, "ä"]}
                with shelve.open(path, "r") as shelf:
                    self.assertEqual(shelf["größe"], {"a": [1, 2.5, None, "ä"]})


if __name__ == "__main__":
    unittest.main()
