"""What the interpreter reads and loads at startup, before a program's first line.

A fresh container has no caches of earlier runs, so every `docker run` pays for each additional file.
"""

import os
import sys
import unittest

import support

FREEZES = sys.version_info >= (3, 11)
# glibc's libraries (from 2.34 on, most of them are part of libc), and libcrypt, with which upstream links every binary
# up to 3.10.
LIBRARIES = {"libc", "libdl", "libm", "libpthread", "librt", "libutil", "ld-linux-x86-64", "ld-linux-aarch64"}
if sys.version_info < (3, 11):
    LIBRARIES.add("libcrypt")

# Modules that upstream does not freeze and every start imports; linecache only by `python -c` of 3.13.
FILES = {"encodings", "encodings.aliases", "encodings.utf_8", "linecache"}

FROM_FILES = """
import os, sys
for name, module in list(sys.modules.items()):
    spec = getattr(module, "__spec__", None)
    if spec and spec.origin not in ("built-in", "frozen") and name.partition(".")[0] in sys.stdlib_module_names:
        print(name, bool(spec.cached and os.path.isfile(spec.cached)))
"""
MAPPED = """
import os
files = {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if ".so" in line}
print(*sorted({os.path.basename(path).split(".so")[0] for path in files}))
"""
FROZEN_MODULES = """
import inspect, os, site
for module in os, site:
    assert os.path.isfile(module.__file__), module
    assert "def " in inspect.getsource(module), module
print(os.__spec__.origin)
"""


class StartupTest(unittest.TestCase):
    @unittest.skipUnless(FREEZES, "before 3.11 upstream freezes only the import system")
    def test_startup_imports_few_files(self):
        """The modules that every `python -c` imports are built in or frozen, except a few that have byte code.

        Up to 3.11 setuptools adds a module that is imported at startup, as in the official images.
        """
        lines = support.output_of_python(self, FROM_FILES, "-I").splitlines()
        self.assertLessEqual({line.split()[0] for line in lines}, FILES)
        self.assertEqual([line for line in lines if not line.endswith(" True")], [])

    def test_startup_loads_only_libpython_and_glibc(self):
        """Only libpython and glibc are loaded; other libraries are loaded when a module that needs them is imported."""
        loaded = set(support.output_of_python(self, MAPPED).split())
        self.assertIn("libc", loaded)
        self.assertEqual(loaded - LIBRARIES - {support.LIBPYTHON.split(".so")[0]}, set())

    def test_frozen_modules_have_source_files(self):
        """Frozen modules have __file__ and source."""
        origin = support.output_of_python(self, FROZEN_MODULES).strip()
        self.assertEqual(origin, "frozen" if FREEZES else os.path.join(support.STDLIB, "os.py"))

    @unittest.skipUnless(FREEZES, "before 3.11 upstream freezes only the import system")
    def test_frozen_modules_can_be_disabled(self):
        """`-X frozen_modules=off` imports the files instead, for users who have edited them."""
        done = support.run_python("-X", "frozen_modules=off", "-c", "import os; print(os.__spec__.origin)")
        self.assertEqual(done.stdout.splitlines(), [os.path.join(support.STDLIB, "os.py")])


if __name__ == "__main__":
    unittest.main()
