"""The commands in /usr/local/bin.

Users expect python, pip and pydoc to be this interpreter's. A script whose shebang names a path of the build stage does
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
    """Yield (path, words of the shebang line) for each script in BIN."""
    for name in sorted(os.listdir(BIN)):
        path = os.path.join(BIN, name)
        with open(path, "rb") as file:
            first = file.readline()
        if first.startswith(b"#!"):
            yield path, os.fsdecode(first[2:]).split()


class CommandsTest(unittest.TestCase):
    def test_python_commands_run_this_interpreter(self):
        """python, python3 and pythonX.Y are on PATH and run this interpreter."""
        for name in {"python", "python3", "python" + VERSION, "python" + support.LDVERSION}:
            with self.subTest(command=name):
                path = shutil.which(name)
                self.assertEqual(path, os.path.join(BIN, name))
                done = support.run(name, "-c", "import os, sys; print(os.path.realpath('/proc/self/exe'), sys.prefix)")
                self.assertEqual(done.stdout.split(), [support.executable(), sys.prefix])

    @support.needs("pip")
    def test_pip_commands_use_this_interpreter(self):
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
        """pydoc prints the help of a module without a pager."""
        for name in ("pydoc", "pydoc3"):
            with self.subTest(command=name):
                done = support.run(name, "json", env=support.environment(PAGER="cat", MANPAGER="cat"))
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                self.assertIn("JSON (JavaScript Object Notation)", done.stdout)
                self.assertIn("dumps(", done.stdout)

    @support.needs("pydoc")
    def test_help_topics(self):
        """help('topics') and help texts from pydoc_data work."""
        out = support.output_of_python(
            self, "help('topics'); help('lambda'); help('with')", env=support.environment(PAGER="cat", MANPAGER="cat")
        )
        self.assertIn("TRUTHVALUE", out)
        self.assertIn("anonymous functions", out)
        self.assertIn("context manager", out)

    @support.needs("headers")
    def test_python_config(self):
        """python-config and its versioned names print the same flags, with folders that exist."""
        outputs = set()
        for name in ("python-config", "python3-config", f"python{support.LDVERSION}-config"):
            with self.subTest(command=name):
                self.assertEqual(shutil.which(name), os.path.join(BIN, name))
                done = support.run(name, "--prefix", "--includes", "--ldflags", "--embed", "--extension-suffix")
                self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
                outputs.add(done.stdout)
        self.assertEqual(len(outputs), 1, outputs)
        words = outputs.pop().split()
        self.assertIn("-lpython" + support.LDVERSION, words)
        self.assertIn("-I" + sysconfig.get_path("include"), words)
        self.assertIn(sysconfig.get_config_var("EXT_SUFFIX"), words)
        for word in words:
            if word.startswith(("-I/", "-L/")):
                with self.subTest(flag=word):
                    self.assertTrue(os.path.isdir(word[2:]))

    @support.needs("pydoc")
    def test_shebangs_name_an_existing_interpreter(self):
        """The shebang of every script names a program in the image, and Python by its version, as upstream does."""
        shebangs = list(scripts())
        self.assertTrue(shebangs)
        for path, words in shebangs:
            with self.subTest(script=path):
                program = words[0]
                if os.path.basename(program) == "env":
                    self.assertTrue(os.access(program, os.X_OK), program)
                    program = shutil.which(next(word for word in words[1:] if not word.startswith("-")))
                self.assertTrue(program and os.path.isabs(program) and os.access(program, os.X_OK), words)
                if "python" in os.path.basename(program):
                    self.assertEqual(os.path.realpath(program), support.executable())
                    self.assertIn(os.path.basename(program), ("python" + VERSION, "python" + support.LDVERSION))

    def test_commands_are_executable(self):
        """Everything in /usr/local/bin is executable by all users, and no link is broken."""
        for name in sorted(os.listdir(BIN)):
            path = os.path.join(BIN, name)
            with self.subTest(command=name):
                self.assertTrue(os.path.isfile(path), f"broken link to {os.path.realpath(path)}")
                self.assertEqual(os.stat(path).st_mode & 0o555, 0o555)

    def test_no_idle(self):
        """IDLE is not installed, because it needs Tk."""
        self.assertEqual(glob.glob(os.path.join(BIN, "idle*")), [])

    @support.needs("pip")
    def test_ensurepip_runs_as_a_program(self):
        """`python -m ensurepip` prints the version of the bundled pip."""
        done = support.run_python("-m", "ensurepip", "--version")
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        self.assertIn("pip ", done.stdout)

    def test_modules_run_as_programs(self):
        """`python -m` runs the standard library's command-line tools."""
        for arguments, expected in (
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
                self.assertIn(expected, done.stdout)


if __name__ == "__main__":
    unittest.main()
