"""Prints shared/startup.order: functions of libpython in the order in which the linker puts them.

First those that a start runs, then those that each of the other ``PROGRAMS`` runs in addition, each group in the order
of its addresses. It runs in a debug image, which has their names, with this machine's valgrind::

    docker run --rm --network=none --volume="$PWD/benchmarks:/benchmarks:ro" \
        --volume=/usr/libexec/valgrind:/usr/libexec/valgrind:ro \
        infra7/python:3.13-debug python3 /benchmarks/startup_order.py > shared/startup.order
"""

import bisect
import os
import platform
import re
import struct
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

VALGRIND = Path("/usr/libexec/valgrind")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TOOL = VALGRIND / f"callgrind-{ARCHITECTURES[platform.machine()]}-linux"
LIBRARY = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
SYMBOLS = Path("/usr/lib/debug/.build-id")
FEW_LINES = """\
import sys, time
words = {word: len(word) for word in sys.argv[0].split("-")}
for word, length in sorted(words.items()):
    print(f"{word}: {length}", flush=True)
if not sys.stdin.read() and length < 10:
    time.sleep(0)
"""
PROGRAMS = (
    ["-c", "pass"],
    ["-c", FEW_LINES],  # what nearly every program does; it does not need the pages of the larger ones then
    ["-c", "import asyncio, json, urllib.request, ssl, sqlite3, unittest"],
    [str(Path(__file__).with_name("small_program.py"))],
)
# Settings of the interpreter that are common in Dockerfiles and in `docker run --env`.
VARIABLES = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
HEADER = """\
# Functions of 3.13's libpython that a start runs, then those that a few lines, six imports and a small program run in
# addition: benchmarks/startup_order.py. The linker puts them at the beginning of the code, in this order, so that
# less of it is in memory (docs/trials.md). A series skips those that it does not have.
"""


def symbols(data: bytes) -> list[tuple[int, int, str]]:
    """The address, the end and the name of each function in the symbol table of a 64-bit ELF file, by address."""
    table, size, count = struct.unpack_from("<Q10xHH", data, 40)[0], *struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQII", data, table + size * number) for number in range(count)]
    functions = []
    for _, kind, _, _, offset, length, link, _ in sections:
        for entry in range(offset, offset + length, 24) if kind == 2 else ():  # SHT_SYMTAB
            name, info, _, _, address, extent = struct.unpack_from("<IBBHQQ", data, entry)
            if info & 15 == 2 and extent:  # STT_FUNC
                start = sections[link][4] + name
                functions.append((address, address + extent, data[start : data.index(b"\0", start)].decode()))
    return sorted(functions)


def executed(program: list[str], venv: str) -> set[int]:
    """The addresses of the instructions of libpython that runs of ``program`` execute.

    A start executes other code if ``python3`` is found on PATH and the locale is C (PEP 538), as in a container without
    $LANG, if it is the Python of a ``venv``, with the variables that Dockerfiles set, and if the program is a file.
    This interpreter has set a locale for its child processes.
    """
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    addresses = addresses_of(["python3", *program], bare)
    for python in (sys.executable, f"{venv}/bin/python3"):
        addresses |= addresses_of([python, *program], dict(os.environ))
    with tempfile.TemporaryDirectory() as folder:
        if program[0] == "-c":
            script = Path(folder, "program.py")
            script.write_text(program[1] + "\n")
            program = [str(script)]
        addresses |= addresses_of([sys.executable, *program], {**os.environ, **VARIABLES, "PYTHONPATH": folder})
    return addresses


def addresses_of(program: list[str], environment: dict[str, str]) -> set[int]:
    """The addresses of one run.

    Callgrind's format: https://valgrind.org/docs/manual/cl-format.html, with names and addresses abbreviated.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [TOOL, "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={folder}/%p", *program]
        environment |= {"VALGRIND_LIB": str(VALGRIND), "VALGRIND_LAUNCHER": str(TOOL)}
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=pipe)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"valgrind {program[0]}: exit code {process.returncode}\n{errors.decode()}")
        profile = Path(folder, str(process.pid)).read_text()
    names: dict[str, str] = {}
    addresses, address, ours = set(), 0, False
    for line in profile.splitlines():
        if match := re.match(r"(c?ob)=(\(\d+\))(?: (.*))?", line):
            names.setdefault(match[2], match[3])
            ours = LIBRARY.name in names[match[2]] if match[1] == "ob" else ours
        elif match := re.match(r"([+-]?)(0x[0-9a-f]+|\d+) ", line):
            number = int(match[2], 0)
            address = {"": number, "+": address + number, "-": address - number}[match[1]]
            if ours:
                addresses.add(address)
    return addresses


def main() -> None:
    """Print the list."""
    # The note with the build ID: the lengths of the name and of the ID, its type, the name (elf(5)).
    note = re.search(rb"\x04\0{3}\x14\0{3}\x03\0{3}GNU\0(.{20})", LIBRARY.read_bytes(), re.DOTALL)
    identity = note[1].hex() if note else ""
    debug = SYMBOLS / identity[:2] / f"{identity[2:]}.debug"
    if not debug.exists():
        raise SystemExit(f"no debug symbols for {LIBRARY}: expected a debug image")
    functions = symbols(debug.read_bytes())
    for file in SYMBOLS.glob("*/*.debug"):  # valgrind 3.19 cannot read clang's
        file.rename(file.with_suffix(".aside"))
    print(HEADER, end="")
    starts, listed = [address for address, _, _ in functions], set()
    with tempfile.TemporaryDirectory() as venv:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        for program in PROGRAMS:
            places = {(bisect.bisect_right(starts, address) - 1, address) for address in executed(program, venv)}
            # Code between functions is the C runtime's.
            indexes = {index for index, address in places if address < functions[index][1]}
            for index in sorted(indexes - listed):
                print(functions[index][2])
            listed |= indexes


if __name__ == "__main__":
    main()
