"""Runs pyperformance in two images, interleaved on one CPU, and records every value.

Two idle containers without a network are pinned to one CPU. Each measurement is a separate process, started in one of
them by ``docker exec``: pyperformance's own script as a pyperf worker (benchmarks/worker.py). The number of loops is
calibrated once, with the reference. In each round every benchmark runs once in each container, ours first in even
rounds, the reference first in odd rounds (A B B A). One process runs at a time, after both interpreters have been
copied. Both containers get the same environment and, within a round, the same PYTHONHASHSEED; address space layout
stays random, so that the rounds sample it.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import msgspec

from bakery.benchmarks.pyperformance import (
    APPLICATIONS,
    DATA,
    SCRIPT,
    Benchmark,
    read_applications,
    read_config,
    read_suite,
    select_benchmarks,
)
from bakery.benchmarks.results import LARGEST, OPTIONAL, SETTLED, BenchmarkResult, BenchmarkTimes, is_wide, times_of
from bakery.benchmarks.session import PROGRAMS, SIDES, Session, python_of
from bakery.benchmarks.statistics import geometric_mean, round_logs
from bakery.benchmarks.wheelhouse import FOLDER, SITE, TOOLS, Wheelhouse
from bakery.engine import Container, ContainerOptions, idle_container, tar_of
from bakery.errors import BuildError, InputError
from bakery.redaction import shorten

MARK = "WORKER "
MIN_SECONDS = 0.08  # the minimum duration of a value
TARGET_SECONDS, MAX_VALUES = 0.3, 3  # a process measures for about this long after a warm-up, at most this many values
LIMIT = 110  # seconds after which a process ends itself and names the benchmark: before its container is ended


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
    """The parts of pyperf's output that are used (https://pyperf.readthedocs.io/en/latest/api.html#pyperf-json)."""

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
    """A container of the image ``reference``, which is ``side`` of the pair, and the seconds that its workers took."""

    def __init__(self, side: str, reference: str, container: Container, clock: str) -> None:
        self.side, self.reference, self.container, self.clock = side, reference, container, clock
        self.suite = f"{FOLDER}/{TOOLS}/{DATA}"
        self.python = python_of(container, reference)
        self.wall = self.cpu = 0.0

    @property
    def cpu_share(self) -> float | None:
        """CPU seconds of the processes divided by their wall time; ``None`` if none has run to its end."""
        return round(self.cpu / self.wall, 4) if self.wall else None

    def copy_interpreter(self) -> None:
        """Replace the interpreter's files with copies, which the next process maps; :exc:`BuildError` if that fails.

        A file keeps its place in the machine's memory while it is cached. Copies of the same bytes in other places
        differ in speed, by up to 7 % in a start (docs/trials.md).
        """
        result = self.container.run(["python3", "-c", (PROGRAMS / "copy_interpreter.py").read_text(encoding="utf-8")])
        if result.code:
            reason = "".join(result.output.strip().splitlines()[-1:])
            raise BuildError(f"{self.reference}: its interpreter cannot be copied: {reason}")

    def run(self, benchmark: Benchmark, seed: int, options: Sequence[str]) -> Suite:
        """Run ``benchmark`` in a process; :exc:`BuildError` with the reason if it fails."""
        script = f"{self.suite}{benchmark.folder}/{SCRIPT}"
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
        try:
            result = msgspec.json.decode(report.removeprefix(MARK), type=_Report)
        except (ValueError, RecursionError) as error:
            raise self._unexpected(error) from None
        self.wall += result.wall
        self.cpu += result.cpu
        return result.suite

    def calibrate(self, benchmark: Benchmark) -> list[Measurement]:
        """Find the number of loops in a value of each of the benchmark's results."""
        options = ["--calibrate-loops", f"--min-time={MIN_SECONDS}", "--warmups=0", "--values=1"]
        try:
            return measurements_of(benchmark, self.run(benchmark, 0, options))
        except (LookupError, ArithmeticError, ValueError) as error:
            raise self._unexpected(error) from None

    def measure(self, result: Measurement, seed: int, values: int = 0) -> list[float]:
        """The values of one process, in seconds."""
        options = [f"--worker-task={result.task}", f"--loops={result.loops}", "--warmups=1"]
        try:
            return values_of(self.run(result.benchmark, seed, [*options, f"--values={values or result.values}"]))
        except ValueError as error:
            raise self._unexpected(error) from None

    def _unexpected(self, error: Exception) -> BuildError:
        return BuildError(f"does not run in {self.reference}: expected results of pyperf: {shorten(str(error), 200)}")


def measurements_of(benchmark: Benchmark, suite: Suite) -> list[Measurement]:
    """What to measure, from pyperf's output of a calibration: a result for each task of the script."""
    measurements = []
    for task, result in enumerate(suite.benchmarks):
        loops, value = result.runs[0].warmups[-1]
        seconds = value * loops * (result.metadata.inner_loops or suite.metadata.inner_loops or 1)
        values = max(1, min(MAX_VALUES, round(TARGET_SECONDS / seconds)))
        name = result.metadata.name or suite.metadata.name
        measurements.append(Measurement(name, benchmark, task, loops, values))
    return measurements


def values_of(suite: Suite) -> list[float]:
    """The values in pyperf's output of a measurement; :exc:`ValueError` if they cannot have been measured."""
    (result,) = suite.benchmarks
    values = [value for run in result.runs for value in run.values]
    if not values or not all(0 < value <= LARGEST for value in values):
        raise ValueError(f"found the values {values}")
    return values


