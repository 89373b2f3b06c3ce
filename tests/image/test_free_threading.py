"""The global interpreter lock (GIL).

A free-threaded build is useless if a module of the standard library re-enables the GIL. A default build without it
would break extensions.
"""

import sys
import sysconfig
import unittest

import support

IMPORTS = """
import sys, warnings
warnings.simplefilter("error", RuntimeWarning)
import asyncio, bz2, csv, ctypes, curses, datetime, decimal, hashlib, json, lzma, multiprocessing, pickle, pyexpat
import readline, select, socket, sqlite3, ssl, uuid, zlib, zoneinfo
print(sys._is_gil_enabled())
"""

PARALLEL = """
import threading
counts = {}
lock = threading.Lock()
def work(number):
    for i in range(20000):
        counts.setdefault((number, i % 100), []).append(i)
        if i % 100 == 0:
            with lock:
                counts["total"] = counts.get("total", 0) + 1
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(counts.pop("total"), sum(len(v) for v in counts.values()))
"""


class FreeThreadingTest(unittest.TestCase):
    @unittest.skipUnless(support.FREE_THREADED, "this build is not free-threaded")
    def test_gil_is_disabled(self):
        """A free-threaded build runs without the GIL, even after importing the standard library's extension modules."""
        self.assertFalse(sys._is_gil_enabled())
        self.assertIn("t", support.ABIFLAGS)
        self.assertEqual(support.output_of_python(self, IMPORTS).strip(), "False")

    @unittest.skipIf(support.FREE_THREADED, "this build is free-threaded")
    def test_gil_is_enabled(self):
        """A default build has the GIL and no ABI flag in its names."""
        self.assertFalse(sysconfig.get_config_var("Py_GIL_DISABLED"))
        self.assertEqual(support.ABIFLAGS, "")
        if sys.version_info >= (3, 13):
            self.assertTrue(sys._is_gil_enabled())

    def test_version_names_the_build(self):
        """sys.version and the suffix of extension modules distinguish the two builds."""
        self.assertEqual("free-threading" in sys.version, support.FREE_THREADED)
        tag = f"cpython-{sys.version_info[0]}{sys.version_info[1]}{support.ABIFLAGS}-"
        self.assertIn(tag, sysconfig.get_config_var("EXT_SUFFIX"))

    def test_threads_share_objects_safely(self):
        """Four threads write to one dictionary without losing entries."""
        self.assertEqual(support.output_of_python(self, PARALLEL).split(), ["800", "80000"])


if __name__ == "__main__":
    unittest.main()
