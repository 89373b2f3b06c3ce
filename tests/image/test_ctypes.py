"""Calling C functions with ctypes.

Packages that wrap shared libraries need it. A wrong libffi breaks callbacks and structures passed by value.
"""

import ctypes
import ctypes.util
import unittest

import support


class Ldiv(ctypes.Structure):
    _fields_ = [("quot", ctypes.c_long), ("rem", ctypes.c_long)]


class CtypesTest(unittest.TestCase):
    def setUp(self):
        self.libc = ctypes.CDLL("libc.so.6", use_errno=True)

    def test_calls_libc(self):
        """Functions of the C library can be called with arguments and results of several types."""
        self.assertEqual(self.libc.abs(-42), 42)
        self.libc.strtod.restype = ctypes.c_double
        self.assertEqual(self.libc.strtod(b"2.5", None), 2.5)
        buffer = ctypes.create_string_buffer(100)
        self.libc.snprintf(buffer, ctypes.c_size_t(100), b"%s-%d-%.2f", b"x", 7, ctypes.c_double(1.5))
        self.assertEqual(buffer.value, b"x-7-1.50")

    def test_callback_from_c(self):
        """qsort calls back into Python."""
        compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
        numbers = (ctypes.c_int * 6)(5, 1, 4, 1, 3, -9)
        self.libc.qsort.restype = None
        self.libc.qsort(
            numbers,
            ctypes.c_size_t(len(numbers)),
            ctypes.c_size_t(ctypes.sizeof(ctypes.c_int)),
            compare_type(lambda a, b: a[0] - b[0]),
        )
        self.assertEqual(list(numbers), [-9, 1, 1, 3, 4, 5])

    def test_structure_by_value(self):
        """A structure is returned by value."""
        self.libc.ldiv.restype = Ldiv
        self.libc.ldiv.argtypes = [ctypes.c_long, ctypes.c_long]
        result = self.libc.ldiv(47, 5)
        self.assertEqual((result.quot, result.rem), (9, 2))

    def test_errno_of_a_call(self):
        """ctypes.get_errno returns the errno of a C call."""
        self.assertEqual(self.libc.close(-1), -1)
        self.assertEqual(ctypes.get_errno(), 9)

    @support.needs("ldconfig")
    def test_find_library(self):
        """ctypes.util.find_library finds the C library with ldconfig, without a compiler."""
        self.assertEqual(ctypes.util.find_library("c"), "libc.so.6")


if __name__ == "__main__":
    unittest.main()
