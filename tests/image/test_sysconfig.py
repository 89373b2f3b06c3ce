"""sysconfig: what the interpreter says about its own build.

pip, setuptools, meson and CMake use it to compile extensions. Optimisation flags of our build (-flto, -fprofile-use) or
folders of the build stage would break every extension that users compile.
"""

import os
import re
import sys
import sysconfig
import unittest

import support

# The variables that distutils, setuptools and meson-python compile and link extensions with.
COMPILING = (
    "CC",
    "CXX",
    "CFLAGS",
    "CPPFLAGS",
    "OPT",
    "BASECFLAGS",
    "PY_CFLAGS",
    "PY_CPPFLAGS",
    "CCSHARED",
    "CONFIGURE_CFLAGS",
    "CONFIGURE_CPPFLAGS",
    "EXTRA_CFLAGS",
)
LINKING = (
    "LDSHARED",
    "LDCXXSHARED",
    "BLDSHARED",
    "LDFLAGS",
    "PY_LDFLAGS",
    "CONFIGURE_LDFLAGS",
    "LINKFORSHARED",
    "LIBS",
    "SYSLIBS",
    "MODLIBS",
    "AR",
    "ARFLAGS",
    "RANLIB",
)
FOLDERS = (
    "LIBDIR",
    "LIBPL",
    "LIBDEST",
    "BINDIR",
    "INCLUDEDIR",
    "INCLUDEPY",
    "CONFINCLUDEDIR",
    "CONFINCLUDEPY",
    "LIBPC",
    "DESTSHARED",
    "BINLIBDEST",
    "prefix",
    "exec_prefix",
)
BUILD_FOLDERS = ("/usr/src", "/out", "/mnt")


def variable(name):
    return str(sysconfig.get_config_var(name) or "")


