"""Runs pyperformance in two images, interleaved on one CPU, and records every value.

Two idle containers without a network are pinned to one CPU. Each measurement is a separate process, started in one of
them by ``docker exec``: pyperformance's own script as a pyperf worker (benchmarks/worker.py), with the number of loops
that was found once, with the reference. In each round every benchmark runs once in each container, ours first in even
rounds, the reference first in odd rounds (A B B A). One process runs at a time, after both interpreters have been
copied. Both containers get the same environment and, within a round, the same PYTHONHASHSEED; address space layout
stays random, so that the rounds sample it.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from bakery.benchmarks.pyperformance import Benchmark, read_config, read_suite, select_benchmarks
from bakery.benchmarks.results import times_of
from bakery.benchmarks.session import SIDES, Session
from bakery.benchmarks.wheelhouse import FOLDER, SITE, Wheelhouse
from bakery.benchmarks.worker import Measurement, WorkerContainer
from bakery.engine import ContainerOptions, idle_container, tar_of
from bakery.errors import BuildError, InputError
from bakery.records import BenchmarkResult, BenchmarkTimes


class _Comparison:
    """A comparison in progress; ``workers`` are ours and the reference's."""

    def __init__(self, session: Session, workers: Sequence[WorkerContainer]) -> None:
        self.session, self.workers = session, workers
        self.left_out: dict[str, str] = {}

    def prepare(self, benchmarks: Sequence[Benchmark], wheelhouse: Wheelhouse) -> list[Measurement]:
        """Unpack each benchmark's requirements, find its loops with the reference, and run it once with ours."""
        ours, reference = self.workers
        measurements = []
        for number, benchmark in enumerate(benchmarks, 1):
            self.session.phase(f"preparing {number} of {len(benchmarks)}: {benchmark.name}", every=3)
            try:
                if site := wheelhouse.site(benchmark):
                    for worker in self.workers:
                        worker.container.put(f"{FOLDER}/{SITE}", site.read_bytes())
                calibrated = reference.calibrate(benchmark)
                for measurement in calibrated:
                    ours.measure(measurement, seed=0, values=1)
                measurements += calibrated
            except BuildError as error:
                self.left_out[benchmark.name] = error.message
        return measurements

    def measure(self, measurements: Sequence[Measurement]) -> list[BenchmarkTimes]:
        """Measure all rounds; a benchmark that fails in a round is left out."""
        values = {result.name: {side: list[list[float]]() for side in SIDES} for result in measurements}
        rounds, start, done = self.session.settings.rounds, time.monotonic(), 0
        for number in range(rounds):
            for place, result in enumerate(measurements, 1):
                left = (time.monotonic() - start) / done * (rounds * len(measurements) - done) if done else 0
                text = f"round {number + 1} of {rounds}, {place} of {len(measurements)}: {result.name}"
                self.session.phase(text, left, every=3)
                done += 1
                if result.name not in values:
                    continue
                try:
                    for worker in self.workers:
                        worker.copy_interpreter()
                    for worker in self.workers if number % 2 == 0 else reversed(self.workers):
                        values[result.name][worker.side].append(worker.measure(result, number + 1))
                except BuildError as error:
                    self.left_out[result.name] = f"{error.message} (round {number + 1})"
                    del values[result.name]
        return [
            times_of(result.name, **values[result.name], benchmark=result.benchmark.name, loops=result.loops)
            for result in measurements
            if result.name in values
        ]


def run_benchmarks(session: Session) -> BenchmarkResult:
    """Measure the speed of both images.

    Raises :exc:`BuildError` if an image is missing or no benchmark can be measured, and :exc:`InputError` if the two
    images are not of the same series and architecture.
    """
    root, engine, pair, settings = session.workspace.root, session.engine, session.pair, session.settings
    config, images = read_config(root), session.images()
    options = ContainerOptions(labels=pair.labels, cpu=session.cpu)
    with ExitStack() as stack:
        stack.enter_context(session.measuring())
        workers = []
        for side, image in zip(SIDES, images, strict=True):
            container = stack.enter_context(idle_container(engine, image.id, options))
            workers.append(WorkerContainer(side, image.image, container, settings.clock))
        ours, reference = (worker.python for worker in workers)
        if ours.key != reference.key:
            raise InputError(
                f"{pair.ours} has {ours.key}, {pair.reference} has {reference.key}",
                hint="Expected two images of the same series and architecture.",
            )
        session.compare_releases(ours, reference)
        folder = session.workspace.home / "bench" / reference.key
        with Wheelhouse(engine, pair.reference, folder, session.note) as wheelhouse:
            tools, script = wheelhouse.tools(config), (root / "benchmarks" / "worker.py").read_bytes()
            suite = read_suite(tools)
            selected, left_out = select_benchmarks(suite, config, ours.series, full=settings.full, only=settings.only)
            for worker in workers:
                worker.container.run(["python3", "-c", f"import os; os.makedirs('{FOLDER}/{SITE}')"])
                worker.container.put(FOLDER, tools.read_bytes())
                worker.container.put(FOLDER, tar_of("worker.py", script))
            comparison = _Comparison(session, workers)
            measurements = comparison.prepare(selected, wheelhouse)
        benchmarks = comparison.measure(measurements)
    left_out |= comparison.left_out
    if not benchmarks:
        reasons = "".join(f"\n    {name}: {reason}" for name, reason in left_out.items())
        raise BuildError(f"no benchmark could be measured:{reasons}")
    measured = [
        (msgspec.structs.replace(image, cpu_share=round(worker.cpu / worker.wall, 4)), worker.python)
        for image, worker in zip(images, workers, strict=True)
    ]
    versions = {package.name: package.version for package in (config.pyperformance, config.pyperf)}
    return session.result(measured, benchmarks, left_out, versions=versions)
