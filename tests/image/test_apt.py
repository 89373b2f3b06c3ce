"""Settings of apt and dpkg that slim images have.

With them `apt-get install` in a user's Dockerfile leaves no documentation, translations or package files behind,
starts no service, and is quick.
"""

import fnmatch
import glob
import os
import re
import unittest

import support


def dpkg_settings():
    """The lines of dpkg's configuration, without comments."""
    for path in ["/etc/dpkg/dpkg.cfg", *sorted(glob.glob("/etc/dpkg/dpkg.cfg.d/*"))]:
        if re.match(r"^[A-Za-z0-9_-]+(\.cfg)?$", os.path.basename(path)) and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    line = line.split("#", 1)[0].strip()
                    if line:
                        yield line


@support.needs("apt")
class AptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = {}
        for line in support.run("apt-config", "dump").stdout.splitlines():
            found = re.match(r'^(\S+?)(?:::)? "(.*)";$', line)
            if found:
                cls.settings.setdefault(found.group(1).lower(), []).append(found.group(2))

    def assert_setting(self, name, value):
        values = [found for found in self.settings.get(name.lower(), []) if found]
        self.assertIn(value, values, f"{name} is {values or 'not set'}")

    def test_suggested_packages_are_removed_automatically(self):
        """apt-get autoremove also removes what is only suggested."""
        self.assert_setting("APT::AutoRemove::SuggestsImportant", "false")

    def test_indexes_stay_compressed(self):
        """Package lists are kept compressed."""
        self.assert_setting("Acquire::GzipIndexes", "true")

    def test_no_translations_are_fetched(self):
        """Descriptions in other languages are not downloaded."""
        self.assert_setting("Acquire::Languages", "none")
        self.assertNotIn("en", self.settings.get("acquire::languages", []))

    def test_package_files_are_removed_after_installation(self):
        """Installing deletes the downloaded packages and keeps no binary cache."""
        for name in ("DPkg::Post-Invoke", "APT::Update::Post-Invoke"):
            with self.subTest(setting=name):
                commands = " ".join(self.settings.get(name.lower(), []))
                self.assertIn("rm -f", commands)
                self.assertIn("/var/cache/apt/archives/", commands)
        self.assertEqual([value for value in self.settings.get("dir::cache::pkgcache", []) if value], [])
        self.assertEqual([value for value in self.settings.get("dir::cache::srcpkgcache", []) if value], [])

    def test_dpkg_leaves_out_documentation(self):
        """dpkg installs neither documentation nor manuals nor translations."""
        patterns = [
            re.sub(r"^path-exclude\s*=?\s*", "", line) for line in dpkg_settings() if line.startswith("path-exclude")
        ]
        for path in ("/usr/share/doc/x/README", "/usr/share/man/man1/x.1.gz", "/usr/share/locale/de/LC_MESSAGES/x.mo"):
            with self.subTest(path=path):
                self.assertTrue([p for p in patterns if fnmatch.fnmatchcase(path, p)], patterns)

    def test_dpkg_keeps_licences(self):
        """Copyright files are still installed: their licences ask for it."""
        includes = [
            re.sub(r"^path-include\s*=?\s*", "", line) for line in dpkg_settings() if line.startswith("path-include")
        ]
        self.assertTrue([p for p in includes if fnmatch.fnmatchcase("/usr/share/doc/x/copyright", p)], includes)

    def test_dpkg_does_not_wait_for_the_disk(self):
        """dpkg does not flush each file: a layer is either written as a whole or not at all."""
        self.assertIn("force-unsafe-io", list(dpkg_settings()))

    def test_services_are_not_started(self):
        """policy-rc.d forbids packages to start services (exit status 101)."""
        self.assertTrue(os.access("/usr/sbin/policy-rc.d", os.X_OK), "/usr/sbin/policy-rc.d cannot be run")
        self.assertEqual(support.run("/usr/sbin/policy-rc.d", "x", "start").returncode, 101)

    def test_no_package_is_half_installed(self):
        """dpkg finds nothing to complain about, and nothing of a compiler is left."""
        done = support.run("dpkg", "--audit")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        out = support.run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${Package}\n").stdout
        packages = [line.split() for line in out.splitlines()]
        self.assertTrue(packages)
        self.assertEqual([line for line in packages if line[0] not in ("ii", "hi")], [])
        tools = [
            name
            for _, name in packages
            if name.endswith("-dev") or name in ("gcc", "g++", "make", "binutils", "dpkg-dev", "build-essential")
        ]
        self.assertEqual(tools, [])


if __name__ == "__main__":
    unittest.main()
