"""Runs pyperf workers in containers: each process measures one benchmark with benchmarks/worker.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bakery.benchmarks.pyperformance import DATA, SCRIPT, Benchmark
from bakery.benchmarks.session import python_of
from bakery.benchmarks.wheelhouse import FOLDER, SITE, TOOLS
from bakery.engine import Container
from bakery.errors import BuildError

MARK = "WORKER "
MIN_SECONDS = 0.08
"""The minimum duration of a value."""
AIM_SECONDS, MAX_VALUES = 0.3, 3
"""A process measures for about this long after a warm-up value, but at most this many values."""
LIMIT = 110
"""Seconds after which a process ends itself; Docker's client times out after 120 seconds without output."""
COPY_INTERPRETER = """
import os, shutil, sys
with open("/proc/self/maps") as maps:
    paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/libpython" in line}
for path in {os.path.realpath(sys.executable), *paths}:
    shutil.copy2(path, path + ".new")
    os.replace(path + ".new", path)
"""


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    inner_loops: int = 0


class _Run(msgspec.Struct, frozen=True):
    warmups: list[tuple[int, float]] = []  # loops and seconds
    values: list[float] = []


class _Result(msgspec.Struct, frozen=True):
    runs: list[_Run]
    metadata: _Metadata = _Metadata()


class Suite(msgspec.Struct, frozen=True):
    """What pyperf writes (https://pyperf.readthedocs.io/en/latest/api.html#pyperf-json), as far as it is used."""

    benchmarks: list[_Result]
    metadata: _Metadata = _Metadata()


class _Report(msgspec.Struct, frozen=True):
    suite: Suite
    wall: float
    cpu: float


@dataclass(frozen=True)
class Measurement:
    """A result to measure: ``task`` is its number in the script; each of ``values`` values takes ``loops`` loops."""

    name: str
    benchmark: Benchmark
    task: int
    loops: int
    values: int


class WorkerContainer:
    """A container of one of the two images, and the seconds that its workers have taken.

    ``side`` is ``ours`` or ``reference``, ``reference`` the name of the image.
    """

    def __init__(self, side: str, reference: str, container: Container, clock: str) -> None:
        self.side, self.reference, self.container, self.clock = side, reference, container, clock
        self.python = python_of(container, reference)
        self.wall = self.cpu = 0.0

    def copy_interpreter(self) -> None:
        """Replace the interpreter's files with copies, which the next process maps; :exc:`BuildError` if that fails.

        A file keeps its place in the machine's memory while it is cached there, and copies of the same bytes differ
        by their place, by up to 7 % in a start (docs/recipe.md).
        """
        result = self.container.run(["python3", "-c", COPY_INTERPRETER])
        if result.code:
            reason = "".join(result.output.strip().splitlines()[-1:])
            raise BuildError(f"{self.reference}: its interpreter cannot be copied: {reason}")

    def run(self, benchmark: Benchmark, seed: int, options: Sequence[str]) -> Suite:
        """Run ``benchmark`` in a process; :exc:`BuildError` with the reason if it fails."""
        script = f"{FOLDER}/{TOOLS}/{DATA}{benchmark.folder}/{SCRIPT}"
        environment = {
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": str(seed),
            "PYTHONPATH": f"{FOLDER}/{SITE}/{benchmark.folder}:{FOLDER}/{TOOLS}",
        }
        command = ["python3", f"{FOLDER}/worker.py", self.clock, str(LIMIT), script, "--worker"]
        done = self.container.run([*command, *options, *benchmark.options], environment=environment, folder="/tmp")
        lines = done.stdout.splitlines()
        report = next((line for line in reversed(lines) if line.startswith(MARK)), None)
        if done.code or report is None:
            errors = [line for line in done.stderr.splitlines() if line.strip()] or lines
            if any(line.startswith("Timeout (") for line in errors):
                errors = [f"took more than {LIMIT} s"]
            reason = errors[-1].strip() if errors else f"exit code {done.code}"
            raise BuildError(f"does not run in {self.reference}: {reason}")
        result = msgspec.json.decode(report.removeprefix(MARK), type=_Report)
        self.wall += result.wall
        self.cpu += result.cpu
        return result.suite

    def calibrate(self, benchmark: Benchmark) -> list[Measurement]:
        """Find the number of loops in a value of each of the benchmark's results."""
        options = ["--calibrate-loops", f"--min-time={MIN_SECONDS}", "--warmups=0", "--values=1"]
        return measurements_of(benchmark, self.run(benchmark, 0, options))

    def measure(self, result: Measurement, seed: int, values: int = 0) -> list[float]:
        """The values of one process, in seconds."""
        options = [f"--worker-task={result.task}", f"--loops={result.loops}", "--warmups=1"]
        return values_of(self.run(result.benchmark, seed, [*options, f"--values={values or result.values}"]))


def measurements_of(benchmark: Benchmark, suite: Suite) -> list[Measurement]:
    """What to measure, from the suite of a calibration: a result for each task of the script."""
    measurements = []
    for task, result in enumerate(suite.benchmarks):
        loops, value = result.runs[0].warmups[-1]
        seconds = value * loops * (result.metadata.inner_loops or suite.metadata.inner_loops or 1)
        values = max(1, min(MAX_VALUES, round(AIM_SECONDS / seconds)))
        name = result.metadata.name or suite.metadata.name
        measurements.append(Measurement(name, benchmark, task, loops, values))
    return measurements


def values_of(suite: Suite) -> list[float]:
    """The values in the suite of a measurement, in seconds."""
    (result,) = suite.benchmarks
    return [value for run in result.runs for value in run.values]
