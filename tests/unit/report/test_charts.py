"""Charts as SVG: every figure is in the file as text, positions follow the values, and nothing needs colour."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from msgspec.structs import replace

from bakery.report.charts import chart_files
from bakery.report.published_tables import key_figures, series_table
from bakery.report.rows import Published, read_published
from bakery.report.svg import WIDTH, Chart, Row, lines_of, scale_of, step_of, svg

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"
DOTS = Chart(
    "Speed", "Right of 1x is faster.",
    (Row("mean", 1.2, "1.20x", 1.1, 1.3, "mean"), Row("a<b", 0.9, "0.90x", 0.8, 1.0), Row("one round", 1.1, "1.10x")),
    dots=True,
)  # fmt: skip
BARS = Chart(
    "Size", "MB.", (Row("head"), Row("ours", 10.0, "10 MB", mark=20.0), Row("slim", 20.0, "20 MB", kind="other"))
)


@pytest.fixture(scope="module")
def published() -> Published:
    return read_published(ROOT)


@pytest.mark.parametrize("chart", [DOTS, BARS])
def test_a_screen_reader_gets_a_title_and_every_figure(chart: Chart) -> None:
    root = ET.fromstring(svg(chart))
    title, description = root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc") or ""
    assert title == chart.title
    assert all(f"{row.label}: {row.text}" in description for row in chart.rows if row.value is not None)
    names = {element.get("id") for element in root}
    assert set((root.get("aria-labelledby") or "").split()) <= names
    assert root.get("role") == "img"


def test_positions_follow_the_values_on_one_scale() -> None:
    root = ET.fromstring(svg(BARS))
    ours, other = (float(bar.get("width") or 0) for bar in root.iter(f"{SVG}rect") if bar.get("class"))
    assert ours * 2 == pytest.approx(other, abs=0.2)
    dots = ET.fromstring(svg(DOTS))
    first, second = (float(dot.get("cx") or 0) for dot in dots.iter(f"{SVG}circle"))
    assert first < second
    intervals = [line for line in dots.iter(f"{SVG}line") if line.get("class") == "interval"]
    assert len(intervals) == 2, "a single round has no interval"
    for line in intervals:
        assert 0 <= float(line.get("x1") or -1) < float(line.get("x2") or -1) <= WIDTH


def test_others_differ_from_ours_in_shape_and_both_schemes_have_colours() -> None:
    text = svg(BARS)
    assert "prefers-color-scheme:dark" in text
    assert re.search(r"\.chart \.other\{fill:var\(--paper\)", text), "hollow"


@pytest.mark.parametrize(("span", "step"), [(0.5, 0.1), (44.4, 10), (1030, 500), (0.04, 0.01), (3, 1)])
def test_an_axis_has_round_steps(span: float, step: float) -> None:
    assert step_of(span, 5) == pytest.approx(step)


def test_the_axis_of_ratios_contains_1_and_all_intervals() -> None:
    low, high, _ = scale_of(DOTS)
    assert low <= 0.8 and high >= 1.3
    low, high, _ = scale_of(Chart("", "", (), dots=True))
    assert low <= 1 < high


def test_lines_are_broken_at_spaces() -> None:
    assert lines_of("one two three", 7) == ["one two", "three"]


def test_every_result_has_a_chart_with_its_figures_and_its_text_fits(published: Published) -> None:
    files = chart_files(published)
    for result in published.results:
        text = files[f"{result.stem}.svg"]
        for times in result.benchmarks:
            if result.kind == "bench":
                assert f"{times.name}: {times.ratio:.2f}x" in text
    for name, text in files.items():
        for element in ET.fromstring(text).iter(f"{SVG}text"):
            if element.get("class") in (None, "value"):
                assert len(element.text or "") < 45, f"{name}: {element.text}"


def test_the_key_figures_are_those_of_the_records_with_their_commands(published: Published) -> None:
    record, text = published.featured, key_figures(published)
    assert record
    official, (speed, *_) = published.official(record), published.measured(record, "bench")
    assert official and speed.summary
    assert f"**{record.compressed_bytes / official.compressed_bytes:.2f}x**" in text
    assert f"**{speed.summary.geometric_mean:.3f}x**" in text and f"`{speed.command}`" in text
    for kind in ("bench", "applications", "operations"):
        (result,) = published.measured(record, kind)
        assert result.summary and f"slowest {result.summary.slowest.ratio:.2f}x | `{result.command}`" in text


def test_the_table_of_series_has_a_row_for_each_and_marks_builds_of_trees(published: Published) -> None:
    table = series_table(published)
    assert len(table.splitlines()) == 2 + len(published.catalog.series)
    assert "not built yet" in series_table(Published(published.catalog, (), published.baseline, ()))
    assert key_figures(Published(published.catalog, (), published.baseline, ())) == "Nothing has been measured yet.\n"


def test_the_table_of_series_shows_the_default_target_even_if_another_was_built_later(published: Published) -> None:
    for series in ("3.13", "3.14"):
        record = next(record for record in published.builds(series) if record.target == "bookworm")
        elsewhere = replace(record, target="trixie", built="9999-12-31T00:00:00+00:00")
        both = Published(published.catalog, (record, elsewhere), published.baseline, ())
        assert both.builds(series) == [record, elsewhere]
