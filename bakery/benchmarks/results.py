"""From the values of two sides to a summary, its table and its files; the figures are those of bakery.ratios."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakery.benchmarks.statistics import Estimate, estimate, round_logs, summarise
from bakery.display import Column, render
from bakery.files import write_whole

__all__ = ["COLUMNS", "markdown", "notes_of", "rows_of", "seconds_text", "summarised", "write_result"]

COLUMNS = (
    Column("benchmark", "benchmark"),
    Column("reference", "reference", right=True),
    Column("ours", "ours", right=True),
    Column("ratio", "ratio", right=True),
    Column("95 % interval", "interval", right=True),
)
TITLES = {"bench": "Speed", "startup": "Cold starts"}
UNITS = {0: "s", -3: "ms", -6: "us", -9: "ns"}
BUSY = 0.95
"""Less than this share of the CPU for our processes means that others disturbed them."""


def seconds_text(seconds: float) -> str:
    """Three digits and a unit: ``12.3 ms``, ``1.23 s``, ``456 us``."""
    exponent = math.floor(math.log10(float(f"{seconds:.3g}")))
    power = max(-9, min(0, exponent - exponent % 3))
    return f"{seconds / 10**power:.{max(0, 2 - exponent + power)}f} {UNITS[power]}"


def ratio_text(ratio: float) -> str:
    """``1.234x``."""
    return f"{ratio:.3f}x"


def interval_text(found: Estimate) -> str | None:
    """``1.220 to 1.241``, or nothing after a single round."""
    return None if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"


def summarised(document: Mapping[str, Any]) -> dict[str, Any]:
    """``document`` with the ratio and interval of each benchmark, their geometric mean, and the slowest of them."""
    logs = {one["name"]: round_logs(one["ours"], one["reference"]) for one in document["benchmarks"]}
    benchmarks = []
    for one in document["benchmarks"]:
        found = estimate(logs[one["name"]])
        benchmarks.append({**one, "ratio": found.ratio, "low": found.low, "high": found.high})
    return {**document, "benchmarks": benchmarks, "summary": _summary(benchmarks, logs, document["kind"])}


def _summary(
    benchmarks: Sequence[Mapping[str, Any]], logs: Mapping[str, Sequence[float]], kind: str
) -> dict[str, Any] | None:
    """Geometric mean and slowest benchmark; nothing for cold starts, whose figures overlap."""
    if kind != "bench":
        return None
    mean, slowest = summarise(logs), min(benchmarks, key=lambda one: float(one["ratio"]))
    return {
        "count": len(benchmarks),
        "geometric_mean": mean.ratio,
        "low": mean.low,
        "high": mean.high,
        "slowest": {key: slowest[key] for key in ("name", "ratio", "low", "high")},
    }


def _typical(rounds: Sequence[Sequence[float]]) -> float:
    return statistics.median(min(values) for values in rounds)


def rows_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each benchmark and, last, the geometric mean; times are medians over the rounds."""
    rows = [
        {
            "benchmark": one["name"],
            "reference": seconds_text(_typical(one["reference"])),
            "ours": seconds_text(_typical(one["ours"])),
            "ratio": ratio_text(one["ratio"]),
            "interval": interval_text(Estimate(one["ratio"], one["low"], one["high"])),
        }
        for one in document["benchmarks"]
    ]
    summary = document["summary"]
    if summary:
        mean = Estimate(summary["geometric_mean"], summary["low"], summary["high"])
        rows.append({"benchmark": "geometric mean", "ratio": ratio_text(mean.ratio), "interval": interval_text(mean)})
    return rows


def notes_of(document: Mapping[str, Any]) -> list[str]:
    """What a reader has to know beside the table, one sentence each."""
    settings, where, images = document["settings"], document["environment"], document["images"]
    ours, reference = images["ours"], images["reference"]
    notes = [f"Ratio: time of {reference['image']} / time of {ours['image']}; more than 1 is faster."]
    if document["summary"]:
        slowest = document["summary"]["slowest"]
        notes.append(f"Slowest: {slowest['name']}, {ratio_text(slowest['ratio'])}.")
    notes.append(
        f"{settings['rounds']} rounds on CPU {where['cpu']} ({where['cpu_model']}), {settings['clock']} clock, "
        f"Python {ours['python']} against {reference['python']}, {document['created']}."
    )
    if settings.get("fresh_engine"):
        notes.append(f"In an engine of their own, which holds both images and nothing else ({where['storage']}).")
    shares = [images[side].get("cpu_share") for side in ("ours", "reference")]
    if settings["clock"] == "wall" and any(share is not None and share < BUSY for share in shares):
        notes.append(
            f"Other processes took the CPU: ours ran {shares[0]:.0%} and the reference {shares[1]:.0%} of the time. "
            "--clock=cpu does not count that."
        )
    notes += [f"Left out: {name}: {reason.rstrip('.')}." for name, reason in document.get("left_out", {}).items()]
    return notes


def markdown(document: Mapping[str, Any], columns: Sequence[Column] = COLUMNS) -> str:
    """The table with its notes."""
    title = f"# {TITLES[document['kind']]} of {document['name']}\n\n"
    return (
        title + render(rows_of(document), columns, "markdown") + "".join(f"\n{note}\n" for note in notes_of(document))
    )


def write_result(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write ``KIND-NAME.json`` and ``.md`` below ``folder`` and return the first.

    With the image store at its end where an engine of its own was used, so that one store's result keeps the other's.
    """
    store = document["settings"].get("fresh_engine")
    file = folder / ("-".join(filter(None, (document["kind"], document["name"], store))) + ".json")
    write_whole(file, json.dumps(document, indent=1) + "\n")
    write_whole(file.with_suffix(".md"), markdown(document))
    return file
