"""What a debugger and a profiler can read from an interpreter that runs in a container.

Executables are stripped, but the recipe keeps the dynamic symbols (the exported C API and _PyRuntime) and frame
pointers or unwind tables. Runs on the same image as test_image.py.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery.catalog.labels import LABELS
from bakery.catalog.models import FREE_THREADED
from bakery.engine.engine import Engine

from .test_image import archive

pytestmark = pytest.mark.engine

PROGRAM = """
import threading, time
def innermost_work():
    while True:
        time.sleep(0.5)
def calling_function():
    innermost_work()
threading.Thread(target=calling_function, name="a worker", daemon=True).start()
print("ready", flush=True)
calling_function()
"""


@pytest.fixture(scope="module")
def running(engine: Engine, reference: str) -> Iterator[Any]:
    """A container whose first process is a busy Python and which allows debugging (CAP_SYS_PTRACE)."""
    container = engine.client.containers.create(
        reference, ["python", "/srv/work.py"], network_mode="host", cap_add=["SYS_PTRACE"]
    )
    try:
        container.put_archive("/srv", archive({"work.py": PROGRAM}))
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
    code, output = running.exec_run(["/srv/py-spy", "dump", "--pid", "1"], privileged=True)
    text = output.decode()
    assert code == 0, text
    for name in ("innermost_work", "calling_function", "MainThread"):
        assert name in text
    assert text.count("innermost_work") == 2, text


def test_gdb_names_the_exported_functions_of_the_whole_stack(running: Any) -> None:
    code, output = running.exec_run(["sh", "-c", "apt-get update && apt-get install -y --no-install-recommends gdb"])
    if code:
        pytest.skip(f"apt cannot install packages in a container: {output.decode()[-200:]}")
    code, output = running.exec_run(["gdb", "--batch", "-p", "1", "-ex", "backtrace"], privileged=True)
    frames = [line for line in output.decode().splitlines() if line.startswith("#")]
    backtrace = "\n".join(frames)
    for name in ("_PyEval_EvalFrameDefault", "PyEval_EvalCode", "Py_RunMain"):
        assert f" {name} (" in backtrace, output.decode()
