"""What is new in 3.14 and depends on more than Python code: the parser, extension modules, system calls.

The syntax is in strings, because this file also has to compile with older series.
"""

import subprocess
import sys
import unittest

import support

# PEP 750
TEMPLATE = """
from string.templatelib import Interpolation, Template
name = "world"
template = t"Hello {name!r:>8}"
assert isinstance(template, Template)
assert template.strings == ("Hello ", "")
[field] = template.interpolations
print(field.value, field.expression, field.conversion, field.format_spec)
"""

# PEP 734; https://docs.python.org/3.14/library/concurrent.interpreters.html
INTERPRETERS = """
from concurrent import interpreters
from concurrent.futures import InterpreterPoolExecutor

queue = interpreters.create_queue()
other = interpreters.create()
other.prepare_main(queue=queue)
other.exec("import math, os, select, termios; queue.put(math.isqrt(49))")
print(queue.get())
other.close()
with InterpreterPoolExecutor(2) as pool:
    print(list(pool.map(abs, [-1, -2])))
"""

# https://docs.python.org/3.14/library/sys.html#sys.remote_exec. A process may attach to its children, unless ptrace is
# forbidden (Yama's ptrace_scope, seccomp); then the test is skipped.
REMOTE_EXEC = """
import os, subprocess, sys, tempfile, time

code = "import time\\nprint('ready', flush=True)\\nwhile True: time.sleep(0.01)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
    script.write("import os; os.write(1, b'from %d\\\\n' % os.getpid())")
    script.flush()
    os.chmod(script.name, 0o644)
    try:
        assert child.stdout.readline() == "ready\\n"
        try:
            sys.remote_exec(child.pid, script.name)
        except PermissionError:
            print("forbidden")
        else:
            print(child.stdout.readline() == f"from {child.pid}\\n")
    finally:
        child.kill()
        child.wait()
"""

# https://docs.python.org/3.14/whatsnew/3.14.html#asyncio-introspection-capabilities
EVENT_LOOP = """
import asyncio

async def wait_for_a_message():
    await asyncio.sleep(600)

async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(wait_for_a_message(), name="reader")
        print("ready", flush=True)

asyncio.run(main())
"""

DEFERRED = """
import annotationlib
def function(argument: Undefined): pass
print(annotationlib.get_annotations(function, format=annotationlib.Format.STRING))
"""


@unittest.skipUnless(sys.version_info >= (3, 14), "new in 3.14")
class NewIn314Test(unittest.TestCase):
    def test_template_strings(self):
        """A t-string keeps the parts of its text, and each value with its conversion and format."""
        self.assertEqual(support.output_of_python(self, TEMPLATE).split(), ["world", "name", "r", ">8"])

    def test_interpreters_share_the_process(self):
        """Another interpreter imports modules that are linked into libpython, sends objects, and is closed again."""
        self.assertEqual(support.output_of_python(self, INTERPRETERS).splitlines(), ["7", "[1, 2]"])

    def test_remote_exec_runs_a_script_in_another_process(self):
        """A running process executes a debugger's script; libpython's section .PyRuntime shows where to write it."""
        output = support.output_of_python(self, REMOTE_EXEC).strip()
        if output == "forbidden":
            self.skipTest("a process may not attach to its child here")
        self.assertEqual(output, "True")

    def test_asyncio_ps_lists_the_tasks_of_another_process(self):
        """`python -m asyncio ps` finds the layout of tasks in the section .AsyncioDebug of _asyncio's file."""
        child = subprocess.Popen([sys.executable, "-c", EVENT_LOOP], stdout=subprocess.PIPE)
        try:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            done = support.run_python("-m", "asyncio", "ps", str(child.pid))
        finally:
            child.kill()
            child.communicate()
        if "PermissionError" in done.stderr or "Permission denied" in done.stderr + done.stdout:
            self.skipTest("a process may not read its sibling here")
        self.assertRegex(done.stdout, "reader +.*wait_for_a_message", done.stderr)

    def test_annotations_are_evaluated_on_demand(self):
        """A name in an annotation may be undefined (PEP 649)."""
        self.assertEqual(support.output_of_python(self, DEFERRED).strip(), "{'argument': 'Undefined'}")


if __name__ == "__main__":
    unittest.main()
