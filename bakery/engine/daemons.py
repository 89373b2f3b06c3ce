"""What runs on this machine: Docker daemons, the sockets that they answer on, and versions to compare."""

from __future__ import annotations

import os
import re
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from packaging.version import InvalidVersion, Version

from bakery.catalog import read_toml
from bakery.workspace import Workspace

__all__ = [
    "LABEL",
    "SYSTEM_SOCKET",
    "answers",
    "foreign_daemon",
    "may_open",
    "minimums",
    "mount_points",
    "processes",
    "processes_in",
    "version_of",
]

LABEL = "io.github.infra7.python.engine=embedded"
"""Marks our daemons in the process list, so that they are told from a Docker that belongs to the machine."""
SYSTEM_SOCKET = Path("/var/run/docker.sock")


def minimums(workspace: Workspace) -> tuple[Version, Version]:
    """The oldest engine and buildx that can build, from shared/engine.toml."""
    table = read_toml(workspace.root / "shared" / "engine.toml")
    return Version(table.text("engine")), Version(table.text("buildx"))


def version_of(text: str) -> Version:
    """The upstream part of a version: ``26.1.5`` of ``26.1.5+dfsg1-9``; 0 where there is none."""
    found = re.search(r"\d+(\.\d+)+", text.rpartition(":")[2])
    try:
        return Version(found[0] if found else "0")
    except InvalidVersion:
        return Version("0")


def _process_folders() -> list[Path]:
    """A folder for each process; by name, because one that ends meanwhile makes Path.glob fail."""
    return [Path("/proc", name) for name in os.listdir("/proc") if name.isdecimal()]


def processes(name: str) -> list[tuple[int, list[str]]]:
    """Process id and command line of every running process called ``name`` (an ended one has no command line)."""
    found = []
    for folder in _process_folders():
        try:
            if (folder / "comm").read_text().strip() == name:
                arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(arguments):
                    found.append((int(folder.name), arguments))
        except OSError:
            continue
    return found


def processes_in(group: str) -> list[int]:
    """Process ids of all processes whose control group's path has ``group`` in it (cgroups(7))."""
    found = []
    for folder in _process_folders():
        try:
            if group in (folder / "cgroup").read_text(encoding="utf-8"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def foreign_daemon() -> int | None:
    """The process id of a dockerd that is not ours, or ``None``."""
    return next((pid for pid, arguments in processes("dockerd") if LABEL not in arguments), None)


def mount_points() -> list[str]:
    """Every mount point that this process sees, in the order of mounting (proc_pid_mountinfo(5))."""
    fields = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())
    return [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields]


def may_open(address: Path) -> bool:
    """Whether this user is allowed to connect to the unix socket ``address``, be anyone there or not."""
    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(5)
            connected.connect(str(address))
    except PermissionError:
        return False
    except OSError:
        pass
    return True


def answers(address: Path) -> bool:
    """Whether a Docker engine answers on the unix socket ``address``."""
    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(5)
            connected.connect(str(address))
            http = HTTPConnection("localhost")
            http.sock = connected
            http.request("GET", "/_ping")
            return http.getresponse().status == 200
    except (OSError, HTTPException):
        return False
