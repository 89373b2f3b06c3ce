"""What the interpreter says about its own build.

pip, setuptools, meson and CMake compile extensions by it: flags of this build's optimisation (-flto, -fprofile-use)
or folders of the build stage that get in here break every extension that users compile.
"""

import os
import re
import sys
import sysconfig
import unittest

import support

FULL = support.RECIPE == "full"
UNSET = "IMAGE_RECIPE is not set"
# What distutils, setuptools and meson-python compile and link extensions with.
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

    @unittest.skipUnless(support.RECIPE, UNSET)
    def test_built_by_its_recipe(self):
        """A full build is configured with profile-guided and link-time optimisation, a quick one without profile."""
        arguments = self.configure_arguments()
        if FULL:
            self.assertIn("--enable-optimizations", arguments)
            self.assertTrue(
                [
                    word
                    for word in arguments
                    if word == "--with-lto" or (word.startswith("--with-lto=") and word != "--with-lto=no")
                ],
                arguments,
            )
        else:
            self.assertNotIn("--enable-optimizations", arguments)

    def test_built_with_a_shared_library(self):
        """The build has libpython as a shared library, which embedders need."""
        self.assertIn("--enable-shared", self.configure_arguments())
        self.assertEqual(sysconfig.get_config_var("Py_ENABLE_SHARED"), 1)

    def test_built_with_loadable_sqlite_extensions(self):
        """sqlite3 can load extensions."""
        self.assertIn("--enable-loadable-sqlite-extensions", self.configure_arguments())

    def test_not_a_debug_build(self):
        """Assertions and reference counting for debugging are off."""
        self.assertFalse(sysconfig.get_config_var("Py_DEBUG"))
        self.assertFalse(hasattr(sys, "gettotalrefcount"))

    @support.needs("headers")
    def test_every_path_exists(self):
        """Each folder of sysconfig.get_paths() exists and lies below the prefix."""
        for name, path in sysconfig.get_paths().items():
            with self.subTest(path=name):
                self.assertTrue(os.path.isdir(path), path)
                self.assertTrue(path == support.PREFIX or path.startswith(support.PREFIX + "/"), path)

    @support.needs("headers")
    def test_paths_that_sysconfig_prints_exist(self):
        """`python -m sysconfig` names no folder in its list of paths that is missing."""
        out = support.run_python("-m", "sysconfig").stdout
        section = out.split("Paths:", 1)[1].split("Variables:", 1)[0]
        paths = re.findall(r'= "(/.*)"', section)
        self.assertGreater(len(paths), 5)
        for path in paths:
            with self.subTest(path=path):
                self.assertTrue(os.path.isdir(path))

    @support.needs("headers")
    def test_folders_in_variables_exist(self):
        """The folders that extension builds read from variables exist."""
        for name in FOLDERS:
            with self.subTest(variable=name):
                self.assertTrue(os.path.isdir(variable(name)), variable(name))

    @support.needs("headers")
    def test_headers_and_makefile(self):
        """Python.h, pyconfig.h, the Makefile and the pkg-config files are there."""
        include = sysconfig.get_path("include")
        packages = os.path.join(variable("LIBDIR"), "pkgconfig")
        # A free-threaded build has python-3.13t.pc; all have the name without version.
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
    def test_header_agrees_with_the_interpreter(self):
        """The version in patchlevel.h is this interpreter's."""
        with open(os.path.join(sysconfig.get_path("include"), "patchlevel.h"), encoding="utf-8") as file:
            version = re.search(r'#define\s+PY_VERSION\s+"([^"]+)"', file.read()).group(1)
        self.assertEqual(version, sys.version.split()[0])

    def test_extensions_do_not_inherit_optimisation(self):
        """Flags for extensions hold neither link-time nor profile-guided optimisation."""
        for name in COMPILING + LINKING:
            with self.subTest(variable=name):
                self.assertNotRegex(variable(name), r"-flto|-fprofile|-ffat-lto|-fuse-linker-plugin")

    def test_extensions_are_not_linked_as_the_interpreter_is(self):
        """The run path of the interpreter, stripping and other options for its linker are not given to extensions.

        What `make LDFLAGS=...` is told can reach sysconfig through the environment of the process that writes its
        data, as the Makefile itself does not set LDFLAGS. The official slim images link with plain `gcc -shared`.
        """
        for name in LINKING:
            with self.subTest(variable=name):
                self.assertNotIn("-Wl,", variable(name))

    def test_extensions_are_not_compiled_as_the_interpreter_is(self):
        """Extensions are not forced to go without debug information, nor to treat warnings as errors.

        What `make EXTRA_CFLAGS=...` is told takes the same way as LDFLAGS.
        """
        for name in COMPILING:
            with self.subTest(variable=name):
                self.assertNotRegex(variable(name), r"(^|\s)(-g0|-Werror\S*)(\s|$)")

    def test_compilers_are_gcc(self):
        """C is compiled and linked with gcc, and C++ with g++.

        Where configure found no g++, CXX was recorded as gcc and extensions in C++ did not link with libstdc++
        (https://github.com/docker-library/python/issues/1131).
        """
        for name, wanted in (("CC", "gcc"), ("LDSHARED", "gcc"), ("CXX", "g++"), ("LDCXXSHARED", "g++")):
            with self.subTest(variable=name):
                self.assertEqual(os.path.basename(variable(name).split()[0]), wanted)
        self.assertIn("-shared", variable("LDSHARED").split())

    def test_no_folder_of_the_build_stage(self):
        """No value that extension builds use names a folder of the build stage."""
        for name in COMPILING + LINKING + FOLDERS:
            with self.subTest(variable=name):
                for folder in BUILD_FOLDERS:
                    self.assertNotRegex(variable(name), rf"(^|[\s=:'\"LI]){re.escape(folder)}(/|\s|$)")

    @support.needs("headers")
    def test_python_config_and_pkg_config_name_no_build_folder(self):
        """python-config's output and the .pc files name no folder of the build stage and no optimisation."""
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
