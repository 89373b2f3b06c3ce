"""Shared libraries of the interpreter and its modules.

If a library is missing from the image, `import ssl` and the like fail at run time. If the dynamic linker does not find
libpython, programs that embed Python (uWSGI, PyO3, gdb, vim) do not start.
"""

import ctypes
import os
import re
import sysconfig
import unittest

import support

# Users install Tk if they need it: apt-get install libtk8.6
NEED_MORE = ("_tkinter",)


def resolve(loader, path):
    """Return what the dynamic linker prints about a file's libraries, as ldd does."""
    done = support.run(loader, "--list", path)
    return done.stdout + done.stderr


class SharedLibrariesTest(unittest.TestCase):
    def test_every_library_is_found(self):
        """The dynamic linker finds every library that a file in /usr/local needs, except Tk."""
        interpreter = support.loader()
        files = support.elf_files(support.PREFIX)
        self.assertGreater(len(files), 25)
        for path in files:
            if os.path.basename(path).startswith(NEED_MORE):
                continue
            with self.subTest(file=path):
                output = resolve(interpreter, path)
                missing = [line.strip() for line in output.splitlines() if "not found" in line or "error" in line]
                self.assertEqual(missing, [])

    def test_run_paths_do_not_name_build_folders(self):
        """No file has a run path other than libpython's folder."""
        for path in support.elf_files(support.PREFIX):
            with self.subTest(file=path):
                elf = support.Elf(path)
                for entry in elf.strings(support.DT_RPATH, support.DT_RUNPATH):
                    self.assertRegex(entry, r"^(\$ORIGIN/\.\./(lib|\.\.))?$")

    @support.needs("headers")
    def test_libpython_and_its_link_exist(self):
        """libpythonX.Y.so links to libpythonX.Y.so.1.0, which has that soname."""
        folder = sysconfig.get_config_var("LIBDIR")
        self.assertEqual(folder, os.path.join(support.PREFIX, "lib"))
        path = os.path.join(folder, support.LIBPYTHON)
        self.assertEqual(support.LIBPYTHON, f"libpython{support.LDVERSION}.so.1.0")
        self.assertTrue(os.path.isfile(path))
        link = os.path.join(folder, f"libpython{support.LDVERSION}.so")
        self.assertTrue(os.path.samefile(link, path))
        self.assertEqual(support.Elf(path).strings(support.DT_SONAME), [support.LIBPYTHON])

    @support.needs("headers")
    @unittest.skipIf(support.FREE_THREADED, "free-threaded builds have no stable ABI library")
    def test_stable_abi_library_exists(self):
        """libpython3.so exists; programs for any version link with it."""
        self.assertTrue(support.is_elf(os.path.join(support.PREFIX, "lib", "libpython3.so")))

    def test_executable_finds_libpython_without_the_linkers_cache(self):
        """The executable finds libpython relative to itself, whether or not the linker's cache contains it."""
        elf = support.Elf(support.executable())
        self.assertIn(support.LIBPYTHON, elf.strings(support.DT_NEEDED))
        done = support.run(support.loader(), "--inhibit-cache", "--list", support.executable())
        self.assertIn(f"{support.LIBPYTHON} => {os.path.dirname(support.executable())}/../lib/", done.stdout)

    def test_libpython_loaded_by_name_is_this_interpreter(self):
        """Loading libpython by its name, as bindings to other languages do, gives the running interpreter."""
        self.assertEqual(ctypes.PyDLL(support.LIBPYTHON).Py_IsInitialized(), 1)

    @support.needs("headers")
    def test_linker_finds_libpython(self):
        """Programs outside /usr/local find libpython through the linker's cache, without LD_LIBRARY_PATH."""
        done = support.run("/bin/true", env=support.environment(LD_PRELOAD=support.LIBPYTHON))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        cached = support.run("/sbin/ldconfig", "-p").stdout
        self.assertRegex(cached, rf"{re.escape(support.LIBPYTHON)} .*=> {re.escape(support.libpython())}")

    @support.needs("ldconfig")
    def test_linkers_cache_has_no_missing_libraries(self):
        """Each library in the linker's cache exists."""
        cached = re.findall(r"=> (/\S+)", support.run("/sbin/ldconfig", "-p").stdout)
        self.assertTrue(cached)
        self.assertEqual([path for path in cached if not os.path.exists(path)], [])


if __name__ == "__main__":
    unittest.main()
