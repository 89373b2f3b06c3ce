"""The files of the image: what must not be there, and who may change or run what is there.

Leftovers of the build make the image larger and show up in scanners; a file that anybody may write, or that runs as
root for anybody, is a hole in every image based on this one.
"""

import _imp
import glob
import grp
import importlib.util
import os
import pwd
import shutil
import stat
import sys
import sysconfig
import unittest

import support

# Programs of the distributions' base packages that run with another user's or group's rights.
SET_ID = {
    "chage",
    "chfn",
    "chsh",
    "expiry",
    "gpasswd",
    "mount",
    "newgrp",
    "pam_extrausers_chkpwd",
    "passwd",
    "ssh-agent",
    "su",
    "umount",
    "unix_chkpwd",
    "wall",
    "write",
    "write.ul",
}
SYSTEM_PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
BASE_FILES_OF_ROOT = {".bashrc", ".profile", ".bash_logout"}
COMPILER = ("gcc", "cc", "c99", "g++", "c++", "clang", "cpp", "make", "ld", "as", "ar", "tclsh", "wish")


def parents_of(path):
    """The folders that a path lies in."""
    while path != "/":
        path = os.path.dirname(path)
        yield path


# Help, Tk's modules, tools, twins of modules in C or frozen, and most of the tables of characters.
SOURCE_ONLY = (
    "/pydoc_data/",
    "/tkinter/",
    "/turtle.py",
    "/_pydecimal.py",
    "/_pyio.py",
    "/_pydatetime.py",
    "/encodings/",
    "/pydoc.py",
    "/doctest.py",
    "/pickletools.py",
    "/mailbox.py",
    "/imaplib.py",
    "/modulefinder.py",
    "/bdb.py",
    "/pdb.py",
    "/profile.py",
    "/pstats.py",
    "/trace.py",
    "/ftplib.py",
    "/poplib.py",
    "/wave.py",
    "/webbrowser.py",
    "/wsgiref/",
    "/xmlrpc/",
    "/xml/dom/",
    "/importlib/_bootstrap",
    # Of other systems.
    "/windows_",
    "/proactor_events.py",
    "/popen_spawn_win32.py",
    "/ctypes/macholib/",
    "/_osx_support.py",
    "/_ios_support.py",
    "/_android_support.py",
    "/_apple_support.py",
    "/nturl2path.py",
)
ENCODINGS = ("__init__", "aliases", "ascii", "cp437", "idna", "latin_1", "punycode", "utf_8", "utf_8_sig", "utf_16")


class FilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.entries = list(support.walk_image())

    def below(self, top):
        return [(path, info) for path, info in self.entries if path.startswith(top + "/")]

    def regular(self, top, *suffixes):
        return [
            path
            for path, info in self.below(top)
            if stat.S_ISREG(info.st_mode) and (not suffixes or path.endswith(suffixes))
        ]

    def assert_none(self, paths):
        paths = list(paths)
        if paths:
            self.fail(f"{len(paths)} found: {support.some(paths)}")

    def test_the_walk_sees_the_image(self):
        """The walk that these tests rely on reaches the files of system and interpreter."""
        paths = {path for path, _ in self.entries}
        self.assertGreater(len(paths), 1500)
        status = "/var/lib/dpkg/status.d/libc6" if "apt" in support.LACKS else "/var/lib/dpkg/status"
        for path in ("/etc/passwd", status, support.executable(), os.__file__):
            self.assertIn(path, paths)

    # --- byte code

    @staticmethod
    def source_of(path):
        """The .py of a .pyc; importlib's own way stumbles over the dot in 3.9's __phello__.foo.py."""
        folder, name = os.path.split(path)
        suffix = "." + sys.implementation.cache_tag + ".pyc"
        return os.path.join(os.path.dirname(folder), name[: -len(suffix)] + ".py") if name.endswith(suffix) else ""

    def test_byte_code_is_the_standard_librarys_alone(self):
        """Each .pyc belongs to a module of the standard library that is there; other folders have none."""
        library = sysconfig.get_path("stdlib")
        stray = []
        for path, _ in self.below(support.PREFIX):
            if not path.endswith((".pyc", ".pyo")):
                continue
            if (
                not path.startswith(library + "/")
                or "/site-packages/" in path
                or not os.path.exists(self.source_of(path))
            ):
                stray.append(path)
        self.assert_none(stray)

    def test_the_standard_library_need_not_be_compiled(self):
        """Each module has its .pyc but the few that programs hardly start with: a fresh container would compile it."""
        library = sysconfig.get_path("stdlib")
        missing = [
            path
            for path in self.regular(library, ".py")
            if not any(part in path for part in ("/site-packages/", "/config-", "/lib2to3/tests/", *SOURCE_ONLY))
            and not _imp.is_frozen(os.path.relpath(path, library)[: -len(".py")].replace("/", "."))
            and not os.path.exists(importlib.util.cache_from_source(path))
        ]
        self.assert_none(missing)

    def test_common_encodings_need_not_be_compiled(self):
        """So are the encodings that a start, a URL, a ZIP archive or a file with a byte order mark needs."""
        library = sysconfig.get_path("stdlib")
        names = [name for name in ENCODINGS if not _imp.is_frozen(f"encodings.{name}")]
        sources = [os.path.join(library, "encodings", f"{name}.py") for name in names]
        self.assert_none([path for path in sources if not os.path.exists(importlib.util.cache_from_source(path))])

    def test_byte_code_is_checked_by_hash(self):
        """Each .pyc is of this interpreter and of its source, by hash (PEP 552), so that times do not matter."""
        found = self.regular(support.PREFIX, ".pyc")
        self.assertTrue(found, "there is none")
        wrong = []
        for path in found:
            with open(path, "rb") as file:
                head = file.read(16)
            with open(self.source_of(path), "rb") as file:
                expected = importlib.util.source_hash(file.read())
            if head != importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little") + expected:
                wrong.append(path)
        self.assert_none(wrong)

    # --- leftovers

    def test_no_static_library(self):
        """No static library is below /usr/local: libpython's takes 50 MB and nobody links with it."""
        self.assert_none(self.regular(support.PREFIX, ".a", ".la"))

    def test_no_test_packages(self):
        """The standard library comes without upstream's tests."""
        packages = sysconfig.get_path("purelib")
        self.assert_none(
            path
            for path, info in self.below(support.STDLIB)
            if os.path.basename(path) in ("test", "tests", "idle_test")
            and stat.S_ISDIR(info.st_mode)
            and not path.startswith(packages + "/")
        )

    def test_no_sources_and_no_build_folders(self):
        """Nothing of the build stage is left."""
        for path in ("/usr/src/python", "/out", "/out.packages", "/python.tar.xz"):
            with self.subTest(path=path):
                self.assertFalse(os.path.lexists(path))
        for folder in ("/usr/src", "/mnt", "/build"):
            with self.subTest(folder=folder):
                self.assert_none(path for path, _ in self.below(folder))

    def test_no_compiler(self):
        """No compiler, linker or make is in PATH."""
        self.assert_none(path for path in map(shutil.which, COMPILER) if path)

    def test_no_headers_of_the_system(self):
        """Header files are only Python's own."""
        self.assert_none(
            path
            for path, info in self.entries
            if path.endswith(".h") and stat.S_ISREG(info.st_mode) and not path.startswith(support.PREFIX + "/")
        )

    def test_no_package_lists_and_caches(self):
        """apt's lists, downloaded packages and caches are gone, and those of debconf and ldconfig."""
        with self.subTest(folder="/var/lib/apt/lists"):
            self.assert_none(
                path for path, info in self.below("/var/lib/apt/lists") if stat.S_ISREG(info.st_mode) and info.st_size
            )
        for folder, suffixes in (
            ("/var/cache/apt", (".bin", ".deb")),
            ("/var/cache/debconf", ("-old",)),
            ("/var/cache/ldconfig", ()),
        ):
            with self.subTest(folder=folder):
                self.assert_none(self.regular(folder, *suffixes))

    def test_logs_are_empty(self):
        """No log of the build is left: it would differ in each build."""
        self.assert_none(path for path, info in self.below("/var/log") if stat.S_ISREG(info.st_mode) and info.st_size)

    def test_homes_and_temporary_folders_are_empty(self):
        """Nothing is left in /root, /tmp, /var/tmp and /run."""
        # Folders that the tests' own lies in are theirs; container engines write the two files in /run.
        excused = {"/run/.containerenv", "/run/systemd/container"} | set(parents_of(support.HERE))
        excused.update(os.path.join("/root", name) for name in BASE_FILES_OF_ROOT)
        for folder in ("/root", "/tmp", "/var/tmp"):
            with self.subTest(folder=folder):
                self.assert_none(path for path, _ in self.below(folder) if path not in excused)
        with self.subTest(folder="/run"):
            self.assert_none(
                path
                for path, info in self.below("/run")
                if stat.S_ISREG(info.st_mode) and info.st_size and path not in excused
            )

    def test_no_backups_of_editors_and_packages(self):
        """No file that dpkg, an editor or patch put aside is left."""
        suffixes = (
            ".dpkg-old",
            ".dpkg-dist",
            ".dpkg-new",
            ".dpkg-tmp",
            ".orig",
            ".rej",
            ".swp",
            "~",
            ".gcda",
            ".gcno",
            ".profraw",
        )
        self.assert_none(path for path, info in self.entries if path.endswith(suffixes) and stat.S_ISREG(info.st_mode))

    def test_no_dangling_links_in_usr_local(self):
        """Every link below /usr/local leads somewhere."""
        self.assert_none(
            path for path, info in self.below(support.PREFIX) if stat.S_ISLNK(info.st_mode) and not os.path.exists(path)
        )

    # --- rights

    def test_no_unexpected_set_id_programs(self):
        """Only well-known programs of the distribution run with another user's or group's rights."""
        self.assert_none(
            path
            for path, info in self.entries
            if stat.S_ISREG(info.st_mode)
            and info.st_mode & (stat.S_ISUID | stat.S_ISGID)
            and not (os.path.basename(path) in SET_ID and os.path.dirname(path) in SYSTEM_PROGRAMS)
        )

    def test_nothing_is_writable_for_everybody(self):
        """Only folders like /tmp, where nobody can touch others' files, are writable for everybody."""

        def excused(info):
            return (
                stat.S_ISLNK(info.st_mode)
                or stat.S_ISCHR(info.st_mode)
                or (stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX)
            )

        self.assert_none(path for path, info in self.entries if info.st_mode & stat.S_IWOTH and not excused(info))

    def test_temporary_folders_are_sticky_and_open(self):
        """/tmp and /var/tmp have mode 1777: unprivileged users can make their files there."""
        for path in ("/tmp", "/var/tmp"):
            with self.subTest(folder=path):
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o1777)

    def test_every_owner_is_known(self):
        """No file belongs to a user or group without a name, such as that of the person who built."""
        users = {entry.pw_uid for entry in pwd.getpwall()}
        groups = {entry.gr_gid for entry in grp.getgrall()}
        self.assert_none(path for path, info in self.entries if info.st_uid not in users or info.st_gid not in groups)

    def test_the_interpreter_belongs_to_root(self):
        """Everything below /usr/local belongs to root, and only root may change it."""
        self.assert_none(
            path
            for path, info in self.below(support.PREFIX)
            if info.st_uid != 0 or (not stat.S_ISLNK(info.st_mode) and info.st_mode & 0o002)
        )

    def test_everybody_can_read_the_library(self):
        """An unprivileged user can read every file, and enter every folder, of the interpreter."""

        def readable(info):
            if stat.S_ISDIR(info.st_mode):
                return info.st_mode & 0o005 == 0o005
            return info.st_mode & 0o004 or stat.S_ISLNK(info.st_mode)

        self.assert_none(path for path, info in self.below(support.PREFIX) if not readable(info))

    @unittest.skipUnless(hasattr(os, "geteuid") and os.geteuid() == 0, "needs root to become somebody else")
    def test_an_unprivileged_user_can_run_python(self):
        """The user nobody, without a home, runs the interpreter, imports modules and makes temporary files."""

        def become_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        done = support.run(
            sys.executable,
            "-c",
            "import json, ssl, sqlite3, tempfile, getpass\ntempfile.TemporaryFile().close()\nprint(getpass.getuser())",
            env=support.environment(HOME="/nonexistent", TMPDIR=None),
            preexec_fn=become_nobody,
            cwd="/",
        )
        self.assertEqual(done.returncode, 0, support.last_line(done.stderr))
        self.assertEqual(done.stdout.strip(), "nobody")

    def test_licence_is_there(self):
        """CPython's licence is in the image, as it asks for."""
        self.assertTrue(glob.glob(os.path.join(support.STDLIB, "LICENSE*")))


if __name__ == "__main__":
    unittest.main()
