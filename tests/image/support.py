"""Helpers shared by the image's tests: child processes, terminals, ELF files, the file system."""

import contextlib
import os
import platform
import pty
import select
import signal
import stat
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
PREFIX = "/usr/local"
STDLIB = sysconfig.get_path("stdlib")
PYTHON_VERSION = os.environ.get("PYTHON_VERSION") or platform.python_version()
RECIPE = os.environ.get("IMAGE_RECIPE")
# The variant for building applications, which has compilers and headers.
DEV = os.environ.get("IMAGE_VARIANT") == "dev"
# The features that the image's variant leaves out: `lacks` of [variants] in shared/catalog.toml.
LACKS = frozenset(os.environ.get("IMAGE_LACKS", "").split())
FEATURES = {
    "apt": "apt and dpkg",
    "headers": "headers, Makefile and libpython.so, which compiling and linking need",
    "ldconfig": "ldconfig, which ctypes.util.find_library runs",
    "ndbm": "Berkeley DB, which dbm.ndbm is linked with",
    "pip": "pip and ensurepip",
    "pydoc": "the pydoc command and the texts of help topics",
    "root": "root as its default user",
    "shell": "a shell and system programs",
    "fallbacks": "the pure-Python fallbacks of C modules",
}
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
ABIFLAGS = getattr(sys, "abiflags", "")
# 3.13, or 3.13t for a free-threaded build, as in python3.13t and libpython3.13t.so.
LDVERSION = f"{sys.version_info[0]}.{sys.version_info[1]}{ABIFLAGS}"
LIBPYTHON = sysconfig.get_config_var("INSTSONAME")

# The environment that the image sets, before anything here changes it.
IMAGE_ENV = dict(os.environ)

_scratch = None


def needs(feature):
    """Skip a test or a class in variants that leave the feature out."""
    return unittest.skipIf(feature in LACKS, f"this variant has no {FEATURES[feature]}")


def without(feature):
    """Skip a test or a class in variants that have the feature; it checks that the feature is completely absent."""
    return unittest.skipUnless(feature in LACKS, f"this variant has {FEATURES[feature]}")


def use_scratch(folder):
    """Put temporary files, and the home folder of child processes, in `folder`."""
    global _scratch
    _scratch = folder
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder


def home():
    """Return a home folder for child processes, so that they leave no cache or history in the real one."""
    folder = os.path.join(_scratch or tempfile.gettempdir(), "image-tests-home")
    os.makedirs(folder, exist_ok=True)
    return folder


def environment(**changes):
    """Return the image's environment without variables that change the interpreter; None removes a variable."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_", "LD_"))}
    env.update(
        HOME=home(),
        PYTHONDONTWRITEBYTECODE="1",
        PIP_NO_CACHE_DIR="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_ROOT_USER_ACTION="ignore",
        PIP_NO_COMPILE="1",
        PIP_CONFIG_FILE=os.devnull,
    )
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def run(*command, env=None, timeout=60, **options):
    """Run a command and capture its output, as text by default."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if "encoding" not in options and "text" not in options:
        options.update(encoding="utf-8", errors="backslashreplace")
    return subprocess.run(command, env=environment() if env is None else env, timeout=timeout, **options)


def run_python(*arguments, **options):
    """Run the interpreter under test."""
    return run(sys.executable, *arguments, **options)


def output_of_python(test, code, *arguments, **options):
    """Run `code` and return its output; fail `test` if the child process fails."""
    done = run_python("-c", code, *arguments, **options)
    test.assertEqual(done.returncode, 0, f"child failed with {done.returncode}: {last_line(done.stderr)}")
    return done.stdout


def last_line(text):
    """Return the last non-empty line of `text`: of a traceback, the exception."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(no output)"


@contextlib.contextmanager
def temporary_folder():
    """Yield the real path of a temporary folder and remove it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.realpath(folder)


