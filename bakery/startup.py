"""Cold starts: how long a command takes in a fresh container of either image, interleaved on one CPU.

Every measurement is a ``docker run --rm`` of its own, so that nothing that an earlier one left (byte code above all) is
there. Three figures come from each:

- *in the container*: seconds from before the command's fork to its end, read by bash from ``$EPOCHREALTIME``, which
  costs no process and counts microseconds; bash is in every Debian and Ubuntu image, so it is the same on both sides;
- *CPU time*: user and system time of the command in milliseconds, by bash's ``times``, which other work on the machine
  lengthens little;
- *docker run*: the whole command as its user waits for it, the container's making and removal included.

Each command runs once in each image beforehand, so that the image's files are in memory on both sides.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakery.containers import idle
from bakery.engine import Engine
from bakery.errors import BuildError, EngineError
from bakery.files import locked
from bakery.models import Layout
from bakery.progress import Display, duration
from bakery.sides import SIDES, Comparison, chosen_cpu, environment, header, identity, pinned, python_of

__all__ = ["COMMANDS", "Start", "parse_start", "run_startup"]

COMMANDS: Mapping[str, Sequence[str]] = {
    "pass": ("python3", "-c", "pass"),
    "imports": ("python3", "-c", "import asyncio, json, urllib.request, ssl, sqlite3, unittest"),
    "pip": ("pip", "--version"),
}
SCRIPT = 'a=$EPOCHREALTIME; "$@" >/dev/null; c=$?; b=$EPOCHREALTIME; times; echo "from $a to $b"; exit $c'
FIGURES = ("in the container", "CPU time", "docker run")
LIMIT = 120
"""Seconds after which a start has failed."""


@dataclass(frozen=True)
class Start:
    """Seconds of one cold start: wall and CPU time of the command, and the whole ``docker run``."""

    inside: float
    cpu: float
    whole: float


def parse_start(said: str, whole: float) -> Start | None:
    """What SCRIPT printed: the times of the shell, those of its children, and when the command began and ended.

    The decimal sign is that of the image's locale.
    """
    said = said.replace(",", ".")
    children = re.search(r"(?m)^.*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\nfrom", said)
    clock = re.search(r"from (\d+\.\d+) to (\d+\.\d+)", said)
    if not children or not clock:
        return None
    user, more, system, rest = map(float, children.groups())
    return Start(float(clock[2]) - float(clock[1]), 60 * (user + system) + more + rest, whole)


def _start(engine: Engine, image: Mapping[str, Any], cpu: int, command: Sequence[str]) -> Start:
    """One cold start; :exc:`BuildError` where it fails."""
    limits = [f"--{key.replace('_', '-')}={value}" for key, value in pinned(cpu).items()]
    run = ["docker", "run", "--rm", "--network=none", *limits, "--entrypoint=bash", image["id"], "-c", SCRIPT, "bash"]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [*run, *command], capture_output=True, text=True, env=engine.environment, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{command[0]} in {image['image']} took more than {LIMIT} s") from None
    whole = time.perf_counter() - began
    found = parse_start(done.stdout, whole) if done.returncode == 0 else None
    if found is None:
        said = (done.stderr or done.stdout).strip() or f"code {done.returncode}"
        raise BuildError(f"{' '.join(command)} in {image['image']}: {said}", hint="The image must have bash 5.")
    return found


def run_startup(
    layout: Layout, engine: Engine, comparison: Comparison, rounds: int, cpu: int | None, display: Display
) -> dict[str, Any]:
    """Measure and return the document that docs/benchmarks.md describes, without its ratios.

    Raises :exc:`BuildError` where an image is missing or a command fails, :exc:`EngineError` without docker's command.
    """
    if not shutil.which("docker", path=engine.environment.get("PATH")):
        raise EngineError("no docker command on PATH: `docker run` cannot be measured", hint="Install docker-cli.")

    def tell(text: str) -> None:
        display.note(comparison.name, text)

    images = [identity(engine, comparison.ours, tell), identity(engine, comparison.reference, tell, comparison.remedy)]
    cpu, start = chosen_cpu(engine, cpu), time.monotonic()
    starts: dict[str, dict[str, list[Start]]] = {name: {side: [] for side in SIDES} for name in COMMANDS}
    with locked(layout.home / "bench" / "lock", "measuring", tell):
        pythons = []
        for image in images:
            with idle(engine, image["id"], network_mode="none") as container:
                pythons.append(python_of(container, image["image"]))
        if pythons[0].version != pythons[1].version:
            tell(f"these are different releases: {pythons[0].version} and {pythons[1].version}")
        pairs = list(zip(SIDES, images, strict=True))
        for number in range(rounds + 1):
            text = f"round {number} of {rounds}" if number else "once in each image beforehand"
            display.phase(comparison.name, text)
            for name, command in COMMANDS.items():
                for side, image in pairs if number % 2 else reversed(pairs):
                    found = _start(engine, image, cpu, command)
                    if number:
                        starts[name][side].append(found)
    display.done(comparison.name, f"{rounds} rounds, {duration(time.monotonic() - start)}")
    return {
        **header("startup", comparison, start),
        "settings": {"rounds": rounds, "cpu": cpu, "clock": "wall"},
        "environment": environment(engine, pythons[0], cpu),
        "images": {
            side: {**image, "python": python.version, "build": python.full}
            for (side, image), python in zip(pairs, pythons, strict=True)
        },
        "commands": {name: list(command) for name, command in COMMANDS.items()},
        "benchmarks": [
            {
                "name": f"{name}, {figure}",
                **{side: [[getattr(one, key)] for one in found] for side, found in own.items()},
            }
            for name, own in starts.items()
            for figure, key in zip(FIGURES, ("inside", "cpu", "whole"), strict=True)
        ],
    }
