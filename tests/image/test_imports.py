"""Every module of the standard library imports.

Without this a user finds out at run time that a module is missing, mostly because a library or its headers were not
there when the interpreter was compiled: CPython's build goes on without such modules.
"""

import fnmatch
import importlib.machinery
import json
import os
import pkgutil
import sys
import unittest

import support

# Names, shell patterns allowed, that are not imported, and why.
LEFT_OUT = {
    "__main__": "the program itself",
    "*.__main__": "a program: it runs when it is imported",
    "this": "prints a poem",
    "antigravity": "opens a browser",
    "idlelib": "needs Tk, which slim images do not have",
    "idlelib.*": "needs Tk",
    "tkinter": "needs Tk",
    "tkinter.*": "needs Tk",
    "turtle": "needs Tk",
    "turtledemo": "needs Tk",
    "turtledemo.*": "needs Tk",
    "_tkinter": "needs Tk",
    "test": "upstream's tests are not shipped",
    "test.*": "upstream's tests are not shipped",
    "*.test": "upstream's tests are not shipped",
    "*.test.*": "upstream's tests are not shipped",
    "*.tests": "upstream's tests are not shipped",
    "*.tests.*": "upstream's tests are not shipped",
    "_msi": "Windows",
    "_overlapped": "Windows",
    "_winapi": "Windows",
    "_winreg": "Windows",
    "_wmi": "Windows",
    "msilib": "Windows",
    "msilib.*": "Windows",
    "msvcrt": "Windows",
    "nt": "Windows",
    "winreg": "Windows",
    "winsound": "Windows",
    "asyncio.windows_*": "Windows",
    "distutils._msvccompiler": "Windows",
    "distutils.msvc*": "Windows",
    "distutils.command.bdist_msi": "Windows",
    "encodings.mbcs": "Windows",
    "encodings.oem": "Windows",
    "encodings._win_cp_codecs": "Windows",
    "multiprocessing.popen_spawn_win32": "Windows",
    "_pyrepl.windows_*": "Windows",
    "_scproxy": "macOS",
    "_ios_support": "iOS",
    "nis": "needs libnsl and libtirpc; deprecated in 3.11, gone in 3.13, and not in the official slim images",
    "lib2to3.pgen2.conv": "needs the output of another program; upstream imports it nowhere",
}

# The same for variants that leave something out, by the words of support.FEATURES.
LEFT_OUT_WITH = {
    "ldconfig": ["_pyrepl._minimal_curses"],
    "ndbm": ["_dbm", "dbm.ndbm"],
    "pip": ["ensurepip", "ensurepip.*"],
    "pydoc": ["pydoc_data", "pydoc_data.*"],
    "twins": ["_pydatetime", "_pydecimal", "_pyio"],
}

IMPORT_ALL = """
import importlib, io, json, os, sys, warnings
warnings.simplefilter("ignore")
names = json.load(sys.stdin)
answer = os.dup(1)
os.dup2(2, 1)
failures = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failures[name] = "%s: %s" % (type(error).__name__, error)
os.write(answer, json.dumps(failures).encode())
os._exit(0)
"""


def reason_to_leave_out(name):
    for pattern, reason in LEFT_OUT.items():
        if fnmatch.fnmatchcase(name, pattern):
            return reason
    for feature in support.LACKS.intersection(LEFT_OUT_WITH):
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in LEFT_OUT_WITH[feature]):
            return support.FEATURES[feature]
    return None


def top_level_modules():
    """The names of the modules that make up the standard library."""
    if hasattr(sys, "stdlib_module_names"):
        return set(sys.stdlib_module_names)
    folders = [support.STDLIB, os.path.join(support.STDLIB, "lib-dynload")]
    found = {module.name for module in pkgutil.iter_modules(folders)}
    found.update(sys.builtin_module_names)
    return {name for name in found if not name.startswith("_sysconfigdata")}


def submodules(folder, package):
    """Names of the modules in a package, found by their files so that nothing is imported."""
    for module in pkgutil.iter_modules([folder]):
        name = f"{package}.{module.name}"
        yield name
        if module.ispkg:
            yield from submodules(os.path.join(folder, module.name), name)


def all_modules():
    for name in sorted(top_level_modules()):
        yield name
        folder = os.path.join(support.STDLIB, name)
        if os.path.isdir(folder):
            yield from submodules(folder, name)


def import_in_child(test, names):
    """Import the named modules in one child; return {name: error} of those that failed."""
    with support.temporary_folder() as folder:
        done = support.run_python("-c", IMPORT_ALL, input=json.dumps(names), stdin=None, cwd=folder)
    test.assertEqual(
        done.returncode,
        0,
        f"importing ended with {support.signal_name(done.returncode)}: {support.last_line(done.stderr)}",
    )
    return json.loads(done.stdout)


class ImportsTest(unittest.TestCase):
    def test_every_module_of_the_standard_library_imports(self):
        """Each module and submodule imports, but for those that LEFT_OUT gives a reason for."""
        names = [name for name in all_modules() if reason_to_leave_out(name) is None]
        self.assertGreater(len(names), 400, "the list of modules is too short to be true")
        for name, error in sorted(import_in_child(self, names).items()):
            with self.subTest(module=name):
                self.fail(f"import {name}: {error}")

    def test_every_extension_module_imports(self):
        """Each shared object in lib-dynload loads, also those that no module of the library needs."""
        names = set()
        for path in support.extension_modules():
            name = os.path.basename(path).split(".", 1)[0]
            if reason_to_leave_out(name) is None:
                names.add(name)
        self.assertGreater(len(names), 25, "lib-dynload holds too few modules to be true")
        for name, error in sorted(import_in_child(self, sorted(names)).items()):
            with self.subTest(module=name):
                self.fail(f"import {name}: {error}")

    def test_no_extension_module_failed_its_import_check_at_build_time(self):
        """CPython's build renames an extension it cannot import to NAME_failed.so; there is none."""
        failed = [
            os.path.basename(path)
            for path in support.extension_modules()
            if os.path.basename(path).split(".", 1)[0].endswith("_failed") or "_failed" in path
        ]
        self.assertEqual(failed, [])

    def test_extension_modules_carry_this_interpreters_tag(self):
        """Files in lib-dynload end in a suffix that this interpreter loads."""
        suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
        strange = [path for path in support.extension_modules() if not path.endswith(suffixes)]
        self.assertEqual(strange, [])


if __name__ == "__main__":
    unittest.main()
