"""Cold starts: how long a command takes in a fresh container of each image, interleaved on one CPU.

Every measurement is a separate ``docker run --rm``, so nothing is left from an earlier run, above all no byte code. Two
runs give four figures:

- *in the container*: seconds from just before the command's ``exec`` to its end, as an engine itself starts a
  container's command. bash reads them from ``$EPOCHREALTIME``, which starts no process and counts microseconds; bash is
  in every Debian and Ubuntu image, so it is the same in both images;
- *with the shell's fork*: the same, but from before bash forks; the kernel has to copy bash's memory then;
- *CPU time*: the command's user and system time in milliseconds, by bash's ``times``, which other work on the machine
  hardly affects;
- *docker run*: the whole command as its user waits for it, including creating and removing the container; in a separate
  container without bash, whose start takes some milliseconds too.

If one of the images has no bash (the minimal variants), only the last figure is measured. Each command runs once in
each image beforehand, so that the image's files are in memory.

If this machine has valgrind, the instructions of each start are counted as well: they are the same in every run.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from bakery.benchmarks.pull import run_pull
from bakery.benchmarks.results import BenchmarkResult, MeasuredImage, times_of
from bakery.benchmarks.session import PROGRAMS, SIDES, Session, python_of
from bakery.engine import ContainerOptions, Engine, docker_run, fresh_engine, idle_container
from bakery.errors import BuildError, EngineError
from bakery.platforms import host_platform

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "pass": ("python3", "-c", "pass"),
    "imports": ("python3", "-c", "import asyncio, json, urllib.request, ssl, sqlite3, unittest"),
    "pip": ("pip", "--version"),
}
INSIDE, FORKED, CPU, WHOLE = FIGURES = "in the container", "with the shell's fork", "CPU time", "docker run"
"""The figures of a start, all in seconds."""
HAS_BASH = "import shutil, sys; sys.exit(not shutil.which('bash'))"
VALGRIND = (Path("/usr/libexec/valgrind"), Path("/usr/lib/valgrind"), Path("/usr/lib/x86_64-linux-gnu/valgrind"))
"""Where distributions have valgrind's tools, which are static programs and run in any image."""


def parse_start(output: str) -> dict[str, float] | None:
    """Read the figures that benchmarks/start.sh printed.

    ``None`` if one is missing: the shell is not bash, or older than 5.0. The decimal separator depends on the image's
    locale.
    """
    output = output.replace(",", ".")
    children = re.search(r"(?m)^.*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\nfork", output)
    clock = re.search(r"fork (\d+\.\d+) exec (\d+\.\d+) end (\d+\.\d+)", output)
    if not children or not clock:
        return None
    user_minutes, user, system_minutes, system = map(float, children.groups())
    fork, began, end = map(float, clock.groups())
    return {INSIDE: end - began, FORKED: end - fork, CPU: 60 * (user_minutes + system_minutes) + user + system}


def _docker_run(
    engine: Engine, image: MeasuredImage, cpu: int, command: Sequence[str], options: Sequence[str] = ()
) -> tuple[float, str]:
    """The seconds of a ``docker run`` with ``options`` on ``cpu``, and its output; :exc:`BuildError` if it fails."""
    try:
        return docker_run(engine, image.id, command, options, cpu=cpu)
    except BuildError as error:
        raise BuildError(f"does not run in {image.image}: {error.message}") from None


def _start(engine: Engine, image: MeasuredImage, cpu: int, command: Sequence[str], has_bash: bool) -> dict[str, float]:
    """The figures of a cold start of ``command``, all of them if it ``has_bash``; raises as :func:`_docker_run`."""
    whole, _ = _docker_run(engine, image, cpu, command)
    if not has_bash:
        return {WHOLE: whole}
    script = (PROGRAMS / "start.sh").read_text(encoding="utf-8")
    _, output = _docker_run(engine, image, cpu, ["bash", "-c", script, "bash", *command])
    timed = parse_start(output)
    if timed is None:
        raise BuildError(f"the bash in {image.image} has no $EPOCHREALTIME: expected 5.0 or newer")
    return {**timed, WHOLE: whole}


