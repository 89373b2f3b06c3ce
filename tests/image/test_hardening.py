"""Hardening of the interpreter's machine code.

A scanner of binaries (hardening-check, checksec) finds what is missing here, and an attacker makes use of it. The
distribution's own python3 has all of it.
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
        """Tables of addresses are read-only after start (RELRO)."""

        def check(elf):
            self.assertTrue(elf.has_segment(support.PT_GNU_RELRO), "no GNU_RELRO segment")

        self.check_each(check)

    def test_symbols_are_bound_at_start(self):
        """Functions are looked up at start (BIND_NOW), so that RELRO covers their addresses too."""

        def check(elf):
            self.assertTrue(
                elf.flag(support.DT_FLAGS, support.DF_BIND_NOW)
                or elf.flag(support.DT_FLAGS_1, support.DF_1_NOW)
                or [tag for tag, _ in elf.dynamic if tag == support.DT_BIND_NOW],
                "lazy binding",
            )

        self.check_each(check)

    def test_stack_is_not_executable(self):
        """Data on the stack cannot be run."""

        def check(elf):
            flags = [segment[1] for segment in elf.segments if segment[0] == support.PT_GNU_STACK]
            self.assertEqual(len(flags), 1, "no GNU_STACK segment: the stack would be executable")
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
        """Functions with buffers check a canary before they return."""
        self.assertTrue("__stack_chk_fail" in self.main_file().used, "nothing refers to __stack_chk_fail")

    def test_fortified_functions(self):
        """Calls of memcpy, snprintf and the like are checked against the size of the buffer."""
        checked = {name for name in self.main_file().used if name.startswith("__") and name.endswith("_chk")}
        self.assertGreater(len(checked), 3, f"functions referred to: {sorted(checked)}")

    def main_file(self):
        """The file with the interpreter's code."""
        return self.files[support.libpython()]


if __name__ == "__main__":
    unittest.main()
