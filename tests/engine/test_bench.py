"""Both measurements on a real engine, an image against itself, without a network.

A stand-in for pyperf and pyperformance lies where the real ones would have been installed; containers, worker, engine
and everything in bakery are the real ones. Runs on $BAKERY_IMAGE, else on the default series' image where it is built.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from bakery.bench import Settings, run_benchmarks
from bakery.comparison import rows_of, summarised
from bakery.containers import idle
from bakery.engine import Engine
from bakery.errors import BuildError
from bakery.models import Layout
from bakery.pantry import tar_name
from bakery.progress import PlainDisplay
from bakery.sides import SIDES, Comparison, python_of
from bakery.startup import COMMANDS, run_startup
from bakery.suite import DATA, read_wanted

from .conftest import ROOT

pytestmark = pytest.mark.engine

PYPERF = '''
"""As much of pyperf's worker as bakery asks for."""
import argparse, json, time

class Runner:
    def __init__(self):
        self.argparser = argparse.ArgumentParser()
        for name in ("--worker", "--calibrate-loops"):
            self.argparser.add_argument(name, action="store_true")
        for name in ("--worker-task", "--loops", "--values", "--warmups"):
            self.argparser.add_argument(name, type=int)
        self.argparser.add_argument("--min-time", type=float)
        self.argparser.add_argument("--output")
        self.argparser.add_argument("what", nargs="?")

    def bench_func(self, name, function):
        args = self.argparser.parse_args()
        began = time.perf_counter()
        function()
        value = time.perf_counter() - began
        run = {"warmups": [[1, value]], "values": [value] * args.values}
        suite = {"metadata": {"name": name}, "benchmarks": [{"runs": [run]}]}
        with open(args.output, "w") as stream:
            json.dump(suite, stream)
'''
SCRIPT = """
import os, sys, pyperf
if __name__ == "__main__":
    runner = pyperf.Runner()
    what = sys.argv[-1] if sys.argv[-3] != "--output" else sys.argv[-3]
    if "broken" in sys.argv:
        sys.exit("broken on purpose")
    assert os.sched_getaffinity(0) == {0}, os.sched_getaffinity(0)
    assert "PYTHONHASHSEED" in os.environ
    runner.bench_func("trivial", lambda: sum(range(100_000)))
"""
FILES = {
    "pyperf/__init__.py": PYPERF,
    f"{DATA}MANIFEST": "[benchmarks]\n\nname\tmetafile\ntrivial\t<local>\nbroken\t<local:trivial>\n",
    f"{DATA}bm_trivial/pyproject.toml": '[project]\ndependencies = ["pyperf"]\n',
    f"{DATA}bm_trivial/bm_broken.toml": '[tool.pyperformance]\nextra_opts = ["broken"]\n',
    f"{DATA}bm_trivial/run_benchmark.py": SCRIPT,
}


@pytest.fixture
def display() -> PlainDisplay:
    return PlainDisplay(io.StringIO())


@pytest.fixture
def own(layout: Layout, engine: Engine, reference: str, tmp_path: Path) -> Layout:
    """A cache in which the stand-ins are installed for the image's interpreter."""
    with idle(engine, reference, network_mode="none") as container:
        python = python_of(container, reference)
    wanted = read_wanted(ROOT)
    pins = "".join(f"{one.requirement}\n" for one in (wanted.pyperf, wanted.pyperformance))
    file = tmp_path / "bench" / python.key / tar_name("pyperformance", pins)
    file.parent.mkdir(parents=True)
    with tarfile.open(file, "w") as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"tools/{name}")
            member.size, member.mode = len(text), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return Layout(layout.root, tmp_path)


def test_a_benchmark_is_measured_on_both_sides_in_every_round(
    own: Layout, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    before = len(engine.client.containers.list(all=True))
    settings = Settings(rounds=2, cpu=0, only=("trivial", "broken"))
    document = run_benchmarks(own, engine, Comparison("test", reference, reference), settings, display)
    (one,) = document["benchmarks"]
    assert (one["name"], one["loops"]) == ("trivial", 1)
    for side in SIDES:
        assert [len(values) for values in one[side]] == [3, 3]
        assert all(value > 0 for values in one[side] for value in values)
    assert document["left_out"] == {"broken": f"does not run in {reference}: broken on purpose"}
    assert document["images"]["ours"]["id"] == document["images"]["reference"]["id"]
    assert [row["benchmark"] for row in rows_of(summarised(document))] == ["trivial", "geometric mean"]
    assert len(engine.client.containers.list(all=True)) == before


def test_where_nothing_runs_the_reasons_are_told(
    own: Layout, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    settings = Settings(rounds=1, only=("broken",))
    with pytest.raises(BuildError, match=r"no benchmark could be measured:\n +broken: .* broken on purpose"):
        run_benchmarks(own, engine, Comparison("test", reference, reference), settings, display)


def test_a_missing_reference_is_told_with_the_command_that_makes_it(
    own: Layout, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    comparison = Comparison("test", reference, "bakery-tests/nowhere:1", "Make it first: inv reference")
    with pytest.raises(BuildError, match=r"bakery-tests/nowhere:1 is not in the engine\n +Make it first"):
        run_benchmarks(own, engine, comparison, Settings(rounds=1), display)


def test_cold_starts_are_measured_inside_and_outside_of_fresh_containers(
    own: Layout, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    before = len(engine.client.containers.list(all=True))
    document = run_startup(own, engine, Comparison("test", reference, reference), 1, None, display)
    found = {one["name"]: one for one in document["benchmarks"]}
    assert len(found) == 3 * len(COMMANDS)
    for name in COMMANDS:
        for side in SIDES:
            ((inside,),), ((cpu,),), ((whole,),) = (
                found[f"{name}, {figure}"][side] for figure in ("in the container", "CPU time", "docker run")
            )
            assert 0 < inside < whole
            assert cpu > 0
    assert len(engine.client.containers.list(all=True)) == before
