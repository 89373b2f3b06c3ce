"""pip, which installs the packages of nearly every image based on this one."""

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
import unittest
import zipfile

import support

NAME = "image_test_package"
SCRIPT = "image-test-script"


def build_wheel(folder):
    """Write a wheel with one module and one entry point, without a build tool."""
    info = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}/__init__.py": "import sys\n\ndef main():\n    print('Größe', sys.prefix)\n",
        f"{NAME}/data.txt": "data\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\nRequires-Dist: not-there\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{SCRIPT} = {NAME}:main\n",
    }
    path = os.path.join(folder, f"{NAME}-1.0-py3-none-any.whl")
    record = []
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}")
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))
    return path


def listing(folder):
    return sorted(os.listdir(folder))


@support.needs("pip")
class PipTest(unittest.TestCase):
    def pip(self, *arguments):
        done = support.run("pip", *arguments)
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        return done

    def test_pip_uses_this_interpreter(self):
        """`pip --version` names this interpreter's version and site-packages."""
        out = self.pip("--version").stdout
        self.assertIn(f"(python {sys.version_info[0]}.{sys.version_info[1]})", out)
        self.assertIn(sysconfig.get_path("purelib"), out)

    def test_a_start_compiles_nothing(self):
        """What pip imports for `pip --version` has byte code, so that a fresh container need not compile it."""
        script = (
            "import sys; sys.argv = ['pip', '--version']\nfrom pip._internal.cli.main import main\ntry: main()\n"
            "except SystemExit: print(*(getattr(getattr(m, '__spec__', 0), 'cached', 0) for m in sys.modules.values()))"
        )
        loaded = set(support.output_of_python(self, script).splitlines()[-1].split()) - {"None", "0"}
        self.assertTrue(any("/pip/_internal/cli/" in path for path in loaded), loaded)
        self.assertEqual([path for path in sorted(loaded) if not os.path.exists(path)], [])

    def test_install_run_and_uninstall(self):
        """A wheel can be installed in the image, its script runs, and uninstalling it leaves nothing behind."""
        packages, scripts = sysconfig.get_path("purelib"), sysconfig.get_path("scripts")
        if not os.access(packages, os.W_OK) or not os.access(scripts, os.W_OK):
            self.skipTest(f"this user cannot write to {packages}")
        before = listing(packages), listing(scripts)
        with support.temporary_folder() as folder:
            wheel = build_wheel(folder)
            self.addCleanup(support.run, "pip", "uninstall", "--yes", NAME)
            done = self.pip("install", "--no-index", "--no-deps", wheel)
            self.assertNotIn("externally-managed", done.stderr)
        done = support.run(SCRIPT)
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        self.assertEqual(done.stdout, f"Größe {sys.prefix}\n")
        self.assertEqual(
            support.output_of_python(self, f"import {NAME} as m; print(m.__file__)").strip(),
            os.path.join(packages, NAME, "__init__.py"),
        )
        self.pip("uninstall", "--yes", NAME)
        self.assertEqual((listing(packages), listing(scripts)), before)

    def test_user_install(self):
        """`pip install --user` installs to the home folder, and the interpreter finds it there."""
        with support.temporary_folder() as folder:
            env = support.environment(HOME=folder)
            done = support.run(
                "pip",
                "install",
                "--user",
                "--no-index",
                "--no-deps",
                "--no-warn-script-location",
                build_wheel(folder),
                env=env,
            )
            self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
            done = support.run(os.path.join(folder, ".local", "bin", SCRIPT), env=env)
            self.assertEqual(done.stdout, f"Größe {sys.prefix}\n")

    def test_packages_are_consistent(self):
        """`pip check` reports no conflicts."""
        self.pip("check")

    def test_no_package_refers_to_a_build_folder(self):
        """`pip freeze --all` lists versions, because no package has a direct_url.json (PEP 610)."""
        distributions = importlib.metadata.distributions()
        urls = {package.metadata["Name"]: package.read_text("direct_url.json") for package in distributions}
        self.assertIn("pip", urls)
        self.assertEqual([name for name, url in urls.items() if url], [])

    def test_image_is_not_externally_managed(self):
        """There is no EXTERNALLY-MANAGED file, so that users can install in the image itself (PEP 668)."""
        self.assertFalse(os.path.exists(os.path.join(support.STDLIB, "EXTERNALLY-MANAGED")))

    @unittest.skipUnless(sys.version_info >= (3, 12), "before 3.12 ensurepip installs setuptools")
    def test_setuptools_and_wheel_are_absent_from_3_12_on(self):
        """From 3.12 on, the image has no setuptools and no wheel."""
        for name in ("setuptools", "wheel", "pkg_resources"):
            with self.subTest(package=name):
                self.assertIsNone(importlib.util.find_spec(name))

    @unittest.skipUnless(sys.version_info < (3, 12), "from 3.12 on the image has no setuptools")
    def test_setuptools_is_installed_before_3_12(self):
        """Before 3.12, the image has setuptools, like `python -m venv` and the official images."""
        self.assertEqual(support.output_of_python(self, "import setuptools; print('imported')").strip(), "imported")

    def test_only_expected_packages(self):
        """No other packages are installed."""
        installed = {
            name.split("-")[0].lower()
            for name in os.listdir(sysconfig.get_path("purelib"))
            if name.endswith((".dist-info", ".egg-info"))
        }
        expected = {"pip"} if sys.version_info >= (3, 12) else {"pip", "setuptools", "wheel"}
        self.assertLessEqual(installed, expected)
        self.assertIn("pip", installed)


if __name__ == "__main__":
    unittest.main()
