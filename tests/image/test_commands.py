"""The commands in /usr/local/bin.

Users type python, pip and pydoc and mean this interpreter; a script whose first line names a path of the build does
not start.
"""

import glob
import os
import shutil
import sys
import sysconfig
import unittest

import support

BIN = os.path.join(support.PREFIX, "bin")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def scripts():
    """(path, words of the first line) of each script in BIN."""
    for name in sorted(os.listdir(BIN)):
        path = os.path.join(BIN, name)
        with open(path, "rb") as file:
            first = file.readline()
        if first.startswith(b"#!"):
            yield path, os.fsdecode(first[2:]).split()


class CommandsTest(unittest.TestCase):
    def test_names_of_the_interpreter(self):
        """python, python3 and pythonX.Y are this interpreter, found in PATH."""
        for name in {"python", "python3", "python" + VERSION, "python" + support.LDVERSION}:
            with self.subTest(command=name):
                path = shutil.which(name)
                self.assertEqual(path, os.path.join(BIN, name))
                done = support.run(name, "-c", "import os, sys; print(os.path.realpath('/proc/self/exe'), sys.prefix)")
                self.assertEqual(done.stdout.split(), [support.executable(), sys.prefix])

    @support.needs("pip")
    def test_names_of_pip(self):
        """pip, pip3 and pipX.Y run with this interpreter."""
        versions = set()
        for name in ("pip", "pip3", "pip" + VERSION):
            with self.subTest(command=name):
                self.assertEqual(shutil.which(name), os.path.join(BIN, name))
                done = support.run(name, "--version")
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                self.assertIn(f"(python {VERSION})", done.stdout)
                versions.add(done.stdout)
        self.assertEqual(len(versions), 1, versions)

    @support.needs("pydoc")
    def test_pydoc(self):
        """pydoc prints help on a module and on a topic without a pager."""
        for name in ("pydoc", "pydoc3"):
            with self.subTest(command=name):
                done = support.run(name, "json", env=support.environment(PAGER="cat", MANPAGER="cat"))
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                self.assertIn("JSON (JavaScript Object Notation)", done.stdout)
                self.assertIn("dumps(", done.stdout)

    @support.needs("pydoc")
    def test_help_topics(self):
        """help('topics') and a topic's text, from pydoc_data, are there."""
        out = support.output_of_python(
            self, "help('topics'); help('lambda'); help('with')", env=support.environment(PAGER="cat", MANPAGER="cat")
        )
        self.assertIn("TRUTHVALUE", out)
        self.assertIn("anonymous functions", out)
        self.assertIn("context manager", out)

    @support.needs("headers")
    def test_python_config(self):
        """python-config and its versions are the same and name folders that exist."""
        answers = set()
        for name in ("python-config", "python3-config", f"python{support.LDVERSION}-config"):
            with self.subTest(command=name):
                self.assertEqual(shutil.which(name), os.path.join(BIN, name))
                done = support.run(name, "--prefix", "--includes", "--ldflags", "--embed", "--extension-suffix")
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                answers.add(done.stdout)
        self.assertEqual(len(answers), 1, answers)
        words = answers.pop().split()
        self.assertIn("-lpython" + support.LDVERSION, words)
        self.assertIn("-I" + sysconfig.get_path("include"), words)
        self.assertIn(sysconfig.get_config_var("EXT_SUFFIX"), words)
        for word in words:
            if word.startswith(("-I/", "-L/")):
                with self.subTest(flag=word):
                    self.assertTrue(os.path.isdir(word[2:]))

    @support.needs("pydoc")
    def test_scripts_name_an_interpreter_that_exists(self):
        """The first line of every script names a program of the image."""
        found = list(scripts())
        self.assertTrue(found)
        for path, words in found:
            with self.subTest(script=path):
                program = words[0]
                if os.path.basename(program) == "env":
                    self.assertTrue(os.access(program, os.X_OK), program)
                    program = shutil.which(next(word for word in words[1:] if not word.startswith("-")))
                self.assertTrue(program and os.path.isabs(program) and os.access(program, os.X_OK), words)
                if "python" in os.path.basename(program):
                    self.assertEqual(os.path.realpath(program), support.executable())

    def test_commands_are_executable(self):
        """Everything in /usr/local/bin is a program that anybody may run, and no link leads nowhere."""
        for name in sorted(os.listdir(BIN)):
            path = os.path.join(BIN, name)
            with self.subTest(command=name):
                self.assertTrue(os.path.isfile(path), f"link to {os.path.realpath(path)}")
                self.assertEqual(os.stat(path).st_mode & 0o555, 0o555)

    def test_no_idle(self):
        """There is no idle: Tk is not installed."""
        self.assertEqual(glob.glob(os.path.join(BIN, "idle*")), [])

    @support.needs("pip")
    def test_ensurepip_runs_as_a_program(self):
        """`python -m ensurepip` knows the version of the pip that it brings."""
        done = support.run_python("-m", "ensurepip", "--version")
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        self.assertIn("pip ", done.stdout)

    def test_modules_run_as_programs(self):
        """`python -m` runs the tools users know."""
        for arguments, wanted in (
            (("-m", "json.tool", "--compact"), "[1]"),
            (("-m", "zipfile", "--help"), "usage"),
            (("-m", "http.server", "--help"), "usage"),
            (("-m", "timeit", "-n", "1", "-r", "1", "pass"), "loop"),
            (("-m", "this"), "Beautiful is better than ugly."),
            (("-m", "sysconfig"), "Platform"),
            (("-m", "site"), "sys.path"),
            (("-m", "calendar", "2024", "2"), "February 2024"),
        ):
            with self.subTest(module=arguments[1]):
                done = support.run_python(*arguments, input="[ 1 ]", stdin=None)
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                self.assertIn(wanted, done.stdout)


if __name__ == "__main__":
    unittest.main()
