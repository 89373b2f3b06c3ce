"""Runs pyperformance in two images, interleaved on one CPU, and gives every value that was measured.

Two containers without a network are pinned to one CPU and do nothing by themselves. Each measurement is a process of
its own, started in one of them by ``docker exec``: pyperformance's own script as a pyperf worker
(benchmarks/worker.py), with the number of loops that was found once, on the reference side. In each round every
benchmark runs once on either side, ours first in even rounds, the reference first in odd ones (A B B A). One process
runs at a time, after both interpreters were copied anew. Both sides get the same environment and, in the same round,
the same PYTHONHASHSEED; address space layout stays random, so that rounds sample it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from bakery.benchmarks.pair import (
    SIDES,
    Pair,
    chosen_cpu,
    environment,
    header,
    identities,
    python_of,
    same_kind,
)
from bakery.benchmarks.pyperformance import Benchmark, choose, read_suite, read_wanted
from bakery.benchmarks.wheelhouse import HERE, SITE, Pantry
from bakery.benchmarks.worker import Side, Work, calibrate, measure
from bakery.catalog import LABELS
from bakery.display import Display, duration
from bakery.engine import ContainerOptions, Engine, idle_container, tar_of
from bakery.errors import BuildError, InputError
from bakery.files import locked
from bakery.workspace import Workspace

__all__ = ["CLOCKS", "Settings", "run_benchmarks"]

CLOCKS = ("wall", "cpu")


@dataclass(frozen=True)
class Settings:
    """What the user asked for; without ``cpu`` the last one that the engine has."""

    rounds: int
    cpu: int | None = None
    clock: str = "wall"
    full: bool = False
    only: tuple[str, ...] = ()

    def check(self) -> Settings:
        """The same; :exc:`InputError` where it makes no sense."""
        if self.rounds < 1:
            raise InputError(f"--rounds={self.rounds}: expected at least 1")
        if self.clock not in CLOCKS:
            raise InputError(f"unknown clock {self.clock!r}", hint=f"There are: {', '.join(CLOCKS)}.")
        return self


class _Run:
    """One comparison while it is going on."""

    def __init__(self, settings: Settings, sides: Sequence[Side], show: Callable[[str], None]) -> None:
        self.settings, self.sides, self.show = settings, sides, show
        self.left_out: dict[str, str] = {}
        self.values: dict[str, dict[str, list[list[float]]]] = {}
        self.shown = 0.0

    def say(self, text: str) -> None:
        """Show progress, but not more often than every few seconds."""
        if time.monotonic() - self.shown > 3:
            self.show(text)
            self.shown = time.monotonic()

    def prepare(self, benchmarks: Sequence[Benchmark], pantry: Pantry) -> list[Work]:
        """Unpack what each needs, find its loops on the reference side, and run it once on ours."""
        ours, reference = self.sides
        works = []
        for number, benchmark in enumerate(benchmarks, 1):
            self.say(f"preparing {number} of {len(benchmarks)}: {benchmark.name}")
            try:
                site = pantry.site(benchmark)
                for side in self.sides if site else ():
                    assert site is not None
                    side.container.put(f"{HERE}/{SITE}", site.read_bytes())
                found = calibrate(reference, benchmark, self.settings.clock)
                for work in found:
                    measure(ours, work, self.settings.clock, 0, values=1)
                works += found
            except BuildError as error:
                self.left_out[benchmark.name] = error.message
        return works

    def rounds(self, works: Sequence[Work]) -> None:
        """Measure every round; a benchmark that fails in one of them is left out of all."""
        self.values = {work.name: {side.name: [] for side in self.sides} for work in works}
        total, start, done = self.settings.rounds * len(works), time.monotonic(), 0
        for number in range(self.settings.rounds):
            for place, work in enumerate(works, 1):
                left = f", {duration((time.monotonic() - start) / done * (total - done))} left" if done else ""
                self.say(f"round {number + 1} of {self.settings.rounds}, {place} of {len(works)}: {work.name}{left}")
                done += 1
                if work.name not in self.values:
                    continue
                try:
                    for side in self.sides:
                        side.renew()
                    for side in self.sides if number % 2 == 0 else reversed(self.sides):
                        self.values[work.name][side.name].append(measure(side, work, self.settings.clock, number + 1))
                except BuildError as error:
                    self.left_out[work.name] = f"{error.message} (round {number + 1})"
                    del self.values[work.name]


def run_benchmarks(
    workspace: Workspace, engine: Engine, pair: Pair, settings: Settings, display: Display
) -> dict[str, Any]:
    """Measure and return the document that docs/benchmarks.md describes, without its ``summary``.

    Raises :exc:`BuildError` where an image is missing or nothing could be measured, and :exc:`InputError` where the two
    are not of one series.
    """
    wanted = read_wanted(workspace.root)

    def tell(text: str) -> None:
        display.note(pair.name, text)

    images = identities(engine, pair, tell)
    cpu, folder, start = chosen_cpu(engine, settings.cpu), workspace.home / "bench", time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(locked(folder / "lock", "measuring", tell))
        sides = []
        for name, image in zip(SIDES, images, strict=True):
            options = ContainerOptions(labels={f"{LABELS}.measuring": pair.name}, cpu=cpu)
            container = stack.enter_context(idle_container(engine, image["id"], options))
            sides.append(Side(name, image["image"], container, python_of(container, image["image"])))
        ours, reference = (side.python for side in sides)
        same_kind(pair, ours, reference, tell)
        with Pantry(engine, pair.reference, reference, folder, wanted, tell) as pantry:
            tools, worker = pantry.tools(), (workspace.root / "benchmarks" / "worker.py").read_bytes()
            selection = choose(read_suite(tools), wanted, ours.series, full=settings.full, only=settings.only)
            for side in sides:
                side.container.run(["python3", "-c", f"import os; os.makedirs('{HERE}/{SITE}')"])
                side.container.put(HERE, tools.read_bytes())
                side.container.put(HERE, tar_of("worker.py", worker))
            run = _Run(settings, sides, lambda text: display.phase(pair.name, text))
            works = run.prepare(selection.chosen, pantry)
        run.rounds(works)
    display.done(pair.name, f"{len(run.values)} benchmarks, {duration(time.monotonic() - start)}")
    left_out = {**selection.left_out, **run.left_out}
    if not run.values:
        reasons = "".join(f"\n    {name}: {reason}" for name, reason in left_out.items())
        raise BuildError(f"no benchmark could be measured:{reasons}")
    return {
        **header("bench", pair, start),
        "settings": {**asdict(settings), "cpu": cpu},
        "environment": environment(engine, ours, cpu)
        | {one.name: one.version for one in (wanted.pyperformance, wanted.pyperf)},
        "images": {
            side.name: {**image, "python": side.python.version, "build": side.python.full,
                        "cpu_share": round(side.cpu / side.wall, 4)}
            for side, image in zip(sides, images, strict=True)
        },
        "benchmarks": [
            {"name": work.name, "benchmark": work.benchmark.name, "loops": work.loops, **run.values[work.name]}
            for work in works
            if work.name in run.values
        ],
        "left_out": left_out,
    }  # fmt: skip