class SysconfigTest(unittest.TestCase):
    def configure_arguments(self):
        arguments = re.findall(r"'([^']*)'", variable("CONFIG_ARGS"))
        self.assertTrue(arguments, "CONFIG_ARGS is empty")
        return arguments

    @unittest.skipUnless(support.RECIPE, "IMAGE_RECIPE is not set")
    def test_configure_arguments_match_the_recipe(self):
        """A full build is configured with PGO and LTO, a quick build without PGO."""
        arguments = self.configure_arguments()
        if support.RECIPE == "full":
            self.assertIn("--enable-optimizations", arguments)
            self.assertRegex(" ".join(arguments), r"--with-lto(?!=no)")
        else:
            self.assertNotIn("--enable-optimizations", arguments)

    def test_built_with_a_shared_library(self):
        """libpython is a shared library, which programs that embed Python need."""
        self.assertIn("--enable-shared", self.configure_arguments())
        self.assertEqual(sysconfig.get_config_var("Py_ENABLE_SHARED"), 1)

    def test_built_with_loadable_sqlite_extensions(self):
        """sqlite3 is built with support for loadable extensions."""
        self.assertIn("--enable-loadable-sqlite-extensions", self.configure_arguments())

    def test_not_a_debug_build(self):
        """Debug assertions and reference count tracking are disabled."""
        self.assertFalse(sysconfig.get_config_var("Py_DEBUG"))
        self.assertFalse(hasattr(sys, "gettotalrefcount"))

    @support.needs("headers")
    def test_every_path_exists(self):
        """Each folder of sysconfig.get_paths() exists and is under the prefix."""
        for name, path in sysconfig.get_paths().items():
            with self.subTest(path=name):
                self.assertTrue(os.path.isdir(path), path)
                self.assertTrue(path == support.PREFIX or path.startswith(support.PREFIX + "/"), path)

    @support.needs("headers")
    def test_printed_paths_exist(self):
        """Each path that `python -m sysconfig` prints exists."""
        out = support.run_python("-m", "sysconfig").stdout
        section = out.split("Paths:", 1)[1].split("Variables:", 1)[0]
        paths = re.findall(r'= "(/.*)"', section)
        self.assertGreater(len(paths), 5)
        for path in paths:
            with self.subTest(path=path):
                self.assertTrue(os.path.isdir(path))

    @support.needs("headers")
    def test_folders_in_variables_exist(self):
        """The folders in variables that extension builds read exist."""
        for name in FOLDERS:
            with self.subTest(variable=name):
                self.assertTrue(os.path.isdir(variable(name)), variable(name))

    @support.needs("headers")
    def test_files_for_compiling_exist(self):
        """Python.h, pyconfig.h, the Makefile and the pkg-config files exist."""
        include = sysconfig.get_path("include")
        packages = os.path.join(variable("LIBDIR"), "pkgconfig")
        # A free-threaded build has python-3.13t.pc; all builds have the unversioned name.
        for path in (
            os.path.join(include, "Python.h"),
            os.path.join(include, "internal", "pycore_object.h"),
            os.path.join(include, "cpython", "object.h"),
            sysconfig.get_config_h_filename(),
            sysconfig.get_makefile_filename(),
            os.path.join(packages, "python3.pc"),
            os.path.join(packages, "python3-embed.pc"),
            os.path.join(packages, f"python-{support.LDVERSION}.pc"),
        ):
            with self.subTest(file=path):
                self.assertTrue(os.path.isfile(path))

    @support.needs("headers")
    def test_header_version_matches_the_interpreter(self):
        """The version in patchlevel.h is this interpreter's."""
        with open(os.path.join(sysconfig.get_path("include"), "patchlevel.h"), encoding="utf-8") as file:
            version = re.search(r'#define\s+PY_VERSION\s+"([^"]+)"', file.read()).group(1)
        self.assertEqual(version, sys.version.split()[0])

    def test_extensions_do_not_inherit_optimisation(self):
        """Flags for extensions contain neither LTO nor PGO."""
        for name in COMPILING + LINKING:
            with self.subTest(variable=name):
                self.assertNotRegex(variable(name), r"-flto|-fprofile|-ffat-lto|-fuse-linker-plugin")

    def test_extensions_do_not_inherit_linker_options(self):
        """Extensions do not inherit the interpreter's run path, stripping and other linker options.

        `make LDFLAGS=...` can reach sysconfig through the environment of the process that writes its data, because
        the Makefile itself does not set LDFLAGS. The official slim images link with plain `gcc -shared`.
        """
        for name in LINKING:
            with self.subTest(variable=name):
                self.assertNotIn("-Wl,", variable(name))

    def test_extensions_do_not_inherit_compiler_flags(self):
        """Extensions do not inherit -g0 (no debug information) or -Werror.

        `make EXTRA_CFLAGS=...` can reach sysconfig in the same way as LDFLAGS.
        """
        for name in COMPILING:
            with self.subTest(variable=name):
                self.assertNotRegex(variable(name), r"(^|\s)(-g0|-Werror\S*)(\s|$)")

    def test_compilers_are_gcc(self):
        """C is compiled and linked with gcc, C++ with g++.

        If configure does not find g++, CXX is recorded as gcc, and C++ extensions are not linked with libstdc++
        (https://github.com/docker-library/python/issues/1131).
        """
        for name, expected in (("CC", "gcc"), ("LDSHARED", "gcc"), ("CXX", "g++"), ("LDCXXSHARED", "g++")):
            with self.subTest(variable=name):
                self.assertEqual(os.path.basename(variable(name).split()[0]), expected)
        self.assertIn("-shared", variable("LDSHARED").split())

    def test_no_build_folders(self):
        """Variables that extension builds use name no folder of the build stage."""
        for name in COMPILING + LINKING + FOLDERS:
            with self.subTest(variable=name):
                for folder in BUILD_FOLDERS:
                    self.assertNotRegex(variable(name), rf"(^|[\s=:'\"LI]){re.escape(folder)}(/|\s|$)")

    @support.needs("headers")
    def test_python_config_and_pkg_config_name_no_build_folders(self):
        """python-config's output and the .pc files contain no build folders and no optimisation flags."""
        texts = {"python3-config": support.run("python3-config", "--cflags", "--ldflags", "--embed").stdout}
        packages = os.path.join(variable("LIBDIR"), "pkgconfig")
        for name in os.listdir(packages):
            with open(os.path.join(packages, name), encoding="utf-8") as file:
                texts[name] = file.read()
        for name, text in texts.items():
            with self.subTest(source=name):
                self.assertTrue(text.strip())
                self.assertNotRegex(text, r"-flto|-fprofile|/usr/src|(^|[\s=LI])/out(/|\s|$)")


if __name__ == "__main__":
    unittest.main()