def no_core_file():
    """Disable core files; runs in child processes that are expected to crash."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def bytecode_restored():
    """Remove byte code that the block writes to the standard library.

    For commands that cannot be prevented from writing it: `python -m venv` starts child processes with -I, which
    ignores PYTHONDONTWRITEBYTECODE.
    """
    before = set(byte_code_below(STDLIB))
    try:
        yield
    finally:
        for path in set(byte_code_below(STDLIB)) - before:
            os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))


def byte_code_below(top):
    """Yield the .pyc and .pyo files in a folder tree."""
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith((".pyc", ".pyo")):
                yield os.path.join(folder, name)


class Terminal:
    """A child process on a pseudo-terminal with 24 lines and 80 columns."""

    def __init__(self, *command, env=None):
        self.output = b""
        self.master, slave = pty.openpty()
        try:
            import fcntl
            import termios

            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            self.child = subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=slave, env=env or environment(), start_new_session=True
            )
        finally:
            os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)

    @property
    def text(self):
        return self.output.decode("utf-8", "backslashreplace")

    def _read(self, deadline):
        ready, _, _ = select.select([self.master], [], [], max(0, min(0.5, deadline - time.monotonic())))
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            # Linux reports EIO when no process has the terminal open any more.
            return False
        self.output += data
        return bool(data)

    def wait_for(self, text, timeout=20):
        """Read until the child prints `text`; discard the output up to and including it."""
        expected = text.encode()
        deadline = time.monotonic() + timeout
        while expected not in self.output:
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"the child process did not print {text!r}; it printed {self.text[-500:]!r}")
        self.output = self.output.split(expected, 1)[1]

    def send(self, text):
        os.write(self.master, text.encode())

    def finish(self, timeout=20):
        """Read until the child exits; return its exit status."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            if time.monotonic() > deadline:
                raise AssertionError(f"the child process did not exit; it printed {self.text[-500:]!r}")
        return self.child.wait(timeout=timeout)


def signal_name(returncode):
    """Describe how a child process ended."""
    if returncode < 0:
        return signal.Signals(-returncode).name
    return f"exit status {returncode}"


# --- files of the image -----------------------------------------------------------------------------------------

KERNEL_FILE_SYSTEMS = {"/proc", "/sys", "/dev"}


def mount_points():
    """Return the mount points other than /: volumes, /etc/resolv.conf and so on, which are not part of the image."""
    points = set()
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                path = line.split(" ")[4]
                points.add(path.encode("latin-1", "replace").decode("unicode_escape") if "\\" in path else path)
    except OSError:
        pass
    points.discard("/")
    return points


def walk_image(top="/"):
    """Yield (path, lstat) for every file of the image, without kernel file systems, mounts and these tests."""
    skipped = mount_points() | KERNEL_FILE_SYSTEMS | {HERE}
    if _scratch:
        skipped.add(_scratch)
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.path in skipped:
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield entry.path, info
            if stat.S_ISDIR(info.st_mode):
                waiting.append(entry.path)


def some(paths, limit=8):
    """Join the first paths for a message, and count the rest."""
    paths = sorted(paths)
    more = "" if len(paths) <= limit else f" and {len(paths) - limit} more"
    return ", ".join(paths[:limit]) + more


# --- ELF --------------------------------------------------------------------------------------------------------

ET_DYN = 3
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
PF_X = 1
DT_NULL, DT_NEEDED, DT_STRTAB, DT_RELA, DT_RELASZ, DT_SONAME, DT_RPATH = 0, 1, 5, 7, 8, 14, 15
DT_TEXTREL, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1 = 22, 24, 29, 30, 0x6FFFFFFB
DF_SYMBOLIC, DF_TEXTREL, DF_BIND_NOW, DF_1_NOW = 2, 4, 8, 1
SHT_DYNSYM = 11
STT_OBJECT, STT_FUNC = 1, 2
GLOB_DAT = (6, 1025)  # R_X86_64_GLOB_DAT, R_AARCH64_GLOB_DAT
EM_X86_64 = 62


