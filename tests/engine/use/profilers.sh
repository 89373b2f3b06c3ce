# Profilers read the interpreter's memory, replace its allocators or sample its frames.
pip install --quiet py-spy memray
cat >app.py <<'P'
import time
def calculate(end):
    blocks = []
    while time.monotonic() < end:
        blocks = [bytes(1_000_000), sum(range(1000))]
    return blocks
calculate(time.monotonic() + 2)
P
# Free-threaded interpreters allocate from mimalloc's arenas, and py-spy 0.4.3 does not know them.
if python -c 'import sys, sysconfig; sys.exit(sysconfig.get_config_var("Py_GIL_DISABLED") or 0)'; then
    py-spy record --format=raw --output=stacks --native --duration=1 -- python app.py
    grep --quiet "calculate (app.py" stacks
    memray run --native --quiet --force --output=memory app.py
else
    memray run --trace-python-allocators --native --quiet --force --output=memory app.py
fi
memray stats memory | grep "calculate"
if python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    python -X perf app.py
    grep --quiet "py::calculate:" /tmp/perf-*.map
fi
python -m cProfile app.py | grep --quiet "(calculate)"
