# Programs that load libpython at run time, as plug-ins of databases, editors and other languages do; code that replaces the
# interpreter's allocator or its evaluation function; and an installation that was moved to another folder.
pip install --quiet cffi setuptools pybind11
version=$(python3 -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], sys.abiflags))')

# Extension modules resolve the C API in a libpython that was loaded globally, or into a separate namespace.
cat >loading.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
    void *library = count > 2 ? dlmopen(LM_ID_NEWLM, arguments[1], RTLD_NOW) : dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) return puts(dlerror());
    ((void (*)(void))dlsym(library, "Py_Initialize"))();
    int failed = ((int (*)(const char *))dlsym(library, "PyRun_SimpleString"))(
        "import _ctypes, array, math, resource, ssl, sys; print('loaded', math.sqrt(16), sys.prefix, flush=True)");
    return failed || ((int (*)(void))dlsym(library, "Py_FinalizeEx"))();
}
C
gcc loading.c -o loading -ldl
for library in "libpython$version.so.1.0" "/usr/local/lib/libpython$version.so.1.0"; do
    [ "$(./loading "$library")" = "loaded 4.0 /usr/local" ]
done

# cffi's embedding: a shared object that starts the interpreter when it is first called.
cat >build.py <<'P'
import cffi
maker = cffi.FFI()
maker.embedding_api("int add(int, int);")
maker.set_source("plugin", "")
maker.embedding_init_code("""
from plugin import ffi
import array, math, ssl
@ffi.def_extern()
def add(a, b):
    return a + b + int(math.sqrt(16))
""")
maker.compile(target="libplugin.so")
P
python3 build.py
echo 'extern int add(int, int); int main(void) { return add(1, 2) != 7; }' >host.c
gcc host.c -o host -L. -l:libplugin.so -Wl,-rpath,"$PWD"
./host

# An interpreter that is started again and again, in C++ with exceptions.
cat >rounds.cpp <<'C'
#include <pybind11/embed.h>
namespace py = pybind11;
PYBIND11_EMBEDDED_MODULE(host, module) { module.def("answer", [] { return 42; }); }
int main() {
    int caught = 0;
    for (int round = 0; round < 3; round++) {
        py::scoped_interpreter interpreter;
        py::exec("import asyncio, datetime, decimal, host, json, xml.etree.ElementTree\nassert host.answer() == 42\n"
                 "asyncio.run(asyncio.sleep(0))\nxml.etree.ElementTree.fromstring('<a/>')");
        try { py::module_::import("missing"); } catch (py::error_already_set &) { caught++; }
    }
    return caught != 3;
}
C
# 3.12.5 crashes when it initialises _datetime or _decimal again, also when built with the official recipe.
if python3 -c 'import sys; sys.exit(sys.version_info[:3] != (3, 12, 5))'; then sed -i -E 's/ (datetime|decimal),//g' rounds.cpp; fi
g++ -std=c++17 rounds.cpp -o rounds $(python3 -m pybind11 --includes) $(python3-config --embed --ldflags)
./rounds

# A sanitizer's allocator, and a function that evaluates all frames (PEP 523), as compilers and debuggers install it.
cat >evaluator.c <<'C'
#define Py_BUILD_CORE 1
#include <Python.h>
#if PY_VERSION_HEX < 0x030B0000
typedef PyFrameObject frame;
#else
typedef struct _PyInterpreterFrame frame;
extern PyObject *_PyEval_EvalFrameDefault(PyThreadState *, frame *, int);
#endif
static long frames;
static PyObject *evaluate(PyThreadState *thread, frame *frame, int raised) {
    frames++;
    return _PyEval_EvalFrameDefault(thread, frame, raised);
}
static PyObject *count(PyObject *self, PyObject *function) {
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), evaluate);
    PyObject *result = PyObject_CallNoArgs(function);
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), _PyEval_EvalFrameDefault);
    Py_XDECREF(result);
    return result ? PyLong_FromLong(frames) : NULL;
}
static PyMethodDef methods[] = {{"count", count, METH_O, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "evaluator", 0, -1, methods};
PyMODINIT_FUNC PyInit_evaluator(void) { return PyModule_Create(&module); }
C
gcc -shared -fPIC -fsanitize=address $(python3-config --includes) evaluator.c -o evaluator.so
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 python3 - <<'P'
import evaluator

def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

assert evaluator.count(lambda: [fibonacci(10), list(n for n in range(5))]) >= 178
P

# An installation in another folder.
cp -a /usr/local /opt/moved
[ "$(/opt/moved/bin/python3 -c 'import math, sys; print(sys.prefix, math.__file__.startswith(sys.prefix))')" = "/opt/moved True" ]
[ "$(PYTHONHOME=/opt/moved python3 -c 'import math, sys; print(sys.prefix, math.__file__.startswith(sys.prefix))')" = "/opt/moved True" ]
/opt/moved/bin/python3 -m venv environment
environment/bin/pip --version
