/* The types of the interpreter's data for debuggers, without any code: debug-symbols.sh compiles it with the tree's headers. */
#define Py_BUILD_CORE 1
#include "Python.h"
#include "frameobject.h"
#include "pycore_interp.h"
#include "pycore_runtime.h"
#if __has_include("pycore_dict.h")
#include "pycore_dict.h"
#endif
#if __has_include("pycore_frame.h")
#include "pycore_frame.h"
#endif
/* Up to 3.10 the tables of dictionaries are declared here. */
#if __has_include("dict-common.h")
#include "dict-common.h"
#endif
