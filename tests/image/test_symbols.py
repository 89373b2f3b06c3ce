"""Symbols and frame pointers for debuggers and profilers.

py-spy, gdb and austin find the interpreter by symbols that must not be stripped. perf unwinds the stack by frame
pointers (from 3.12 on, the official images are built with them).
"""

import ctypes
import glob
import platform
import pyexpat
import re
import sys
import sysconfig
import unittest

import support

MOV_RSP_RBP = (b"\x48\x89\xe5", b"\x48\x8b\xec")
PROLOGUE = 40
# Functions that shared/startup.order lists, and others.
AT_START = ("Py_BytesMain", "Py_RunMain", "PyConfig_Clear", "PyInterpreterState_Delete", "PyMem_Malloc")
RARE = ("PyNumber_InPlaceRshift", "PyNumber_InPlaceFloorDivide", "PyUnicode_DecodeUTF7Stateful", "PyNumber_Power")
# Public data that libpython itself does not use in one series or another, which is true of the reference's build too.
# PY_TIMEOUT_MAX is a constant whose value clang inlines.
UNUSED = {
    "PY_TIMEOUT_MAX",
    "PyExc_ArithmeticError", "PyExc_ConnectionError", "PyExc_FloatingPointError", "PyExc_FutureWarning",
    "PyExc_ModuleNotFoundError", "PyExc_UnicodeWarning", "PyStructSequence_UnnamedField", "Py_Version",
    "PyUnstable_ExecutableKinds", "_PyParser_TokenNames", "_PySet_Dummy",
}  # fmt: skip


def sets_frame_pointer(code):
    """Return whether a function that begins with these bytes sets up a frame pointer."""
    return any(mov in code for mov in MOV_RSP_RBP)


