"""Speed and cold starts on a real engine: an image compared with itself, without a network.

A fake pyperf and pyperformance replace the installed ones; containers, worker, engine and everything in bakery are
real. Runs on $BAKERY_IMAGE, by default on the image of the default series if it is built.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import uuid
import zipfile
from pathlib import Path

import pytest

from bakery.benchmarks.pull import FIGURES as PULLED
from bakery.benchmarks.pyperformance import DATA, Benchmark, read_config
from bakery.benchmarks.results import notes_of, rows_of
from bakery.benchmarks.run import WorkerContainer, run_benchmarks
from bakery.benchmarks.session import SIDES, Pair, Session, python_of
from bakery.benchmarks.startup import COMMANDS, FIGURES, VALGRIND, run_startup
from bakery.benchmarks.wheelhouse import Wheelhouse, tar_name
from bakery.build.builder import open_builder
from bakery.build.peers import peer_of
from bakery.catalog.labels import LABELS
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.display.progress import Display
from bakery.engine.containers import idle_container
from bakery.engine.engine import Engine
from bakery.engine.scratch import fresh_engine
from bakery.errors import BuildError
from bakery.files import sha256_of
from bakery.options import Building, Measuring, Selection
from bakery.workspace import Workspace
from tests.archives import make_tar

from .fixtures import ROOT

pytestmark = pytest.mark.engine

PYPERF = '''
"""The part of pyperf's worker that bakery uses."""
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
def session(workspace: Workspace, engine: Engine, reference: str, tmp_path: Path) -> Session:
    """Compares the image with itself, with a cache in which the fakes are installed for the image's interpreter."""
    with idle_container(engine, reference) as container:
        python = python_of(container, reference)
    config = read_config(ROOT)
    file = tmp_path / "bench" / python.key / tar_name("pyperformance", config.requirements)
    file.parent.mkdir(parents=True)
    file.write_bytes(make_tar({f"tools/{name}": text.encode() for name, text in FILES.items()}))
    file.with_suffix(".sha256").write_text(sha256_of(file))
    pair = Pair(f"test-{uuid.uuid4()}", reference, reference)
    return Session(Workspace(workspace.root, tmp_path), engine, pair, Measuring(rounds=1), Display(io.StringIO()))


