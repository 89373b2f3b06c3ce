"""Runs one pyperformance script as a pyperf worker inside a container and prints what it measured.

    python worker.py CLOCK SECONDS SCRIPT ARGUMENTS...

CLOCK is ``wall`` (the clock that pyperf uses) or ``cpu`` (CPU time of the process and its threads, which other
processes on the machine do not lengthen). Scripts and pyperf read the time by ``time.perf_counter`` alone, so that is
where the clock is changed. After SECONDS the process ends itself with a traceback and code 1. The last line on stdout
is ``WORKER`` and a JSON object:

    suite   what pyperf wrote by --output
    wall    seconds from here to the script's end
    cpu     CPU seconds of this process and its children in that time

Standard library only, Python 3.9 and newer.
"""

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
    """CPU time of this process and of its children that have ended."""
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
        runpy.run_path(script, run_name="__main__")
        spent = {"wall": time.monotonic() - wall, "cpu": cpu_seconds() - cpu}
        with open(output, encoding="utf-8") as stream:
            print("\n" + MARK + json.dumps({"suite": json.load(stream), **spent}))


if __name__ == "__main__":
    main(*sys.argv[1:])
