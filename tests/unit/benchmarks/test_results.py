"""From values to a summary: units, the slowest benchmark, and what a reader is warned of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakery.benchmarks.results import markdown, notes_of, rows_of, seconds_text, summarised, write_result


def document(kind: str = "bench", **more: Any) -> dict[str, Any]:
    """A result of two rounds as the runners give it."""
    return {
        "schema": 1,
        "kind": kind,
        "name": "3.13.15-bookworm-amd64",
        "created": "2026-01-02T03:04:05+00:00",
        "settings": {"rounds": 2, "clock": "wall"},
        "environment": {"cpu": 3, "cpu_model": "A CPU"},
        "images": {
            "ours": {"image": "infra7/python:3.13", "python": "3.13.15", "cpu_share": 0.99},
            "reference": {"image": "reference/python:3.13", "python": "3.13.15", "cpu_share": 0.98},
        },
        "benchmarks": [
            {"name": "json_loads", "ours": [[0.010, 0.011], [0.012]], "reference": [[0.013], [0.0156]]},
            {"name": "go", "ours": [[0.1], [0.1]], "reference": [[0.095], [0.097]]},
        ],
        "left_out": {"dask": "needs Python >=3.12"},
        **more,
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (1.0, "1.00 s"), (0.9996, "1.00 s"), (0.123456, "123 ms"), (0.0123456, "12.3 ms"),
     (0.00123, "1.23 ms"), (0.000999, "999 us"), (7.5e-8, "75.0 ns"), (2e-10, "0.200 ns"), (123.4, "123 s")],
)  # fmt: skip
def test_times_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_the_slowest_benchmark_is_named() -> None:
    summary = summarised(document())["summary"]
    assert summary["count"] == 2
    assert summary["slowest"]["name"] == "go"
    assert summary["slowest"]["ratio"] == pytest.approx((0.95 * 0.97) ** 0.5)
    assert summary["geometric_mean"] == pytest.approx((1.3 * (0.95 * 0.97) ** 0.5) ** 0.5)


def test_no_value_is_lost_in_the_summary(tmp_path: Path) -> None:
    file = write_result(tmp_path / "bench", summarised(document()))
    assert file.name == "bench-3.13.15-bookworm-amd64.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    for one, raw in zip(written["benchmarks"], document()["benchmarks"], strict=True):
        assert (one["ours"], one["reference"]) == (raw["ours"], raw["reference"])
    assert file.with_suffix(".md").read_text(encoding="utf-8") == markdown(written)


def test_cold_starts_in_one_image_store_do_not_overwrite_those_in_the_other(tmp_path: Path) -> None:
    base = summarised(document("startup", environment={"cpu": 3, "cpu_model": "A CPU", "storage": "a store"}))
    names = [
        write_result(tmp_path, base | {"settings": base["settings"] | store}).name
        for store in ({}, {"fresh_engine": "containerd"}, {"fresh_engine": "overlay2"})
    ]
    assert names == [f"startup-3.13.15-bookworm-amd64{end}.json" for end in ("", "-containerd", "-overlay2")]


def test_cold_starts_have_no_common_mean() -> None:
    found = summarised(document("startup"))
    assert found["summary"] is None
    assert [row["benchmark"] for row in rows_of(found)] == ["json_loads", "go"]
    assert not [note for note in notes_of(found) if "Slowest" in note]


def test_a_single_round_has_ratios_without_intervals() -> None:
    one = [{"name": "go", "ours": [[0.1]], "reference": [[0.12]]}]
    rows = rows_of(summarised(document(benchmarks=one)))
    assert [(row["ratio"], row["interval"]) for row in rows] == [("1.200x", None)] * 2


def test_a_reader_is_told_that_other_work_disturbed_the_wall_clock() -> None:
    quiet, busy = document(), document()
    busy["images"]["ours"]["cpu_share"] = 0.6
    assert not [note for note in notes_of(summarised(quiet)) if "--clock=cpu" in note]
    assert [note for note in notes_of(summarised(busy)) if "ours ran 60% and the reference 98%" in note]
    busy["settings"]["clock"] = "cpu"
    assert not [note for note in notes_of(summarised(busy)) if "--clock=cpu" in note]


def test_what_was_left_out_is_named_with_its_reason() -> None:
    assert notes_of(summarised(document()))[-1] == "Left out: dask: needs Python >=3.12."
