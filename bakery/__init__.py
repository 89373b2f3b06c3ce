"""Build CPython container images from upstream's source: catalog in, bake definition out, measurements back.

Packages import only those below them: pyproject.toml lists the layers, and lint-imports checks them. Nothing here
imports invoke or nox; commands/ and noxfile.py import this package.
"""

import os
import sys

__version__ = "0.1.0"


def prefer_libraries(root: str) -> None:
    """Search the clone ``root`` and the current folder last: a requests.py there must not replace the library."""

    def is_local(path: str) -> bool:
        # Not os.getcwd(), which fails if the folder has been removed.
        return os.path.isdir(path) and any(os.path.samefile(path, folder) for folder in (root, os.curdir))

    sys.path.sort(key=is_local)


def begin(root: str) -> None:
    """What a command of the clone ``root`` does before it imports more: until ``guard()``, SIGINT ends it silently."""
    prefer_libraries(root)
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
