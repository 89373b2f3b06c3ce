"""The environment variables that the image sets.

Programs and derived Dockerfiles rely on PATH, PYTHON_VERSION and LANG as the official images set them. A variable left
from the build, such as PYTHONOPTIMIZE, would affect every program.
"""

import json
import os
import platform
import re
import sys
import unittest

import support

# Informational variables. All others that begin with PYTHON change the interpreter's behaviour.
HARMLESS = re.compile(r"^PYTHON_(VERSION|SHA256|PIP_VERSION|SETUPTOOLS_VERSION|GET_PIP_\w+)$")

FLAGS_OFF = (
    "debug",
    "inspect",
    "interactive",
    "optimize",
    "dont_write_bytecode",
    "no_user_site",
    "no_site",
    "ignore_environment",
    "verbose",
    "bytes_warning",
    "quiet",
    "isolated",
    "dev_mode",
    "safe_path",
)


class EnvironmentTest(unittest.TestCase):
    def image_python(self, code):
        """Run code in the image's own environment, with byte code written elsewhere."""
        with support.temporary_folder() as folder:
            done = support.run_python("-X", "pycache_prefix=" + folder, "-c", code, env=support.IMAGE_ENV, cwd=folder)
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        return done.stdout

    def test_path_begins_with_usr_local_bin(self):
        """PATH begins with /usr/local/bin and contains the system's folders."""
        folders = support.IMAGE_ENV["PATH"].split(":")
        self.assertEqual(folders[0], "/usr/local/bin")
        for folder in ("/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            self.assertIn(folder, folders)
        self.assertNotIn("", folders, "an empty entry means the current folder")

    def test_python_version(self):
        """PYTHON_VERSION is the interpreter's version."""
        self.assertEqual(support.IMAGE_ENV.get("PYTHON_VERSION"), platform.python_version())

    def test_lang(self):
        """LANG is C.UTF-8 before 3.13 and unset from 3.13 on, as in the official images."""
        expected = "C.UTF-8" if sys.version_info < (3, 13) else None
        self.assertEqual(support.IMAGE_ENV.get("LANG"), expected)
        self.assertNotIn("LC_ALL", support.IMAGE_ENV)

    def test_prefix(self):
        """The interpreter is installed in /usr/local."""
        self.assertEqual((sys.prefix, sys.exec_prefix, sys.base_prefix), (support.PREFIX,) * 3)
        self.assertEqual(os.path.dirname(support.executable()), os.path.join(support.PREFIX, "bin"))

    def test_no_variable_changes_the_interpreter(self):
        """No variable is set that changes the interpreter, pip or the dynamic linker."""
        changing = [
            name
            for name in support.IMAGE_ENV
            if name.startswith(("PYTHON", "PIP_", "LD_")) and not HARMLESS.match(name)
        ]
        self.assertEqual(changing, [])

    def test_flags_are_upstreams_defaults(self):
        """sys.flags has the default values."""
        out = self.image_python(
            "import json, sys; print(json.dumps({n: int(getattr(sys.flags, n)) for n in dir(sys.flags) "
            "if isinstance(getattr(sys.flags, n), int) and n[0] != '_'}))"
        )
        flags = json.loads(out)
        for name in FLAGS_OFF:
            with self.subTest(flag=name):
                self.assertEqual(flags.get(name, 0), 0)
        self.assertEqual(flags["hash_randomization"], 1)

    def test_module_path_is_upstreams_default(self):
        """sys.path contains only the standard library's folders and site-packages, all under the prefix."""
        path = json.loads(self.image_python("import json, sys; print(json.dumps(sys.path))"))
        thread = "t" if support.FREE_THREADED else ""
        major, minor = sys.version_info[:2]
        library = f"{support.PREFIX}/lib/python{major}.{minor}{thread}"
        archive = f"{support.PREFIX}/lib/python{major}{minor}{thread}.zip"
        self.assertEqual(path, ["", archive, library, library + "/lib-dynload", library + "/site-packages"])

    def test_startup_prints_nothing(self):
        """The interpreter starts and exits without output, with all warnings enabled."""
        with support.temporary_folder() as folder:
            done = support.run_python(
                "-X", "pycache_prefix=" + folder, "-W", "error", "-X", "dev", "-c", "pass", env=support.IMAGE_ENV
            )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
