"""The tables that `inv bench` and `inv startup` write, whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bakery.benchmarks.results import COLUMNS, markdown, rows_of, summarised
from bakery.display.tables import render

Golden = Callable[[str, str], None]

RESULTS: dict[str, list[dict[str, Any]]] = {
    "bench": [
        {
            "name": "async_generators",
            "ours": [[0.312], [0.318], [0.309], [0.315]],
            "reference": [[0.341], [0.348], [0.339], [0.345]],
        },
        {
            "name": "json_loads",
            "ours": [[2.01e-5, 2.05e-5], [2.04e-5, 2.03e-5], [2.00e-5, 2.11e-5], [2.02e-5, 2.02e-5]],
            "reference": [[2.61e-5, 2.66e-5], [2.63e-5, 2.62e-5], [2.60e-5, 2.71e-5], [2.72e-5, 2.65e-5]],
        },
        {
            "name": "unpack_sequence",
            "ours": [[4.1e-8], [4.2e-8], [4.1e-8], [4.3e-8]],
            "reference": [[4.0e-8], [4.2e-8], [4.2e-8], [4.1e-8]],
        },
    ],
    "startup": [
        {"name": "pass, in the container", "ours": [[0.0141], [0.0143]], "reference": [[0.0262], [0.0259]]},
        {"name": "pass, CPU time", "ours": [[0.012], [0.013]], "reference": [[0.024], [0.023]]},
        {"name": "pass, docker run", "ours": [[0.412], [0.398]], "reference": [[0.431], [0.427]]},
    ],
}


def document(kind: str) -> dict[str, Any]:
    """A result with fixed values in the place of measured ones."""
    return {
        "schema": 1,
        "kind": kind,
        "name": "3.13.15-bookworm-amd64",
        "created": "2026-01-02T03:04:05+00:00",
        "settings": {"rounds": len(RESULTS[kind][0]["ours"]), "clock": "wall"},
        "environment": {"cpu": 3, "cpu_model": "A CPU"},
        "images": {
            "ours": {"image": "infra7/python:3.13-bookworm", "python": "3.13.15", "cpu_share": 0.71},
            "reference": {"image": "reference/python:3.13-bookworm", "python": "3.13.15", "cpu_share": 0.72},
        },
        "benchmarks": RESULTS[kind],
        "left_out": {"dask": "needs Python >=3.12"} if kind == "bench" else {},
    }


@pytest.mark.parametrize("kind", ["bench", "startup"])
def test_the_report(golden: Golden, kind: str) -> None:
    golden(f"{kind}.md", markdown(summarised(document(kind))))


def test_the_table_of_a_terminal(golden: Golden) -> None:
    golden("bench.txt", render(rows_of(summarised(document("bench"))), COLUMNS))
