# Build back ends compile with what sysconfig, python3-config, pkg-config and CMake's FindPython report.
pip install --quiet setuptools wheel cython cffi pybind11 meson-python ninja scikit-build-core cmake
install() { pip install --quiet --no-build-isolation "$1"; }

mkdir c cython cffi meson cmake
cat >extension.c <<'C'
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", 0, -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
C
for name in c meson cmake; do sed "s/NAME/own_$name/g" extension.c >$name/extension.c; done

cat >c/setup.py <<'P'
import sysconfig
from setuptools import Extension, setup
limited = dict(define_macros=[("Py_LIMITED_API", "0x03090000")], py_limited_api=True)
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    limited = {}  # up to 3.14 that build has no limited API
setup(name="own-c", version="1", ext_modules=[Extension("own_c", ["extension.c"], **limited)])
P
install ./c

cat >cython/own_cython.pyx <<'P'
cimport cython
from cpython cimport array
def answer():
    cdef array.array numbers = array.array("i", [40, 2])
    return numbers.data.as_ints[0] + numbers.data.as_ints[1]
P
cat >cython/setup.py <<'P'
from setuptools import Extension, setup
setup(name="own-cython", version="1", ext_modules=[Extension("own_cython", ["own_cython.pyx"])])
P
install ./cython
echo 'print("a program")' >program.py
cython --embed program.py
gcc program.c -o program $(python3-config --embed --cflags --ldflags)
[ "$(./program)" = "a program" ]

cat >cffi/build.py <<'P'
import cffi
maker = cffi.FFI()
maker.cdef("int answer(void);")
maker.set_source("own_cffi", "int answer(void) { return 42; }")
maker.compile()
P
(cd cffi && python build.py && python -c 'from own_cffi import lib; assert lib.answer() == 42')

cat >meson/meson.build <<'M'
project('own-meson', 'c', version: '1')
python = import('python').find_installation(pure: false)
python.extension_module('own_meson', 'extension.c', install: true)
embedded = dependency('python3-embed')
python.dependency(embed: true)
M
printf '[build-system]\nrequires = ["meson-python"]\nbuild-backend = "mesonpy"\n[project]\nname = "own-meson"\nversion = "1"\n' \
    >meson/pyproject.toml
install ./meson

cat >cmake/CMakeLists.txt <<'M'
cmake_minimum_required(VERSION 3.18)
project(own LANGUAGES C CXX)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module Development.Embed)
Python_add_library(own_cmake MODULE extension.c WITH_SOABI)
install(TARGETS own_cmake DESTINATION .)
file(WRITE ${CMAKE_BINARY_DIR}/main.c "#include <Python.h>\nint main(int c, char **a) { return Py_BytesMain(c, a); }")
add_executable(embedding ${CMAKE_BINARY_DIR}/main.c)
target_link_libraries(embedding PRIVATE Python::Python)
M
printf '[build-system]\nrequires = ["scikit-build-core"]\nbuild-backend = "scikit_build_core.build"\n[project]\nname = "own-cmake"\nversion = "1"\n' \
    >cmake/pyproject.toml
install ./cmake

cat >own_pybind.cpp <<'C'
#include <pybind11/pybind11.h>
PYBIND11_MODULE(own_pybind, module) { module.def("answer", [] { return 42; }); }
C
g++ -shared -fPIC $(python -m pybind11 --includes) own_pybind.cpp -o "own_pybind$(python3-config --extension-suffix)"

for module in own_c own_cython own_meson own_cmake own_pybind; do
    python -c "import $module; assert $module.answer() == 42"
done
