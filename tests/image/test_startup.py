"""What the interpreter reads and loads at startup, before a program's first line.

A fresh container has no caches of earlier runs, so every `docker run` pays for each additional file.
"""

import os
import sys
import unittest

import support

FREEZES = sys.version_info >= (3, 11)
# glibc's libraries, of which there are more up to 2.33; and libcrypt, which upstream links everything with up to 3.10.
LIBRARIES = {"libc", "libdl", "libm", "libpthread", "librt", "libutil", "ld-linux-x86-64", "ld-linux-aarch64"}
if sys.version_info < (3, 11):
    LIBRARIES.add("libcrypt")

FROM_FILES = """
import sys
origins = {name: getattr(module.__spec__, "origin", None) for name, module in list(sys.modules.items())
           if getattr(module, "__spec__", None)}
print(*sorted(name for name, origin in origins.items()
              if origin not in ("built-in", "frozen") and name.partition(".")[0] in sys.stdlib_module_names))
"""
MAPPED = """
import os
files = {line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if ".so" in line}
print(*sorted({os.path.basename(path).split(".so")[0] for path in files}))
"""
FROZEN_MODULES = """
import encodings, inspect, linecache, os
for module in encodings, encodings.aliases, encodings.utf_8, linecache:
    assert os.path.isfile(module.__file__), module
    assert "def " in inspect.getsource(module) or "aliases = " in inspect.getsource(module), module
assert b"\\xc1".decode("cp037") == "A"
print(encodings.__spec__.origin)
"""


class StartupTest(unittest.TestCase):
    @unittest.skipUnless(FREEZES, "before 3.11 upstream freezes only the import system")
    def test_startup_imports_no_files(self):
        """The modules that `python -c` imports by itself are built in or frozen, so that no files are read.

        Up to 3.11 setuptools adds a module that is imported at startup, as in the official images.
        """
        self.assertEqual(support.output_of_python(self, FROM_FILES, "-I").split(), [])

    def test_startup_loads_only_libpython_and_glibc(self):
        """Only libpython and glibc are loaded; other libraries are loaded when a module that needs them is imported."""
        loaded = set(support.output_of_python(self, MAPPED).split())
        self.assertIn("libc", loaded)
        self.assertEqual(loaded - LIBRARIES - {support.LIBPYTHON.split(".so")[0]}, set())

    def test_frozen_modules_have_source_files(self):
        """Frozen modules have __file__ and source, and the rest of their package can be imported."""
        origin = support.output_of_python(self, FROZEN_MODULES).strip()
        self.assertEqual(origin, "frozen" if FREEZES else os.path.join(support.STDLIB, "encodings", "__init__.py"))

    @unittest.skipUnless(FREEZES, "before 3.11 upstream freezes only the import system")
    def test_frozen_modules_can_be_disabled(self):
        """`-X frozen_modules=off` imports the files instead, for users who have edited them."""
        code = "import encodings, linecache; print(encodings.__spec__.origin, linecache.__spec__.origin, sep='\\n')"
        done = support.run_python("-X", "frozen_modules=off", "-c", code)
        expected = [os.path.join(support.STDLIB, *name) for name in (("encodings", "__init__.py"), ("linecache.py",))]
        self.assertEqual(done.stdout.splitlines(), expected)


if __name__ == "__main__":
    unittest.main()
