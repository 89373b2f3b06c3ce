"""facts.py CONFIGURATION - print what a user can observe in this image, as a JSON object of texts.

Names are "kind: name" or "kind: name: item". `inv differences` runs it with the image's own interpreter, in a container
without a network, and compares the result with that of another image. CONFIGURATION is the image's configuration as the
engine returns it, in JSON.

It uses the standard library only, works with Python 3.9 and later, and leaves nothing behind if PYTHONDONTWRITEBYTECODE
is set. What depends on the machine or on the day is left out: kernels, host names, times, limits that the engine sets.
"""

import contextlib
import ctypes.util
import grp
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import locale
import os
import platform
import pwd
import site
import stat
import struct
import subprocess
import sys
import sysconfig
import tempfile
import warnings

FACTS = {}
STDLIB = sysconfig.get_path("stdlib")
# Folders that only the packages of the distribution write to: the packages are facts, their files follow from them.
PACKAGED = ("/usr", "/var/lib/dpkg/info", "/var/lib/dpkg/status.d")
OWN = ("/usr/local", "/usr/src")
CONFIGURATION = ("Cmd", "Entrypoint", "ExposedPorts", "OnBuild", "Shell", "StopSignal", "User", "Volumes", "WorkingDir")
UNREAL = ("/.dockerenv", "/proc", "/sys", "/dev", "/tmp/facts.py")
# They open a browser or a window, print a text, or are CPython's own tests.
NOT_IMPORTED = {"antigravity", "idlelib", "test", "this", "turtledemo"}
# Names in every module, which follow from its location.
IMPLIED = {
    "__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__",
    "__spec__", "__warningregistry__",
}  # fmt: skip

# Doubles the depth of a recursion and prints each depth that it reaches; it may end with an exception or a crash.
RECURSE = """
import json, pickle, re, resource, sys, threading
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.setrecursionlimit(10**6)
def nested(n):
    x = []
    for _ in range(n): x = [x]
    return x
def function(n): return n and function(n - 1)
def call_from_c(n): return n and max(map(call_from_c, [n - 1]))
def json_array(n): json.loads("[" * n + "]" * n)
def pickled_list(n): pickle.dumps(nested(n))
def regular_expression(n): re.compile("(" * n + ")" * n)
def expression(n): compile("-" * n + "1", "", "eval")
def run():
    n = 125
    while n < 40000:
        try: {name}(n)
        except BaseException: break
        print(n, flush=True)
        n *= 2
{start}
"""
STARTS = {
    "main thread": "run()",
    "other thread": "t = threading.Thread(target=run); t.start(); t.join()",
}  # fmt: skip


def add(kind, name, value):
    """Add a fact as text, or one for each item of a set or list, whose order does not matter."""
    if isinstance(value, (set, frozenset, list)):
        FACTS.update({f"{kind}: {name}: {item}": "yes" for item in value})
    else:
        FACTS[f"{kind}: {name}"] = str(value)


def ask(kind, name, function):
    """Add what ``function`` returns, or the exception that it raises."""
    try:
        value = function()
    except Exception as error:
        value = f"{type(error).__name__}: {error}"
    add(kind, name, value)


def output(*command):
    """What a program prints, without white space around it."""
    # Docker's client gives up on a command that is silent for two minutes; on a busy machine this takes seconds.
    print(".", end="", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
    )
    return done.stdout.decode("utf-8", "replace").strip()


def module(name):
    """Import a module in any part of this script."""
    return importlib.import_module(name)


# --- files ----------------------------------------------------------------------------------------------------------


def owner(info):
    """``root:root``; numbers for unknown users and groups."""
    user = group = ""
    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(info.st_uid).pw_name
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(info.st_gid).gr_name
    return f"{user or info.st_uid}:{group or info.st_gid}"


def mounts():
    """Paths that the engine mounts into a container."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        return {line.split(" ")[4] for line in lines} - {"/"}


def text_digest(path):
    """The beginning of a text's digest, empty for a binary file."""
    with open(path, "rb") as file:
        data = file.read()
    return "" if b"\0" in data else hashlib.sha256(data).hexdigest()[:8]


def described(path, info):
    """Kind, permissions and owner of a file; the target of a link; the digest of a text, unless a package owns it."""
    if stat.S_ISLNK(info.st_mode):
        return f"link to {os.readlink(path)}"
    kind = "folder" if stat.S_ISDIR(info.st_mode) else "file" if stat.S_ISREG(info.st_mode) else "special"
    digest = text_digest(path) if kind == "file" and path.startswith(OWN) else ""
    return f"{kind} {stat.S_IMODE(info.st_mode):04o} {owner(info)} {digest}".rstrip()


