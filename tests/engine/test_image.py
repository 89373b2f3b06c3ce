"""Properties of an image that only show from outside: its command, its user, signals, and what is built on top of it.

Runs on $BAKERY_IMAGE, else on the default series' image if it is built (`inv build --version=3.13`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bakery.catalog.labels import LABELS
from bakery.engine.containers import execute
from bakery.engine.engine import Engine
from tests.archives import make_tar

from .fixtures import in_variant, output_of

pytestmark = pytest.mark.engine

EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "forty", 0, -1, methods};
PyMODINIT_FUNC PyInit_forty(void) { return PyModule_Create(&module); }
"""

EMBEDDER = """
#include <Python.h>
int main(void) {
    Py_Initialize();
    int failed = PyRun_SimpleString("import ssl, sqlite3, sys; print('embedded', sys.version_info[:2])");
    return failed || Py_FinalizeEx();
}
"""

COPIES = """
#include <Python.h>
static PyObject *nothing(PyObject *self, PyObject *args) { Py_RETURN_NONE; }
static PyMethodDef methods[] = {{"nothing", nothing, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "own", 0, -1, methods};
static PyObject *init(void) { return PyModule_Create(&module); }
int main(void) {
    PyImport_AppendInittab("own", init);
    Py_Initialize();
    PyObject *one = PyLong_FromLong(1);
    PyErr_SetString(PyExc_TypeError, "");
    int raised = PyErr_ExceptionMatches(PyExc_TypeError);
    PyErr_Clear();
    static PyTypeObject unhashable = {PyVarObject_HEAD_INIT(NULL, 0)};
    unhashable.tp_name = "own.Unhashable";
    unhashable.tp_basicsize = sizeof(PyObject);
    unhashable.tp_hash = PyObject_HashNotImplemented;
    unhashable.tp_new = PyType_GenericNew;
    PyType_Ready(&unhashable);
    PyObject_SetAttrString(PyImport_AddModule("__main__"), "Unhashable", (PyObject *)&unhashable);
    printf("%d %d %d ", Py_TYPE(one) == &PyLong_Type, PyBool_FromLong(1) == Py_True, raised);
    printf("%d ", PyBaseObject_Type.tp_getattro == PyObject_GenericGetAttr);
    fflush(stdout);
    return PyRun_SimpleString(
        "import own, collections.abc\\n"
        "print(own.nothing() is None, isinstance(Unhashable(), collections.abc.Hashable))"
    ) || Py_FinalizeEx();
}
"""

SEARCH_PATHS = """
#include <Python.h>
int main(int argc, char **argv) {
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.module_search_paths_set = 1;
    for (int i = 1; i < argc; i++)
        PyWideStringList_Append(&config.module_search_paths, Py_DecodeLocale(argv[i], NULL));
    PyStatus status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    return PyRun_SimpleString(
        "import encodings, math, xml.etree.ElementTree as tree\\n"
        "print(*encodings.__path__, math.__file__, tree.XML('<a/>').tag)\\n"
        "print(bytes([193]).decode('cp037'), chr(252).encode('idna'))"
    ) || Py_FinalizeEx();
}
"""

LIBRARY_WITH_A_MODULE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "select", "a module of our own", -1};
PyMODINIT_FUNC PyInit_select(void) { return PyModule_Create(&module); }
void add_module(void) { PyImport_AppendInittab("select", PyInit_select); }
"""

PROGRAM_WITH_THE_LIBRARY = """
#include <Python.h>
void add_module(void);
int main(void) {
    add_module();
    Py_Initialize();
    return PyRun_SimpleString("import select; print(select.__doc__)") || Py_FinalizeEx();
}
"""

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "forty"
version = "1"
"""

BACKEND = '''
"""A build backend that only needs the standard library: compiles the extension with the flags of sysconfig."""
import hashlib, base64, shlex, subprocess, sys, sysconfig, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    get = sysconfig.get_config_var
    name = "forty" + get("EXT_SUFFIX")
    flags = shlex.split(get("CFLAGS") + " " + get("CCSHARED"))
    include = "-I" + sysconfig.get_path("include")
    subprocess.check_call(shlex.split(get("CC")) + flags + [include, "-c", "forty.c", "-o", "forty.o"])
    subprocess.check_call(shlex.split(get("LDSHARED")) + ["forty.o", "-o", name])
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}-none-{platform}"
    wheel = f"forty-1-{tag}.whl"
    files = {
        name: open(name, "rb").read(),
        "forty-1.dist-info/METADATA": b"Metadata-Version: 2.1\\nName: forty\\nVersion: 1\\n",
        "forty-1.dist-info/WHEEL": f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n".encode(),
    }
    files["forty-1.dist-info/RECORD"] = "".join(f"{path},,\\n" for path in files).encode()
    with zipfile.ZipFile(f"{directory}/{wheel}", "w") as packed:
        for path, data in files.items():
            packed.writestr(path, data)
    return wheel
'''


