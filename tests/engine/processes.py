"""What other users of the machine can see of a command while it runs."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def watch_arguments(process: subprocess.Popen[str]) -> set[tuple[int, bytes]]:
    """Process id and arguments of ``process``, and of all processes that start until it ends."""
    before, seen = {*os.listdir("/proc")} - {str(process.pid)}, set[tuple[int, bytes]]()
    while process.poll() is None:
        for name in filter(str.isdecimal, {*os.listdir("/proc")} - before):
            with suppress(OSError):
                seen.add((int(name), Path("/proc", name, "cmdline").read_bytes()))
        time.sleep(0.002)  # otherwise this loop would occupy a processor
    return seen
