"""Import pandas in a new process."""

import resource
import subprocess
import sys
import time

import pyperf


def seconds():
    """Return the time; with worker.py's CPU clock, the CPU time of finished child processes."""
    if time.perf_counter is not time.process_time:
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start(loops):
    """Start Python for the import ``loops`` times and return the seconds."""
    began = seconds()
    for _ in range(loops):
        subprocess.run([sys.executable, "-c", "import pandas"], check=True)
    return seconds() - began


if __name__ == "__main__":
    pyperf.Runner().bench_time_func("pandas_import", start)
