"""README's table of what was built and tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from packaging.version import Version

from bakery.catalog import Catalog, Platform, RecipeName, Series, Target

__all__ = ["status_table"]

NOT_BUILT = "not yet built"


def status_table(catalog: Catalog, records: Sequence[dict[str, Any]], platform: Platform) -> str:
    """Markdown: a row for each series, a column for each target; a check mark only for what was built and tested.

    It is about the default variant; records from before there were others do not name it.
    """
    heads = ["", *(f"{target.name}<br>{target.family} {target.version}" for target in catalog.targets)]
    lines = [heads, ["---"] * len(heads)]
    for series in catalog.series:
        state = f"**{series.name}**<br>{series.status}, {series.until}"
        variant = catalog.default_variant.name
        lines.append([state, *(_cell(series, target, variant, records, platform) for target in catalog.targets)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(series: Series, target: Target, variant: str, records: Sequence[dict[str, Any]], platform: Platform) -> str:
    own = [
        record
        for record in records
        if (record["series"], record["target"], record["platform"]) == (series.name, target.name, platform)
        and record.get("variant", variant) == variant
    ]
    if not own:
        return NOT_BUILT
    best = max(own, key=lambda record: (record["recipe"] == RecipeName.FULL, Version(record["release"])))
    tests = best["tests"]
    mark = "✓" if not tests["failed"] else "✗"
    quick = "" if best["recipe"] == RecipeName.FULL else ", quick"
    counts = f"{tests['passed']} passed" + (f", {tests['failed']} failed" if tests["failed"] else "")
    return f"{mark} {best['release']}{quick}<br>{counts}{_suite(best)}"


def _suite(record: dict[str, Any]) -> str:
    """How CPython's own test suite ended, in test files, where it was run."""
    suite = record.get("regrtest")
    if not suite:
        return ""
    bad = suite["failed"] + suite["recovered"]
    return f"<br>suite: {suite['passed']} files" + (f", {bad} not as expected" if bad else "")
