"""Both measurements on a real engine, an image against itself, without a network.

A stand-in for pyperf and pyperformance lies where the real ones would have been installed; containers, worker, engine
and everything in bakery are the real ones. Runs on $BAKERY_IMAGE, else on the default series' image where it is built.
"""

from __future__ import annotations

import io
import tarfile
import uuid
import zipfile
from pathlib import Path

import pytest

from bakery.benchmarks.pair import SIDES, Pair, python_of
from bakery.benchmarks.pyperformance import DATA, Benchmark, read_wanted
from bakery.benchmarks.results import notes_of, rows_of, summarised
from bakery.benchmarks.run import Settings, run_benchmarks
from bakery.benchmarks.startup import COMMANDS, FIGURES, run_fresh, run_startup
from bakery.benchmarks.wheelhouse import Pantry, tar_name
from bakery.benchmarks.worker import Side
from bakery.catalog.labels import LABELS
from bakery.display.progress import PlainDisplay
from bakery.engine.containers import idle_container
from bakery.engine.engine import Engine
from bakery.engine.scratch import fresh_engine
from bakery.errors import BuildError
from bakery.workspace import Workspace

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
def own(workspace: Workspace, engine: Engine, reference: str, tmp_path: Path) -> Workspace:
    """A cache in which the stand-ins are installed for the image's interpreter."""
    with idle_container(engine, reference) as container:
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
    return Workspace(workspace.root, tmp_path)


def test_a_benchmark_is_measured_on_both_sides_in_every_round(
    own: Workspace, engine: Engine, reference: str, display: PlainDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(rounds=2, cpu=0, only=("trivial", "broken"))
    renewed, renew = [], Side.renew
    monkeypatch.setattr(Side, "renew", lambda side: (renewed.append(side.name), renew(side)))
    name = f"test-{uuid.uuid4()}"
    document = run_benchmarks(own, engine, Pair(name, reference, reference), settings, display)
    (one,) = document["benchmarks"]
    assert (one["name"], one["loops"]) == ("trivial", 1)
    for side in SIDES:
        assert [len(values) for values in one[side]] == [3, 3]
        assert all(value > 0 for values in one[side] for value in values)
    assert sorted(renewed) == sorted(SIDES * 2)
    assert document["left_out"] == {"broken": f"does not run in {reference}: broken on purpose"}
    assert document["images"]["ours"]["id"] == document["images"]["reference"]["id"]
    assert [row["benchmark"] for row in rows_of(summarised(document))] == ["trivial", "geometric mean"]
    assert not engine.client.containers.list(all=True, filters={"label": f"{LABELS}.measuring={name}"})


def test_each_measurement_maps_a_new_copy_of_the_interpreter(engine: Engine, reference: str) -> None:
    """Where a cached file lies in the machine's memory must not be part of all results of a run."""
    mapped = "print(sorted({tuple(line.split()[3:]) for line in open('/proc/self/maps') if '/libpython' in line}))"
    with idle_container(engine, reference) as container:
        side = Side("ours", reference, container, python_of(container, reference))
        found = []
        for _ in range(3):
            found.append(container.run(["python3", "-c", mapped]).stdout)
            side.renew()
        assert len(set(found)) == 3, found
        assert all("/usr/local/lib/libpython3" in one and "deleted" not in one for one in found), found


def test_where_nothing_runs_the_reasons_are_told(
    own: Workspace, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    settings = Settings(rounds=1, only=("broken",))
    with pytest.raises(BuildError, match=r"no benchmark could be measured:\n +broken: .* broken on purpose"):
        run_benchmarks(own, engine, Pair("test", reference, reference), settings, display)


def test_a_missing_reference_is_told_with_the_command_that_makes_it(
    own: Workspace, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    comparison = Pair("test", reference, "bakery-tests/nowhere:1", make="Make it first: inv reference")
    with pytest.raises(BuildError, match=r"bakery-tests/nowhere:1 is not in the engine\n +Make it first"):
        run_benchmarks(own, engine, comparison, Settings(rounds=1), display)


def wheel(folder: Path) -> None:
    """A package with one module, as the smallest wheel that pip takes."""
    files = {
        "tiny.py": "ANSWER = 42\n",
        "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["tiny-1.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(folder / "tiny-1-py3-none-any.whl", "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)


def test_packages_are_installed_by_the_images_pip_with_the_hosts_settings_and_compiled_once(
    engine: Engine, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not engine.host.startswith("unix:"):
        pytest.skip("the engine is on another machine and does not see this one's wheels")
    wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with idle_container(engine, reference) as container:
        python = python_of(container, reference)
    told: list[str] = []
    with Pantry(engine, reference, python, tmp_path / "bench", read_wanted(ROOT), told.append) as pantry:
        file = pantry.site(Benchmark("tiny", "bm_tiny", (), "tiny==1\n", ""))
        assert file is not None
        with pytest.raises(BuildError, match=r"cannot be installed: No matching distribution found for huge==2"):
            pantry.site(Benchmark("huge", "bm_huge", (), "huge==2\n", ""))
        assert pantry.site(Benchmark("tiny", "bm_tiny", (), "tiny==1\n", "")) == file
    assert told == ["installing tiny==1", "installing huge==2"]
    with tarfile.open(file) as tar:
        (compiled,) = (member for member in tar if member.name.startswith("bm_tiny/__pycache__/tiny."))
        stream = tar.extractfile(compiled)
        assert stream is not None
        assert int.from_bytes(stream.read(8)[4:], "little") == 0b01, "hash-based, not checked (PEP 552)"


def test_a_fresh_engine_holds_the_images_and_nothing_else_and_leaves_nothing(engine: Engine, reference: str) -> None:
    if engine.kind != "embedded":
        pytest.skip("not the embedded engine")
    with fresh_engine(engine, [reference, reference]) as other:
        (image,) = other.images()
        assert image.id == engine.require(reference).id
        embedded = other.embedded
        assert embedded.pid() is not None
    assert embedded.pid() is None
    assert not embedded.folder.exists()
    assert not embedded.runtime.exists()
    assert engine.require(reference).id == image.id


def test_cold_starts_in_a_fresh_engine_say_so(
    own: Workspace, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    if engine.kind != "embedded":
        pytest.skip("not the embedded engine")
    document = run_fresh(own, engine, Pair("test", reference, reference), 1, None, display, "overlay2")
    assert (document["settings"]["fresh_engine"], document["environment"]["storage"]) == ("overlay2", "overlay2")
    assert any("engine of their own" in note for note in notes_of(summarised(document)))


def test_cold_starts_are_measured_inside_and_outside_of_fresh_containers(
    own: Workspace, engine: Engine, reference: str, display: PlainDisplay
) -> None:
    document = run_startup(own, engine, Pair("test", reference, reference), 1, None, display)
    found = {one["name"]: one for one in document["benchmarks"]}
    assert len(found) == len(FIGURES) * len(COMMANDS)
    for name in COMMANDS:
        for side in SIDES:
            ((inside,),), ((forked,),), ((cpu,),), ((whole,),) = (
                found[f"{name}, {figure}"][side] for figure in FIGURES
            )
            assert 0 < inside < forked < whole
            assert cpu > 0
