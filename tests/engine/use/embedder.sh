# C programs that start the interpreter in each way that the documentation of the C API describes.
flags=$(python3-config --embed --cflags --ldflags)
version=$(python3 -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], sys.abiflags))')
cat >main.c <<'C'
#include <Python.h>
int main(int count, char **arguments) { return Py_BytesMain(count, arguments); }
C
gcc main.c -o main $flags
[ "$(./main -c 'import math, ssl, sys; print("main", sys.prefix)')" = "main /usr/local" ]
gcc main.c -o other $(pkg-config --cflags --libs python3-embed)
[ "$(./other -c 'print("other")')" = other ]

# A standard library in a zip and nothing else, given to an isolated configuration.
python3 - <<'P'
import pathlib, sysconfig, zipfile
library = pathlib.Path(sysconfig.get_path("stdlib"))
with zipfile.ZipFile("library.zip", "w") as archive:
    for file in library.rglob("*.py"):
        if not {"site-packages", "__pycache__", "test"} & set(file.parts):
            archive.write(file, file.relative_to(library))
P
cat >zipped.c <<'C'
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "host", 0, -1, methods};
static PyObject *init(void) { return PyModule_Create(&module); }
int main(int count, char **arguments) {
    PyConfig config;
    PyImport_AppendInittab("host", init);
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.module_search_paths_set = 1;
    for (int i = 1; i < count; i++) {
        wchar_t *path = Py_DecodeLocale(arguments[i], NULL);
        PyWideStringList_Append(&config.module_search_paths, path);
    }
    PyStatus status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    int failed = PyRun_SimpleString(
        "import encodings, host, math, os, sys, urllib.request\n"
        "assert host.answer() == 42\n"
        "assert 'b\\xfccher'.encode('idna') == b'xn--bcher-kva'\n"
        "assert b'\\xe9'.decode('cp1252') == '\\xe9'\n"
        "assert all('library.zip' in path for path in encodings.__path__), encodings.__path__\n"
        "assert 'library.zip' in os.path.__spec__.origin or os.path.__spec__.origin == 'frozen'\n"
        "print('zipped', sys.flags.isolated)\n");
    return failed || Py_FinalizeEx();
}
C
gcc zipped.c -o zipped $flags
[ "$(env --ignore-environment ./zipped "$PWD/library.zip" "/usr/local/lib/python$version/lib-dynload")" = "zipped 1" ]

# Several interpreters in turn and side by side.
cat >several.c <<'C'
#include <Python.h>
int main(void) {
    for (int i = 0; i < 3; i++) {
        Py_Initialize();
        PyThreadState *main = PyThreadState_Get(), *sub = Py_NewInterpreter();
        if (PyRun_SimpleString("import array, datetime, json, math, select; json.loads('[1]')")) return 1;
        Py_EndInterpreter(sub);
        PyThreadState_Swap(main);
        if (PyRun_SimpleString("import array, datetime, json, math, select; json.loads('[1]')")) return 1;
        if (Py_FinalizeEx()) return 1;
    }
    puts("several");
    return 0;
}
C
# 3.12.5 crashes when it initialises _datetime or _decimal again, also when built with the official recipe.
if python3 -c 'import sys; sys.exit(sys.version_info[:3] != (3, 12, 5))'; then sed -i -E 's/ (datetime|decimal),//g' several.c; fi
gcc several.c -o several $flags
[ "$(./several)" = several ]
