"""Guarantees of the variants without apt.

Applications on them rely on the absence of tools that an attacker could use, on records of packages for scanners, and
on a non-root user.
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
# Files outside /usr/local that no package lists: packages' scripts create them, minimal.sh creates the accounts and the
# linker's cache, and Docker creates the first.
GENERATED = {
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
    """Return the fields of a package's record."""
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
    """Return the names of the recorded packages."""
    return sorted(name for name in os.listdir(RECORDS) if not name.endswith(".md5sums"))


def checksums():
    """Return {real path: (md5, package)} for the recorded files."""
    sums = {}
    for name in packages():
        with open(os.path.join(RECORDS, name + ".md5sums"), encoding="utf-8") as lines:
            for line in lines:
                md5, path = line.rstrip("\n").split("  ", 1)
                folder, base = os.path.split("/" + path)
                sums[os.path.join(os.path.realpath(folder), base)] = (md5, name)
    return sums


def conffiles():
    """Return the paths of configuration files, which the records themselves list as "path md5"."""
    paths = set()
    for name in packages():
        for line in stanza(os.path.join(RECORDS, name)).get("Conffiles", "").split("\n"):
            paths.update(line.split()[:1])
    return paths


@support.without("apt")
class RecordsTest(unittest.TestCase):
    def test_every_file_of_the_distribution_belongs_to_a_recorded_package(self):
        """Scanners can find the package of each file."""
        known = set(checksums()) | conffiles() | GENERATED
        own = (support.PREFIX + "/", RECORDS + "/")
        unrecorded = [
            path
            for path, info in support.walk_image()
            if stat.S_ISREG(info.st_mode) and not path.startswith(own) and path not in known
        ]
        self.assertEqual(unrecorded, [])

    def test_files_match_their_packages_checksums(self):
        """Each recorded file exists and has the recorded checksum."""
        recorded = checksums()
        self.assertGreater(len(recorded), 300)
        for path, (md5, package) in recorded.items():
            with open(path, "rb") as file:
                if hashlib.md5(file.read(), usedforsecurity=False).hexdigest() != md5:
                    self.fail(f"{path} differs from the file in {package}")

    def test_records_have_the_fields_that_scanners_need(self):
        """Each record has the package's name, version, architecture and the status "installed"."""
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
        """Each package's copyright file exists, and so do the common licences that it refers to."""
        for name in packages():
            with self.subTest(package=name):
                with open(f"{LICENCES}{name}/copyright", encoding="utf-8", errors="replace") as file:
                    text = file.read()
                for common in set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text)):
                    self.assertTrue(os.path.exists(f"/usr/share/common-licenses/{common}"), common)

    def test_os_release_names_the_distribution(self):
        """/etc/os-release names the distribution whose security advisories apply."""
        with open("/etc/os-release", encoding="utf-8") as file:
            self.assertRegex(file.read(), r'(?m)^ID="?(debian|ubuntu)"?$')


@support.without("apt")
class LeftOutTest(unittest.TestCase):
    def test_no_package_manager_or_perl(self):
        """apt, dpkg, perl and pip are not on PATH, and none of their data is left."""
        self.assertEqual([path for path in map(shutil.which, MANAGERS) if path], [])
        for path in ("/etc/apt", "/etc/dpkg", "/usr/share/perl5", "/var/lib/apt", "/var/cache", "/var/lib/dpkg/info"):
            with self.subTest(path=path):
                self.assertFalse(os.path.lexists(path))

    @support.without("shell")
    def test_no_shell(self):
        """No shell is on PATH under any of the usual names."""
        self.assertEqual([path for path in map(shutil.which, SHELLS) if path], [])

    @support.without("shell")
    def test_python_is_the_only_program(self):
        """Every program on PATH is the interpreter."""
        programs = {
            os.path.realpath(os.path.join(folder, name)) for folder in folders_in_path() for name in os.listdir(folder)
        }
        self.assertEqual(programs, {support.executable()})

    @support.needs("shell")
    def test_debug_variants_have_busybox(self):
        """The shell works, and everything in the system's folders is busybox."""
        done = support.run("sh", "-c", "ls / | grep -c usr")
        self.assertEqual((done.returncode, done.stdout), (0, "1\n"))
        programs = {os.path.realpath(path) for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*")}
        self.assertEqual(programs, {"/usr/bin/busybox"})

    def test_no_set_id_programs(self):
        """No file is set-user-ID or set-group-ID."""
        paths = [
            path
            for path, info in support.walk_image()
            if stat.S_ISREG(info.st_mode) and info.st_mode & (stat.S_ISUID | stat.S_ISGID)
        ]
        self.assertEqual(paths, [])

    @support.without("headers")
    def test_no_headers_or_link_libraries(self):
        """There are no headers, and no libpython except the one that the interpreter is linked with."""
        self.assertFalse(os.path.exists(os.path.join(support.PREFIX, "include")))
        needed = support.Elf(support.executable()).strings(support.DT_NEEDED)
        libraries = {os.path.basename(path) for path in glob.glob(os.path.join(support.PREFIX, "lib", "libpython*"))}
        self.assertLessEqual(libraries, set(needed))

    def test_no_broken_links(self):
        """The target of every link is in the image."""
        kernel = ("/proc/", "/dev/", "/sys/")
        broken = [
            path
            for path, info in support.walk_image()
            if stat.S_ISLNK(info.st_mode) and not os.path.exists(path) and not os.readlink(path).startswith(kernel)
        ]
        self.assertEqual(broken, [])


@support.without("root")
class NonRootTest(unittest.TestCase):
    def test_default_user_is_nonroot(self):
        """The default user is 65532, has a name and a home folder, and is in no other group."""
        if os.getuid() == 0:
            self.skipTest("these tests were started as root")
        self.assertEqual((os.getuid(), os.getgid()), (NONROOT, NONROOT))
        self.assertEqual(set(os.getgroups()) - {NONROOT}, set())
        entry = pwd.getpwuid(NONROOT)
        self.assertEqual((entry.pw_name, entry.pw_dir), ("nonroot", "/home/nonroot"))
        self.assertEqual(support.IMAGE_ENV.get("HOME"), entry.pw_dir)

    def test_only_home_and_temporary_folders_are_writable(self):
        """The user can write to its home folder and to temporary folders only."""
        if os.getuid() == 0:
            self.skipTest("these tests were started as root")
        writable = {
            path for path, info in support.walk_image() if stat.S_ISDIR(info.st_mode) and os.access(path, os.W_OK)
        }
        below_tmp = {path for path in writable if path.startswith("/tmp/")}  # folders of these tests
        self.assertEqual(writable - below_tmp, {"/home/nonroot", "/tmp", "/var/tmp"})


@support.without("shell")
class ResolverTest(unittest.TestCase):
    def test_names_and_services_resolve_without_system_programs(self):
        """The C library reads /etc/hosts and finds its lists of services and protocols."""
        self.assertIn("127.0.0.1", {entry[4][0] for entry in socket.getaddrinfo("localhost", 80, socket.AF_INET)})
        self.assertEqual((socket.getservbyname("https"), socket.getprotobyname("tcp")), (443, 6))


if __name__ == "__main__":
    unittest.main()
