"""The image's files: unwanted ones, ownership and permissions.

Build leftovers make the image larger and show up in scanners. World-writable files and set-user-ID programs are
security holes in every image based on this one.
"""

import _imp
import contextlib
import glob
import grp
import importlib.util
import os
import pwd
import re
import shutil
import stat
import sys
import sysconfig
import unittest

import support

# Set-user-ID and set-group-ID programs of the distributions' base packages.
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
COMPILERS = ("gcc", "cc", "c99", "g++", "c++", "clang", "cpp", "make", "ld", "as", "ar", "tclsh", "wish")


def parents_of(path):
    """Yield the parent folders of a path."""
    while path != "/":
        path = os.path.dirname(path)
        yield path


# Modules without byte code: help texts, Tk, tools, fallbacks for C modules and frozen ones, and most encodings.
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
    "/xml/sax/",
    "/importlib/_bootstrap",
    "/dbm/",
    "/venv/",
    "/zipapp.py",
    "/tabnanny.py",
    "/netrc.py",
    "/unittest/mock.py",
    "/statistics.py",
    "/multiprocessing/managers.py",
    "/multiprocessing/shared_memory.py",
    "/email/headerregistry.py",
    "/email/_header_value_parser.py",
    "/smtplib.py",
    "/plistlib.py",
    "/zoneinfo/_zoneinfo.py",
    "/pyclbr.py",
    "/symtable.py",
    "/fileinput.py",
    "/filecmp.py",
    "/timeit.py",
    "/cmd.py",
    "/code.py",
    "/urllib/robotparser.py",
    "/tracemalloc.py",
    "/fractions.py",
    "/shelve.py",
    "/colorsys.py",
    "/sched.py",
    "/pty.py",
    "/cProfile.py",
    "/curses/",
    "/_pyrepl/",
    "/http/server.py",
    "/json/tool.py",
    "/sqlite3/__main__.py",
    "/sqlite3/dump.py",
    "/sysconfig/__main__.py",
    "/ensurepip/",
    "/asyncio/__main__.py",
    "/asyncio/tools.py",
    "/multiprocessing/dummy/",
    "/multiprocessing/sharedctypes.py",
    "/multiprocessing/heap.py",
    "/email/mime/audio.py",
    "/email/mime/image.py",
    "/xml/etree/ElementInclude.py",
    "/_ast_unparse.py",
    "/this.py",
    "/antigravity.py",
    "/lib2to3/",
    "/distutils/",
    "/asyncore.py",
    "/asynchat.py",
    "/smtpd.py",
    "/nntplib.py",
    "/telnetlib.py",
    "/cgitb.py",
    "/aifc.py",
    "/sunau.py",
    "/sndhdr.py",
    "/imghdr.py",
    "/chunk.py",
    "/xdrlib.py",
    "/crypt.py",
    "/mailcap.py",
    "/pipes.py",
    "/msilib/",
    "/formatter.py",
    "/symbol.py",
    "/binhex.py",
    # For other operating systems.
    "/ctypes/_aix.py",
    "/ctypes/wintypes.py",
    "/_aix_support.py",
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
# Folders and files that only the build stage has.
BUILD_ONLY = (b"/usr/src/python", b"/out/usr/local", b"/mnt/source", b"/mnt/profile", b"/mnt/extras", b"code.profclang")


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

    def test_walk_covers_the_image(self):
        """The file walk that these tests rely on reaches the system's and the interpreter's files."""
        paths = {path for path, _ in self.entries}
        self.assertGreater(len(paths), 1500)
        status = "/var/lib/dpkg/status.d/libc6" if "apt" in support.LACKS else "/var/lib/dpkg/status"
        for path in ("/etc/passwd", status, support.executable(), os.__file__):
            self.assertIn(path, paths)

    # --- byte code

    @staticmethod
    def source_of(path):
        """Return the .py of a .pyc; importlib's own function fails on the dot in 3.9's __phello__.foo.py."""
        folder, name = os.path.split(path)
        suffix = "." + sys.implementation.cache_tag + ".pyc"
        return os.path.join(os.path.dirname(folder), name[: -len(suffix)] + ".py") if name.endswith(suffix) else ""

    def test_byte_code_belongs_to_the_standard_library_or_pip(self):
        """Each .pyc belongs to an existing module of the standard library, pip, or what a .pth file imports."""
        stray = []
        for path, _ in self.below(support.PREFIX):
            if not path.endswith((".pyc", ".pyo")):
                continue
            if (
                not path.startswith(support.STDLIB + "/")
                or ("/site-packages/" in path and not any(part in path for part in ("/_distutils_hack/", "/pip/")))
                or not os.path.exists(self.source_of(path))
            ):
                stray.append(path)
        self.assert_none(stray)

    def test_standard_library_has_byte_code(self):
        """Each module has a .pyc, so that fresh containers need not compile it, except the few in SOURCE_ONLY."""
        missing = [
            path
            for path in self.regular(support.STDLIB, ".py")
            if not any(part in path for part in ("/site-packages/", "/config-", *SOURCE_ONLY))
            and not _imp.is_frozen(os.path.relpath(path, support.STDLIB)[: -len(".py")].replace("/", "."))
            and not os.path.exists(importlib.util.cache_from_source(path))
        ]
        self.assert_none(missing)

    def test_a_start_compiles_nothing(self):
        """Everything that Python imports at each start, .pth files included, has byte code or is frozen."""
        script = "import sys; print(*(getattr(m.__spec__, 'cached', None) for m in sys.modules.values()))"
        loaded = set(support.output_of_python(self, script).split()) - {"None"}
        self.assertTrue(any("/encodings/" in path for path in loaded), loaded)
        self.assert_none(path for path in loaded if not os.path.exists(path))

    def test_common_encodings_have_byte_code(self):
        """The encodings that startup, URLs, ZIP archives and byte order marks need have a .pyc."""
        sources = [os.path.join(support.STDLIB, "encodings", f"{name}.py") for name in ENCODINGS]
        self.assert_none([path for path in sources if not os.path.exists(importlib.util.cache_from_source(path))])

    def test_byte_code_is_validated_by_hash(self):
        """Each .pyc is for this interpreter and has its source's hash (PEP 552), so that timestamps do not matter."""
        paths = self.regular(support.PREFIX, ".pyc")
        self.assertTrue(paths, "no .pyc files found")
        wrong = []
        for path in paths:
            with open(path, "rb") as file:
                head = file.read(16)
            with open(self.source_of(path), "rb") as file:
                expected = importlib.util.source_hash(file.read())
            if head != importlib.util.MAGIC_NUMBER + (0b11).to_bytes(4, "little") + expected:
                wrong.append(path)
        self.assert_none(wrong)

    # --- leftovers

    def test_no_static_library(self):
        """/usr/local has no static libraries: libpython's takes 50 MB and is rarely linked with."""
        self.assert_none(self.regular(support.PREFIX, ".a", ".la"))

    def test_no_test_packages(self):
        """Upstream's tests are not installed."""
        packages = sysconfig.get_path("purelib")
        self.assert_none(
            path
            for path, info in self.below(support.STDLIB)
            if os.path.basename(path) in ("test", "tests", "idle_test")
            and stat.S_ISDIR(info.st_mode)
            and not path.startswith(packages + "/")
        )

    def test_no_source_and_build_folders(self):
        """No files of the build stage are left."""
        for path in ("/usr/src/python", "/out", "/out.packages", "/python.tar.xz"):
            with self.subTest(path=path):
                self.assertFalse(os.path.lexists(path))
        for folder in ("/usr/src", "/mnt", "/build"):
            with self.subTest(folder=folder):
                self.assert_none(path for path, _ in self.below(folder))

    def test_no_file_contains_a_path_of_the_build_stage(self):
        """No file, text or binary, contains the path of a folder or file that only the build stage has."""
        leftovers = []
        for path, info in self.entries:
            # Debug symbols name the source files (the debug variant).
            if not stat.S_ISREG(info.st_mode) or path.startswith("/usr/lib/debug/"):
                continue
            with contextlib.suppress(PermissionError), open(path, "rb") as file:
                content = file.read()
                if path.endswith(".so") and sys.version_info < (3, 12):
                    # setup.py compiles modules by their absolute paths, which assertions and errors contain (__FILE__),
                    # as in the official images.
                    content = re.sub(rb"/usr/src/python/[\w/]+\.[ch]\0", b"", content)
                leftovers += [f"{path} ({name.decode()})" for name in BUILD_ONLY if name in content]
        self.assert_none(leftovers)

    @unittest.skipIf(support.DEV, "the dev variant has them")
    def test_no_compiler(self):
        """No compiler, linker or make is on PATH."""
        self.assert_none(path for path in map(shutil.which, COMPILERS) if path)

    @unittest.skipIf(support.DEV, "the dev variant has them")
    def test_no_system_headers(self):
        """The only header files are Python's, and in the debug variant gdb's interface for JIT compilers."""
        self.assert_none(
            path
            for path, info in self.entries
            if path.endswith(".h")
            and stat.S_ISREG(info.st_mode)
            and not path.startswith((support.PREFIX + "/", "/usr/include/gdb/"))
        )

    def test_no_package_lists_and_caches(self):
        """apt's lists, downloads and caches and the caches of debconf and ldconfig are empty."""
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
        """No build logs are left; they would differ in each build."""
        self.assert_none(path for path, info in self.below("/var/log") if stat.S_ISREG(info.st_mode) and info.st_size)

    def test_homes_and_temporary_folders_are_empty(self):
        """/root, /tmp, /var/tmp and /run are empty."""
        # The parent folders of these tests; and two files in /run that container engines write.
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

    def test_no_backup_files(self):
        """No backup files of dpkg, editors or patch, and no profiling data, are left."""
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

    def test_no_broken_links_in_usr_local(self):
        """Every link in /usr/local has an existing target."""
        self.assert_none(
            path for path, info in self.below(support.PREFIX) if stat.S_ISLNK(info.st_mode) and not os.path.exists(path)
        )

    # --- permissions

    def test_no_unexpected_set_id_programs(self):
        """Only well-known programs of the distribution are set-user-ID or set-group-ID, and in dev ssh-keysign."""
        expected = ["/usr/lib/openssh/ssh-keysign"] if support.DEV else []
        self.assert_none(
            path
            for path, info in self.entries
            if stat.S_ISREG(info.st_mode)
            and info.st_mode & (stat.S_ISUID | stat.S_ISGID)
            and not (os.path.basename(path) in SET_ID and os.path.dirname(path) in SYSTEM_PROGRAMS)
            and path not in expected
        )

    def test_nothing_is_world_writable(self):
        """Only sticky folders such as /tmp are world-writable."""

        def excused(info):
            return (
                stat.S_ISLNK(info.st_mode)
                or stat.S_ISCHR(info.st_mode)
                or (stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX)
            )

        self.assert_none(path for path, info in self.entries if info.st_mode & stat.S_IWOTH and not excused(info))

    def test_temporary_folders_are_sticky_and_world_writable(self):
        """/tmp and /var/tmp have mode 1777, so that unprivileged users can create files there."""
        for path in ("/tmp", "/var/tmp"):
            with self.subTest(folder=path):
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o1777)

    def test_every_owner_is_known(self):
        """Every file's owner and group has a name; none is the user who built the image."""
        users = {entry.pw_uid for entry in pwd.getpwall()}
        groups = {entry.gr_gid for entry in grp.getgrall()}
        self.assert_none(path for path, info in self.entries if info.st_uid not in users or info.st_gid not in groups)

    def test_interpreter_is_owned_by_root(self):
        """Everything in /usr/local belongs to root and is not world-writable."""
        self.assert_none(
            path
            for path, info in self.below(support.PREFIX)
            if info.st_uid != 0 or (not stat.S_ISLNK(info.st_mode) and info.st_mode & 0o002)
        )

    def test_interpreter_is_world_readable(self):
        """Unprivileged users can read every file and enter every folder of the interpreter."""

        def readable(info):
            if stat.S_ISDIR(info.st_mode):
                return info.st_mode & 0o005 == 0o005
            return info.st_mode & 0o004 or stat.S_ISLNK(info.st_mode)

        self.assert_none(path for path, info in self.below(support.PREFIX) if not readable(info))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to switch users")
    def test_unprivileged_user_can_run_python(self):
        """The user nobody, without a home folder, can run Python, import modules and create temporary files."""

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

    def test_licence_is_included(self):
        """The image contains CPython's licence, as the licence requires."""
        self.assertTrue(glob.glob(os.path.join(support.STDLIB, "LICENSE*")))


if __name__ == "__main__":
    unittest.main()
