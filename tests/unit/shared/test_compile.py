"""shared/compile.sh, as far as it runs without a compiler: what it takes from the tree that it unpacks."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.archives import make_release

HEADERS = {
    "Include/object.h": (
        "PyAPI_DATA(PyTypeObject) PyType_Type;\n#define PyAPI_DATA(RTYPE) extern RTYPE\n"
        "PyAPI_DATA(const char *)\n    Py_FileSystemDefaultEncoding;\nPyAPI_FUNC(int) PyObject_Not(PyObject *);\n"
    ),
    "Include/pydebug.h": "PyAPI_DATA(int) (*PyOS_ReadlineHook)(void);\n",
    "Include/cpython/code.h": "PyAPI_DATA(const int) const Py_Kinds[3];\n",
    "Include/internal/pycore_runtime.h": (
        "PyAPI_DATA(_PyRuntimeState) _PyRuntime;\nPyAPI_DATA(double) _PyLong_Frexp(PyLongObject *a, int64_t *e);\n"
    ),
}
OPTIONS = "configure_flags=--enable-shared\nbuiltin="
COMPILE_OPTIONS = (
    "cc", "cxx", "compiler_path", "compiler_configure", "compiler_flags", "linker_flags", "executable_flags",
    "expat_flags", "ceval_flags", "profile_generate", "profile_use", "profile_again", "programs", "training",
)  # fmt: skip


# A configure that writes a Makefile, as upstream's does; a helper that writes the file named by its last argument.
CONFIGURE = """#!/bin/sh
touch pyconfig.h
cat >Makefile <<'END'
LDLIBRARY=libpython3.so
BUILDPYTHON=python
FROZEN_FILES_OUT=Python/frozen_modules/os.h
DEEPFREEZE_C = Python/deepfreeze/deepfreeze.c
python-config _bootstrap_python: ; printf 'mkdir -p $$(dirname $$1); touch $$1' >$@; chmod +x $@
$(BUILDPYTHON): $(LDLIBRARY)
libpython3.so: Python/frozen_modules/os.h
$(FROZEN_FILES_OUT): _bootstrap_python
	./_bootstrap_python $@