def _prepare(
    session: Session, workers: Sequence[WorkerContainer], benchmarks: Sequence[Benchmark], wheelhouse: Wheelhouse,
    left_out: dict[str, str],
) -> list[Measurement]:  # fmt: skip
    """Unpack each benchmark's requirements, find its loops with the reference, and run it once with ours.

    Benchmarks that fail are added to ``left_out``.
    """
    ours, reference = workers
    measurements = []
    for number, benchmark in enumerate(benchmarks, 1):
        session.phase(f"preparing {number} of {len(benchmarks)}: {benchmark.name}", every=3)
        try:
            if site := wheelhouse.site(benchmark):
                for worker in workers:
                    worker.container.put(f"{FOLDER}/{SITE}", site.read_bytes())
            calibrated = reference.calibrate(benchmark)
            for measurement in calibrated:
                ours.measure(measurement, seed=0, values=1)
            measurements += calibrated
        except BuildError as error:
            left_out[benchmark.name] = error.message
    return measurements


def _measure(
    session: Session, workers: Sequence[WorkerContainer], measurements: Sequence[Measurement], left_out: dict[str, str]
) -> list[BenchmarkTimes]:
    """Measure all rounds; with ``max_rounds``, add two at a time until the mean has settled.

    With an even number each image goes first equally often. A benchmark that fails in a round is added to ``left_out``.
    """
    values = {result.name: {side: list[list[float]]() for side in SIDES} for result in measurements}
    rounds, start, done = session.settings.rounds, time.monotonic(), 0
    max_rounds = max(rounds, session.settings.max_rounds or 0)
    number = 0
    while number < rounds:
        for place, result in enumerate(measurements, 1):
            left = (time.monotonic() - start) / done * (rounds * len(measurements) - done) if done else 0
            text = f"round {number + 1} of {rounds}, {place} of {len(measurements)}: {result.name}"
            session.phase(text, left, every=3)
            done += 1
            if result.name not in values:
                continue
            try:
                for worker in workers:
                    worker.copy_interpreter()
                for worker in workers if number % 2 == 0 else reversed(workers):
                    values[result.name][worker.side].append(worker.measure(result, number + 1))
            except BuildError as error:
                left_out[result.name] = f"{error.message} (round {number + 1})"
                del values[result.name]
        number += 1
        if number == rounds < max_rounds and not has_settled(values):
            rounds = min(rounds + 2, max_rounds)
    return [
        times_of(result.name, **values[result.name], benchmark=result.benchmark.name, loops=result.loops)
        for result in measurements
        if result.name in values
    ]


def has_settled(values: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> bool:
    """Whether the interval of the geometric mean is narrow enough, or nothing is left to measure."""
    logs = {name: round_logs(sides["ours"], sides["reference"]) for name, sides in values.items()}
    if not logs:
        return True
    mean = geometric_mean(logs)
    return mean.low is not None and not is_wide(mean.ratio, mean.low, mean.high, SETTLED)


def run_benchmarks(session: Session) -> BenchmarkResult:
    """Measure the speed of both images.

    Raises :exc:`BuildError` if an image is missing or no benchmark can be measured, and :exc:`InputError` if the two
    images are not of the same series and architecture.
    """
    root, engine, pair, settings = session.workspace.root, session.engine, session.pair, session.settings
    config, images = read_config(root), session.images()
    options = ContainerOptions(labels=pair.labels, cpu=None if session.kind == "threads" else session.cpu)
    with ExitStack() as stack:
        stack.enter_context(session.measuring())
        workers = []
        for side, image in zip(SIDES, images, strict=True):
            container = stack.enter_context(idle_container(engine, image.id, replace(options, name=image.image)))
            workers.append(WorkerContainer(side, image.image, container, settings.clock))
        ours, reference = (worker.python for worker in workers)
        if ours.key != reference.key:
            raise InputError(
                f"{pair.ours} has {ours.key}, {pair.reference} has {reference.key}",
                hint="Expected two images of the same series and architecture.",
            )
        session.compare_releases(ours, reference)
        session.check_quiet(workers[1].container)
        folder = session.workspace.home / "bench" / reference.key
        with Wheelhouse(engine, pair.reference, folder, session.note) as wheelhouse:
            tools, script = wheelhouse.tools(config), tar_of(PROGRAMS / "worker.py", "worker.py")
            names: tuple[str, ...] = getattr(config, session.kind) if session.kind in OPTIONAL else ()
            suite, full = (read_applications(root), False) if names else (read_suite(tools), settings.full)
            selected, left_out = select_benchmarks(
                suite, config, ours.series, full=full, only=settings.only, names=names
            )
            for worker in workers:
                worker.container.run(["python3", "-c", f"import os; os.makedirs('{FOLDER}/{SITE}')"])
                worker.container.put(FOLDER, tools.read_bytes())
                worker.container.put(FOLDER, script)
                if names:
                    worker.suite = f"{FOLDER}/{APPLICATIONS}/"
                    worker.container.put(FOLDER, tar_of(PROGRAMS / APPLICATIONS, APPLICATIONS))
            measurements = _prepare(session, workers, selected, wheelhouse, left_out)
        benchmarks = _measure(session, workers, measurements, left_out)
    measured = [
        (msgspec.structs.replace(image, cpu_share=worker.cpu_share), worker.python)
        for image, worker in zip(images, workers, strict=True)
    ]
    versions = {"pyperformance": config.pyperformance.version, "pyperf": config.pyperf.version}
    return session.result(measured, benchmarks, left_out, versions=versions)
