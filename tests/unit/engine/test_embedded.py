"""The embedded engine next to other processes: it waits for slow ones, and neither trusts nor stops foreign ones.

Each daemon here is a real process called dockerd that only sleeps.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

import pytest

from bakery.engine import BuildxProcesses, daemons, embedded
from bakery.engine.embedded import Embedded
from bakery.errors import EngineError
from bakery.machine import doctor
from bakery.workspace import Workspace

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def engine(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """An engine that cannot be started, and whose only processes are started by its test."""
    monkeypatch.setattr(Embedded, "_prepare", lambda _: None)
    monkeypatch.setattr(Embedded, "_start", lambda _: pytest.fail("a second daemon was started"))
    monkeypatch.setattr(daemons, "foreign_daemon", lambda: None)
    engine = Embedded(workspace, lambda _: None)
    engine.runtime = tmp_path / "run" / "engine"
    engine.folder.mkdir(parents=True)
    engine.runtime.mkdir(parents=True)
    return engine


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process called dockerd; ``more`` is appended to its program."""
    running = []

    def start(*arguments: str, more: bytes = b"") -> subprocess.Popen[bytes]:
        program = tmp_path / f"bin-{len(running)}" / "dockerd"
        program.parent.mkdir()
        program.write_bytes(Path(shutil.which("sleep") or "").read_bytes() + more)
        program.chmod(0o755)
        running.append(subprocess.Popen([program, "600", *arguments]))
        while not any(pid == running[-1].pid for pid, _ in daemons.processes("dockerd")):
            time.sleep(0.01)
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def ours(engine: Embedded, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[bytes]:
    """A process that the engine takes for its daemon."""
    process = subprocess.Popen(["sleep", "600"])
    monkeypatch.setattr(Embedded, "pid", lambda _: process.pid if process.poll() is None else None)
    return process


class Handler(BaseHTTPRequestHandler):
    """Answers as an engine does."""

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nOK")


def test_the_tool_waits_for_a_slow_engine(
    engine: Embedded, ours: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(embedded, "SLOW", 0.0)
    servers = []

    def answer_later(text: str) -> None:
        messages.append(text)
        servers.append(UnixStreamServer(str(engine.runtime / "docker.sock"), Handler))
        threading.Thread(target=servers[0].handle_request).start()

    engine.tell = answer_later
    engine.up()
    assert messages == [f"the embedded engine (process {ours.pid}) does not answer yet: waiting"]
    assert ours.poll() is None
    servers[0].server_close()
    ours.kill()
    ours.wait()


def test_an_engine_that_never_answers_is_reported_and_not_replaced(
    engine: Embedded, ours: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.2)
    monkeypatch.setattr(daemons, "processes_in", lambda _: pytest.fail("its build steps were searched for"))
    with pytest.raises(EngineError, match=rf"process {ours.pid}\) has not answered for 0.2 s") as caught:
        engine.up()
    assert "inv engine.down" in caught.value.hint
    engine.sweep()
    assert ours.poll() is None
    ours.kill()
    ours.wait()


def test_an_engine_that_ends_during_the_wait_is_started_again(
    engine: Embedded, ours: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    monkeypatch.setattr(embedded, "SLOW", 0.0)
    monkeypatch.setattr(daemons, "may_mount", lambda: True)
    monkeypatch.setattr(Embedded, "_start", lambda _: started.append(True))
    engine.tell = lambda _: ours.kill()
    engine.up()
    assert started == [True]


def test_a_process_that_is_only_called_dockerd_neither_blocks_nor_is_ended(engine: Embedded, start: Start) -> None:
    other = start()
    assert other.pid in [pid for pid, _ in daemons.processes("dockerd")]
    assert not daemons._is_docker(other.pid)
    assert engine.pid() is None
    assert not engine.down()
    engine.sweep()
    assert other.poll() is None


def test_names_of_processes_and_mounts_need_not_be_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / os.fsdecode(b"\xff\xfe")
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as process:
        while Path(f"/proc/{process.pid}/comm").read_bytes() != b"\xff\xfe\n":
            time.sleep(0.01)
        assert process.pid in [pid for pid, _ in daemons.processes(program.name)]
        assert daemons.processes_in("no-such-group") == []
        process.kill()
    monkeypatch.setattr(daemons, "MOUNTS", tmp_path / "mountinfo")
    names = ("/a\xa0b", "/c\u2028d\x0ce", os.fsdecode(b"/\xff"), "/f\\040g")
    lines = [f"36 35 98:0 /x\xa0y {name} rw - ext3 /dev/root rw\n" for name in names]
    (tmp_path / "mountinfo").write_bytes(os.fsencode("".join(lines)))
    assert daemons.mount_points("ext3") == daemons.mount_points() == [*names[:3], "/f g"]
    assert daemons.mount_points("cgroup") == []


def test_a_daemon_of_docker_is_recognised_by_its_program(start: Start) -> None:
    assert daemons._is_docker(start(more=b"github.com/docker/docker/daemon.(*Daemon).Start").pid)
    assert daemons._is_docker(start(more=b"github.com/moby/moby/v2/daemon.(*Daemon).Start").pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to stop its own process as root")
def test_nothing_is_left_in_run_after_down(engine: Embedded, ours: subprocess.Popen[bytes]) -> None:
    (engine.runtime / "exec").mkdir()
    (engine.runtime / "docker.sock").touch()
    assert engine.down()
    assert ours.returncode == -signal.SIGTERM
    assert not engine.runtime.parent.exists()


def test_a_mount_in_run_is_not_emptied(engine: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = engine.runtime / "root" / "precious"
    precious.parent.mkdir()
    precious.touch()
    # A fake mount that umount could not remove.
    monkeypatch.setattr(daemons, "mount_points", lambda *kinds: [] if kinds else [str(precious.parent)])
    engine._clean_up()
    assert precious.exists()


def test_a_disk_that_is_mounted_for_the_engine_is_not_unmounted(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmounted = list[str]()
    folder = os.path.realpath(engine.folder)
    points = [folder, f"{folder}/data", f"{folder}/data/overlay", f"{folder}2"]
    monkeypatch.setattr(daemons, "mount_points", lambda *kinds: [] if kinds else points)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: unmounted.append(command[-1]))
    engine.sweep()
    assert unmounted == [f"{folder}/data/overlay", f"{folder}/data"], "a folder that is mounted on itself"
    unmounted.clear()
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    engine.sweep()
    assert unmounted == [f"{folder}/data/overlay"]


def test_an_engine_is_not_started_without_the_right_to_mount(engine: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "may_mount", lambda: False)
    with pytest.raises(EngineError, match="CAP_SYS_ADMIN") as caught:
        engine.up()
    assert "--privileged" in caught.value.hint


def test_the_error_says_why_the_engines_process_could_not_be_started(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setsid = tmp_path / "setsid"
    setsid.write_text("#!/bin/sh\necho 'setsid: fork: Resource temporarily unavailable' >&2\nexit 1\n")
    setsid.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(Embedded, "_root_as_mount", lambda _: [])
    engine = Embedded(workspace, lambda _: None)
    engine.runtime = tmp_path / "run" / "engine"
    engine.folder.mkdir(parents=True)
    with pytest.raises(EngineError, match="did not start: setsid: fork: Resource temporarily unavailable"):
        engine._start()


def test_doctor_reports_that_mounting_is_not_allowed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "running_engine", lambda _: None)
    monkeypatch.setattr(doctor, "may_mount", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    _, (finding,) = doctor._engine(workspace)
    assert (finding.state, "CAP_SYS_ADMIN" in finding.details) == (doctor.State.MISSING, True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_the_right_to_mount_is_detected(root: Path) -> None:
    script = [sys.executable, "-c", "from bakery.engine.daemons import may_mount; print(may_mount())"]
    without = ["setpriv", "--bounding-set=-sys_admin"]
    done = subprocess.run([*without, *script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("folder", ["sbin", "bin"])
def test_dockerd_is_found_where_debians_and_ubuntus_packages_have_it(root: Path, tmp_path: Path, folder: str) -> None:
    engine = Embedded(Workspace(root, tmp_path))
    program = engine.root / "usr" / folder / "dockerd"
    program.parent.mkdir(parents=True)
    program.touch()
    assert engine._dockerd() == program


def test_its_programs_find_the_libraries_that_were_unpacked_with_them(root: Path, tmp_path: Path) -> None:
    engine = Embedded(Workspace(root, tmp_path))
    assert engine._libraries() == {}
    library = engine.root / "usr/lib/x86_64-linux-gnu/libnftables.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    assert engine._libraries() == {"LD_LIBRARY_PATH": str(library.parent)}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (PermissionError(13, "Permission denied", "/cache/engine.lock"), "/cache/engine.lock: Permission denied"),
        (EngineError("a Docker daemon is already running", hint="Stop it."), "a Docker daemon is already running"),
    ],
)
def test_a_build_whose_engine_crashed_and_does_not_start_again_ends_with_both_messages(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception, reason: str
) -> None:
    def up(_: Embedded) -> None:
        raise fault

    process_ids = iter([1, None])
    monkeypatch.setattr(Embedded, "pid", lambda _: next(process_ids))
    monkeypatch.setattr(Embedded, "up", up)
    engine.log.write_text("level=info\npanic: runtime error: index out of range\n")
    build = ["sh", "-c", "echo ERROR: failed to receive status: EOF >&2; exit 1"]
    with pytest.raises(EngineError, match="crashed and could not be started again: ") as raised:
        BuildxProcesses(tmp_path, engine).run(build, tmp_path, {}, tmp_path / "log", lambda _: None)
    assert reason in str(raised.value) and "ERROR: failed to receive status: EOF" in str(raised.value)


def test_an_engine_whose_log_cannot_be_read_is_not_started_again(
    engine: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Embedded, "pid", lambda _: None)
    os.mkfifo(engine.log)
    assert not engine.recover(1)
