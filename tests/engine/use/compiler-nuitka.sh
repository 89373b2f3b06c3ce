# Programs that are compiled with CPython's internal headers and linked with libpython, as Nuitka does: gcc lets a program have
# a copy of libpython's data (copy relocations), and libpython must use that copy.
cat >internal.c <<'C'
#define Py_BUILD_CORE 1
#include <Python.h>
#include "internal/pycore_runtime.h"
#include "internal/pycore_pystate.h"
#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_global_objects.h"
#include "internal/pycore_long.h"
#endif
int main(void) {
    Py_Initialize();
    int same = _PyRuntime.core_initialized;
#if PY_VERSION_HEX < 0x030C0000
    same = same && _PyThreadState_GET() == PyThreadState_Get();
#else
    same = same && (PyObject *)&_Py_SINGLETON(tuple_empty) == PyTuple_New(0);
#endif
#if PY_VERSION_HEX >= 0x030B0000
    same = same && (PyObject *)&_PyLong_SMALL_INTS[_PY_NSMALLNEGINTS] == PyLong_FromLong(0);
#endif
    return !same;
}
C
gcc -w internal.c -o internal $(python3-config --embed --cflags --ldflags)
./internal

# The C code of Nuitka 4.3.3 does not compile with the headers of a free-threaded 3.14.
if python3 -c 'import sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))'; then exit 0; fi
pip install --quiet nuitka
cat >app.py <<'P'
import asyncio, json, sys
def numbers(count):
    yield from (number * number for number in range(count))
async def main():
    await asyncio.sleep(0)
    return json.dumps({"numbers": list(numbers(4)), "empty": ()})
print(asyncio.run(main()), "__compiled__" in globals())
P
CCFLAGS=-O0 python3 -m nuitka --quiet --lto=no --output-filename=app.bin app.py
[ "$(./app.bin)" = '{"numbers": [0, 1, 4, 9], "empty": []} True' ]