def files():
    """Everything outside of the folders that packages of the distribution fill."""
    skipped, waiting = mounts() | set(UNREAL), ["/"]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            if entry.path in skipped:
                continue
            packaged = entry.path.startswith(PACKAGED) and not entry.path.startswith(OWN)
            if not packaged:
                add("files", entry.path, described(entry.path, entry.stat(follow_symlinks=False)))
            if entry.is_dir(follow_symlinks=False) and (not packaged or entry.path == "/usr"):
                waiting.append(entry.path)


def commands():
    """The program that each name on PATH starts."""
    for folder in os.environ["PATH"].split(":"):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if f"commands: {name}" in FACTS or not os.access(path, os.X_OK) or os.path.isdir(path):
                continue
            with open(path, "rb") as file:
                start = file.readline(200)
            kind = start.decode("utf-8", "replace").strip() if start.startswith(b"#!") else "program"
            link = f"link to {os.readlink(path)}, " if os.path.islink(path) else ""
            add("commands", name, f"{os.path.realpath(folder)}: {link}{kind}")


def packages():
    """Versions of the distribution's packages, which minimal images record in status.d."""
    records = "/var/lib/dpkg/status.d"
    paths = [os.path.join(records, name) for name in os.listdir(records)] if os.path.isdir(records) else []
    for path in ["/var/lib/dpkg/status", *paths]:
        if not os.path.isfile(path) or path.endswith(".md5sums"):
            continue
        with open(path, encoding="utf-8") as file:
            for stanza in file.read().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
                if fields.get("Status", "").endswith(" installed"):
                    add("packages", fields["Package"], fields["Version"])


def dynamic_symbols(data):
    """The names that a 64-bit little-endian ELF file exports."""
    sections_at, size, count = struct.unpack_from("<Q", data, 40) + struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + number * size) for number in range(count)]
    for section in sections:
        if section[1] == 11:  # SHT_DYNSYM
            names_at = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name, info, _, index = struct.unpack_from("<IBBH", data, at)
                if index and info >> 4 and name:  # defined, not local
                    yield data[names_at + name : data.index(b"\0", names_at + name)].decode()


def symbols():
    """What libpython exports."""
    path = os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    with open(path, "rb") as file:
        return list(dynamic_symbols(file.read()))


# --- modules --------------------------------------------------------------------------------------------------------


def standard_modules():
    """Names of all modules of the standard library: known by name, built in, frozen, or found as files."""
    names = set(sys.builtin_module_names) | set(getattr(sys, "stdlib_module_names", ()))
    frozen = getattr(module("_imp"), "_frozen_module_names", None)
    names |= set(frozen() if frozen else ())
    endings = importlib.machinery.all_suffixes()
    for folder, folders, found in os.walk(STDLIB):
        folders[:] = [
            name for name in folders
            if name.isidentifier() and name not in {"__pycache__", "tests", *NOT_IMPORTED}
        ]  # fmt: skip
        package = os.path.relpath(folder, STDLIB).replace("/", ".").lstrip(".")
        if package and "__init__.py" in found:
            names.add(package)
        for name in found:
            for ending in endings:
                if name.endswith(ending):
                    names.add(f"{package}.{name[: -len(ending)]}".lstrip("."))
                    break
    dynload = os.path.join(STDLIB, "lib-dynload")
    names |= {name.split(".")[0] for name in (os.listdir(dynload) if os.path.isdir(dynload) else ())}
    names = {name for name in names if name.split(".")[0] not in NOT_IMPORTED}
    return sorted(name for name in names if not name.endswith(("__init__", "__main__")) and "phello" not in name)


