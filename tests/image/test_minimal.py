"""What a variant without apt and without a shell promises.

Whoever ships an application on it relies on nothing being there that an attacker could use, on scanners finding the
packages all the same, and on its running as an ordinary user.
"""

import glob
import hashlib
import os
import pwd
import re
import shutil
import socket
import stat
import unittest

import support

RECORDS = "/var/lib/dpkg/status.d"
NONROOT = 65532
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "busybox")
MANAGERS = ("apt", "apt-get", "dpkg", "dpkg-deb", "dpkg-query", "rpm", "pip", "pip3", "perl", "update-ca-certificates")
# Files outside /usr/local that no package has in its list: packages make them when they are installed, minimal.sh
# makes the accounts and the linker's cache, and Docker marks a container by the first.
MADE = {
    "/.dockerenv",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/timezone",
}
LICENCES = "/usr/share/doc/"


def folders_in_path():
    return [folder for folder in os.environ["PATH"].split(":") if os.path.isdir(folder)]


def stanza(path):
    """The fields of a package's record."""
    fields, name = {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line[:1] in " \t":
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.rstrip("\n").split(":", 1)
                fields[name] = value.strip()
    return fields


def packages():
    """The names of packages that are recorded."""
    return sorted(name for name in os.listdir(RECORDS) if not name.endswith(".md5sums"))


def sums():
    """{real path: (md5, package)} of the recorded files."""
    found = {}
    for name in packages():
        with open(os.path.join(RECORDS, name + ".md5sums"), encoding="utf-8") as lines:
            for line in lines:
                md5, path = line.rstrip("\n").split("  ", 1)
                folder, base = os.path.split("/" + path)
                found[os.path.join(os.path.realpath(folder), base)] = (md5, name)
    return found


def conffiles():
    """Configuration files, which are in the record itself: "path md5"."""
    found = set()
    for name in packages():
        for line in stanza(os.path.join(RECORDS, name)).get("Conffiles", "").split("\n"):
            found.update(line.split()[:1])
    return found


@support.without("apt")
class RecordsTest(unittest.TestCase):
    def test_every_file_of_the_distribution_belongs_to_a_recorded_package(self):
        """Scanners find each file's package: none is there without a record."""
        known = set(sums()) | conffiles() | MADE
        own = (support.PREFIX + "/", RECORDS + "/")
        strange = [
            path
            for path, info in support.walk_image()
            if stat.S_ISREG(info.st_mode) and not path.startswith(own) and path not in known
        ]
        self.assertEqual(strange, [])

    def test_files_are_what_their_packages_brought(self):
        """Each recorded file is there with the recorded content."""
        recorded = sums()
        self.assertGreater(len(recorded), 300)
        for path, (md5, package) in recorded.items():
            with open(path, "rb") as file:
                if hashlib.md5(file.read(), usedforsecurity=False).hexdigest() != md5:
                    self.fail(f"{path} is not the one of {package}")

    def test_records_say_what_scanners_ask_for(self):
        """Each record names package, version, architecture and that it is installed."""
        names = packages()
        self.assertIn("libc6", names)
        self.assertIn("base-files", names)
        for name in names:
            with self.subTest(package=name):
                fields = stanza(os.path.join(RECORDS, name))
                self.assertEqual(fields["Package"], name)
                self.assertEqual(fields["Status"].split()[-1], "installed")
                self.assertTrue(fields["Version"])
                self.assertTrue(fields["Architecture"])

    def test_every_package_has_its_licence(self):
        """The copyright file of each package is there, and the common licences that it refers to."""
        for name in packages():
            with self.subTest(package=name):
                with open(f"{LICENCES}{name}/copyright", encoding="utf-8", errors="replace") as file:
                    text = file.read()
                for common in set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text)):
                    self.assertTrue(os.path.exists(f"/usr/share/common-licenses/{common}"), common)

    def test_the_distribution_is_named(self):
        """/etc/os-release says which distribution's advisories apply."""
        with open("/etc/os-release", encoding="utf-8") as file:
            self.assertRegex(file.read(), r'(?m)^ID="?(debian|ubuntu)"?$')