@RULES@
END
"""


def generate(folder: Path, rules: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Let compile.sh generate what a Makefile with these further rules has; returns the results' folder and the run."""
    folder.mkdir()
    tree, generated = folder / "tree", folder / "sysconfig"
    (folder / "source").mkdir()
    tarball = make_release(folder / "source", {"Modules/Setup": "", **HEADERS})
    # The unpacked tree is there already: tarballs of make_release have no executable files.
    tree.mkdir()
    configure = tree / "configure"
    configure.write_text(CONFIGURE.replace("@RULES@", rules))
    configure.chmod(0o755)
    environment = {
        "SOURCE": str(folder / "source"), "TREE": str(tree), "SYSCONFIG": str(generated), "PATH": os.environ["PATH"],
        "PYTHON_SHA256": hashlib.sha256(tarball.read_bytes()).hexdigest(), "CONFIGURE_OPTIONS": OPTIONS, "PGO": "1",
    }  # fmt: skip
    command = ["bash", str(Path(__file__).parents[3] / "shared" / "compile.sh"), "sysconfig"]
    return generated, subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def run(folder: Path, files: dict[str, str], phase: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a phase of compile.sh on a tarball of ``files``, with ``more`` in its environment."""
    source = folder / "source"
    source.mkdir()
    tarball = make_release(source, {"Modules/Setup": "", **files})
    environment = {
        "SOURCE": str(source), "TREE": str(folder / "tree"), "PGO": "1", "PATH": os.environ["PATH"],
        "PYTHON_SHA256": hashlib.sha256(tarball.read_bytes()).hexdigest(), "CONFIGURE_OPTIONS": OPTIONS,
        "COMPILE_OPTIONS": "\n".join(f"{name}=" for name in COMPILE_OPTIONS), **more,
    }  # fmt: skip
    command = ["bash", str(Path(__file__).parents[3] / "shared" / "compile.sh"), phase]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def unpack(folder: Path, files: dict[str, str], options: str = OPTIONS, phase: str = "train") -> tuple[Path, str]:
    """Let compile.sh unpack a tree of ``files`` that has no configure; returns the tree and the error output."""
    done = run(folder, files, phase, CONFIGURE_OPTIONS=options)
    assert done.returncode != 0, "there is no configure"
    return folder / "tree", done.stderr


def test_exported_data_is_what_headers_declare_and_no_more(tmp_path: Path) -> None:
    tree, _ = unpack(tmp_path, HEADERS)
    names = "PyOS_ReadlineHook PyType_Type Py_FileSystemDefaultEncoding Py_Kinds _PyRuntime"
    assert (tree / "exported-data.list").read_text() == "{\n" + "".join(f"{name};\n" for name in names.split()) + "};\n"


def test_a_tree_that_exports_no_data_is_an_error(tmp_path: Path) -> None:
    _, output = unpack(tmp_path, {"Include/Python.h": "#define PY 3\n"})
    assert "expected data that Include/*.h or Include/*/*.h declare (PyAPI_DATA), found none in 1 headers" in output
    assert "configure" not in output, "it went on"


def test_builtin_modules_are_found_in_both_dialects_of_setup(tmp_path: Path) -> None:
    setup = (
        "# array is built by setup.py if this line is a comment\n"
        "#array arraymodule.c\t# array objects\n"
        "#math mathmodule.c _math.c -DPy_BUILD_CORE_MODULE # -lm # math library functions, e.g. sin()\n"
        "#_zoneinfo\n"
    )
    stdlib = "@MODULE_ARRAY_TRUE@array new/arraymodule.c\n@MODULE__JSON_TRUE@_json _json.c\n"
    options = OPTIONS.replace("builtin=", "builtin=array math _json _zoneinfo missing")
    local = "*static*\n{}\n_json _json.c\n"

    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    tree, _ = unpack(old, {**HEADERS, "Modules/Setup": setup}, options)
    lines = ["*static*", "array arraymodule.c", "math mathmodule.c _math.c -DPy_BUILD_CORE_MODULE"]
    assert [line.rstrip() for line in (tree / "Modules/Setup.local").read_text().splitlines()] == lines

    new.mkdir()
    tree, _ = unpack(
        new, {**HEADERS, "Modules/Setup": "#array arraymodule.c", "Modules/Setup.stdlib.in": stdlib}, options
    )
    assert (tree / "Modules/Setup.local").read_text() == local.format("array new/arraymodule.c")


@pytest.mark.parametrize("target", ["Python/deepfreeze/deepfreeze.c", "$(DEEPFREEZE_C)", "%/deepfreeze.c"])
def test_frozen_c_code_is_generated_however_its_rule_is_spelled(tmp_path: Path, target: str) -> None:
    rule = f"{target}: _bootstrap_python\n\t./_bootstrap_python $@\nlibpython3.so: Python/deepfreeze/deepfreeze.c"
    generated, run = generate(tmp_path / "known", rule)
    assert run.returncode == 0, run.stderr
    assert (generated / "Python/deepfreeze/deepfreeze.c").exists()
    generated, run = generate(tmp_path / "unknown", "")
    assert run.returncode == 0, run.stderr
    assert (generated / "Python/frozen_modules/os.h").exists()
    assert not (generated / "Python/deepfreeze").exists()


def test_a_file_that_only_a_helper_can_generate_fails_before_the_long_build(tmp_path: Path) -> None:
    rule = "Python/cold.c: _bootstrap_python\n\t./_bootstrap_python $@\nlibpython3.so: Python/cold.c"
    _, run = generate(tmp_path / "cold", rule)
    assert run.returncode == 1
    assert "./_bootstrap_python Python/cold.c" in run.stdout
    assert "the optimised build would still run a helper" in run.stderr


def test_sysconfig_expects_files_for_modules_with_public_names(tmp_path: Path) -> None:
    stdlib = "@MODULE_MATH_TRUE@math mathmodule.c\n@MODULE__JSON_TRUE@_json _json.c\n"
    options = OPTIONS.replace("builtin=", "builtin=math _json")
    tree, _ = unpack(tmp_path, {**HEADERS, "Modules/Setup.stdlib.in": stdlib}, options, "sysconfig")
    assert (tree / "Modules/Setup.local").read_text() == "*static*\n_json _json.c\n"


MAKEFILE = """
BUILDPYTHON = python
LDLIBRARY = libpython.so
EXT_SUFFIX = .cpython-313.so
python:
\t@printf '#!/bin/sh\\n' >$@; chmod +x $@
libpython.so:
\t@echo '$(EXTRA_CFLAGS)' >$@; cp Modules/config.c linked.c
pybuilddir.txt: python
\t@echo build/lib >$@
build_all: libpython.so
\t@cp Modules/Setup.local checked; ls build/lib >files; rm build/lib/*  # as setup.py does up to 3.11
"""
TABLE = """extern PyObject* PyInit_math(void);
struct _inittab _PyImport_Inittab[] = {
    {"math", PyInit_math},
    {"_math", PyInit__math},
    {"_json", PyInit__json},
    {"_asyncio", PyInit__asyncio},
"""


def test_modules_that_others_look_for_are_linked_into_libpython_but_are_files(tmp_path: Path) -> None:
    tree, sysconfig, programs = tmp_path / "tree", tmp_path / "sysconfig", tmp_path / "programs"
    for folder in (tree / "Modules", tree / "Lib", sysconfig, programs):
        folder.mkdir(parents=True)
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "Modules/config.c").write_text(TABLE)
    for name in ("linked", "local"):
        (tree / f"Modules/Setup.{name}").write_text("*static*\nmath mathmodule.c\n_json _json.c\n_asyncio _asyncio.c\n")
    for name, source in {"math": "", "_json": "", "_asyncio": "GENERATE_DEBUG_SECTION(AsyncioDebug, int x)\n"}.items():
        (tree / f"Modules/{name}{'module' * (name == 'math')}.c").write_text(source)
    for folder in (tree, sysconfig):
        (folder / "pyconfig.h").touch()
    (sysconfig / "Makefile").touch()
    # A fake compiler that keeps its input and its arguments.
    compiler = programs / "cc"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n{ cat; echo "$@"; } >"$2"\n')
    compiler.chmod(0o755)
    # Another that copies libpython to the file that it is to write.
    objcopy = programs / "objcopy"
    objcopy.write_text('#!/bin/sh\n[ "$2" = --only-section=.AsyncioDebug ] && cp "$3" "$4"\n')
    objcopy.chmod(0o755)
    # And one that marks what it copies.
    strip = programs / "strip"
    strip.write_text('#!/bin/sh\n{ cat "$4"; echo stripped; } >"$3"\n')
    strip.chmod(0o755)
    values, linked = {"cc": "cc", "compiler_flags": "-O3"}, tmp_path / "linked"
    environment = {
        "LINKED": str(linked), "TREE": str(tree), "SYSCONFIG": str(sysconfig), "PGO": "0",
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CONFIGURE_OPTIONS": OPTIONS.replace("builtin=", "builtin=math select _json _asyncio"),
        "COMPILE_OPTIONS": "\n".join(f"{name}={values.get(name, '')}" for name in COMPILE_OPTIONS),
    }  # fmt: skip
    script = Path(__file__).parents[3] / "shared" / "compile.sh"
    subprocess.run(["bash", str(script), "compile"], env=environment, capture_output=True, check=True)

    others = [line for line in TABLE.splitlines() if '"math"' not in line and "asyncio" not in line]
    assert (tree / "linked.c").read_text().splitlines() == others
    # A tree may have no line for a public module; then upstream makes a file of it, whose init function keeps its name.
    libpython = "-O3 -DPyInit_math=_PyInit_math -DPyInit__asyncio=_PyInit__asyncio\n"
    assert (tree / "libpython.so").read_text() == f"{libpython}stripped\n"
    assert sorted(str(file.relative_to(linked)) for file in linked.rglob("*") if file.is_file()) == [
        "libpython.so",
        "python",
    ]
    assert (linked / "libpython.so").read_text() == libpython, "the debug variant needs its symbols"
    assert (tree / "files").read_text() == "_asyncio.cpython-313.so\nmath.cpython-313.so\n"
    stub = (tree / "stubs/math.cpython-313.so").read_text()
    assert (tree / "Lib/math.so").read_text() == stub, "setup.py, ensurepip and compileall of a build tree need it"
    assert "void *PyInit_math(void) { return _PyInit_math(); }\n" in stub
    assert " ./libpython.so " in stub
    # Tools search a file of that name for the section (3.14: python -m asyncio ps).
    with_section = (tree / "stubs/_asyncio.cpython-313.so").read_text()
    assert '.section .AsyncioDebug,\\"a\\"; .incbin \\"_asyncio.AsyncioDebug\\"' in with_section
    assert (tree / "_asyncio.AsyncioDebug").read_text() == libpython
    assert "section" not in stub
    # Upstream's check of the build imports what Setup.local does not list from files.
    assert (tree / "checked").read_text() == "*static*\n_json _json.c\n"


def test_a_recorded_profile_that_is_missing_is_an_error_and_no_reason_to_train(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "configure").write_text("#!/bin/sh\ntouch Makefile\n")
    (tree / "configure").chmod(0o755)
    folders = {"PROFILE": str(tmp_path / "empty"), "PROFILES": str(tmp_path / "out")}
    done = run(tmp_path, HEADERS, "train", PROFILE_SHA256="0" * 64, **folders)
    assert done.returncode == 1 and "expected the recorded profile" in done.stderr
    assert "instrumented build" not in done.stdout, "it trained"


# A Makefile whose interpreter notes the programs that it runs, and whose training counts enough.
TRAINED = """#!/bin/sh
cat >Makefile <<'END'
profile-gen-stamp: ; printf '#!/bin/sh\\necho "$$1" >>ran\\n' >python; chmod +x python
profile-run-stamp: ; head --bytes=600000 /dev/zero >code.profclangd
END
"""


@pytest.mark.parametrize(("programs", "ran"), [("b.py", ["b.py"]), ("a.py b.py", ["a.py", "b.py"]), ("", [])])
def test_a_training_runs_the_programs_that_the_recipe_names(tmp_path: Path, programs: str, ran: list[str]) -> None:
    tree, training = tmp_path / "tree", tmp_path / "the programs"
    for folder in (tree, training):
        folder.mkdir()
    (tree / "configure").write_text(TRAINED)
    (tree / "configure").chmod(0o755)
    for name in ("a.py", "b.py", "c.py"):
        (training / name).touch()
    options = {"cc": "echo", "programs": programs}
    text = "\n".join(f"{name}={options.get(name, '')}" for name in COMPILE_OPTIONS)
    folders = {"PROFILE": str(training), "PROFILES": str(tmp_path / "profiles")}
    done = run(tmp_path, HEADERS, "train", COMPILE_OPTIONS=text, **folders)
    assert done.returncode == 0, done.stderr
    noted = (tree / "ran").read_text().splitlines() if ran else []
    assert sorted(noted) == [str(training / name) for name in ran]
    assert (tmp_path / "profiles" / "code.profdata.xz").exists()
