"""What a debugger and a profiler can read from an interpreter that runs in a container.

Executables are stripped, but the recipe keeps the dynamic symbols (the exported C API and _PyRuntime) and frame
pointers or unwind tables. Runs on the same image as test_image.py.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.labels import LABELS
from bakery.catalog.models import FREE_THREADED
from bakery.engine.containers import execute
from bakery.engine.engine import Engine
from tests.archives import make_tar

from .fixtures import in_variant, output_of

pytestmark = pytest.mark.engine

# gdb reads the same files in the debug image, because it may not enter the other container's file system without
# CAP_SYS_ADMIN.
SYSROOT = ("-iex", "set sysroot /")
LIBPYTHON = "/usr/local/lib/libpython3."
PROGRAM = """
import threading, time
class Thing:
    def __init__(self, name):
        self.name = name
def innermost_work(seconds):
    while True:
        time.sleep(seconds)
def calling_function():
    things = {"a": [1, 2], "b": Thing("x")}
    innermost_work(0.5)
def key(number):
    calling_function()
threading.Thread(target=calling_function, name="a worker", daemon=True).start()
print("ready", flush=True)
sorted([1, 2], key=key)
"""


@pytest.fixture(scope="module")
def running(engine: Engine, reference: str) -> Iterator[Any]:
    """A container whose first process is a busy Python and which allows debugging (CAP_SYS_PTRACE)."""
    container = engine.client.containers.create(
        reference, ["python", "/srv/work.py"], network_mode="host", cap_add=["SYS_PTRACE"]
    )
    try:
        container.put_archive("/srv", make_tar({"work.py": PROGRAM.encode()}))
        container.start()
        deadline = time.monotonic() + 60
        while b"ready" not in container.logs() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield container
    finally:
        container.remove(force=True)


def test_py_spy_names_the_python_functions_of_each_thread(running: Any) -> None:
    tool = shutil.which("py-spy")
    if tool is None:
        pytest.skip("py-spy is not installed; it is one of the dev extras")
    if running.labels.get(f"{LABELS}.series", "").endswith(FREE_THREADED):
        pytest.skip("py-spy (0.4.3) does not support a free-threaded interpreter")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(Path(tool).resolve(), "py-spy")
    running.put_archive("/srv", buffer.getvalue())
    done = execute(running.client.api, running.id, ["/srv/py-spy", "dump", "--pid", "1"], privileged=True)
    text = done.stdout
    assert done.code == 0, done.output
    for name in ("innermost_work", "calling_function", "MainThread"):
        assert name in text
    assert text.count("innermost_work") == 2, text


@pytest.mark.extended
def test_gdb_names_the_exported_functions_of_the_whole_stack(running: Any) -> None:
    install = "apt-get update && apt-get install -y --no-install-recommends gdb"
    done = execute(running.client.api, running.id, ["sh", "-c", install])
    if done.code:
        pytest.skip(f"apt cannot install packages in a container: {done.output[-200:]}")
    command = ["gdb", "--batch", "-p", "1", "-ex", "backtrace"]
    done = execute(running.client.api, running.id, command, privileged=True)
    frames = [line for line in done.stdout.splitlines() if line.startswith("#")]
    backtrace = "\n".join(frames)
    for name in ("_PyEval_EvalFrameDefault", "PyEval_EvalCode", "Py_RunMain"):
        assert f" {name} (" in backtrace, done.output


@pytest.fixture(scope="module")
def symbols(engine: Engine, reference: str) -> str:
    """The debug variant of the image under test, with the same interpreter."""
    debug, digest = in_variant(engine, reference, "debug"), ["sh", "-c", f"sha256sum {LIBPYTHON}*"]
    ours, theirs = (output_of(engine, image, digest) for image in (reference, debug))
    if ours != theirs:
        pytest.skip(f"different builds: inv build --variant=default,debug for {debug} and {reference}")
    return debug


def debugged(engine: Engine, image: str, program: Any, command: list[str]) -> str:
    """What ``command`` prints in a container of ``image`` that sees the processes of ``program``."""
    options = (f"--pid=container:{program.id}", "--network=host", "--cap-add=SYS_PTRACE")
    return output_of(engine, image, command, options, stderr=True)


def python_stack(text: str) -> list[str]:
    """The functions that py-bt printed, innermost first."""
    return re.findall(r'^  File "/.*", line \d+, in (\S+)$', text, re.MULTILINE)


def test_gdb_in_the_debug_image_shows_lines_and_the_python_stack_of_another_container(
    engine: Engine, symbols: str, running: Any
) -> None:
    commands = ["backtrace", "py-bt", "py-locals", "py-up", "py-locals", "thread 2", "py-bt"]
    arguments = [word for command in commands for word in ("-ex", command)]
    text = debugged(engine, symbols, running, ["gdb", "--batch", *SYSROOT, "-p", "1", *arguments])
    for function, file in (("_PyEval_EvalFrameDefault", "generated_cases.c.h"), ("Py_RunMain", "main.c")):
        assert re.search(rf"^#\d+ .*\b{function} \(.*{file}:\d+$", text, re.MULTILINE), text
    main, worker = text.split("[Switching to thread 2")
    # sorted() calls `key` from C: the stack goes through two calls of the evaluating function.
    assert python_stack(main) == ["innermost_work", "calling_function", "key", "<module>"], text
    assert python_stack(worker) == ["innermost_work", "calling_function", "run", "_bootstrap_inner", "_bootstrap"], text
    assert "number = 1" in main, text
    assert "things = {'a': [1, 2], 'b': <Thing(name='x') at remote 0x" in main, text
    assert main.index("Locals for innermost_work") < main.index("Locals for <module>"), text


@pytest.mark.extended
def test_gdb_reads_a_core_dump_of_another_container(engine: Engine, symbols: str, running: Any) -> None:
    # gcore, because the host's settings determine where the kernel writes core dumps.
    read = 'gdb --batch -c /tmp/core.1 "$(readlink -f "$(command -v python3)")" -ex backtrace -ex py-bt'
    script = f"gcore -o /tmp/core 1 >/dev/null 2>&1; {read}"
    text = debugged(engine, symbols, running, ["sh", "-c", script])
    assert re.search(r"^#\d+ .*\b_PyEval_EvalFrameDefault \(.*generated_cases\.c\.h:\d+$", text, re.MULTILINE), text
    assert python_stack(text) == ["innermost_work", "calling_function", "key", "<module>"], text


PROFILED = """
import json, re, time
end = time.process_time() + 3
while time.process_time() < end:
    json.loads(json.dumps({"a": [1, 2, 3] * 20, "b": {"c": "d" * 30}}))
    re.sub(r"(\\w+)-(\\d+)", r"\\2", "abc-12 def-34 " * 20)
    sorted(str(number) for number in range(200))