def _instructions(engine: Engine, image: MeasuredImage, cpu: int, command: Sequence[str], tools: Path) -> int:
    """The instructions of a cold start of ``command`` in user mode; raises as :func:`_docker_run`."""
    tool = tools / f"cachegrind-{host_platform().architecture}-linux"
    options = [f"--volume={tools}:{tools}:ro", f"--env=VALGRIND_LIB={tools}", f"--env=VALGRIND_LAUNCHER={tool}"]
    counting = [str(tool), "--tool=cachegrind", "--cache-sim=no", "--log-fd=1", "--cachegrind-out-file=/dev/null"]
    _, output = _docker_run(engine, image, cpu, [*counting, *command], options)
    counted = re.search(r"I\s+refs:\s+([\d,]+)", output)
    if counted is None:
        raise BuildError(f"valgrind did not count the instructions of {command[0]} in {image.image}")
    return int(counted[1].replace(",", ""))


def count_instructions(session: Session, images: Sequence[MeasuredImage], names: Iterable[str]) -> dict[str, list[int]]:
    """The instructions of the commands ``names`` in each image; empty if valgrind is not on the engine's machine."""
    tools = next((folder for folder in VALGRIND if (folder / "default.supp").exists()), None)
    if tools is None or not session.engine.host.startswith("unix:"):
        return {}
    session.phase("counting instructions")
    try:
        return {
            name: [_instructions(session.engine, image, session.cpu, COMMANDS[name], tools) for image in images]
            for name in names
        }
    except BuildError as error:
        session.note(f"instructions were not counted: {error.message}")
        return {}


def run_startup(session: Session) -> BenchmarkResult:
    """Measure the cold starts of both images, in a second engine if ``fresh_engine`` names its image store.

    With ``pull``, from a registry (:mod:`bakery.benchmarks.pull`).
    Raises :exc:`BuildError` if an image is missing or no command can be started, :exc:`EngineError` without docker's
    command.
    """
    if session.settings.pull:
        return run_pull(session)
    if not shutil.which("docker", path=session.engine.environment.get("PATH")):
        raise EngineError("no docker command on PATH: `docker run` cannot be measured", hint="Install docker-cli.")
    images, store = session.images(), session.settings.fresh_engine
    if not store:
        return _measure(session, images)
    # Other contents of an engine matter: with containerd's image store, the end of each container waits for a scan of
    # all that is stored, including the build cache.
    session.phase("copying both images into a second engine")
    references = [image.image for image in images]
    with fresh_engine(session.engine, references, store) as second:
        # The ID of an image differs between stores; its unpacked layers do not.
        layers = [[engine.require(name).layers for name in references] for engine in (session.engine, second)]
        if layers[0] != layers[1]:
            raise EngineError(f"{' and '.join(references)} are different images in the second engine")
        session = replace(session, engine=second)
        return _measure(session, session.images())


def _measure(session: Session, images: Sequence[MeasuredImage]) -> BenchmarkResult:
    engine, cpu, rounds, left_out = session.engine, session.cpu, session.settings.rounds, dict[str, str]()
    starts = {name: {side: list[dict[str, float]]() for side in SIDES} for name in COMMANDS}
    sides = list(zip(SIDES, images, strict=True))
    with session.measuring():
        measured, have_bash = [], True
        for image in images:
            with idle_container(engine, image.id, ContainerOptions(name=image.image)) as container:
                measured.append((image, python_of(container, image.image)))
                if not session.noise[0]:
                    session.check_quiet(container)
                have_bash = container.run(["python3", "-c", HAS_BASH]).code == 0 and have_bash
        session.compare_releases(measured[0][1], measured[1][1])
        for number in range(rounds + 1):
            session.phase(f"round {number} of {rounds}" if number else "once in each image beforehand")
            for name in list(starts):
                try:
                    for side, image in sides if number % 2 else reversed(sides):
                        figures = _start(engine, image, cpu, COMMANDS[name], have_bash)
                        if number:
                            starts[name][side].append(figures)
                except BuildError as error:
                    left_out[name] = error.message
                    del starts[name]
    benchmarks = [
        times_of(
            f"{name}, {figure}",
            ours=[[start[figure]] for start in by_side["ours"]],
            reference=[[start[figure]] for start in by_side["reference"]],
        )
        for name, by_side in starts.items()
        for figure in (FIGURES if have_bash else (WHOLE,))
    ]
    result = session.result(measured, benchmarks, left_out, {name: COMMANDS[name] for name in starts})
    return msgspec.structs.replace(result, instructions=count_instructions(session, images, starts))
