"""README's table of tested builds."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import Version

from bakery.catalog import Catalog, Platform, RecipeName, Series, Target
from bakery.records import BuildRecord, SuiteRun

__all__ = ["status_table"]

NOT_BUILT = "not yet built"


def status_table(catalog: Catalog, records: Sequence[BuildRecord], platform: Platform) -> str:
    """Markdown: a row for each series, a column for each target, with the tested builds of the default variant.

    Records that are older than variants do not name theirs; they are of the default one.
    """
    heads = ["", *(f"{target.name}<br>{target.family} {target.version}" for target in catalog.targets)]
    lines = [heads, ["---"] * len(heads)]
    for series in catalog.series:
        state = f"**{series.name}**<br>{series.status}, {series.until}"
        variant = catalog.default_variant.name
        lines.append([state, *(_cell(series, target, variant, records, platform) for target in catalog.targets)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(series: Series, target: Target, variant: str, records: Sequence[BuildRecord], platform: Platform) -> str:
    own = [
        record
        for record in records
        if (record.series, record.target, record.platform) == (series.name, target.name, platform)
        and (record.variant or variant) == variant
        and record.tests
    ]
    if not own:
        return NOT_BUILT
    best = max(own, key=lambda record: (record.recipe is RecipeName.FULL, Version(record.release)))
    assert best.tests is not None
    mark = "✓" if not best.tests.failed else "✗"
    quick = "" if best.recipe is RecipeName.FULL else ", quick"
    counts = f"{best.tests.passed} passed" + (f", {best.tests.failed} failed" if best.tests.failed else "")
    return f"{mark} {best.release}{quick}<br>{counts}{_suite(best.regrtest)}"


def _suite(run: SuiteRun | None) -> str:
    """The result of CPython's own test suite in test files; empty if it was not run."""
    if run is None:
        return ""
    bad = run.failed + run.recovered
    return f"<br>suite: {run.passed} files" + (f", {bad} not as expected" if bad else "")