class Elf:
    """The parts of an ELF file that the tests look at.

    segments   [(type, flags, offset, address, size in the file)]
    dynamic    [(tag, value)]
    symbols    [(name, type, section, address)] of the dynamic symbol table; section 0 means undefined
    """

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:4] != b"\x7fELF":
            raise ValueError(f"{path} is not an ELF file")
        self.wide = self.data[4] == 2
        self.order = "<" if self.data[5] == 1 else ">"
        header = self._unpack("HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH", 16)
        self.type, self.machine = header[0], header[1]
        program_at, sections_at = header[4], header[5]
        program_size, program_count, section_size, section_count = header[8:12]
        self.segments = [self._segment(program_at + i * program_size) for i in range(program_count)]
        self.dynamic = self._dynamic()
        self.symbols = self._symbols(sections_at, section_size, section_count)

    def _unpack(self, layout, offset):
        return struct.unpack_from(self.order + layout, self.data, offset)

    def _segment(self, at):
        if self.wide:
            kind, flags, offset, address, _, size = self._unpack("IIQQQQ", at)
        else:
            kind, offset, address, _, size, _, flags = self._unpack("IIIIIII", at)
        return kind, flags, offset, address, size

    def _dynamic(self):
        entries = []
        layout = "qQ" if self.wide else "iI"
        for kind, _, offset, _, size in self.segments:
            if kind == PT_DYNAMIC:
                for at in range(offset, offset + size, struct.calcsize("=" + layout)):
                    tag, value = self._unpack(layout, at)
                    if tag == DT_NULL:
                        break
                    entries.append((tag, value))
        return entries

    def _symbols(self, sections_at, section_size, section_count):
        sections = [
            self._unpack("IIQQQQIIQQ" if self.wide else "IIIIIIIIII", sections_at + i * section_size)
            for i in range(section_count)
        ]
        symbols = []
        for section in sections:
            if section[1] != SHT_DYNSYM:
                continue
            names_at = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24 if self.wide else 16):
                if self.wide:
                    name, info, _, index, value, _ = self._unpack("IBBHQQ", at)
                else:
                    name, value, _, info, _, index = self._unpack("IIIBBH", at)
                symbols.append((self._text(names_at + name), info & 15, index, value))
        return symbols

    def _text(self, offset):
        return self.data[offset : self.data.index(b"\0", offset)].decode("ascii", "replace")

    def offset_of(self, address):
        """Return the file offset of the byte that is loaded at `address`."""
        for kind, _, offset, start, size in self.segments:
            if kind == PT_LOAD and start <= address < start + size:
                return address - start + offset
        raise ValueError(f"no segment contains the address {address:#x}")

    def strings(self, *tags):
        """Return the values of string entries in the dynamic section: DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH."""
        table = [value for tag, value in self.dynamic if tag == DT_STRTAB]
        if not table:
            return []
        start = self.offset_of(table[0])
        return [self._text(start + value) for tag, value in self.dynamic if tag in tags]

    @property
    def relocated_symbols(self):
        """Return the symbols, its own or others', whose addresses the dynamic linker writes into the file's data."""
        return {name for name, _ in self._relocations()}

    @property
    def symbols_in_code(self):
        """Return the symbols whose addresses code reads from the global offset table (R_*_GLOB_DAT)."""
        return {name for name, kind in self._relocations() if kind in GLOB_DAT}

    def _relocations(self):
        values = dict(self.dynamic)
        start, entry = self.offset_of(values[DT_RELA]), "QQq" if self.wide else "IIi"
        for at in range(start, start + values[DT_RELASZ], struct.calcsize("=" + entry)):
            info, width = self._unpack(entry, at)[1], 32 if self.wide else 8
            if info >> width:
                yield self.symbols[info >> width][0], info % (1 << width)

    def flag(self, tag, bits):
        return any(t == tag and value & bits for t, value in self.dynamic)

    def has_segment(self, kind):
        return any(segment[0] == kind for segment in self.segments)

    @property
    def defined(self):
        return {symbol[0] for symbol in self.symbols if symbol[2]}

    @property
    def used(self):
        return {symbol[0] for symbol in self.symbols if not symbol[2]}


def is_elf(path):
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def elf_files(top):
    """Return every ELF file in a folder tree. Links are skipped, because their targets are in the tree, too."""
    paths = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.path.isfile(path) and is_elf(path):
                paths.append(path)
    return sorted(paths)


def executable():
    """Return the real path of the interpreter that python and python3 link to."""
    return os.path.realpath(sys.executable)


def libpython():
    """Return the path of libpython, which contains the interpreter for the executable and for embedders."""
    return os.path.join(sysconfig.get_config_var("LIBDIR"), LIBPYTHON)


def loader():
    """Return the dynamic linker that the executable requests."""
    elf = Elf(executable())
    return next(
        elf.data[offset : offset + size].rstrip(b"\0").decode()
        for kind, _, offset, _, size in elf.segments
        if kind == PT_INTERP
    )


def extension_modules():
    """Return the paths of the standard library's extension modules."""
    folder = sysconfig.get_config_var("DESTSHARED")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".so"))


def module_name(path):
    """Return the name of the extension module in the file `path`."""
    return os.path.basename(path).split(".", 1)[0]
