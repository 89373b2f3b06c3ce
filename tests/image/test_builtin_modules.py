"""Modules that are found before any file: those that are built into the interpreter, and frozen ones.

An application may have modules with the names of standard ones, such as resource.py, and may bring its own standard
library, in a zip file or in a folder that an embedding program names. Both work with the official images, in which only
upstream's own choice of modules is built in or frozen.
"""

import _imp
import fnmatch
import importlib.machinery
import importlib.util
import os
import pkgutil
import re
import shutil
import sys
import sysconfig
import unittest
import zipfile

import support

# Public modules that upstream builds in: Modules/config.c.in, Modules/Setup and Modules/Setup.bootstrap.in.
BUILT_IN = {
    "atexit", "builtins", "errno", "faulthandler", "gc", "itertools", "marshal", "posix", "pwd", "sys", "time",
    "xxsubtype",
}  # fmt: skip
# What upstream freezes: FROZEN in Tools/build/freeze_modules.py, or Python/frozen.c up to 3.10. Patterns.
FROZEN = (
    "_frozen_importlib", "_frozen_importlib_external", "importlib._bootstrap", "importlib._bootstrap_external",
    "zipimport", "abc", "codecs", "io", "_collections_abc", "_sitebuiltins", "genericpath", "ntpath", "posixpath",
    "os.path", "os", "site", "stat", "importlib.util", "importlib.machinery", "runpy",
    "__hello__", "__hello_alias__", "__hello_only__", "__phello__*", "__phello_alias__*",
)  # fmt: skip
FREEZES = sys.version_info >= (3, 11)

# Imports each argument, and prints the names of modules that do not come from the folder of the script.
SHADOWED = """
import os, sys
folder = sys.path[0]
for name in sys.argv[1:]:
    module = __import__(name)
    if getattr(module, "__file__", None) != f"{folder}/{name}.py":
        print(name)
print("done", flush=True)
os._exit(0)  # An ordinary exit calls functions of threading, which is one of the names.
"""
USES = """
import array, fcntl, grp, math, mmap, os, pyexpat, resource, select, struct, termios, xml.etree.ElementTree as tree
assert math.sqrt(array.array("d", [4])[0]) == 2 and math.__file__ == math.__spec__.origin
assert grp.getgrgid(0).gr_name == "root" and resource.getpagesize() == mmap.PAGESIZE
assert select.select([], [], [], 0) == ([], [], []) and fcntl.fcntl(0, fcntl.F_GETFD) >= 0
assert tree.fromstring("<a><b/></a>")[0].tag == "b" and issubclass(termios.error, Exception)
assert pyexpat.ParserCreate().Parse("<a/>", True) == 1
print("works")
"""
INTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
print(interpreters.run_string(other, "import math, select; assert math.sqrt(4) == 2"))
interpreters.destroy(other)
"""
ZIPPED = """
import encodings, encodings.aliases, linecache, math, urllib.request
assert "caf\\xe9".encode("cp037") and "b\\xfccher".encode("idna") == b"xn--bcher-kva"
assert encodings.aliases.aliases["our_own_alias"] == "utf_8"
try:
    urllib.request.urlopen("http://localhost:1/")
except OSError:
    pass