def test_a_benchmark_is_measured_in_both_images_in_every_round(
    session: Session, engine: Engine, reference: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.settings = Measuring(rounds=2, cpu=0, only=("trivial", "broken"))
    copied, copy = [], WorkerContainer.copy_interpreter

    def recorded_copy(worker: WorkerContainer) -> None:
        copied.append(worker.side)
        copy(worker)

    monkeypatch.setattr(WorkerContainer, "copy_interpreter", recorded_copy)
    result = run_benchmarks(session)
    (times,) = result.benchmarks
    assert (times.name, times.loops) == ("trivial", 1)
    for rounds in (times.ours, times.reference):
        assert [len(values) for values in rounds] == [3, 3]
        assert all(value > 0 for values in rounds for value in values)
    assert sorted(copied) == sorted(SIDES * 2)
    assert result.left_out == {"broken": f"does not run in {reference}: broken on purpose"}
    assert result.images.ours.id == result.images.reference.id
    assert [row["benchmark"] for row in rows_of(result)] == ["trivial", "geometric mean"]
    name = session.pair.name
    assert not engine.client.containers.list(all=True, filters={"label": f"{LABELS}.measuring={name}"})


def test_each_measurement_maps_a_new_copy_of_the_interpreter(engine: Engine, reference: str) -> None:
    """The place of a cached file in the machine's memory must not affect all results of a run."""
    mapped = "print(sorted({tuple(line.split()[3:]) for line in open('/proc/self/maps') if '/libpython' in line}))"
    with idle_container(engine, reference) as container:
        worker, mappings = WorkerContainer("ours", reference, container, "wall"), []
        for _ in range(3):
            mappings.append(container.run(["python3", "-c", mapped]).stdout)
            worker.copy_interpreter()
        assert len(set(mappings)) == 3, mappings
        assert all("/usr/local/lib/libpython3" in text and "deleted" not in text for text in mappings), mappings


@pytest.mark.extended
def test_an_application_is_installed_with_pinned_packages_and_measured_in_both_images(session: Session) -> None:
    """From the host's package index, with the real pyperf."""
    shutil.rmtree(session.workspace.home / "bench")
    session.settings = Measuring(rounds=1, applications=True, only=("jinja2",))
    try:
        result = run_benchmarks(session)
    except BuildError as error:
        if "cannot be installed" not in str(error):
            raise
        pytest.skip(f"no package index: {error}")
    (times,) = result.benchmarks
    assert (result.kind, times.name, times.benchmark) == ("applications", "jinja2", "jinja2")
    assert all(0 < value < 1 for side in (times.ours, times.reference) for values in side for value in values)
    session.settings = Measuring(rounds=1, memory=True)
    result = run_benchmarks(session)
    sizes = {times.name: times.medians for times in result.benchmarks}
    assert result.kind == "memory"
    assert sizes["pass, resident"] < sizes["imports, resident"] < sizes["FastAPI worker, resident"]
    assert sizes["one more FastAPI worker, private"] < sizes["FastAPI worker, resident"]
    together = sizes["10 FastAPI workers together"]
    assert sizes["FastAPI worker, resident"] < together < tuple(10 * size for size in sizes["FastAPI worker, resident"])


@pytest.mark.extended
def test_the_distributions_own_python_is_built_on_the_same_base(
    workspace: Workspace, catalog: Catalog, engine: Engine
) -> None:
    (image,) = select_images(catalog, ["3.13"], ["bookworm"])
    before = engine.find("debian/python:bookworm")
    builder = open_builder(workspace, catalog, "bench", Selection(), Building())
    name = peer_of(builder, image, "debian")
    assert name == "debian/python:bookworm"
    with idle_container(engine, name) as container:
        assert container.run(["python3", "-c", "import sys; print(sys.prefix)"]).stdout == "/usr\n"
        assert python_of(container, name).series == "3.11"
    labels = engine.configuration(name)["Labels"]
    assert labels == {f"{LABELS}.target": "bookworm"}, "not those of an image of ours"
    if before is None:
        engine.remove(name)


def test_reasons_are_reported_if_no_benchmark_runs(session: Session) -> None:
    session.settings = Measuring(rounds=1, only=("broken",))
    with pytest.raises(BuildError, match=r"nothing could be measured:\n +broken: .* broken on purpose"):
        run_benchmarks(session)


def test_the_error_for_a_missing_reference_has_the_command_that_builds_it(session: Session, reference: str) -> None:
    hint = "Build it first: inv reference"
    session.pair = Pair("test", reference, "bakery-tests/nowhere:1", reference_hint=hint)
    with pytest.raises(BuildError, match=rf"bakery-tests/nowhere:1 is not in the engine\n +{hint}"):
        run_benchmarks(session)


def wheel(folder: Path) -> None:
    """A package with one module, as the smallest wheel that pip installs."""
    files = {
        "tiny.py": "ANSWER = 42\n",
        "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n",
        "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["tiny-1.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(folder / "tiny-1-py3-none-any.whl", "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)


def test_packages_are_installed_once_by_the_images_pip_with_the_hosts_settings_and_compiled(
    engine: Engine, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not engine.host.startswith("unix:"):
        pytest.skip("the engine is on another machine and cannot read the wheel")
    wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    messages: list[str] = []
    with Wheelhouse(engine, reference, tmp_path / "bench", messages.append) as wheelhouse:
        file = wheelhouse.site(Benchmark("tiny", "bm_tiny", (), "tiny==1\n", ""))
        assert file is not None
        with pytest.raises(BuildError, match=r"cannot be installed: No matching distribution found for huge==2"):
            wheelhouse.site(Benchmark("huge", "bm_huge", (), "huge==2\n", ""))
        assert wheelhouse.site(Benchmark("tiny", "bm_tiny", (), "tiny==1\n", "")) == file
    assert messages == ["installing tiny==1", "installing huge==2"]
    with tarfile.open(file) as tar:
        (compiled,) = (member for member in tar if member.name.startswith("bm_tiny/__pycache__/tiny."))
        stream = tar.extractfile(compiled)
        assert stream is not None
        assert int.from_bytes(stream.read(8)[4:], "little") == 0b01, "hash-based, not checked (PEP 552)"


def test_a_fresh_engine_has_only_the_images_and_leaves_nothing_behind(engine: Engine, reference: str) -> None:
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


@pytest.mark.extended
def test_results_from_a_fresh_engine_name_its_store(session: Session, engine: Engine) -> None:
    if engine.kind != "embedded":
        pytest.skip("not the embedded engine")
    session.settings = Measuring(rounds=1, fresh_engine="overlay2")
    result = run_startup(session)
    assert (result.settings.fresh_engine, result.environment.storage) == ("overlay2", "overlay2")
    assert any("fresh engine" in note for note in notes_of(result))


@pytest.mark.extended
@pytest.mark.skipif(not any(folder.exists() for folder in VALGRIND), reason="valgrind is not installed")
def test_the_instructions_of_cold_starts_are_counted(session: Session) -> None:
    result = run_startup(session)
    assert set(result.instructions) == set(COMMANDS)
    for ours, reference in result.instructions.values():
        assert ours > 1_000_000
        assert abs(ours / reference - 1) < 0.01, "the same image twice"


@pytest.mark.extended
def test_cold_starts_are_measured_inside_and_outside_of_fresh_containers(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakery.benchmarks.startup.VALGRIND", ())
    result = run_startup(session)
    assert result.instructions == {}
    times = {times.name: times for times in result.benchmarks}
    assert len(times) == len(FIGURES) * len(COMMANDS)
    for name in COMMANDS:
        for side in SIDES:
            ((inside,),), ((forked,),), ((cpu,),), ((whole,),) = (
                getattr(times[f"{name}, {figure}"], side) for figure in FIGURES
            )
            assert min(inside, forked, whole, cpu) > 0
            assert len({inside, forked, whole, cpu}) == len(FIGURES), "each is measured by itself"


@pytest.mark.extended
def test_images_are_pulled_from_a_registry_at_the_given_bandwidths(session: Session, engine: Engine) -> None:
    if engine.kind != "embedded":
        pytest.skip("not the embedded engine")
    session.settings = Measuring(rounds=1, pull=(0, 200))
    result = run_startup(session)
    assert (result.kind, result.settings.pull) == ("pull", (0, 200))
    times = {times.name: (times.ours[0][0], times.reference[0][0]) for times in result.benchmarks}
    sides = [side for side in result.pulled_bytes if side != "reference"]
    limits = ("no limit", "200 Mbit/s")
    assert set(times) == {f"{side}, {limit}, {figure}" for side in sides for limit in limits for figure in PULLED}
    # Each pull of a round has to send as much as the first: the engine keeps no layer of an image that was removed.
    assert min(result.pulled_bytes.values()) > 5_000_000
    for side in sides:
        assert times[f"{side}, no limit, first line"] > times[f"{side}, no limit, pulled"]
        assert min(times[f"{side}, no limit, CPU time of the engine"]) > 0
    assert any("from a registry on loopback" in note for note in notes_of(result))
    assert " --pull=0,200 " in result.command
