"""Print what identifies the interpreter of an image and its machine, as JSON (bakery/benchmarks/session.py: Python)."""

import importlib.util
import json
import os
import platform
import re
import sys
import sysconfig

magic = importlib.util.MAGIC_NUMBER.hex()
key = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}-{magic}-{sysconfig.get_platform()}"
series = f"{sys.version_info[0]}.{sys.version_info[1]}" + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
with open("/proc/cpuinfo") as cpuinfo:
    model = re.search(r"(?m)^model name\s*: (.+)$", cpuinfo.read())
print(
    json.dumps(
        {
            "key": key,
            "series": series,
            "version": platform.python_version(),
            "full": sys.version,
            "cpu_model": model.group(1) if model else platform.machine(),
            "kernel": os.uname().release,
        }
    )
)
