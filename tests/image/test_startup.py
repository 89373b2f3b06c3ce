"""What each start costs that is the same for every program: what the interpreter reads and loads before the first line.

A fresh container has nothing that an earlier start left, so each file more is paid by every `docker run`.
"""

import os
import sys
import unittest

import support

FREEZES = sys.version_info >= (3, 11)
# glibc's, which up to 2.33 consisted of more of them; and libcrypt, which upstream links everything with up to 3.10.
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
FROZEN_TWINS = """
import encodings, inspect, linecache, os
for module in encodings, encodings.aliases, encodings.utf_8, linecache:
    assert os.path.isfile(module.__file__), module
    assert "def " in inspect.getsource(module) or "aliases = " in inspect.getsource(module), module
assert b"\\xc1".decode("cp037") == "A"
print(encodings.__spec__.origin)
"""


class StartTest(unittest.TestCase):
    @unittest.skipUnless(FREEZES, "upstream freezes nothing but the import system before 3.11")
    def test_a_start_imports_no_file(self):
        """What `python -c` imports of its library by itself is built in or frozen: nothing is read and checked.

        Up to 3.11 setuptools has a module of its own imported at each start, as in the official images.
        """
        self.assertEqual(support.output_of_python(self, FROM_FILES, "-I").split(), [])

    def test_a_start_loads_no_library_but_the_systems_own(self):
        """Beside libpython only glibc is mapped: a module that needs more brings it when it is imported."""
        loaded = set(support.output_of_python(self, MAPPED).split())
        self.assertIn("libc", loaded)
        self.assertEqual(loaded - LIBRARIES - {support.LIBPYTHON.split(".so")[0]}, set())

    def test_what_is_frozen_is_there_as_source_too(self):
        """Frozen modules know their files, show their source, and leave the rest of their package importable."""
        origin = support.output_of_python(self, FROZEN_TWINS).strip()
        self.assertEqual(origin, "frozen" if FREEZES else os.path.join(support.STDLIB, "encodings", "__init__.py"))

    @unittest.skipUnless(FREEZES, "upstream freezes nothing but the import system before 3.11")
    def test_frozen_modules_can_be_switched_off(self):
        """`-X frozen_modules=off` takes the files, for who has edited one of them."""
        code = "import encodings, linecache; print(encodings.__spec__.origin, linecache.__spec__.origin, sep='\\n')"
        done = support.run_python("-X", "frozen_modules=off", "-c", code)
        expected = [os.path.join(support.STDLIB, *name) for name in (("encodings", "__init__.py"), ("linecache.py",))]
        self.assertEqual(done.stdout.splitlines(), expected)


if __name__ == "__main__":
    unittest.main()
