"""shared/compile.sh, as far as it goes without a compiler: what it takes from the tree that it unpacks."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from tests.archives import make_release

HEADERS = {
    "Include/object.h": (
        "PyAPI_DATA(PyTypeObject) PyType_Type;\n#define PyAPI_DATA(RTYPE) extern RTYPE\n"
        "PyAPI_DATA(const char *)\n    Py_FileSystemDefaultEncoding;\nPyAPI_FUNC(int) PyObject_Not(PyObject *);\n"
    ),
    "Include/pydebug.h": "PyAPI_DATA(int) (*PyOS_ReadlineHook)(void);\n",
    "Include/cpython/code.h": "PyAPI_DATA(const int) const Py_Kinds[3];\n",
    "Include/internal/pycore_runtime.h": "PyAPI_DATA(_PyRuntimeState) _PyRuntime;\n",
}


def unpacked(folder: Path, headers: dict[str, str]) -> tuple[Path, str]:
    """Let compile.sh unpack a tree with these headers and nothing to configure; the tree, and what it complains of."""
    source = folder / "source"
    source.mkdir()
    tarball = make_release(source, {**headers, "Modules/Setup": ""})
    script = Path(__file__).parents[3] / "shared" / "compile.sh"
    environment = {
        "SOURCE": str(source), "TREE": str(folder / "tree"), "PGO": "1", "PATH": os.environ["PATH"],
        "PYTHON_SHA256": hashlib.sha256(tarball.read_bytes()).hexdigest(),
    }  # fmt: skip
    command = ["bash", str(script), "sysconfig"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0, "there is no configure"
    return folder / "tree", done.stderr


def test_public_data_is_what_public_headers_declare_and_no_more(tmp_path: Path) -> None:
    tree, _ = unpacked(tmp_path, HEADERS)
    names = "PyOS_ReadlineHook PyType_Type Py_FileSystemDefaultEncoding Py_Kinds"
    assert (tree / "public-data.list").read_text() == "{\n" + "".join(f"{name};\n" for name in names.split()) + "};\n"


def test_a_tree_that_declares_no_public_data_is_named_as_such(tmp_path: Path) -> None:
    _, said = unpacked(tmp_path, {"Include/Python.h": "#define PY 3\n"})
    assert "expected data that Include/*.h or Include/cpython/*.h declare (PyAPI_DATA), found none in 1 headers" in said
    assert "configure" not in said, "it went on"