def origin(name):
    """How a module is found: built in, frozen, as an extension or as source; and its file."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return "missing"
    loader = spec.loader if isinstance(spec.loader, type) else type(spec.loader)
    file = getattr(sys.modules.get(name), "__file__", None) or (spec.origin if spec.has_location else None)
    kinds = {"BuiltinImporter": "built in", "FrozenImporter": "frozen", "ExtensionFileLoader": "extension"}
    return " ".join(filter(None, [kinds.get(loader.__name__, "source"), file]))


def modules():
    """Where each module is, whether it can be imported, and its names."""
    names, errors = standard_modules(), {}
    for name in names:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {error}"
    known = set(names)
    for name in names:
        try:
            where = origin(name)
        except Exception as error:
            where = type(error).__name__
        if where == "missing":
            continue
        add("modules", name, "; ".join(filter(None, [where, errors.get(name)])))
        if name not in errors:
            inner = set(dir(sys.modules[name])) - IMPLIED
            add("names", name, {attribute for attribute in inner if f"{name}.{attribute}" not in known})


# --- the configuration ----------------------------------------------------------------------------------------------


def configuration(image):
    """What a container starts with, according to the engine."""
    for key in CONFIGURATION:
        add("configuration", key, json.dumps(image.get(key) or None, sort_keys=True))
    for variable in image.get("Env") or []:
        name, _, value = variable.partition("=")
        add("configuration", f"environment: {name}", value)
    for name, value in (image.get("Labels") or {}).items():
        add("configuration", f"label: {name}", value)


# --- the interpreter ------------------------------------------------------------------------------------------------


def interpreter():
    """What the interpreter says about itself and its defaults."""
    values = {
        "version": platform.python_version,
        "compiler": platform.python_compiler,
        "build": lambda: " ".join(platform.python_build()),
        "executable": lambda: sys.executable,
        "abiflags": lambda: sys.abiflags,
        "platform": sysconfig.get_platform,
        "extension suffixes": lambda: " ".join(importlib.machinery.EXTENSION_SUFFIXES),
        "implementation": lambda: json.dumps(vars(sys.implementation), default=str, sort_keys=True),
        "flags": lambda: sys.flags,
        "float": lambda: sys.float_info,
        "int": lambda: sys.int_info,
        "hash": lambda: sys.hash_info,
        "threads": lambda: sys.thread_info,
        "maxsize": lambda: sys.maxsize,
        "api version": lambda: sys.api_version,
        "switch interval": sys.getswitchinterval,
        "dlopen flags": sys.getdlopenflags,
        "digits of int()": lambda: sys.get_int_max_str_digits(),
        "garbage collector": lambda: module("gc").get_threshold(),
        "GIL enabled": lambda: sys._is_gil_enabled(),
        "docstrings of C": lambda: bool(len.__doc__ and module("math").sqrt.__doc__),
        "perf trampoline": lambda: output(sys.executable, "-c", "import sys; sys.activate_stack_trampoline('perf')"),
        "signals": lambda: {
            number.name: str(module("signal").getsignal(number)) for number in module("signal").Signals
        },
        "event loop": lambda: module("asyncio").new_event_loop().__class__.__name__,
        "selector": lambda: module("selectors").DefaultSelector.__name__,
        "start method": lambda: module("multiprocessing").get_start_method(),
        "C library": lambda: " ".join(platform.libc_ver()),
        "umask": umask,
        "user": lambda: "{} {}".format(module("getpass").getuser(), os.path.expanduser("~")),
        "encoding": lambda: sys.getdefaultencoding(),
        "encoding of file names": lambda: f"{sys.getfilesystemencoding()} {sys.getfilesystemencodeerrors()}",
        "encoding of files": lambda: locale.getpreferredencoding(False),
        "encoding of streams": lambda: output(
            sys.executable,
            "-c",
            "import sys; print([(s.encoding, s.errors) for s in (sys.stdin, sys.stdout, sys.stderr)])",
        ),
        "locale": lambda: "{} {}".format(locale.setlocale(locale.LC_ALL, ""), module("time").tzname),
    }
    for name, function in values.items():
        ask("interpreter", name, function)


def umask():
    """The permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return f"{mask:03o}"


def paths():
    """Where modules, programs and data are looked for and installed."""
    add("paths", "sys.path", ":".join(sys.path[1:]))  # without the folder of this script
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix", "platlibdir", "_base_executable"):
        add("paths", "sys." + name, getattr(sys, name, ""))
    add("paths", "site folders", ":".join(site.getsitepackages()))
    add("paths", "user site", f"{site.ENABLE_USER_SITE} {site.getusersitepackages()}")
    for scheme in sysconfig.get_scheme_names():
        for name, path in sysconfig.get_paths(scheme).items():
            add("paths", f"{scheme} {name}", path)
    for name in ("c", "m", "ssl", "crypto", "sqlite3", "z", "ffi", f"python{sysconfig.get_config_var('LDVERSION')}"):
        ask("paths", "find_library " + name, lambda name=name: ctypes.util.find_library(name))
    ask("paths", "time zones", lambda: ":".join(module("zoneinfo").TZPATH))
    ask("paths", "types of files", lambda: [path for path in module("mimetypes").knownfiles if os.path.exists(path)])


def limits():
    """Resource limits, and how deep recursion goes, within a factor of two."""
    add("limits", "sys.getrecursionlimit()", sys.getrecursionlimit())
    ask("limits", "threading.stack_size()", lambda: module("threading").stack_size())
    with open("/proc/1/limits", encoding="utf-8") as given, open("/proc/self/limits", encoding="utf-8") as found:
        add("limits", "resource limits", "as the engine sets them" if given.read() == found.read() else "changed")
    for name in ("function", "call_from_c", "json_array", "pickled_list", "regular_expression", "expression"):
        for where, start in STARTS.items():
            lines = output(sys.executable, "-c", RECURSE.format(name=name, start=start)).splitlines()
            add("limits", f"depth of {name}, {where}", max([0, *(int(line) for line in lines if line.isdigit())]))


