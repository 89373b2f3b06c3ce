"""Hardening of the interpreter's machine code.

Tools such as hardening-check and checksec report what is missing, and attackers exploit it. The distribution's python3
has all of these.
"""

import unittest

import support


class HardeningTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        paths = [support.executable(), support.libpython(), *support.extension_modules()]
        cls.files = {path: support.Elf(path) for path in paths}

    def check_each(self, check):
        """Call `check` with each file as a subtest."""
        self.assertGreater(len(self.files), 25)
        for path, elf in sorted(self.files.items()):
            with self.subTest(file=path):
                check(elf)

    def test_position_independent(self):
        """The interpreter is position-independent, and no file has relocations in its code."""
        self.assertTrue(self.files[support.executable()].has_segment(support.PT_INTERP))

        def check(elf):
            self.assertEqual(elf.type, support.ET_DYN)
            self.assertFalse([tag for tag, _ in elf.dynamic if tag == support.DT_TEXTREL])
            self.assertFalse(elf.flag(support.DT_FLAGS, support.DF_TEXTREL))

        self.check_each(check)

    def test_relocations_are_read_only(self):
        """Relocated data is read-only after startup (RELRO)."""

        def check(elf):
            self.assertTrue(elf.has_segment(support.PT_GNU_RELRO), "no GNU_RELRO segment")

        self.check_each(check)

    def test_symbols_are_bound_at_startup(self):
        """Symbols are resolved at startup (BIND_NOW), so that RELRO covers their addresses too."""

        def check(elf):
            self.assertTrue(
                elf.flag(support.DT_FLAGS, support.DF_BIND_NOW)
                or elf.flag(support.DT_FLAGS_1, support.DF_1_NOW)
                or [tag for tag, _ in elf.dynamic if tag == support.DT_BIND_NOW],
                "lazy binding",
            )

        self.check_each(check)

    def test_stack_is_not_executable(self):
        """The stack is not executable."""

        def check(elf):
            flags = [segment[1] for segment in elf.segments if segment[0] == support.PT_GNU_STACK]
            self.assertEqual(len(flags), 1, "no GNU_STACK segment, so the stack is executable")
            self.assertFalse(flags[0] & support.PF_X, "executable stack")

        self.check_each(check)

    def test_no_memory_is_writable_and_executable(self):
        """No segment is both writable and executable."""

        def check(elf):
            self.assertFalse(
                [segment for segment in elf.segments if segment[0] == support.PT_LOAD and segment[1] & 3 == 3]
            )

        self.check_each(check)

    def test_stack_protector(self):
        """Functions with buffers check a stack canary before they return."""
        self.assertTrue("__stack_chk_fail" in self.main_file().used, "__stack_chk_fail is not used")

    def test_fortified_functions(self):
        """Calls of memcpy, snprintf and similar functions check the size of the buffer."""
        checked = {name for name in self.main_file().used if name.startswith("__") and name.endswith("_chk")}
        self.assertGreater(len(checked), 3, f"fortified functions: {sorted(checked)}")

    def main_file(self):
        """Return the file that contains the interpreter's code."""
        return self.files[support.libpython()]


if __name__ == "__main__":
    unittest.main()
