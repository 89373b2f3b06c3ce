"""Docker daemons on this machine: processes, control groups, mounts, sockets, and versions."""

import mmap
import os
import re
import socket
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from packaging.version import Version

from bakery.regular_files import read_regular

LABEL = "io.github.infra7.python.engine=embedded"
"""Marks our daemons in the process list, to distinguish them from the machine's own Docker."""
SYSTEM_SOCKET = Path("/var/run/docker.sock")
PING = 5.0
"""Seconds between two bytes of the answer to a ping; its header may take twice as long."""
MOUNTS = Path("/proc/self/mountinfo")
CRASH = re.compile(rb"(?m)^(?:panic|fatal error|SIG[A-Z]+): ")
"""The line that begins what Go's runtime prints when a program crashes (runtime/panic.go, runtime/signal_unix.go)."""


def version_of(text: str) -> Version:
    """The upstream part of a distribution's version, 0 if there is none.

    >>> str(version_of("5:26.1.5+dfsg1-9"))
    '26.1.5'
    """
    match = re.search(r"\d+(\.\d+)+", text[:1000].rpartition(":")[2])
    try:
        return Version(match[0] if match else "0")
    except ValueError:
        return Version("0")


def _read(file: Path) -> str:
    """A file of the kernel. Names in it need not be UTF-8: a process's name is cut after 15 bytes."""
    return os.fsdecode(file.read_bytes())


def _process_folders() -> list[Path]:
    """The folder of each process in /proc, none if it cannot be read; Path.glob fails if a process ends."""
    with suppress(OSError):
        return [Path("/proc", name) for name in os.listdir("/proc") if name.isdecimal()]
    return []


def processes(name: str) -> list[tuple[int, list[str]]]:
    """Process id and command line of each running process called ``name`` (a zombie has no command line)."""
    running = []
    for folder in _process_folders():
        with suppress(OSError):
            if _read(folder / "comm").strip() == name:
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(arguments):
                    running.append((int(folder.name), arguments))
    return running


def processes_in(group: str) -> list[int]:
    """Process ids of all processes whose control group's path contains ``group`` (cgroups(7))."""
    pids = []
    for folder in _process_folders():
        with suppress(OSError):
            if group in _read(folder / "cgroup"):
                pids.append(int(folder.name))
    return pids


def foreign_daemon() -> int | None:
    """The process id of a Docker daemon that was not started by this tool, or ``None``."""
    others = (pid for pid, arguments in processes("dockerd") if LABEL not in arguments)
    return next((pid for pid in others if _is_docker(pid)), None)


def _is_docker(pid: int) -> bool:
    """Whether the program of a process is Docker's, by the names of its functions and not by its own name."""
    try:
        with open(f"/proc/{pid}/exe", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
            return any(program.find(name) >= 0 for name in (b"docker/docker/daemon.", b"moby/moby/v2/daemon."))
    except FileNotFoundError:
        return False  # it has ended
    except (OSError, ValueError):
        return True


def has_crashed(log: Path) -> bool:
    """Whether the daemon that wrote ``log`` has crashed; ``False`` if the log cannot be read."""
    with suppress(OSError):
        return CRASH.search(read_regular(log)) is not None
    return False


def may_mount() -> bool:
    """Whether this process may mount file systems, as an engine does for each container and build step."""
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def remove_group(name: str, seconds: float = 5.0) -> None:
    """Remove the control group ``name`` and those in it, wherever a hierarchy has one (version 1 or 2, cgroups(7)).

    The kernel refuses while a group has a process, which may need time to end after it was killed: up to ``seconds``.
    """
    deadline = time.monotonic() + seconds
    roots = mount_points("cgroup", "cgroup2")
    while True:
        groups = [path for root in roots for path, _, _ in os.walk(root, topdown=False) if name in path.split("/")]
        for group in groups:
            with suppress(OSError):
                os.rmdir(group)
        if not groups or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def mount_points(*kinds: str) -> list[str]:
    """All mount points in this process's mount namespace, in the order of mounting (proc_pid_mountinfo(5)).

    ``kinds``: only file systems of these types.
    """
    lines = _read(MOUNTS).removesuffix("\n").split("\n")  # names may have other line breaks and other white space
    fields = (line.split(" ")[4] for line in lines if not kinds or line.partition(" - ")[2].split(" ")[0] in kinds)
    return [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields]


def answers(address: Path) -> bool:
    """Whether a Docker engine answers on the unix socket ``address``; PermissionError if the user may not use it."""
    from bakery.engine.client import Connection  # imports docker

    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(PING)
            connected.connect(str(address))
            http = Connection("localhost", timeout=PING)
            http.sock = connected
            http.request("GET", "/_ping")
            return bool(http.getresponse().status == 200)
    except PermissionError:
        raise
    except (OSError, HTTPException):
        return False
