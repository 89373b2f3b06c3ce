"""Upstream's gdb commands (Tools/gdb/libpython.py) for an interpreter with line tables; gdb loads it with libpython.

Upstream's py-bt, py-up, py-locals and others find the Python frames that a C function runs in its variables, which line
tables do not have. Here they come from the interpreter's own list of threads, in which every frame is linked with its
caller. The types are in a file of their own (debug-types.c). debug-symbols.sh installs all three.
"""

import itertools
import os
import sys

import gdb
import gdb.types

sys.path.insert(0, os.path.dirname(__file__))
import libpython


def has(value, field):
    """Whether the structure that this pointer refers to has this field; that depends on the series."""
    return gdb.types.has_field(value.type.target(), field)


def linked(node):
    """This node of a list and all that follow it."""
    while int(node):
        yield node
        node = node["next"]


def thread_states():
    """The selected thread's state in each interpreter that it entered, the newest interpreter first."""
    number = gdb.selected_thread().ptid[1]
    try:
        identifier = int(gdb.parse_and_eval("$fs_base"))  # x86-64: pthread_self()
    except gdb.error:
        identifier = None
    address = gdb.Value(int(gdb.parse_and_eval("(long) &_PyRuntime")))
    runtime = address.cast(gdb.lookup_type("_PyRuntimeState").pointer())
    for interpreter in linked(runtime["interpreters"]["head"]):
        up_to_3_10 = has(interpreter, "tstate_head")
        for state in linked(interpreter["tstate_head"] if up_to_3_10 else interpreter["threads"]["head"]):
            # The kernel's thread ID, which 3.11 and later have, is another one if gdb runs outside of the container.
            kernel = has(state, "native_thread_id") and int(state["native_thread_id"]) == number
            if kernel or int(state["thread_id"]) == identifier:
                yield state


def innermost_frames():
    """For each C function that evaluates byte code, beginning with the newest: the innermost frame that it runs."""
    for state in thread_states():
        if has(state, "frame"):  # up to 3.10: one frame for each call of the function
            frame = state["frame"]
            while int(frame):
                yield frame
                frame = frame["f_back"]
            continue
        frame = (state["cframe"] if has(state, "cframe") else state)["current_frame"]
        while int(frame):
            yield frame
            outermost = False
            while int(frame) and not outermost:
                # From 3.12 on each call of the function puts a frame of its own below the others.
                outermost = bool(frame["is_entry"]) if has(frame, "is_entry") else int(frame["owner"]) == ENTRY
                frame = frame["previous"]


def innermost_frame(function):
    """The frame that this C function runs as upstream's class has it; ``None`` if it cannot be read."""
    number, newer = 0, function.newer()
    while newer:
        number += newer.is_evalframe()
        newer = newer.newer()
    for frame in itertools.islice(innermost_frames(), number, None):
        if hasattr(libpython, "PyFramePtr"):
            return libpython.PyFramePtr(frame)
        return libpython.PyFrameObjectPtr.from_pyobject_ptr(frame)
    return None


def activity(function):
    """What a C function does for Python without byte code. Upstream also describes calls, which needs variables."""
    if function.is_waiting_for_gil():
        return "Waiting for the GIL"
    return "Garbage-collecting" if function.is_gc_collect() else False


ENTRY = getattr(libpython, "FRAME_OWNED_BY_INTERPRETER", getattr(libpython, "FRAME_OWNED_BY_CSTACK", None))
TYPES = __file__.replace("-gdb.py", ".types")
if all(loaded.filename != TYPES for loaded in gdb.objfiles()):
    gdb.execute(f"add-symbol-file {TYPES}", to_string=True)
libpython.Frame.get_pyop = innermost_frame
libpython.Frame.is_other_python_frame = activity
if hasattr(libpython, "PyFramePtr"):
    libpython.PyFramePtr.get_thread_state = staticmethod(lambda: next(thread_states(), None))
