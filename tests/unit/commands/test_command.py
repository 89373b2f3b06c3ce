"""The decorator of tasks: the signature that Invoke reads, reports, and errors as messages with exit codes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import Exit

from bakery import process
from bakery.display.tables import Report
from bakery.errors import BuildError, InputError
from bakery.options import option
from bakery.plan.revision import revision_of
from commands.command import command

SIGNALS = ("env", "--default-signal=HUP,INT,TERM")
"""A job in the background ignores SIGINT, one under nohup SIGHUP, and its children inherit that."""


@dataclass(frozen=True)
class Group:
    """Options of a test."""

    names: tuple[str, ...] = option((), "Names")
    rounds: int = option(6, "Rounds", minimum=1)
    store: str | None = option(None, "Store", bare="default")


@pytest.fixture(autouse=True)
def _signal_handler() -> object:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@command("names rounds store format")
def listing(group: Group) -> Report:
    """List things."""
    return Report.of("name rounds", [{"name": name, "rounds": group.rounds} for name in group.names], ["a note"])


def test_the_options_of_the_groups_are_the_arguments_of_the_task() -> None:
    arguments = {argument.name: argument for argument in listing.get_arguments()}
    assert list(arguments) == ["names", "rounds", "store", "format"]
    assert arguments["names"].kind is list
    assert arguments["store"].optional and not arguments["rounds"].optional
    assert arguments["format"].default == "table"


def test_the_report_is_printed_in_the_chosen_format_and_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    listing(Context(), names=["a,b"], rounds="3", store=None, format="json")
    output = capsys.readouterr()
    assert json.loads(output.out) == [{"name": "a", "rounds": 3}, {"name": "b", "rounds": 3}]
    assert output.err == "a note\n"


def test_an_invalid_value_ends_the_task_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ({"rounds": "none"}, {"format": "yaml"}):
        with pytest.raises(Exit) as caught:
            listing(Context(), **{"names": ["a"], "rounds": None, "store": None, "format": "table", **wrong})
        assert caught.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (Context(Config({"run": {"dry": True}})), "--dry has no effect here"),
        (Context(remainder="--dry"), "arguments after -- have no effect: --dry"),
    ],
)
def test_arguments_that_no_task_reads_end_the_task_before_it_begins(context: Context, message: str) -> None:
    @command("dry")
    def removing() -> None:
        """Remove something."""
        pytest.fail("it began")

    with pytest.raises(Exit, match=message) as caught:
        removing(context, dry=False)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BuildError("not built", hint="Try again."), 1, "BuildError: not built\n  Try again."),
        (InputError("no"), 2, "InputError: no"),
        (KeyboardInterrupt(), 130, "\nInterrupted. Run the same command to continue: finished steps are kept."),
        (BrokenPipeError(), 1, None),
        (
            PermissionError(13, "Permission denied", "/etc/x"),
            1,
            "/etc/x: Permission denied\n  Check the path and its permissions, then run the same command again.",
        ),
    ],
)
def test_an_error_becomes_a_message_and_an_exit_code(error: BaseException, code: int, message: str | None) -> None:
    @command()
    def failing() -> None:
        """Fail."""
        raise error

    with pytest.raises(Exit) as caught:
        failing(Context())
    assert (caught.value.code, caught.value.message) == (code, message)


def test_an_unexpected_error_is_one_line_that_names_a_private_file_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @command()
    def failing() -> None:
        """Fail."""
        raise LookupError("first\nsecond\x1b[2J https://name:hunter2@host/")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(Exit) as caught:
        failing(Context())
    (file,) = tmp_path.glob("bakery-error.*.txt")
    assert caught.value.code == 1
    assert caught.value.message == (
        "unexpected LookupError: first second\\u001b[2J https://...@host/ "
        f"(a bug in this tool; please report it with the full text: {file})"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert "Traceback" in text and "in failing" in text and "hunter2" not in text


def test_an_unexpected_error_is_reported_even_if_its_text_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @command()
    def failing() -> None:
        """Fail."""
        raise RecursionError("too deep")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(Exit) as caught:
        failing(Context())
    assert "unexpected RecursionError: too deep" in str(caught.value.message)
    assert "could not be written: No such file or directory" in str(caught.value.message)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_ends_a_task_like_ctrl_c_with_its_own_exit_code(number: int, code: int) -> None:
    @command()
    def waiting() -> None:
        """Wait."""
        os.kill(os.getpid(), number)

    # A script's background job ignores SIGINT, nohup SIGHUP, and these tests may run in either.
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    with pytest.raises(Exit) as caught:
        waiting(Context())
    assert caught.value.code == code


def test_sighup_stays_ignored_under_nohup() -> None:
    @command()
    def surviving() -> None:
        """Survive."""
        os.kill(os.getpid(), signal.SIGHUP)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    surviving(Context())


@pytest.mark.parametrize(
    ("streams", "code", "message"),
    [
        (">/dev/full", 1, "stdout or a temporary file: No space left on device\n"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("<&- >&- 2>/dev/full", 0, ""),
        ("| true; exit ${PIPESTATUS[0]}", 1, ""),
    ],
)
def test_lost_standard_streams_end_without_a_traceback(root: Path, streams: str, code: int, message: str) -> None:
    line = f"{sys.executable} -m invoke images --version=3.13 {streams}"
    done = subprocess.run(["bash", "-c", line], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, message)


@pytest.mark.parametrize("command", ["--list", "images --format=json"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_is_written_completely_or_the_command_fails(
    root: Path, tmp_path: Path, command: str, unbuffered: str
) -> None:
    """With PYTHONUNBUFFERED, Python itself ignores that only a part was written."""
    inv = f"{sys.executable} -m invoke {command}"

    def run(line: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        words = ["bash", "-c", line]
        return subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)

    whole = run(inv).stdout
    assert len(whole) > 2048
    full = "stdout or a temporary file: (File too large|No space left on device)\n"
    for line in (f"{inv} >/dev/full", f"ulimit -f 1; {inv} >{tmp_path}/out"):  # 1,024 bytes
        done = run(line)
        assert done.returncode == 1 and re.fullmatch(full, done.stderr), line
    nonblocking = "import os, sys; os.set_blocking(1, False); os.execvp(sys.argv[1], sys.argv[1:])"
    slow = run(f'{sys.executable} -c "{nonblocking}" {inv} | (sleep 0.5; cat)')
    assert (slow.stdout, slow.stderr) == (whole, "")
    assert run(f"{inv} | head -c 10").stderr == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_a_task_has_its_exit_code(root: Path, number: int, code: int) -> None:
    script = "import os, sys; import tasks; os.kill(os.getpid(), int(sys.argv[1])); print('went on')"
    command = [*SIGNALS, sys.executable, "-c", script, str(int(number))]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "\nInterrupted.\n")


def test_a_signal_before_errors_are_reported_ends_inv_without_a_traceback(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "tasks.py", tmp_path)
    (tmp_path / "bakery").mkdir()
    shutil.copy(root / "bakery/__init__.py", tmp_path / "bakery")
    (tmp_path / "commands.py").touch()
    (tmp_path / "bakery/process.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    command = [*SIGNALS, sys.executable, "tasks.py"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--version", "stdout or a temporary file: No space left on device"),
        ("--help", "stdout or a temporary file: No space left on device"),
        ("-T x", "Error: invalid literal for int() with base 10: 'x'. `inv --help` explains the options."),
        ("--list-depth=x", "Error: invalid literal for int() with base 10: 'x'. `inv --help` explains the options."),
        ("-F bogus -l", "unexpected AttributeError: 'Program' object has no attribute 'list_bogus' (check the options"),
    ],
)
def test_an_error_of_invoke_itself_is_one_line(root: Path, tmp_path: Path, arguments: str, message: str) -> None:
    line = f"exec {sys.executable} tasks.py {arguments} >/dev/full"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", "-c", line], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("argument", ["https://me:S3cr3t@host/x", "\x1b]0;title\x07" + "x" * 5000])
def test_an_unknown_argument_is_quoted_without_logins_and_control_characters(root: Path, argument: str) -> None:
    command = [sys.executable, "tasks.py", argument]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("InputError: unknown argument '")
    assert "S3cr3t" not in done.stderr and "\x1b" not in done.stderr and len(done.stderr) < 500


@pytest.mark.parametrize(
    ("arguments", "variable"), [("-f /dev/zero tags", ""), ("tags", "INVOKE_RUNTIME_CONFIG=/dev/zero")]
)
def test_a_configuration_of_invoke_is_refused(root: Path, arguments: str, variable: str) -> None:
    line = f"{variable} exec {sys.executable} tasks.py {arguments}"
    done = subprocess.run(["bash", "-c", line], cwd=root, capture_output=True, text=True, check=False)
    message = "Error: --config=/dev/zero has no effect: leave it out, and unset INVOKE_RUNTIME_CONFIG.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


@pytest.mark.parametrize("name", ["invoke.yaml", "invoke.json", "INVOKE_RUN_WATCHERS"])
def test_inv_reads_no_configuration_of_invoke_in_the_clone_or_the_environment(
    root: Path, tmp_path: Path, name: str
) -> None:
    for folder in ("bakery", "commands", "shared", "debian", "ubuntu"):
        (tmp_path / folder).symlink_to(root / folder)
    shutil.copy(root / "tasks.py", tmp_path)
    if name == "invoke.json":
        os.mkfifo(tmp_path / name)
    elif name.startswith("invoke"):
        (tmp_path / name).write_text("{[")
    environment = {**os.environ, "INVOKE_RUN_WATCHERS": "x"} if name.isupper() else None
    done = subprocess.run(
        [sys.executable, "tasks.py", "tags", "--version=3.13"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_error_of_this_tool_outside_a_task_does_not_blame_the_options(root: Path, tmp_path: Path) -> None:
    script = "import tasks; from bakery.errors import listed; listed(None)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "(a bug in this tool; please report it with the full text: " in done.stderr


@pytest.mark.parametrize("kind", ["damaged", "a FIFO", "a link to itself", "below a file"])
def test_inv_does_not_read_the_users_configuration_of_invoke(root: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / ".invoke.yaml"
    match kind:
        case "damaged":
            file.write_text("{[")
        case "a FIFO":
            os.mkfifo(file)
        case "a link to itself":
            file.symlink_to(file)
    environment = {**os.environ, "HOME": "/dev/null" if kind == "below a file" else str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "tasks.py", "tags", "--version=3.13"], cwd=root, env=environment, capture_output=True,
        text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_signal_that_is_repeated_at_once_is_one_and_a_later_one_ends_the_process() -> None:
    script = """
