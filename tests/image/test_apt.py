"""apt's and dpkg's settings for slim images.

With them `apt-get install` in a user's Dockerfile leaves no documentation, translations or package files behind,
starts no services, and is fast.
"""

import fnmatch
import glob
import os
import re
import unittest

import support


def dpkg_settings():
    """Yield the lines of dpkg's configuration without comments."""
    for path in ["/etc/dpkg/dpkg.cfg", *sorted(glob.glob("/etc/dpkg/dpkg.cfg.d/*"))]:
        if re.match(r"^[A-Za-z0-9_-]+(\.cfg)?$", os.path.basename(path)) and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    line = line.split("#", 1)[0].strip()
                    if line:
                        yield line


def dpkg_patterns(option):
    """Return the patterns of dpkg's option path-exclude or path-include."""
    return [re.sub(rf"^{option}\s*=?\s*", "", line) for line in dpkg_settings() if line.startswith(option)]


@support.needs("apt")
class AptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = {}
        for line in support.run("apt-config", "dump").stdout.splitlines():
            match = re.match(r'^(\S+?)(?:::)? "(.*)";$', line)
            if match:
                cls.settings.setdefault(match.group(1).lower(), []).append(match.group(2))

    def values(self, name):
        """Return the values of one of apt's settings, without empty ones."""
        return [value for value in self.settings.get(name.lower(), []) if value]

    def assert_setting(self, name, value):
        self.assertIn(value, self.values(name), f"{name} is {self.values(name) or 'not set'}")

    def test_suggested_packages_are_removed_automatically(self):
        """apt-get autoremove also removes packages that are only suggested."""
        self.assert_setting("APT::AutoRemove::SuggestsImportant", "false")

    def test_package_lists_stay_compressed(self):
        """apt stores package lists compressed."""
        self.assert_setting("Acquire::GzipIndexes", "true")

    def test_translations_are_not_downloaded(self):
        """Package descriptions in other languages are not downloaded."""
        self.assert_setting("Acquire::Languages", "none")
        self.assertNotIn("en", self.values("Acquire::Languages"))

    def test_package_files_are_removed_after_installation(self):
        """Installing a package deletes the downloaded files and leaves no binary cache."""
        for name in ("DPkg::Post-Invoke", "APT::Update::Post-Invoke"):
            with self.subTest(setting=name):
                commands = " ".join(self.values(name))
                self.assertIn("rm -f", commands)
                self.assertIn("/var/cache/apt/archives/", commands)
        self.assertEqual(self.values("Dir::Cache::pkgcache"), [])
        self.assertEqual(self.values("Dir::Cache::srcpkgcache"), [])

    def test_dpkg_excludes_documentation(self):
        """dpkg installs no documentation, manual pages or translations."""
        patterns = dpkg_patterns("path-exclude")
        for path in ("/usr/share/doc/x/README", "/usr/share/man/man1/x.1.gz", "/usr/share/locale/de/LC_MESSAGES/x.mo"):
            with self.subTest(path=path):
                self.assertTrue(any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns), patterns)

    def test_dpkg_includes_licences(self):
        """Copyright files are installed, as licences require."""
        patterns = dpkg_patterns("path-include")
        path = "/usr/share/doc/x/copyright"
        self.assertTrue(any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns), patterns)

    def test_dpkg_does_not_sync_files(self):
        """dpkg does not sync each file: a layer is written completely or not at all."""
        self.assertIn("force-unsafe-io", list(dpkg_settings()))

    def test_services_are_not_started(self):
        """policy-rc.d prevents packages from starting services (exit status 101)."""
        self.assertTrue(os.access("/usr/sbin/policy-rc.d", os.X_OK), "/usr/sbin/policy-rc.d is not executable")
        self.assertEqual(support.run("/usr/sbin/policy-rc.d", "x", "start").returncode, 101)

    def test_packages_are_fully_installed(self):
        """`dpkg --audit` reports nothing, and only the dev variant has a compiler or -dev packages."""
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
        self.assertEqual(bool(tools), support.DEV, tools)


if __name__ == "__main__":
    unittest.main()
