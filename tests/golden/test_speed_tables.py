"""The tables that `inv bench` and `inv startup` write, whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from bakery.benchmarks.results import (
    COLUMNS,
    BenchmarkEnvironment,
    BenchmarkResult,
    BenchmarkSettings,
    MeasuredImage,
    MeasuredImages,
    markdown,
    rows_of,
    summary_of,
    times_of,
)
from bakery.display.tables import render

Golden = Callable[[str, str], None]
Kind = Literal["bench", "memory", "startup"]

TIMES = {
    "bench": [
        times_of("async_generators", [[0.312], [0.318], [0.309], [0.315]], [[0.341], [0.348], [0.339], [0.345]]),
        times_of(
            "json_loads",
            [[2.01e-5, 2.05e-5], [2.04e-5, 2.03e-5], [2.00e-5, 2.11e-5], [2.02e-5, 2.02e-5]],
            [[2.61e-5, 2.66e-5], [2.63e-5, 2.62e-5], [2.60e-5, 2.71e-5], [2.72e-5, 2.65e-5]],
        ),
        times_of("unpack_sequence", [[4.1e-8], [4.2e-8], [4.1e-8], [4.3e-8]], [[4.0e-8], [4.2e-8], [4.2e-8], [4.1e-8]]),
    ],
    "memory": [
        times_of("pass, resident", [[8712192.0], [8716288.0]], [[8601600.0], [8597504.0]]),
        times_of("10 FastAPI workers together", [[3.405e8], [3.404e8]], [[3.404e8], [3.406e8]]),
    ],
    "startup": [
        times_of("pass, in the container", [[0.0141], [0.0143]], [[0.0262], [0.0259]]),
        times_of("pass, CPU time", [[0.012], [0.013]], [[0.024], [0.023]]),
        times_of("pass, docker run", [[0.412], [0.398]], [[0.431], [0.427]]),
    ],
}


def result_of(kind: Kind) -> BenchmarkResult:
    """A result with fixed values."""
    ours, reference = (
        MeasuredImage(
            image=f"{name}/python:3.13-bookworm", id="sha256:0", created=None, python="3.13.15", build="",
            cpu_share=share,
        )
        for name, share in (("infra7", 0.71), ("reference", 0.72))
    )  # fmt: skip
    return BenchmarkResult(
        schema=1,
        kind=kind,
        name="3.13.15-bookworm-amd64",
        created="2026-01-02T03:04:05+00:00",
        seconds=1.5,
        settings=BenchmarkSettings(rounds=len(TIMES[kind][0].ours), cpu=3, clock="wall"),
        environment=BenchmarkEnvironment(
            cpu_model="A CPU", cpus=4, cpu=3, memory_bytes=1, kernel="6", engine="e", storage="s", bakery="0"
        ),
        images=MeasuredImages(ours=ours, reference=reference),
        benchmarks=TIMES[kind],
        left_out={"dask": "needs Python >=3.12"} if kind == "bench" else {},
        instructions={"pass": [36_218_286, 81_518_312]} if kind == "startup" else {},
        summary=summary_of(TIMES[kind]) if kind != "startup" else None,
    )


@pytest.mark.parametrize("kind", ["bench", "memory", "startup"])
def test_the_report(golden: Golden, kind: Kind) -> None:
    golden(f"{kind}.md", markdown(result_of(kind)))


def test_the_table_of_a_terminal(golden: Golden) -> None:
    golden("bench.txt", render(rows_of(result_of("bench")), COLUMNS))
