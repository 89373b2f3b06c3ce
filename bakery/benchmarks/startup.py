"""Cold starts: how long a command takes in a fresh container of either image, interleaved on one CPU.

Every measurement is a ``docker run --rm`` of its own, so that nothing that an earlier one left (byte code above all) is
there. Four figures come of two of them:

- *in the container*: seconds from just before the command's ``exec`` to its end, as an engine itself starts a
  container's command. bash reads them from ``$EPOCHREALTIME``, which costs no process and counts microseconds; it is in
  every Debian and Ubuntu image, so it is the same on both sides;
- *with the shell's fork*: the same from before bash forked for it, whose memory the kernel then has to copy;
- *CPU time*: user and system time of the command in milliseconds, by bash's ``times``, which other work on the machine
  lengthens little;
- *docker run*: the whole command as its user waits for it, the container's making and removal included; in a container
  of its own without bash, whose start takes some milliseconds as well.

Where one of the images has no bash (the minimal variants), only the last of the three is known. Each command runs once
in each image beforehand, so that the image's files are in memory.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bakery.benchmarks.pair import SIDES, Pair, chosen_cpu, environment, header, identities, python_of
from bakery.display import Display, duration
from bakery.engine import Engine, cpu_limits, fresh_engine, idle_container
from bakery.errors import BuildError, EngineError
from bakery.files import locked
from bakery.workspace import Workspace

__all__ = ["COMMANDS", "FIGURES", "Start", "parse_start", "run_fresh", "run_startup"]

COMMANDS: Mapping[str, Sequence[str]] = {
    "pass": ("python3", "-c", "pass"),
    "imports": ("python3", "-c", "import asyncio, json, urllib.request, ssl, sqlite3, unittest"),
    "pip": ("pip", "--version"),
}
SCRIPT = """
exec 3>/dev/shm/began
fork=$EPOCHREALTIME
(echo "$EPOCHREALTIME" >&3; exec "$@" >/dev/null 3>&-)
code=$? end=$EPOCHREALTIME
times
read -r began </dev/shm/began
echo "fork $fork exec $began end $end"
exit $code
"""
FIGURES = {"in the container": "inside", "with the shell's fork": "forked", "CPU time": "cpu", "docker run": "whole"}
HAS_BASH = "import shutil, sys; sys.exit(not shutil.which('bash'))"
LIMIT = 120
"""Seconds after which a start has failed."""


@dataclass(frozen=True)
class Start:
    """Seconds of one cold start: the whole ``docker run``, and what bash told where it is there.

    ``inside`` is the command's wall time from its ``exec``, ``forked`` that from the shell's fork, ``cpu`` its CPU
    time.
    """

    whole: float
    inside: float | None = None
    forked: float | None = None
    cpu: float | None = None


def parse_start(said: str, whole: float) -> Start | None:
    """What SCRIPT printed: the times of the shell, those of its children, and when the command began and ended.

    None where it lacks one of them: the shell is no bash, or one older than 5.0.

    The decimal sign is that of the image's locale.
    """
    said = said.replace(",", ".")
    children = re.search(r"(?m)^.*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\nfork", said)
    clock = re.search(r"fork (\d+\.\d+) exec (\d+\.\d+) end (\d+\.\d+)", said)
    if not children or not clock:
        return None
    user, more, system, rest = map(float, children.groups())
    fork, began, end = map(float, clock.groups())
    return Start(whole, end - began, end - fork, 60 * (user + system) + more + rest)


def _start(engine: Engine, image: Mapping[str, Any], cpu: int, command: Sequence[str], bash: bool) -> Start:
    """One cold start, timed inside with ``bash``; :exc:`BuildError` where it fails."""
    limits = [f"--{key.replace('_', '-')}={value}" for key, value in cpu_limits(cpu).items()]
    program, *arguments = ["bash", "-c", SCRIPT, "bash", *command] if bash else command
    run = ["docker", "run", "--rm", "--network=none", *limits, f"--entrypoint={program}", image["id"], *arguments]
    began = time.perf_counter()
    try:
        done = subprocess.run(run, capture_output=True, text=True, env=engine.environment, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise BuildError(f"{command[0]} in {image['image']} took more than {LIMIT} s") from None
    whole = time.perf_counter() - began
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"code {done.returncode}"]
        raise BuildError(f"does not run in {image['image']}: {said[-1]}")
    found = parse_start(done.stdout, whole) if bash else Start(whole)
    if found is None:
        raise BuildError(f"the bash in {image['image']} has no $EPOCHREALTIME: expected 5.0 or newer")
    return found


def run_fresh(
    workspace: Workspace, engine: Engine, pair: Pair, rounds: int, cpu: int | None, display: Display, store: str
) -> dict[str, Any]:
    """:func:`run_startup` in a second embedded engine that keeps both images in ``store``, and nothing else.

    What an engine has beside them counts: with containerd's image store the end of each container waits until it has
    looked through all that is kept, its build cache too.
    """

    def tell(text: str) -> None:
        display.note(pair.name, text)

    display.phase(pair.name, "moving both images into an engine of their own")
    identities(engine, pair, tell)
    references = [pair.ours, pair.reference]
    with fresh_engine(engine, references, store) as other:
        # Each store has its own identity of an image; its unpacked layers are the same in all.
        layers = [[one.require(name).layers for name in references] for one in (engine, other)]
        if layers[0] != layers[1]:
            raise EngineError(f"the second engine has other images than {' and '.join(references)} of the first")
        document = run_startup(workspace, other, pair, rounds, cpu, display)
    return {**document, "settings": {**document["settings"], "fresh_engine": store}}


def run_startup(
    workspace: Workspace, engine: Engine, pair: Pair, rounds: int, cpu: int | None, display: Display
) -> dict[str, Any]:
    """Measure and return the document that docs/benchmarks.md describes, without its ratios.

    Raises :exc:`BuildError` where an image is missing or a command fails, :exc:`EngineError` without docker's command.
    """
    if not shutil.which("docker", path=engine.environment.get("PATH")):
        raise EngineError("no docker command on PATH: `docker run` cannot be measured", hint="Install docker-cli.")

    def tell(text: str) -> None:
        display.note(pair.name, text)

    images = identities(engine, pair, tell)
    cpu, start = chosen_cpu(engine, cpu), time.monotonic()
    starts: dict[str, dict[str, list[Start]]] = {name: {side: [] for side in SIDES} for name in COMMANDS}
    left_out: dict[str, str] = {}
    with locked(workspace.home / "bench" / "lock", "measuring", tell):
        pythons, bash = [], True
        for image in images:
            with idle_container(engine, image["id"]) as container:
                pythons.append(python_of(container, image["image"]))
                bash = container.run(["python3", "-c", HAS_BASH]).code == 0 and bash
        if pythons[0].version != pythons[1].version:
            tell(f"these are different releases: {pythons[0].version} and {pythons[1].version}")
        pairs = list(zip(SIDES, images, strict=True))
        for number in range(rounds + 1):
            text = f"round {number} of {rounds}" if number else "once in each image beforehand"
            display.phase(pair.name, text)
            for name in list(starts):
                try:
                    for side, image in pairs if number % 2 else reversed(pairs):
                        whole = _start(engine, image, cpu, COMMANDS[name], False)
                        found = _start(engine, image, cpu, COMMANDS[name], True) if bash else whole
                        starts[name][side] += [replace(found, whole=whole.whole)] if number else []
                except BuildError as error:
                    left_out[name] = error.message
                    del starts[name]
    if not starts:
        raise BuildError("nothing could be started:" + "".join(f"\n    {one}: {left_out[one]}" for one in left_out))
    display.done(pair.name, f"{rounds} rounds, {duration(time.monotonic() - start)}")
    return {
        **header("startup", pair, start),
        "settings": {"rounds": rounds, "cpu": cpu, "clock": "wall", "fresh_engine": None},
        "environment": environment(engine, pythons[0], cpu),
        "images": {
            side: {**image, "python": python.version, "build": python.full}
            for (side, image), python in zip(pairs, pythons, strict=True)
        },
        "commands": {name: list(COMMANDS[name]) for name in starts},
        "benchmarks": [
            {
                "name": f"{name}, {figure}",
                **{side: [[getattr(one, key)] for one in found] for side, found in own.items()},
            }
            for name, own in starts.items()
            for figure, key in FIGURES.items()
            if bash or key == "whole"
        ],
        "left_out": left_out,
    }
