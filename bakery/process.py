"""This process as its caller sees it: signals, standard streams, and errors that no module reports."""

import atexit
import io
import os
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bakery.errors import InputError
from bakery.redaction import redact, remember, shorten
from bakery.regular_files import hint_of

REPEATED = 1.0
"""Seconds in which another signal is the same one: timeout(1) sends its signal to the process and to its group."""

BLOCKED = 10.0
"""Seconds that a reader of stdout or stderr may take before an interrupted process ends without its last line."""

CONTINUE = "\nInterrupted. Run the same command to continue: finished steps are kept."


class _Interruption:
    """Handles SIGTERM and SIGHUP like Ctrl-C: what a script starts in the background ignores SIGINT."""

    since: float | None = None
    in_task = True
    commands = 0
    """Counts calls of :func:`prepare`: a signal concerns one command."""
    watching = False

    def __call__(self, number: int, _: object) -> None:
        now = time.monotonic()
        if self.since is None:
            self.since = now
            if not self.in_task:  # Invoke would silently exit with 1
                _report(KeyboardInterrupt, KeyboardInterrupt(number), None)
            raise KeyboardInterrupt(number)
        if now - self.since > REPEATED:
            os._exit(128 + number)

    def watch(self) -> None:
        """Start the thread that learns of signals even while the main thread waits for a lock of stdout or stderr.

        Python calls handlers in the main thread only, between two of its instructions. The thread that has the lock
        may be blocked in write(2).
        """
        if self.watching:
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            threading.Thread(target=self._watch, args=[reader], daemon=True).start()
        except RuntimeError:  # a limit of threads
            os.close(reader)
            os.close(writer)
            return
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.watching = True

    def _watch(self, signals: int) -> None:
        """End an interrupted process if stdout or stderr stays full: a thread or the last flush would block forever."""
        pause = threading.Event()
        while number := os.read(signals, 1):
            streams, written, command = select.poll(), time.monotonic(), self.commands
            streams.register(1, select.POLLOUT)
            streams.register(2, select.POLLOUT)
            # Other signals, such as SIGWINCH, may have handlers, too.
            while self.commands == command and signal.getsignal(number[0]) is self:
                if len(streams.poll(0)) == 2:
                    written = time.monotonic()
                elif time.monotonic() - written > BLOCKED:
                    os._exit(128 + number[0])
                pause.wait(min(BLOCKED / 10, 0.5))


INTERRUPTION = _Interruption()


def prepare(*, in_task: bool = True) -> None:
    """Handle signals, and make stdout and stderr take any text; those that are closed become /dev/null.

    The first signal interrupts what runs; a later one ends the process, whatever still delays its end, and so does a
    stdout or stderr that stays full. No other user may write to what this process creates: root would refuse such a
    cache (:mod:`bakery.workspace`). This user may, even with a umask of 0777: else the cache could not be used at all.
    """
    os.umask((os.umask(0o022) | 0o022) & 0o077)
    INTERRUPTION.since, INTERRUPTION.in_task = None, in_task
    INTERRUPTION.commands += 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # nohup ignores SIGHUP
            signal.signal(number, INTERRUPTION)
    INTERRUPTION.watch()
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # else the next file would become stdout
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        # The lines of a table must not end a build on a terminal that only knows ASCII.
        getattr(sys, name).reconfigure(errors="replace")
        _make_complete(name)


def _make_complete(name: str) -> None:
    """Make the stream ``name`` write all or fail: with PYTHONUNBUFFERED, Python ignores that only a part was written.

    A descriptor that another process has made non-blocking waits again.
    """
    stream = getattr(sys, name)
    with suppress(OSError, ValueError):  # without a descriptor, as in tests
        os.set_blocking(stream.fileno(), True)
    raw = getattr(stream, "buffer", None)
    if isinstance(raw, io.RawIOBase) and stream is getattr(sys, f"__{name}__"):
        stream.flush()
        buffered = io.BufferedWriter(raw)
        setattr(sys, name, io.TextIOWrapper(buffered, stream.encoding, "replace", line_buffering=True))
        OPEN.append(stream)


OPEN: list[object] = []
"""Streams that were replaced: when one is deleted, its descriptor is closed."""