# --- libraries ------------------------------------------------------------------------------------------------------


def tls():
    """OpenSSL and its defaults."""
    ssl = module("ssl")
    context = ssl.create_default_context()
    add("libraries", "ssl.OPENSSL_VERSION", ssl.OPENSSL_VERSION)
    add("libraries", "ssl.get_default_verify_paths()", ssl.get_default_verify_paths())
    for name in ("minimum_version", "maximum_version", "options", "verify_mode", "verify_flags", "check_hostname"):
        add("libraries", "ssl default context " + name, repr(getattr(context, name)))
    ask("libraries", "ssl default context security_level", lambda: context.security_level)
    add("libraries", "ssl default context ciphers", " ".join(cipher["name"] for cipher in context.get_ciphers()))
    add("libraries", "ssl certificates", context.cert_store_stats()["x509_ca"])
    for name in dir(ssl):
        if name.startswith("HAS_"):
            add("libraries", "ssl." + name, getattr(ssl, name))


def databases():
    """SQLite's version and options, and the kinds of dbm."""
    sqlite3 = module("sqlite3")
    connection = sqlite3.connect(":memory:")
    add("libraries", "sqlite3.sqlite_version", sqlite3.sqlite_version)
    add("libraries", "sqlite3.threadsafety", sqlite3.threadsafety)
    add("libraries", "sqlite3 loads extensions", hasattr(connection, "enable_load_extension"))
    options = [row[0] for row in connection.execute("pragma compile_options") if not row[0].startswith("COMPILER=")]
    add("libraries", "sqlite3 compile options", options)
    connection.close()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        module("dbm").open(path, "c").close()
        add("libraries", "dbm default", module("dbm").whichdb(path))


def libraries():
    """Versions and abilities of the libraries behind the modules."""
    for function in (tls, databases):
        try:
            function()
        except Exception as error:
            add("libraries", function.__name__, f"{type(error).__name__}: {error}")
    values = {
        "zlib": lambda: module("zlib").ZLIB_RUNTIME_VERSION,
        "expat": lambda: "{} {}".format(module("pyexpat").EXPAT_VERSION, module("pyexpat").features),
        "libmpdec": lambda: module("_decimal").__libmpdec_version__,
        "ncurses": lambda: module("curses").ncurses_version,
        "readline": lambda: "{} {}".format(
            getattr(module("readline"), "backend", ""), module("readline")._READLINE_LIBRARY_VERSION
        ),
        "unicodedata": lambda: module("unicodedata").unidata_version,
        "hashlib": lambda: module("hashlib").algorithms_available,
        "hashlib.sha256": lambda: type(module("hashlib").sha256()),
        "crypt": lambda: " ".join(method.name for method in module("crypt").methods),
        "lzma checks": lambda: [number for number in range(16) if module("lzma").is_check_supported(number)],
        "uuid1() is safe": lambda: module("uuid").uuid1().is_safe,
        "time zones": lambda: len(module("zoneinfo").available_timezones()),
        "distribution": lambda: platform.freedesktop_os_release()["PRETTY_NAME"],
    }
    for name, function in values.items():
        ask("libraries", name, function)


def pip():
    """Python packages, pip's defaults, and the tags of wheels that it installs."""
    for distribution in importlib.metadata.distributions():
        add("pip", "package " + distribution.metadata["Name"], distribution.version)
    if importlib.util.find_spec("pip") is None:
        return
    ask("pip", "version", lambda: output(sys.executable, "-m", "pip", "--version"))
    ask("pip", "configuration", lambda: output(sys.executable, "-m", "pip", "config", "list"))
    ask("pip", "bundled", lambda: module("ensurepip").version())
    ask("pip", "tags", lambda: module("pip._internal.utils.compatibility_tags").get_supported())


def main():
    """Print all facts. The argument is the image's configuration, as the engine returns it."""
    configuration(json.loads(sys.argv[1]))
    files()
    commands()
    packages()
    for entry in pwd.getpwall():
        add("users", entry.pw_name, ":".join(map(str, entry[2:])))
    for entry in grp.getgrall():
        add("users", "group " + entry.gr_name, "{} {}".format(entry.gr_gid, ",".join(entry.gr_mem)))
    ask("symbols", sysconfig.get_config_var("INSTSONAME"), symbols)
    interpreter()
    paths()
    limits()
    libraries()
    for name, value in sysconfig.get_config_vars().items():
        add("sysconfig", name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules()
        pip()
    json.dump(FACTS, sys.stdout, sort_keys=True)


main()
