"""What is read from workers and shells, valid settings, pairs of images, and pip settings for containers."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bakery.benchmarks.pyperformance import Benchmark
from bakery.benchmarks.run import MARK, Measurement, Suite, WorkerContainer, measurements_of, values_of
from bakery.benchmarks.session import Pair, Session, free_pair, pair_of, python_of
from bakery.benchmarks.startup import CPU, FORKED, INSIDE, parse_start
from bakery.benchmarks.wheelhouse import settings_for
from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.display.progress import Display
from bakery.engine.containers import CommandResult
from bakery.errors import BuildError, InputError
from bakery.options import Measuring
from bakery.workspace import Workspace

LOGGING = Benchmark("logging", "bm_logging", (), "", ">=3.8")


def test_each_task_of_a_script_is_a_separate_result_with_its_own_loops() -> None:
    suite = {
        "metadata": {"inner_loops": 10},
        "benchmarks": [
            {"metadata": {"name": "logging_format"}, "runs": [{"warmups": [[1, 0.5], [1024, 0.00001]]}]},
            {"metadata": {"name": "logging_silent"}, "runs": [{"warmups": [[8, 0.005]]}]},
        ],
    }
    assert measurements_of(LOGGING, msgspec.convert(suite, Suite)) == [
        Measurement("logging_format", LOGGING, 0, 1024, 3),
        Measurement("logging_silent", LOGGING, 1, 8, 1),
    ]


def test_a_long_benchmark_has_a_single_value() -> None:
    suite = {"metadata": {"name": "sphinx"}, "benchmarks": [{"runs": [{"warmups": [[1, 2.5]]}]}]}
    (measurement,) = measurements_of(LOGGING, msgspec.convert(suite, Suite))
    assert (measurement.loops, measurement.values) == (1, 1)


def test_warm_ups_are_not_values() -> None:
    suite = {"benchmarks": [{"runs": [{"warmups": [[2, 9.0]], "values": [0.1, 0.2]}]}]}
    assert values_of(msgspec.convert(suite, Suite)) == [0.1, 0.2]


def test_an_image_is_compared_with_the_reference_of_its_series(image: Callable[..., Image], catalog: Catalog) -> None:
    ours = image("3.13", "trixie")
    pair = pair_of(catalog, ours, None, None)
    assert pair == Pair(
        "3.13.15-trixie-amd64", "infra7/python:3.13.15-trixie", "reference/python:3.13.15-trixie",
        "Build it first: inv build --version=3.13 --target=trixie",
        "Build it first: inv reference --version=3.13 --target=trixie",
        (ours, dataclasses.replace(ours, recipe=RecipeName.REFERENCE)),
    )  # fmt: skip


def test_a_release_that_is_not_the_default_is_compared_with_the_same_release(
    image: Callable[..., Image], catalog: Catalog
) -> None:
    assert pair_of(catalog, image("3.13.5"), None, None).reference == "reference/python:3.13.5-bookworm"


def test_either_image_can_be_replaced(image: Callable[..., Image], catalog: Catalog) -> None:
    pair = pair_of(catalog, image("3.13"), "mine:1", "python:3.13-slim-bookworm")
    assert (pair.ours, pair.reference, pair.ours_hint, pair.reference_hint) == (
        "mine:1",
        "python:3.13-slim-bookworm",
        "",
        "",
    )
    assert pair.name == "3.13.15-bookworm-amd64-against-python-3.13-slim-bookworm"
    free = free_pair(catalog, "host:5000/mine:1", "python:3.13-slim@sha256:00")
    assert free.name == "host-5000-mine-1-against-python-3.13-slim"
    with pytest.raises(InputError, match=r"--against=debian, the distribution's own Python, needs a target"):
        free_pair(catalog, "host:5000/mine:1", "debian")


PIP = """\
:env:.find-links='/opt/wheels file:///gone'
global.cert='/etc/ca.pem'
global.index-url='https://user:word@mirror.example/simple'
global.extra-index-url='file:///srv/simple\\nhttps://other.example/simple'
global.format='columns'
install.find-links='/shadowed'
list.format='json'
"""


def test_a_container_gets_the_hosts_pip_settings_except_local_indexes(tmp_path: Path) -> None:
    variables, _ = settings_for(PIP, {"https_proxy": "http://proxy.example:3128", "HOME": "/root"})
    assert variables == {
        "PIP_FIND_LINKS": "/opt/wheels",
        "PIP_CERT": "/etc/ca.pem",
        "PIP_INDEX_URL": "https://user:word@mirror.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://other.example/simple",
        "https_proxy": "http://proxy.example:3128",
    }


def test_files_in_pips_settings_are_mounted_if_they_exist(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    _, paths = settings_for(f"global.cert='{bundle}'\nglobal.find-links='/not/there'\n", {})
    assert paths == [str(bundle)]
    variables, paths = settings_for("", {"SSL_CERT_FILE": str(bundle)})
    assert (variables, paths) == ({"PIP_CERT": str(bundle)}, [str(bundle)])


@pytest.mark.parametrize("sign", [".", ","])
def test_a_cold_start_is_read_in_seconds_with_either_decimal_separator(sign: str) -> None:
    output = (
        "0m0.011s 0m0.011s\n1m0.020s 0m0.003s\nfork 1795492218.258778 exec 1795492218.259778 end 1795492218.308177\n"
    )
    assert parse_start(output.replace(".", sign)) == {
        INSIDE: pytest.approx(0.048399, abs=1e-6), FORKED: pytest.approx(0.049399, abs=1e-6),
        CPU: pytest.approx(60.023),
    }  # fmt: skip


def test_a_shell_other_than_bash_is_detected() -> None:
    assert parse_start("0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nfork  exec  end \n") is None


SCRIPT = """
import json, sys, time
arguments = sys.argv[1:]
output = arguments[arguments.index("--output") + 1]
began = time.perf_counter()
time.sleep(0.2)
with open(output, "w") as stream:
    json.dump({"arguments": arguments[:-2], "seconds": time.perf_counter() - began, "name": __name__,
               "builtins": type(__builtins__).__name__}, stream)
