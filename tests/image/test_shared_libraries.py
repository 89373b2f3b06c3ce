"""Shared libraries of the interpreter and of its modules.

A library that was there at build time and is not in the image makes `import ssl` fail at run time; a libpython the
linker does not know makes programs that embed Python (uWSGI, PyO3, gdb, vim) fail to start.
"""

import ctypes
import os
import re
import sysconfig
import unittest

import support

# Tk is installed by who wants it: apt-get install libtk8.6
NEED_MORE = ("_tkinter",)


def resolve(loader, path):
    """What the dynamic linker says about a file's libraries; the script ldd asks it the same way."""
    done = support.run(loader, "--list", path)
    return done.stdout + done.stderr


class SharedLibrariesTest(unittest.TestCase):
    def test_every_library_is_found(self):
        """Each library that a file below /usr/local needs is found, except Tk."""
        interpreter = support.loader()
        files = support.elf_files(support.PREFIX)
        self.assertGreater(len(files), 25)
        for path in files:
            if os.path.basename(path).startswith(NEED_MORE):
                continue
            with self.subTest(file=path):
                said = resolve(interpreter, path)
                missing = [line.strip() for line in said.splitlines() if "not found" in line or "error" in line]
                self.assertEqual(missing, [])

    def test_libraries_come_from_the_image_or_its_distribution(self):
        """No file needs a library from a folder of the build stage or has an unexpected run path."""
        for path in support.elf_files(support.PREFIX):
            with self.subTest(file=path):
                elf = support.Elf(path)
                for entry in elf.strings(support.DT_RPATH, support.DT_RUNPATH):
                    self.assertRegex(entry, r"^(\$ORIGIN/\.\./lib)?$")

    @support.needs("headers")
    def test_libpython_is_there(self):
        """libpythonX.Y.so leads to libpythonX.Y.so.1.0, whose soname is that."""
        folder = sysconfig.get_config_var("LIBDIR")
        self.assertEqual(folder, os.path.join(support.PREFIX, "lib"))
        path = os.path.join(folder, support.LIBPYTHON)
        self.assertEqual(support.LIBPYTHON, f"libpython{support.LDVERSION}.so.1.0")
        self.assertTrue(os.path.isfile(path))
        link = os.path.join(folder, f"libpython{support.LDVERSION}.so")
        self.assertTrue(os.path.samefile(link, path))
        self.assertEqual(support.Elf(path).strings(support.DT_SONAME), [support.LIBPYTHON])

    @support.needs("headers")
    @unittest.skipIf(support.FREE_THREADED, "free-threaded builds have no library of the stable ABI")
    def test_library_of_the_stable_abi(self):
        """libpython3.so, which programs for any version link with, is there."""
        self.assertTrue(support.is_elf(os.path.join(support.PREFIX, "lib", "libpython3.so")))

    def test_the_interpreter_is_libpython(self):
        """The executable finds the interpreter beside itself, whether or not the linker's cache knows it."""
        elf = support.Elf(support.executable())
        self.assertIn(support.LIBPYTHON, elf.strings(support.DT_NEEDED))
        done = support.run(support.loader(), "--inhibit-cache", "--list", support.executable())
        self.assertIn(f"{support.LIBPYTHON} => {os.path.dirname(support.executable())}/../lib/", done.stdout)

    def test_libpython_by_name_is_this_interpreter(self):
        """What loads libpython by its name (bindings to other languages do) finds this interpreter, not another one."""
        self.assertEqual(ctypes.PyDLL(support.LIBPYTHON).Py_IsInitialized(), 1)

    @support.needs("headers")
    def test_linker_finds_libpython(self):
        """Programs outside /usr/local find libpython through the linker's cache, without LD_LIBRARY_PATH."""
        done = support.run("/bin/true", env=support.environment(LD_PRELOAD=support.LIBPYTHON))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        cached = support.run("/sbin/ldconfig", "-p").stdout
        self.assertRegex(cached, rf"{re.escape(support.LIBPYTHON)} .*=> {re.escape(support.libpython())}")

    @support.needs("ldconfig")
    def test_linkers_cache_is_up_to_date(self):
        """Each library in the linker's cache exists."""
        cached = re.findall(r"=> (/\S+)", support.run("/sbin/ldconfig", "-p").stdout)
        self.assertTrue(cached)
        self.assertEqual([path for path in cached if not os.path.exists(path)], [])


if __name__ == "__main__":
    unittest.main()