print(*encodings.__path__, encodings.__file__, encodings.aliases.__file__, linecache.__file__, sep="\\n")
"""


def public_modules():
    """Return the names of the public modules that have a shared object."""
    names = map(support.module_name, support.extension_modules())
    return {name for name in names if not name.startswith("_") and "test" not in name and not name.startswith("xx")}


class BuiltinModulesTest(unittest.TestCase):
    def test_only_upstreams_choice_of_public_modules_is_built_in(self):
        """Public modules are built in only if upstream builds them in."""
        public = {name for name in sys.builtin_module_names if not name.startswith("_")}
        self.assertEqual(public - BUILT_IN, set())

    def test_an_application_can_shadow_the_standard_library(self):
        """Modules in the folder of a script are found before the standard library's, as with the official images."""
        loaded = set(support.output_of_python(self, "import sys; print(*sys.modules)", "-I").split()) - {"linecache"}
        files = (module.name for module in pkgutil.iter_modules([support.STDLIB]) if not module.name.startswith("_"))
        # setuptools, which images below 3.12 have, replaces distutils.
        names = {*files, *public_modules()} - loaded - BUILT_IN - set(FROZEN) - {"distutils"}
        self.assertLessEqual({"math", "resource", "select", "linecache", "array", "random", "json"}, names)
        with support.temporary_folder() as folder:
            for name in names:
                with open(os.path.join(folder, f"{name}.py"), "w", encoding="utf-8"):
                    pass
            script = os.path.join(folder, "_main.py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(SHADOWED)
            done = support.run_python(script, *sorted(names))
        self.assertEqual((done.stdout, done.stderr), ("done\n", ""))

    def test_public_modules_have_files_that_work(self):
        """math and the like come from lib-dynload and work, even in a second interpreter and a zipped application."""
        for name in ("array", "fcntl", "grp", "math", "mmap", "pyexpat", "resource", "select", "termios"):
            with self.subTest(module=name):
                spec = importlib.util.find_spec(name)
                self.assertIsInstance(spec.loader, importlib.machinery.ExtensionFileLoader)
                file = name + sysconfig.get_config_var("EXT_SUFFIX")
                self.assertEqual(spec.origin, os.path.join(sysconfig.get_config_var("DESTSHARED"), file))
        self.assertEqual(support.output_of_python(self, USES, "-I"), "works\n")
        self.assertEqual(support.output_of_python(self, INTERPRETERS, "-I"), "None\n")
        with support.temporary_folder() as folder:
            application = os.path.join(folder, "application.pyz")
            with zipfile.ZipFile(application, "w") as packed:
                packed.writestr("__main__.py", USES)
            done = support.run_python(application)
        self.assertEqual((done.stdout, done.stderr), ("works\n", ""))

    def test_sysconfig_lists_what_is_built_in(self):
        """sysconfig lists modules without a file as built in (MODBUILT_NAMES, from 3.11 on without MODSHARED_NAMES)."""
        built, shared = (sysconfig.get_config_var(name) or "" for name in ("MODBUILT_NAMES", "MODSHARED_NAMES"))
        without_file = set(built.split()) - set(shared.split())
        self.assertLessEqual({"_struct", "posix"}, without_file)
        self.assertEqual(without_file - set(sys.builtin_module_names), set())

    def test_libpython_has_no_init_function_of_a_module_that_has_a_file(self):
        """A program or a library with its own PyInit_select, for PyImport_AppendInittab, uses that one."""
        exported = {name for name in support.Elf(support.libpython()).defined if re.match("PyInit_[a-z]", name)}
        self.assertLessEqual({name[len("PyInit_") :] for name in exported}, BUILT_IN)
        for path in support.extension_modules():
            name = support.module_name(path)
            with self.subTest(module=name):
                self.assertIn(f"PyInit_{name}", support.Elf(path).defined)


class FrozenModulesTest(unittest.TestCase):
    def test_only_upstreams_choice_of_modules_is_frozen(self):
        """Only what upstream freezes is frozen, so that a changed or zipped standard library is used as a whole."""
        names = {"encodings", "encodings.utf_8", "encodings.aliases", "linecache", "importlib"}
        for folder, _, files in os.walk(support.STDLIB):
            inside = os.path.relpath(folder, support.STDLIB)
            if inside.startswith(("site-packages", "config-")):
                continue
            package = "" if inside == "." else inside.replace("/", ".") + "."
            names.update(package + name[: -len(".py")] for name in files if name.endswith(".py"))
            names.add(package[:-1])
        if hasattr(_imp, "_frozen_module_names"):
            names.update(_imp._frozen_module_names())
        frozen = {name for name in names if name and _imp.is_frozen(name)}
        self.assertIn("zipimport", frozen)
        self.assertEqual({name for name in frozen if not any(fnmatch.fnmatchcase(name, p) for p in FROZEN)}, set())

    def test_a_zipped_standard_library_is_used_as_a_whole(self):
        """lib/pythonXY.zip below PYTHONHOME replaces the files, with all its encodings and its own changes."""
        name = next(os.path.basename(path) for path in sys.path if path.endswith(".zip"))
        with support.temporary_folder() as home:
            archive = os.path.join(home, "lib", name)
            dynload = os.path.join(home, "lib", os.path.basename(support.STDLIB), "lib-dynload")
            shutil.copytree(os.path.join(support.STDLIB, "lib-dynload"), dynload)
            with zipfile.ZipFile(archive, "w") as packed:
                for folder, folders, files in os.walk(support.STDLIB):
                    folders[:] = set(folders) - {"site-packages", "__pycache__", "lib-dynload"}
                    for name in files:
                        path = os.path.join(folder, name)
                        if name == "aliases.py":
                            with open(path, encoding="utf-8") as file:
                                text = file.read() + "\naliases['our_own_alias'] = 'utf_8'\n"
                            packed.writestr("encodings/aliases.py", text)
                        elif name.endswith(".py"):
                            packed.write(path, os.path.relpath(path, support.STDLIB))
            expected = [f"{archive}/{name}" for name in ("encodings", "encodings/__init__.py", "encodings/aliases.py")]
            expected.append(f"{archive}/linecache.py")
            for options in [(), ("-X", "frozen_modules=off"), ("-X", "frozen_modules=on")] if FREEZES else [()]:
                with self.subTest(options=options):
                    env = support.environment(PYTHONHOME=home)
                    done = support.run_python(*options, "-c", ZIPPED, env=env)
                    self.assertEqual(done.stdout.split(), expected, support.last_line(done.stderr))


if __name__ == "__main__":
    unittest.main()