@pytest.fixture(scope="module")
def compiler(engine: Engine, compilers: str) -> Iterator[Any]:
    """A container of the image with a compiler installed, as users do in a slim image."""
    container = engine.client.containers.run(compilers, ["sleep", "600"], detach=True, init=True, network_mode="host")
    try:
        files = {"backend.py": BACKEND, "pyproject.toml": PYPROJECT, "forty.c": EXTENSION}
        files |= {"embedder.c": EMBEDDER, "copies.c": COPIES, "paths.c": SEARCH_PATHS}
        files |= {"library.c": LIBRARY_WITH_A_MODULE, "program.c": PROGRAM_WITH_THE_LIBRARY}
        container.put_archive("/srv", make_tar({name: text.encode() for name, text in files.items()}))
        yield container
    finally:
        container.remove(force=True)


def test_the_default_command_is_python(engine: Engine, reference: str) -> None:
    config = engine.client.images.get(reference).attrs["Config"]
    assert config["Cmd"] == ["python3"]
    assert not config.get("Entrypoint")


def test_the_command_can_be_overridden(engine: Engine, reference: str) -> None:
    assert output_of(engine, reference, ["sh", "-c", "echo another"]) == "another\n"


def test_it_runs_as_an_arbitrary_user_on_a_read_only_file_system(engine: Engine, reference: str) -> None:
    code = "import os, ssl, sqlite3; print(os.getuid(), os.path.expanduser('~'))"
    options = ("--network=none", "--user=65432:65432", "--read-only")
    output = output_of(engine, reference, ["python", "-c", code], options)
    assert output.split()[0] == "65432"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 3), (signal.SIGINT, 130)])
def test_signals_reach_python_as_the_first_process(engine: Engine, reference: str, number: int, code: int) -> None:
    program = (
        "import os, signal, sys, time; assert os.getpid() == 1; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3));"
        "print('ready', flush=True); time.sleep(60)"
    )
    container = engine.client.containers.run(reference, ["python", "-c", program], detach=True, network_mode="none")
    try:
        deadline = time.monotonic() + 30
        while b"ready" not in container.logs() and time.monotonic() < deadline:
            time.sleep(0.1)
        container.kill(int(number))
        assert container.wait(timeout=30)["StatusCode"] == code
    finally:
        container.remove(force=True)


def test_an_extension_compiles_from_its_sdist_with_the_headers_of_the_image(compiler: Any) -> None:
    install = "cd /srv && pip install --no-index --no-build-isolation ."
    command = f"{install} && cd / && python -c 'import forty; print(forty.answer())'"
    done = execute(compiler.client.api, compiler.id, ["sh", "-c", command])
    assert done.code == 0, done.output
    assert done.stdout.splitlines()[-1] == "42"


def test_a_program_can_embed_libpython(compiler: Any) -> None:
    command = "gcc embedder.c -o embedder $(python3-config --embed --cflags --ldflags) && ./embedder"
    done = execute(compiler.client.api, compiler.id, ["sh", "-c", command], workdir="/srv")
    assert done.code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith("embedded (3,")


def test_a_program_can_bring_a_zipped_standard_library(compiler: Any) -> None:
    """With PyConfig.module_search_paths, all encodings come from the zip (cpython #148750)."""
    pack = "cd /usr/local/lib/python3.* && python -m zipfile -c /srv/library.zip *.py encodings collections re xml"
    build = "cd /srv && gcc paths.c -o paths $(python3-config --embed --cflags --ldflags)"
    run = "./paths /srv/library.zip /usr/local/lib/python3.*/lib-dynload"
    done = execute(compiler.client.api, compiler.id, ["sh", "-c", f"{pack} && {build} && {run}"])
    assert done.code == 0, done.output
    path, math, *rest = done.stdout.split()[-5:]
    assert path == "/srv/library.zip/encodings"
    assert "/lib-dynload/math." in math
    assert rest == ["a", "A", "b'xn--tda'"]


def test_a_module_of_a_programs_own_library_is_not_replaced_by_libpythons(compiler: Any) -> None:
    """The library comes after libpython, so an init function in libpython with the same name would be called."""
    flags = "$(python3-config --embed --cflags --ldflags)"
    build = f"gcc -shared -fPIC library.c -o liblibrary.so {flags} && gcc program.c -o program {flags} -L. -llibrary"
    command = f"{build} && LD_LIBRARY_PATH=. ./program"
    done = execute(compiler.client.api, compiler.id, ["sh", "-c", command], workdir="/srv")
    assert done.code == 0, done.output
    assert done.stdout.splitlines()[-1] == "a module of our own"


