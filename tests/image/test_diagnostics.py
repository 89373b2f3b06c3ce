"""The interpreter's diagnostics: perf, faulthandler, tracemalloc, tracebacks, profiling.

In production they show why a container is slow or crashes.
"""

import os
import platform
import signal
import sys
import unittest

import support

PERF = """
import os, sys
path = "/tmp/perf-%d.map" % os.getpid()
try:
    sys.activate_stack_trampoline("perf")
    assert sys.is_stack_trampoline_active()
    exec("def traced_function(): return 42")
    assert traced_function() == 42
    sys.deactivate_stack_trampoline()
    with open(path) as file:
        print("traced_function" in file.read())
finally:
    if os.path.exists(path):
        os.unlink(path)
"""


class DiagnosticsTest(unittest.TestCase):
    @unittest.skipUnless(sys.version_info >= (3, 12), "the perf trampoline is new in 3.12")
    @unittest.skipUnless(
        platform.machine() in ("x86_64", "aarch64"), "upstream has no perf trampoline for this architecture"
    )
    def test_perf_trampoline(self):
        """sys.activate_stack_trampoline writes the names of Python functions for perf."""
        self.assertEqual(support.output_of_python(self, PERF).strip(), "True")

    def test_faulthandler_shows_where_it_crashed(self):
        """A crash prints the Python stack to stderr, and the process still ends with the signal."""
        with support.temporary_folder() as folder:
            done = support.run_python(
                "-X",
                "faulthandler",
                "-c",
                "import faulthandler\ndef crash(): faulthandler._sigsegv()\ncrash()",
                cwd=folder,
                preexec_fn=support.no_core_file,
            )
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        self.assertIn("Fatal Python error: Segmentation fault", done.stderr)
        self.assertIn('File "<string>", line 2 in crash', done.stderr)

    def test_faulthandler_shows_a_hang(self):
        """dump_traceback_later shows where a program hangs."""
        done = support.run_python(
            "-c", "import faulthandler, time\nfaulthandler.dump_traceback_later(0.1, exit=True)\ntime.sleep(30)"
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn('File "<string>", line 3', done.stderr)

    def test_tracemalloc_finds_the_allocating_line(self):
        """tracemalloc names the line that allocated the most memory."""
        out = support.output_of_python(
            self,
            "import tracemalloc\ntracemalloc.start()\nx = [bytes(1000) for _ in range(1000)]\n"
            "top = tracemalloc.take_snapshot().statistics('lineno')[0]\n"
            "print(top.traceback[0].lineno, top.size > 10**6)",
        )
        self.assertEqual(out.split(), ["3", "True"])

    def test_traceback_shows_source_of_the_standard_library(self):
        """Tracebacks through the standard library show its source lines."""
        done = support.run_python("-c", "import json; json.loads('')")
        self.assertEqual(done.returncode, 1)
        self.assertIn(os.path.join(support.STDLIB, "json", "decoder.py"), done.stderr)
        self.assertIn("raise JSONDecodeError", done.stderr)

    def test_profiler(self):
        """cProfile counts calls."""
        out = support.run_python("-m", "cProfile", "-s", "ncalls", os.devnull).stdout
        self.assertIn("function calls", out)


if __name__ == "__main__":
    unittest.main()
