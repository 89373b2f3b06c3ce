"""pyperf's workers: one process in a container measures one benchmark, by benchmarks/worker.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakery.benchmarks.pair import Python
from bakery.benchmarks.pyperformance import DATA, SCRIPT, Benchmark
from bakery.benchmarks.wheelhouse import HERE, SITE, TOOLS
from bakery.engine import Container
from bakery.errors import BuildError

__all__ = ["Side", "Work", "calibrate", "calibrated", "measure", "values_of"]

MARK = "WORKER "
MIN_SECONDS = 0.08
"""The least duration of one value."""
AIM_SECONDS, MOST_VALUES = 0.3, 3
"""A process measures values for about so long after one warm-up value, but no more of them."""
LIMIT = 110
"""Seconds after which a process ends itself; docker's client waits no longer than 120 for a word from it."""
RENEW = """
import os, shutil, sys
with open("/proc/self/maps") as maps:
    paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/libpython" in line}
for path in {os.path.realpath(sys.executable), *paths}:
    shutil.copy2(path, path + ".new")
    os.replace(path + ".new", path)
"""


@dataclass(frozen=True)
class Work:
    """One result to measure: ``task`` counts the results of one script; ``loops`` make one value of ``values``."""

    name: str
    benchmark: Benchmark
    task: int
    loops: int
    values: int


@dataclass
class Side:
    """One of the two images in its container, with the seconds that its processes took so far."""

    name: str
    reference: str
    container: Container
    python: Python
    wall: float = 0.0
    cpu: float = 0.0

    def renew(self) -> None:
        """Have the next process map a new copy of the interpreter; :exc:`BuildError` where none can be made.

        Its file keeps its place in the machine's memory for as long as it is cached there, and copies of the same bytes
        differ by that, by up to 7 % in a start (docs/recipe.md).
        """
        result = self.container.run(["python3", "-c", RENEW])
        if result.code:
            reason = result.output.strip().splitlines()[-1:]
            raise BuildError(f"{self.reference}: its interpreter cannot be copied: {''.join(reason)}")

    def worker(self, benchmark: Benchmark, clock: str, seed: int, options: Sequence[str]) -> dict[str, Any]:
        """Run ``benchmark`` in a process and return what pyperf wrote; :exc:`BuildError` says why it did not run."""
        script = f"{HERE}/{TOOLS}/{DATA}{benchmark.folder}/{SCRIPT}"
        environment = {
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": str(seed),
            "PYTHONPATH": f"{HERE}/{SITE}/{benchmark.folder}:{HERE}/{TOOLS}",
        }
        command = ["python3", f"{HERE}/worker.py", clock, str(LIMIT), script, "--worker", *options, *benchmark.options]
        done = self.container.run(command, environment=environment, folder="/tmp")
        lines = done.stdout.splitlines()
        found = next((line for line in reversed(lines) if line.startswith(MARK)), None)
        if done.code or found is None:
            wrong = [line for line in done.stderr.splitlines() if line.strip()] or lines
            if any(line.startswith("Timeout (") for line in wrong):
                wrong = [f"took more than {LIMIT} s"]
            raise BuildError(f"does not run in {self.reference}: {wrong[-1].strip() if wrong else f'code {done.code}'}")
        result = json.loads(found.removeprefix(MARK))
        self.wall += result["wall"]
        self.cpu += result["cpu"]
        return dict(result["suite"])


def calibrated(benchmark: Benchmark, suite: Mapping[str, Any]) -> list[Work]:
    """What to measure, from the suite that a calibrating worker wrote: one result for each task of the script."""
    works = []
    for task, one in enumerate(suite["benchmarks"]):
        facts = {**suite.get("metadata", {}), **one.get("metadata", {})}
        loops, value = one["runs"][0]["warmups"][-1]
        seconds = value * loops * facts.get("inner_loops", 1)
        values = max(1, min(MOST_VALUES, round(AIM_SECONDS / seconds)))
        works.append(Work(str(facts["name"]), benchmark, task, int(loops), values))
    return works


def values_of(suite: Mapping[str, Any]) -> list[float]:
    """The values that a measuring worker wrote, in the unit of the benchmark (seconds)."""
    (one,) = suite["benchmarks"]
    return [float(value) for run in one["runs"] for value in run["values"]]


def calibrate(side: Side, benchmark: Benchmark, clock: str) -> list[Work]:
    """Find how many loops make one value of each of the benchmark's results."""
    options = ["--calibrate-loops", f"--min-time={MIN_SECONDS}", "--warmups=0", "--values=1"]
    return calibrated(benchmark, side.worker(benchmark, clock, 0, options))


def measure(side: Side, work: Work, clock: str, seed: int, values: int | None = None) -> list[float]:
    """The values of one process, in seconds."""
    options = [f"--worker-task={work.task}", f"--loops={work.loops}", "--warmups=1"]
    return values_of(side.worker(work.benchmark, clock, seed, [*options, f"--values={values or work.values}"]))