class SymbolsTest(unittest.TestCase):
    def test_profilers_find_the_interpreter(self):
        """_PyRuntime and the version function are dynamic symbols of libpython, and the version is correct."""
        symbols = support.Elf(support.libpython()).defined
        for name in ("_PyRuntime", "Py_GetVersion", "Py_BytesMain", "PyRun_SimpleString"):
            with self.subTest(symbol=name):
                self.assertIn(name, symbols)
        ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime")
        get_version = ctypes.pythonapi.Py_GetVersion
        get_version.restype = ctypes.c_char_p
        self.assertEqual(get_version().decode(), sys.version)

    def test_the_compilers_helpers_are_linked_in(self):
        """A tree that was copied to a base without libgcc_s works, including _decimal's 128-bit division."""
        for path in (support.executable(), support.libpython(), *support.extension_modules()):
            with self.subTest(path=path):
                self.assertNotIn("libgcc_s.so.1", support.Elf(path).strings(support.DT_NEEDED))

    @unittest.skipUnless("Clang" in sys.version, "gcc's linker takes no order of functions")
    def test_functions_of_a_start_are_next_to_each_other(self):
        """They are at the beginning of libpython's code: a page with one of them is mapped as a whole."""
        start, other = (
            [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in names]
            for names in (AT_START, RARE)
        )
        self.assertLess(max(start), min(other))

    def test_no_file_needs_packed_relocations(self):
        """A tree or a bundle that was copied to a distribution with glibc 2.35, as Ubuntu 22.04 has, starts there."""
        for path in (support.executable(), support.libpython(), *support.extension_modules()):
            with self.subTest(path=path), open(path, "rb") as file:
                self.assertNotIn(b"GLIBC_ABI_DT_RELR", file.read())

    def test_extension_modules_find_libpython_by_a_relative_path(self):
        """ldd resolves libpython for math in a tree that was copied elsewhere; so do tools that bundle programs."""
        for path in support.extension_modules():
            elf = support.Elf(path)
            if any(name.startswith("libpython") for name in elf.strings(support.DT_NEEDED)):
                with self.subTest(path=path):
                    self.assertIn("$ORIGIN/../..", elf.strings(support.DT_RPATH, support.DT_RUNPATH))

    @unittest.skipUnless(sys.version_info >= (3, 11), "Py_Version is new in 3.11")
    def test_version_number_is_exported(self):
        """Py_Version is this interpreter's version."""
        self.assertEqual(ctypes.c_ulong.in_dll(ctypes.pythonapi, "Py_Version").value, sys.hexversion)

    @unittest.skipUnless(sys.version_info >= (3, 12), "frame pointers are enabled from 3.12 on")
    @unittest.skipUnless(platform.machine() == "x86_64", "checks x86_64 machine code")
    def test_functions_keep_frame_pointers(self):
        """Nearly every exported function sets up a frame pointer."""
        elf = support.Elf(support.libpython())
        self.assertEqual(elf.machine, support.EM_X86_64)
        functions = {
            address
            for name, kind, section, address in elf.symbols
            if section and kind == support.STT_FUNC and name.startswith("Py")
        }
        self.assertGreater(len(functions), 500)
        with_pointer = 0
        for address in functions:
            at = elf.offset_of(address)
            with_pointer += sets_frame_pointer(elf.data[at : at + PROLOGUE])
        # gcc 11 lets short paths return before the frame is set up (-fshrink-wrap): 0.78 on Ubuntu 22.04.
        self.assertGreater(with_pointer / len(functions), 0.7)

    @unittest.skipUnless(sys.version_info >= (3, 12), "frame pointers are enabled from 3.12 on")
    @unittest.skipUnless(platform.machine() == "x86_64", "checks x86_64 machine code")
    def test_expat_keeps_frame_pointers(self):
        """The bundled expat, which upstream compiles with separate flags, keeps frame pointers too."""
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
        pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        table = pointer_of(pyexpat.expat_CAPI, b"pyexpat.expat_CAPI")
        # Include/pyexpat.h: a pointer and four integers, then addresses of expat's functions. The third to the fifth
        # are GetErrorColumnNumber, GetErrorLineNumber and Parse. The first two need no frame, and gcc gives them none.
        # gcc 15 (on Ubuntu 26.04) sets up GetErrorColumnNumber's only after it has tested an argument.
        addresses = (ctypes.c_void_p * 5).from_address(table + 24)[2:]
        codes = [ctypes.string_at(address, PROLOGUE) for address in addresses]
        self.assertTrue(any(map(sets_frame_pointer, codes)), [code.hex() for code in codes])

    @support.needs("headers")
    def test_exported_data_can_be_copied_by_a_program(self):
        """libpython looks up exported data by symbol, because a program may have a copy that takes precedence.

        This is also true of _PyRuntime, which is internal, because programs compiled by Nuitka use it.
        """
        include = sysconfig.get_path("include")
        declared = {"_PyRuntime"}
        for path in glob.glob(f"{include}/*.h") + glob.glob(f"{include}/cpython/*.h"):
            with open(path, encoding="utf-8") as file:
                declared.update(re.findall(r"\bPyAPI_DATA\([^)]*\)[\s*(]*(?:const\s+)?(\w+)", file.read()))
        elf = support.Elf(support.libpython())
        data = {name for name, kind, section, _ in elf.symbols if section and kind == support.STT_OBJECT}
        self.assertGreater(len(declared & data), 150)
        self.assertEqual((declared & data) - elf.relocated_symbols - UNUSED, set())
        symbolic = elf.flag(support.DT_FLAGS, support.DF_SYMBOLIC)
        self.assertFalse(symbolic, "DF_SYMBOLIC is set: libpython would use its own data instead of the copies")

    def test_functions_in_slots_of_types_have_the_addresses_that_a_program_sees(self):
        """libpython looks up the functions that it compares with slots: a program may have other addresses for them."""
        functions = {
            "PyObject_Free", "PyObject_GenericGetAttr", "PyObject_GenericSetAttr", "PyObject_HashNotImplemented",
            "PyObject_SelfIter", "PyType_GenericAlloc",
        }  # fmt: skip
        elf = support.Elf(support.libpython())
        exported = {name for name, _, section, _ in elf.symbols if section}
        self.assertEqual(functions - exported, set())
        functions |= exported & {"_PyObject_NextNotImplemented"}  # up to 3.12
        self.assertEqual(functions - elf.relocated_symbols, set())


if __name__ == "__main__":
    unittest.main()