"""


# Instructions that call nothing, that call C functions, and that run Python code by way of C.
NESTED = """
import time
class Counted:
    def __del__(self):
        for number in range(50):
            pass
def innermost():
    first, second, numbers = 1, 2, tuple(range(10))
    end = time.process_time() + 3
    while time.process_time() < end:
        for number in range(1000):
            first, second = second, first
            a, b, c, d, e, f, g, h, i, j = numbers
            third = [first + number, second * 1.5]
        last = Counted()
        sorted(third, key=lambda item: -item)
def middle():
    innermost()
    return 1
def outermost():
    return middle()
outermost()
"""


def perf(engine: Engine, symbols: str, record: str, program: str) -> str:
    """What `perf script` prints of ``program``, run by ``record``; skips the test if perf does not work here."""
    install = "apt-get update && apt-get install -y --no-install-recommends linux-perf"
    command = f"perf record --quiet --event=cpu-clock --output=/tmp/data {record} -c '{program}'"
    print_samples = "perf script --input=/tmp/data --fields=ip,sym,dso 2>/dev/null"
    script = f"({install} && {command}) >/tmp/log 2>&1 || {{ tail -5 /tmp/log; exit; }}; {print_samples}"
    output = output_of(engine, symbols, ["bash", "-c", script], ("--network=host", "--privileged"))
    if LIBPYTHON not in output:
        pytest.skip(f"perf cannot be installed, or does not work on this machine: {output[-300:]}")
    return output


@pytest.mark.extended
def test_perf_names_the_functions_of_nearly_all_samples_in_libpython(engine: Engine, symbols: str) -> None:
    output = perf(engine, symbols, "--freq=999 python3", PROFILED)
    samples = [line for line in output.splitlines() if LIBPYTHON in line]
    unnamed = [line for line in samples if "[unknown]" in line]
    assert len(samples) > 500
    assert len(unnamed) <= 0.02 * len(samples), f"{len(unnamed)} of {len(samples)}"
    assert any("sre_ucs1_match" in line for line in samples), "not a static function, which only symbols name"


@pytest.mark.extended
def test_perf_finds_each_python_function_on_the_stack_by_frame_pointers(engine: Engine, symbols: str) -> None:
    output = perf(engine, symbols, "--freq=999 --call-graph=fp python3 -X perf", NESTED)
    stacks = [re.findall(r"py::(\w+|<module>):<string>", sample) for sample in output.split("\n\n")]
    inner = [stack for stack in stacks if stack and stack != ["<module>"]]
    assert len(inner) > 200
    broken = [stack for stack in inner if stack[-4:] != ["innermost", "middle", "outermost", "<module>"]]
    # These samples are from before innermost() has begun, or from the set-up of a frame.
    assert len(broken) <= 0.02 * len(inner), broken


def test_symbols_have_the_build_ids_of_the_published_files(engine: Engine, symbols: str) -> None:
    script = r"""
import pathlib, re
def build_id(file):
    data = pathlib.Path(file).read_bytes()
    found = re.search(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", data, re.S)
    return found and found[1].hex()
files = [*pathlib.Path("/usr/local/lib").rglob("*.so*"), pathlib.Path("/usr/local/bin/python3").resolve()]
ids = {build_id(file): file for file in files if not file.is_symlink()}
ids.pop(None, None)
for identity, file in ids.items():
    debug = pathlib.Path("/usr/lib/debug/.build-id", identity[:2], f"{identity[2:]}.debug")
    if not debug.exists():
        print("without symbols:", file.name)
    else:
        assert build_id(debug) == identity, (file, debug)
print(len(ids), "files")
"""
    *without, last = output_of(engine, symbols, ["python3", "-c", script], ("--network=host",)).splitlines()
    assert int(last.split()[0]) > 20 and not without, without
