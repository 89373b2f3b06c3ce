"""Virtual environments.

Many Dockerfiles create one and copy it to a later stage. Without ensurepip's bundled pip that needs a network, and
a wrong prefix shows only when packages are missing.
"""

import json
import os
import sys
import unittest

import support

REPORT = "import json, sys, sysconfig; print(json.dumps([sys.prefix, sys.base_prefix, sysconfig.get_path('purelib')]))"


class VenvTest(unittest.TestCase):
    def make(self, folder, *options):
        path = os.path.join(folder, "venv")
        with support.bytecode_restored():
            done = support.run_python("-m", "venv", *options, path)
        self.assertEqual(done.returncode, 0, support.last_line(done.stdout + done.stderr))
        return path

    def python(self, venv, *arguments):
        done = support.run(os.path.join(venv, "bin", "python"), *arguments)
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        return done.stdout

    def check_prefix(self, venv):
        prefix, base, packages = json.loads(self.python(venv, "-c", REPORT))
        self.assertEqual((prefix, base), (venv, sys.base_prefix))
        self.assertTrue(packages.startswith(venv + "/lib/python"), packages)

    @support.needs("pip")
    def test_venv_with_pip(self):
        """`python -m venv` works without a network, and pip in the environment installs to the environment."""
        with support.temporary_folder() as folder:
            venv = self.make(folder)
            self.check_prefix(venv)
            done = support.run(os.path.join(venv, "bin", "pip"), "--version")
            self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
            self.assertIn(venv, done.stdout)
            installed = json.loads(self.python(venv, "-m", "pip", "list", "--format=json"))
            names = {package["name"] for package in installed}
            self.assertEqual(names, {"pip"} if sys.version_info >= (3, 12) else {"pip", "setuptools"})

    def test_venv_without_pip(self):
        """--without-pip creates an environment without pip."""
        with support.temporary_folder() as folder:
            venv = self.make(folder, "--without-pip")
            self.check_prefix(venv)
            self.assertFalse(os.path.exists(os.path.join(venv, "bin", "pip")))
            self.assertIn("None", self.python(venv, "-c", "import importlib.util as u; print(u.find_spec('pip'))"))

    @support.needs("pip")
    def test_venv_with_system_site_packages(self):
        """With --system-site-packages the environment sees the image's packages."""
        with support.temporary_folder() as folder:
            venv = self.make(folder, "--without-pip", "--system-site-packages")
            self.check_prefix(venv)
            path = self.python(venv, "-c", "import pip; print(pip.__file__)").strip()
            self.assertTrue(path.startswith(sys.base_prefix + "/lib/python"), path)

    def test_venv_with_copies(self):
        """With --copies the environment's python is not a link and still finds libpython."""
        with support.temporary_folder() as folder:
            venv = self.make(folder, "--without-pip", "--copies")
            self.assertFalse(os.path.islink(os.path.join(venv, "bin", "python")))
            self.check_prefix(venv)

    @support.needs("shell")
    def test_activation(self):
        """bin/activate puts the environment's python first on PATH."""
        with support.temporary_folder() as folder:
            venv = self.make(folder, "--without-pip")
            done = support.run("/bin/sh", "-c", '. "$1/bin/activate" && command -v python', "sh", venv)
            self.assertEqual(done.stdout.strip(), os.path.join(venv, "bin", "python"))


if __name__ == "__main__":
    unittest.main()
