"""Run one pyperformance script as a pyperf worker inside a container and print the measurements.

    python worker.py CLOCK SECONDS SCRIPT ARGUMENTS...

CLOCK is ``wall`` (the clock that pyperf uses) or ``cpu`` (CPU time of the process and its threads, which other
processes on the machine do not affect). Scripts and pyperf read the time only with ``time.perf_counter``, so that
function is replaced. After SECONDS the process prints a traceback and exits with 1. The last line on stdout is
``WORKER`` and a JSON object:

    suite   pyperf's output file (--output)
    wall    seconds that the script ran
    cpu     CPU seconds of this process and its children in that time

Standard library only, Python 3.9 and newer.
"""

import builtins
import faulthandler
import json
import os
import runpy
import site
import sys
import tempfile
import time

MARK = "WORKER "


def cpu_seconds():
    """Return the CPU time of this process and its finished children, in seconds."""
    return sum(os.times()[:4])


def main(clock, seconds, script, *arguments):
    """Run ``script`` with pyperf's worker options in ``arguments`` and print the result line."""
    faulthandler.dump_traceback_later(float(seconds), exit=True)
    if clock == "cpu":
        time.perf_counter = time.process_time
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "output.json")
        sys.argv = [script, *arguments, "--output", output]
        sys.path[0] = os.path.dirname(script)
        for packages in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
            site.addsitedir(packages)  # .pth files of installed packages, as in a virtual environment
        wall, cpu = time.monotonic(), cpu_seconds()
        # In a real __main__, __builtins__ is a module; scripts may rely on that (sphinx's replaces open in it).
        runpy.run_path(script, {"__builtins__": builtins}, "__main__")
        spent = {"wall": time.monotonic() - wall, "cpu": cpu_seconds() - cpu}
        with open(output, encoding="utf-8") as stream:
            print("\n" + MARK + json.dumps({"suite": json.load(stream), **spent}))


if __name__ == "__main__":
    main(*sys.argv[1:])