def guard() -> None:
    """Do the same for the whole process: Invoke's own output, errors before and after a task, and the last flush."""
    prepare(in_task=False)
    report_errors()


def report_errors() -> None:
    """Report errors that nothing catches, and those of the last flush, as one line and an exit code."""
    atexit.register(_flush)
    sys.excepthook = _report


def require_effect(dry: bool, remainder: str, task: str, has_dry: bool) -> None:
    """Raise :exc:`InputError` for what Invoke accepts and no task reads: its own --dry, and arguments after ``--``.

    A task without a --dry of its own accepts Invoke's, which only concerns commands that Invoke runs.
    """
    if dry:
        hint = f"Give it after the task: inv {task} --dry." if has_dry else "Leave it out."
        raise InputError("--dry has no effect here: nothing was done", hint=hint)
    if remainder:
        problem = f"arguments after -- have no effect: {shorten(remainder, 100)}"
        raise InputError(problem, hint="Leave out the -- before them.")


def unparsed(problem: str, task: str, option: str) -> str:
    """The message for a command line that Invoke refuses with ``problem``, in ``task`` and at ``option``, if known.

    >>> print(unparsed("No idea what '--versoin' is!", "build", ""))
    InputError: unknown argument '--versoin'
      `inv build --help` lists its options. `inv --list` lists all tasks.
    """
    if problem.startswith("Flag "):  # "Flag <Argument: version [list]> needed value and was not given one!"
        problem = f"{option} needs a value"
    else:
        problem = problem.replace("No idea what", "unknown argument").removesuffix(" is!")
        problem += f" after {option}, which takes one value" if option else ""  # which may have been given twice
    problem = shorten(problem, 300)
    options = f"`inv {task} --help` lists its options. " if task else ""
    return f"InputError: {problem}\n  {options}`inv --list` lists all tasks."


def exit_code(error: KeyboardInterrupt) -> int:
    """The exit code after a signal: 128 and its number."""
    return 128 + int((error.args or (signal.SIGINT,))[0])


def remember_secrets(values: Iterable[object]) -> None:
    """Hide the secrets in the ``values`` of options and in the environment from now on."""
    remember(values, os.environ)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        _report(OSError, error, None)


def _report(kind: type[BaseException], error: BaseException, _: object) -> None:
    """The end of a process whose error nothing has caught: a line, and the exit code."""
    code, line = 1, None
    if isinstance(error, KeyboardInterrupt):
        code, line = exit_code(error), "\nInterrupted."
    elif isinstance(error, SystemExit):  # only with PYTHONINSPECT
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif isinstance(error, Exception):
        line = describe(error) if _ours(error) else describe(error, "check the options; if they are right, report it")
    with suppress(OSError):
        if line:
            print(line, file=sys.stderr, flush=True)
    os._exit(code)


def _ours(error: BaseException) -> bool:
    """Whether code of this project was running; without it, Invoke failed on its own options."""
    package = Path(__file__).parent
    folders = (package, package.with_name("commands"))
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return any(file.is_relative_to(folder) for file in files for folder in folders)


def describe(error: Exception, advice: str = "a bug in this tool; please report it") -> str | None:
    """One line for an error that is not a :exc:`BakeryError`; ``None`` if the reader of stdout is gone.

    The full text of an unexpected error goes to a file that only this user can read, and ``advice`` into the line.
    """
    try:
        sys.stdout.flush()
    except OSError:  # at exit, Python would write what is left in the buffer, and exit with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError) and error.errno is not None:  # requests' errors are OSErrors, too
        hint = f"\n  {hint_of(error)}" if error.filename else ""
        return redact(f"{error.filename or 'stdout or a temporary file'}: {error.strerror}{hint}")
    if isinstance(error, MemoryError) or str(error) == "can't start new thread":  # a RuntimeError
        return (
            "not enough memory: end other programs, or raise the limit of this process (ulimit -v, -d or -u, cgroups)"
        )
    line = f"unexpected {type(error).__name__}: {' '.join(shorten(str(error), 200).split())}"
    try:
        descriptor, name = tempfile.mkstemp(prefix="bakery-error.", suffix=".txt")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(redact("".join(traceback.format_exception(error))))
    except OSError as problem:
        return f"{line} ({advice}; its full text could not be written: {problem.strerror})"
    return f"{line} ({advice} with the full text: {name})"