def test_types_singletons_and_slots_are_the_same_in_a_program_with_copy_relocations(compiler: Any) -> None:
    """A program that is not position-independent has its own copies of data (R_*_COPY) and addresses of functions."""
    build = "gcc -fno-pic -no-pie copies.c -o copies $(python3-config --embed --cflags --ldflags)"
    command = f"{build} && readelf --relocs copies | grep --quiet 'COPY.*PyLong_Type' && ./copies"
    done = execute(compiler.client.api, compiler.id, ["sh", "-c", command], workdir="/srv")
    assert done.code == 0, done.output
    assert done.stdout.splitlines()[-1] == "1 1 1 1 True False"


@pytest.mark.extended
def test_python_works_after_build_dependencies_are_purged(compiler: Any) -> None:
    purge = "apt-get purge -y --auto-remove gcc libc6-dev && ! command -v gcc"
    done = execute(
        compiler.client.api, compiler.id, ["sh", "-c", f"{purge} && python -c 'import ssl, sqlite3, curses, dbm.gnu'"]
    )
    assert done.code == 0, done.output


@pytest.fixture(scope="module", params=["minimal", "minimal-debug"])
def minimal(request: pytest.FixtureRequest, engine: Engine, reference: str) -> str:
    return in_variant(engine, reference, request.param)


def test_a_minimal_image_runs_python_as_an_ordinary_user(engine: Engine, minimal: str) -> None:
    config = engine.client.images.get(minimal).attrs["Config"]
    assert (config["User"], config["Cmd"], config.get("Entrypoint")) == ("65532:65532", ["python3"], None)


def test_a_minimal_image_works_read_only_and_without_privileges(engine: Engine, minimal: str) -> None:
    code = (
        "import os, ssl, sqlite3, tempfile, ctypes, zoneinfo; ssl.create_default_context();"
        "zoneinfo.ZoneInfo('Asia/Tokyo'); tempfile.TemporaryFile().close(); print(os.getuid(), os.path.expanduser('~'))"
    )
    options = ("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    output = output_of(engine, minimal, ["python", "-c", code], options)
    assert output == "65532 /home/nonroot\n"


def test_only_the_debug_variant_has_a_shell(engine: Engine, minimal: str) -> None:
    from docker.errors import APIError

    # Not run(), which leaves a container that does not start.
    container = engine.client.containers.create(minimal, ["sh", "-c", "id -u"], network_mode="none")
    try:
        if "debug" in minimal:
            container.start()
            assert container.wait()["StatusCode"] == 0
            assert container.logs() == b"65532\n"
        else:
            with pytest.raises(APIError, match="executable file not found"):
                container.start()
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def environment(engine: Engine, reference: str) -> bytes:
    """A virtual environment that the default image made in /srv, as a tar."""
    builder = engine.client.containers.create(reference, ["python", "-m", "venv", "/srv/venv"], network_mode="none")
    try:
        builder.start()
        assert builder.wait()["StatusCode"] == 0
        return b"".join(builder.get_archive("/srv/venv")[0])
    finally:
        builder.remove(force=True)


def test_a_virtual_environment_of_the_default_image_runs_in_the_minimal_one(
    engine: Engine, environment: bytes, minimal: str
) -> None:
    application = engine.client.containers.create(
        minimal, ["/srv/venv/bin/pip", "--version"], network_mode="none", environment={"HOME": "/tmp"}
    )
    try:
        application.put_archive("/srv", environment)
        application.start()
        assert application.wait()["StatusCode"] == 0
        assert "from /srv/venv/lib/" in application.logs().decode()
    finally:
        application.remove(force=True)


def test_labels_name_the_recipe_and_the_base(engine: Engine, reference: str) -> None:
    labels = engine.require(reference).labels
    assert labels[f"{LABELS}.recipe"] in ("full", "quick")
    assert labels[f"{LABELS}.base.origin"] in ("registry", "mmdebstrap", "user")
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")


def test_pip_uninstalls_itself_without_a_trace_and_ensurepip_restores_it(engine: Engine, reference: str) -> None:
    """pip's byte code is not in its RECORD, and some files in ensurepip's wheel are stored without compression."""
    script = """
cd "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
hashes() { find pip -type f -name '*.py' | LC_ALL=C sort | xargs sha256sum; }
hashes >/tmp/before
python3 -m pip uninstall --yes pip >/dev/null 2>&1 && ! ls -d pip pip-*
python3 -m ensurepip --default-pip >/dev/null
hashes | diff /tmp/before - && pip --version
"""
    output = output_of(engine, reference, ["bash", "-euc", script], ("--network=none", "--user=0"), stderr=True)
    *unexpected, last = [line for line in output.splitlines() if not line.startswith(("ls: ", "WARNING: "))]
    assert unexpected == []
    assert last.startswith("pip ")
