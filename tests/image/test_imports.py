"""Every module of the standard library can be imported.

Otherwise users would discover missing modules at run time. CPython's build skips modules whose libraries or headers are
missing.
"""

import fnmatch
import importlib.machinery
import json
import os
import pkgutil
import sys
import unittest

import support

# Modules, as names or shell patterns, that are not imported, with reasons.
LEFT_OUT = {
    "__main__": "the program itself",
    "*.__main__": "a program that runs when imported",
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
    "nis": "needs libnsl and libtirpc; deprecated in 3.11, removed in 3.13, and not in the official slim images",
    "lib2to3.pgen2.conv": "needs another program's output; upstream never imports it",
}

# The same for variants that leave out features: keys of support.FEATURES.
LEFT_OUT_WITH = {
    "ldconfig": ["_pyrepl._minimal_curses"],
    "ndbm": ["_dbm", "dbm.ndbm"],
    "pip": ["ensurepip", "ensurepip.*"],
    "pydoc": ["pydoc_data", "pydoc_data.*"],
    "fallbacks": ["_pydatetime", "_pydecimal", "_pyio"],
}

IMPORT_ALL = """
import importlib, io, json, os, sys, warnings
warnings.simplefilter("ignore")
names = json.load(sys.stdin)
results = os.dup(1)
os.dup2(2, 1)
failures = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failures[name] = "%s: %s" % (type(error).__name__, error)
os.write(results, json.dumps(failures).encode())
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
    """Return the names of the standard library's top-level modules."""
    if hasattr(sys, "stdlib_module_names"):
        return set(sys.stdlib_module_names)
    folders = [support.STDLIB, os.path.join(support.STDLIB, "lib-dynload")]
    names = {module.name for module in pkgutil.iter_modules(folders)}
    names.update(sys.builtin_module_names)
    return {name for name in names if not name.startswith("_sysconfigdata")}


def submodules(folder, package):
    """Yield the names of a package's modules, found by their files without importing anything."""
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
    """Import modules in one child process; return {name: error} for those that failed."""
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
        """Each module and submodule can be imported, except those that LEFT_OUT lists with a reason."""
        names = [name for name in all_modules() if reason_to_leave_out(name) is None]
        self.assertGreater(len(names), 400, "suspiciously few modules found")
        for name, error in sorted(import_in_child(self, names).items()):
            with self.subTest(module=name):
                self.fail(f"import {name}: {error}")

    def test_every_extension_module_imports(self):
        """Each shared object in lib-dynload can be imported, including those that no other module imports."""
        names = {
            name for name in map(support.module_name, support.extension_modules()) if not reason_to_leave_out(name)
        }
        self.assertGreater(len(names), 25, "suspiciously few modules in lib-dynload")
        for name, error in sorted(import_in_child(self, sorted(names)).items()):
            with self.subTest(module=name):
                self.fail(f"import {name}: {error}")

    def test_no_extension_module_failed_at_build_time(self):
        """There is no NAME_failed.so, to which CPython's build renames an extension that it cannot import."""
        self.assertEqual([path for path in support.extension_modules() if "_failed" in path], [])

    def test_extension_modules_have_this_interpreters_suffix(self):
        """The suffixes of files in lib-dynload are those that this interpreter imports."""
        suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
        self.assertEqual([path for path in support.extension_modules() if not path.endswith(suffixes)], [])


if __name__ == "__main__":
    unittest.main()
