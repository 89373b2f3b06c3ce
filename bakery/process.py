"""This process as its caller sees it: signals, standard streams, and errors that no module reports."""

import errno
import os
import signal
import sys
import tempfile
import traceback

from bakery.redaction import redact, shorten


def interrupt(number: int, _: object) -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C: what a script starts in the background ignores SIGINT."""
    raise KeyboardInterrupt(number)


def prepare() -> None:
    """Handle signals, and make stdout and stderr take any text; those that are closed become /dev/null."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, interrupt)
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # else the next file would become stdout
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        # The lines of a table must not end a build on a terminal that only knows ASCII.
        getattr(sys, name).reconfigure(errors="replace")


def describe(error: Exception) -> str | None:
    """One line for an error that is not a :exc:`BakeryError`; ``None`` if the reader of stdout is gone.

    The full text of an unexpected error goes to a file that only this user can read.
    """
    try:
        sys.stdout.flush()
    except OSError:  # at exit, Python would write what is left in the buffer, and exit with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError) and (error.filename is not None or error.errno == errno.ENOSPC):
        hint = "\n  Check the path and its permissions, then run the same command again." if error.filename else ""
        return redact(f"{error.filename or 'stdout or a temporary file'}: {error.strerror}{hint}")
    line = f"unexpected {type(error).__name__}: {' '.join(shorten(str(error), 200).split())}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="bakery-error.", suffix=".txt")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(redact("".join(traceback.format_exception(error))))
    except OSError as problem:
        return f"{line} (a bug in this tool; its full text could not be written: {problem.strerror})"
    return f"{line} (a bug in this tool; please report it with the full text: {name})"