@support.without("apt")
class LeftOutTest(unittest.TestCase):
    def test_no_package_manager_and_no_perl(self):
        """Neither apt nor dpkg nor perl nor pip is in PATH, and no data of theirs is left."""
        self.assertEqual([path for path in map(shutil.which, MANAGERS) if path], [])
        for path in ("/etc/apt", "/etc/dpkg", "/usr/share/perl5", "/var/lib/apt", "/var/cache", "/var/lib/dpkg/info"):
            with self.subTest(path=path):
                self.assertFalse(os.path.lexists(path))

    @support.without("shell")
    def test_no_shell(self):
        """There is no shell under any of the usual names."""
        self.assertEqual([path for path in map(shutil.which, SHELLS) if path], [])

    @support.without("shell")
    def test_no_program_but_python(self):
        """Whatever can be run by name is the interpreter."""
        programs = {
            os.path.realpath(os.path.join(folder, name)) for folder in folders_in_path() for name in os.listdir(folder)
        }
        self.assertEqual(programs, {support.executable()})

    @support.needs("shell")
    def test_a_shell_where_one_is_promised(self):
        """The shell runs, and everything in the system's folders belongs to one static program."""
        done = support.run("sh", "-c", "ls / | grep -c usr")
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"))
        programs = {os.path.realpath(path) for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*")}
        self.assertEqual(programs, {"/usr/bin/busybox"})

    def test_no_set_id_program_at_all(self):
        """Nothing runs with another user's or group's rights."""
        found = [
            path
            for path, info in support.walk_image()
            if stat.S_ISREG(info.st_mode) and info.st_mode & (stat.S_ISUID | stat.S_ISGID)
        ]
        self.assertEqual(found, [])

    @support.without("headers")
    def test_nothing_to_compile_with(self):
        """There are no headers, and libpython only where the interpreter itself is linked with it."""
        self.assertFalse(os.path.exists(os.path.join(support.PREFIX, "include")))
        needed = support.Elf(support.executable()).strings(support.DT_NEEDED)
        there = {os.path.basename(path) for path in glob.glob(os.path.join(support.PREFIX, "lib", "libpython*"))}
        self.assertLessEqual(there, set(needed))

    def test_no_link_leads_nowhere(self):
        """Every link leads to something that was taken as well."""
        kernel = ("/proc/", "/dev/", "/sys/")
        found = [
            path
            for path, info in support.walk_image()
            if stat.S_ISLNK(info.st_mode) and not os.path.exists(path) and not os.readlink(path).startswith(kernel)
        ]
        self.assertEqual(found, [])


@support.without("root")
class OrdinaryUserTest(unittest.TestCase):
    def test_it_runs_as_nonroot(self):
        """Without an option the user is 65532, has a name and a home, and is in no other group."""
        if os.getuid() == 0:
            self.skipTest("these tests were started as root")
        self.assertEqual((os.getuid(), os.getgid()), (NONROOT, NONROOT))
        self.assertEqual(set(os.getgroups()) - {NONROOT}, set())
        entry = pwd.getpwuid(NONROOT)
        self.assertEqual((entry.pw_name, entry.pw_dir), ("nonroot", "/home/nonroot"))
        self.assertEqual(support.IMAGE_ENV.get("HOME"), entry.pw_dir)

    def test_only_home_and_temporary_folders_can_be_written(self):
        """The user may write to its home and to /tmp, and to nothing that programs are read from."""
        if os.getuid() == 0:
            self.skipTest("these tests were started as root")
        writable = {
            path for path, info in support.walk_image() if stat.S_ISDIR(info.st_mode) and os.access(path, os.W_OK)
        }
        mine = {path for path in writable if path.startswith("/tmp/")}
        self.assertEqual(writable - mine, {"/home/nonroot", "/tmp", "/var/tmp"})


@support.without("shell")
class ResolverTest(unittest.TestCase):
    def test_names_and_services_resolve_without_programs_of_the_system(self):
        """The C library finds its modules for /etc/hosts, and the lists of services and protocols are there."""
        self.assertIn("127.0.0.1", {entry[4][0] for entry in socket.getaddrinfo("localhost", 80, socket.AF_INET)})
        self.assertEqual((socket.getservbyname("https"), socket.getprotobyname("tcp")), (443, 6))


if __name__ == "__main__":
    unittest.main()