print("output of the script")
"""


@pytest.mark.parametrize("clock", ["wall", "cpu"])
def test_the_worker_runs_a_script_with_the_selected_clock(root: Path, tmp_path: Path, clock: str) -> None:
    script = tmp_path / "run_benchmark.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(root / "benchmarks" / "worker.py"), clock, "60", str(script), "--worker", "pickle"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mark, _, result = done.stdout.splitlines()[-1].partition(" ")
    assert mark == "WORKER"
    report = json.loads(result)
    assert report["suite"]["arguments"] == ["--worker", "pickle"]
    assert (report["suite"]["name"], report["suite"]["builtins"]) == ("__main__", "module")
    assert (report["suite"]["seconds"] >= 0.2) == (clock == "wall")
    assert report["cpu"] < report["wall"]


def test_a_script_that_does_not_end_is_stopped(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "run_benchmark.py"
    script.write_text("import time; time.sleep(60)\n", encoding="utf-8")
    command = [sys.executable, str(root / "benchmarks" / "worker.py"), "wall", "0.5", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    assert done.stderr.startswith("Timeout (")


PYTHON = '{"key": "k", "series": "3.13", "version": "3.13.15", "full": "", "cpu_model": "", "kernel": ""}'


def container_that_prints(*texts: str) -> Any:
    """A container in which each command prints the next of ``texts``."""
    return SimpleNamespace(run=lambda *_, **__: CommandResult(0, remaining.pop(0)), texts=(remaining := list(texts)))


@pytest.mark.parametrize("text", [f"Welcome\n{PYTHON}", "", "{}", "[" * 5000])
def test_an_image_whose_python_prints_more_than_its_version_cannot_be_measured(text: str) -> None:
    with pytest.raises(BuildError, match="x: python3 printed more than its version"):
        python_of(container_that_prints(text), "x")


@pytest.mark.parametrize("text", ["a b", "nan inf", "0.1", "-1 -1", "0.1 0.1 0.1"])
def test_a_check_of_the_noise_that_prints_no_spreads_is_an_error(text: str, tmp_path: Path) -> None:
    session = Session(Workspace(tmp_path, tmp_path), Any, Pair("x", "a", "b"), Measuring(), Display(io.StringIO()))
    with pytest.raises(BuildError, match="the check of the machine's noise printed"):
        session.check_quiet(container_that_prints(text))


@pytest.mark.parametrize(
    "benchmarks",
    [
        "[]", '[{"runs": []}]',
        '[{"runs": [{"values": [0.0], "warmups": [[1, 0.0]]}]}]', '[{"runs": [{"values": [-1]}]}]',
        '[{"runs": [{}]}]', "1", '[{"runs": [{"values": [1e300], "warmups": [[0, 1.0]]}]}]',
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", ["calibrate", "measure"])
def test_a_benchmark_whose_worker_prints_no_results_is_left_out(benchmarks: str, step: str) -> None:
    report = f'{MARK}{{"suite": {{"benchmarks": {benchmarks}}}, "wall": 1.0, "cpu": 1.0}}'
    worker = WorkerContainer("ours", "x", container_that_prints(PYTHON, report), "wall")
    if (benchmarks, step) == ("[]", "calibrate"):
        assert worker.calibrate(LOGGING) == []
        return
    with pytest.raises(BuildError, match="does not run in x: expected results of pyperf"):
        worker.calibrate(LOGGING) if step == "calibrate" else worker.measure(Measurement("a", LOGGING, 0, 1, 1), 1)
