"""What is read from workers, what may be asked for, and the host's pip settings as a container gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.benchmarks.pair import Pair, free_pair, pair_of
from bakery.benchmarks.pyperformance import Benchmark
from bakery.benchmarks.run import Settings
from bakery.benchmarks.startup import Start, parse_start
from bakery.benchmarks.wheelhouse import settings_for
from bakery.benchmarks.worker import Work, calibrated, values_of
from bakery.catalog.models import Catalog, Image
from bakery.errors import InputError

LOGGING = Benchmark("logging", "bm_logging", (), "", ">=3.8")


def test_each_task_of_a_script_is_a_result_of_its_own_with_its_own_loops() -> None:
    suite = {
        "metadata": {"inner_loops": 10},
        "benchmarks": [
            {"metadata": {"name": "logging_format"}, "runs": [{"warmups": [[1, 0.5], [1024, 0.00001]]}]},
            {"metadata": {"name": "logging_silent"}, "runs": [{"warmups": [[8, 0.005]]}]},
        ],
    }
    assert calibrated(LOGGING, suite) == [
        Work("logging_format", LOGGING, 0, 1024, 3),
        Work("logging_silent", LOGGING, 1, 8, 1),
    ]


def test_what_lasts_long_gives_one_value_only() -> None:
    suite = {"metadata": {"name": "sphinx"}, "benchmarks": [{"runs": [{"warmups": [[1, 2.5]]}]}]}
    (work,) = calibrated(LOGGING, suite)
    assert (work.loops, work.values) == (1, 1)


def test_values_are_those_of_the_only_benchmark_and_not_its_warm_up() -> None:
    suite = {"benchmarks": [{"runs": [{"warmups": [[2, 9.0]], "values": [0.1, 0.2]}]}]}
    assert values_of(suite) == [0.1, 0.2]


@pytest.mark.parametrize(("settings", "said"), [(Settings(0), "at least 1"), (Settings(1, clock="sun"), "wall, cpu")])
def test_settings_that_make_no_sense_are_refused(settings: Settings, said: str) -> None:
    with pytest.raises(InputError) as caught:
        settings.check()
    assert said in str(caught.value)


def test_an_image_is_compared_with_the_reference_of_its_series(image: Callable[..., Image], catalog: Catalog) -> None:
    found = pair_of(catalog, image("3.13", "trixie"), None, None)
    assert found == Pair(
        "3.13.15-trixie-amd64", "infra7/python:3.13.15-trixie", "reference/python:3.13.15-trixie",
        "Build it first: inv build --version=3.13 --target=trixie",
        "Make it first: inv reference --version=3.13 --target=trixie",
    )  # fmt: skip


def test_a_release_that_is_not_the_default_is_compared_with_the_same_one(
    image: Callable[..., Image], catalog: Catalog
) -> None:
    assert pair_of(catalog, image("3.13.5"), None, None).reference == "reference/python:3.13.5-bookworm"


def test_any_image_can_stand_on_either_side(image: Callable[..., Image], catalog: Catalog) -> None:
    found = pair_of(catalog, image("3.13"), "mine:1", "python:3.13-slim-bookworm")
    assert (found.ours, found.reference, found.build, found.make) == ("mine:1", "python:3.13-slim-bookworm", "", "")
    free = free_pair("host:5000/mine:1", "python:3.13-slim@sha256:00")
    assert free.name == "host-5000-mine-1-against-python-3.13-slim"


PIP = """\
:env:.find-links='/opt/wheels file:///gone'
global.cert='/etc/ca.pem'
global.index-url='https://user:word@mirror.example/simple'
global.extra-index-url='file:///srv/simple\\nhttps://other.example/simple'
global.format='columns'
install.find-links='/shadowed'
list.format='json'
"""


def test_a_container_gets_the_hosts_pip_settings_but_not_its_local_indexes(tmp_path: Path) -> None:
    variables, _ = settings_for(PIP, {"https_proxy": "http://proxy.example:3128", "HOME": "/root"})
    assert variables == {
        "PIP_FIND_LINKS": "/opt/wheels",
        "PIP_CERT": "/etc/ca.pem",
        "PIP_INDEX_URL": "https://user:word@mirror.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://other.example/simple",
        "https_proxy": "http://proxy.example:3128",
    }


def test_files_that_pip_is_told_to_use_are_shown_to_the_container_where_they_exist(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    _, paths = settings_for(f"global.cert='{bundle}'\nglobal.find-links='/not/there'\n", {})
    assert paths == [str(bundle)]
    variables, paths = settings_for("", {"SSL_CERT_FILE": str(bundle)})
    assert (variables, paths) == ({"PIP_CERT": str(bundle)}, [str(bundle)])


@pytest.mark.parametrize("sign", [".", ","])
def test_a_cold_start_is_read_in_seconds_whatever_the_decimal_sign(sign: str) -> None:
    said = "0m0.011s 0m0.011s\n1m0.020s 0m0.003s\nfork 1795492218.258778 exec 1795492218.259778 end 1795492218.308177\n"
    found = parse_start(said.replace(".", sign), 0.4)
    assert found == Start(
        0.4, pytest.approx(0.048399, abs=1e-6), pytest.approx(0.049399, abs=1e-6), pytest.approx(60.023)
    )


def test_a_shell_that_is_not_bash_is_noticed() -> None:
    assert parse_start("0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nfork  exec  end \n", 0.4) is None


SCRIPT = """
import json, sys, time
arguments = sys.argv[1:]
output = arguments[arguments.index("--output") + 1]
began = time.perf_counter()
time.sleep(0.2)
with open(output, "w") as stream:
    json.dump({"arguments": arguments[:-2], "seconds": time.perf_counter() - began, "name": __name__,
               "builtins": type(__builtins__).__name__}, stream)
print("said by the script")
"""


@pytest.mark.parametrize("clock", ["wall", "cpu"])
def test_the_worker_runs_a_script_by_the_clock_that_was_asked_for(root: Path, tmp_path: Path, clock: str) -> None:
    script = tmp_path / "run_benchmark.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(root / "benchmarks" / "worker.py"), clock, "60", str(script), "--worker", "pickle"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mark, _, result = done.stdout.splitlines()[-1].partition(" ")
    assert mark == "WORKER"
    found = json.loads(result)
    assert found["suite"]["arguments"] == ["--worker", "pickle"]
    assert (found["suite"]["name"], found["suite"]["builtins"]) == ("__main__", "module")
    assert (found["suite"]["seconds"] >= 0.2) == (clock == "wall")
    assert found["cpu"] < found["wall"]


def test_a_script_that_does_not_end_is_ended(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "run_benchmark.py"
    script.write_text("import time; time.sleep(60)\n", encoding="utf-8")
    command = [sys.executable, str(root / "benchmarks" / "worker.py"), "wall", "0.5", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 1
    assert done.stderr.startswith("Timeout (")