import os, signal, time
from bakery import process
process.prepare()
process.REPEATED = 0.5
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGTERM)
    print("cleaned up", flush=True)
    time.sleep(0.6)
    os.kill(os.getpid(), signal.SIGHUP)
    print("went on", flush=True)
"""
    command = [*SIGNALS, sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (129, "cleaned up\n", "")


def test_a_lack_of_memory_is_not_reported_as_a_bug() -> None:
    for error in (MemoryError(), RuntimeError("can't start new thread")):
        assert (process.describe(error) or "").startswith("not enough memory: ")


def test_a_small_file_is_read_with_little_memory(root: Path) -> None:
    script = """
import resource
from pathlib import Path
from bakery.regular_files import LARGEST, read_regular
file = Path("shared/lock.toml")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + LARGEST // 4, resource.getrlimit(resource.RLIMIT_AS)[1]))
print(len(read_regular(file)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == f"{(root / 'shared/lock.toml').stat().st_size}\n", done.stderr


@pytest.mark.parametrize("number", [errno.EIO, errno.EFBIG, errno.ENOENT, errno.EAGAIN, errno.EDQUOT])
def test_an_error_of_the_system_is_not_reported_as_a_bug(number: int) -> None:
    assert process.describe(OSError(number, os.strerror(number))) == (
        f"stdout or a temporary file: {os.strerror(number)}"
    )


def test_a_clone_in_a_folder_whose_name_is_not_utf_8(root: Path, tmp_path: Path) -> None:
    clone = Path(os.fsdecode(os.fsencode(tmp_path) + b"/clone-\xff"))
    clone.mkdir()
    for name in ("bakery", "commands"):
        shutil.copytree(root / name, clone / name)
    shutil.copy(root / "tasks.py", clone)
    subprocess.run(["git", "init", "--quiet", clone], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "images"], cwd=clone, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(clone)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ConfigError: {tmp_path}/clone-\\udcff/shared/lock.toml: the file is missing")
    with pytest.raises(ValueError, match="does not have any commits"):
        revision_of(clone, ["bakery"], "0" * 64)


@pytest.mark.parametrize("arguments", [["invoke", "--list"], ["nox", "--list"]], ids=lambda arguments: arguments[0])
def test_listing_loads_no_heavy_library(root: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "bakery" in loaded
    assert loaded.isdisjoint({"docker", "requests", "rich", "zstandard", "jinja2", "spdx_tools"})


def test_a_signal_between_the_end_of_a_task_and_the_end_of_the_process_is_reported(root: Path) -> None:
    """Invoke would exit with 1, without a word."""
    program = (
        "import os, signal, sys\nfrom bakery import process\nfrom commands.command import reported_errors\n"
        "process.guard()\nwith reported_errors():\n    pass\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM)\nexcept KeyboardInterrupt:\n    sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "\nInterrupted.\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("when", ["in a task", "in threads of a task", "in a thread, then in the task", "after a task"])
def test_a_signal_ends_a_process_whose_output_no_program_reads(root: Path, stream: str, when: str) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, bytes(1 << 12)):
            pass
    os.set_blocking(writer, True)
    began, begin = os.pipe()
    program = f"""
import os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from bakery import process
from commands.command import reported_errors
def write(text):
    os.write({begin}, b"x")
    print(text, file=sys.{stream}, flush=True)
process.guard()
process.BLOCKED = 0.5
with reported_errors():
    if {when!r} == "in a task":
        write("a")
    elif {when!r} == "in threads of a task":
        list(ThreadPoolExecutor(2).map(write, "ab"))
    elif {when!r} == "in a thread, then in the task":  # which waits for the stream's lock, not in a system call
        threading.Thread(target=write, args=["a"], daemon=True).start()
        time.sleep(0.1)
        write("b")
write("a")
"""
    others = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: writer}
    command = [*SIGNALS, sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=root, pass_fds=[begin], **others) as process:
        try:
            os.read(began, 1)
            time.sleep(0.3)
            process.terminate()
            assert process.wait(20) == 128 + signal.SIGTERM
        finally:
            process.kill()
    for descriptor in (reader, writer, began, begin):
        os.close(descriptor)
