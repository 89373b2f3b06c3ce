"""Replace the files of the interpreter that runs this with copies, which the next process maps."""

import os
import shutil
import sys

with open("/proc/self/maps") as maps:
    paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/libpython" in line}
for path in {os.path.realpath(sys.executable), *paths}:
    shutil.copy2(path, path + ".new")
    os.replace(path + ".new", path)
