"""The short tables of README, docs/ and the site: sizes and results, from the published records."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bakery.platforms import AMD64
from bakery.report.charts import INSIDE, SHOWN, WHOLE, image_of, is_peer, ratio_text, store_of
from bakery.report.rows import Published, is_tree, name_of, size_text, variant_of

IMPORTS = "imports"  # the cold start that README shows: six imports in a new container
PARTS = {
    "bench": ("speed", "slowest"), "applications": ("applications", "slowest"),
    "operations": ("operations", "slowest"), "threads": ("threads", "slowest"), "memory": ("memory", "ours, reference"),
    "startup": ("startup", "ours, reference"), "pull": ("pull", "ours, reference"),
    "peers": ("peers", "slowest; ours, reference"),
}  # fmt: skip
"""The parts of docs/figures.md by kind of result: the name of its markers and the heading of a column."""
HEADS = ("image", "measured", "ratio (95 % interval)")
TABLE = "| {} |\n".format


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> str:
    """A table in Markdown; columns whose letter in ``right`` is ``r`` are aligned right."""
    rules = ["---:" if letter == "r" else "---" for letter in right.ljust(len(heads))]
    return "".join(TABLE(" | ".join(cells)) for cells in (heads, rules, *rows))


class KeyFigure(NamedTuple):
    """A figure of the featured image: what it is, the ratio, what it was measured against, and the command."""

    about: str
    ratio: str
    detail: str
    command: str


def key_rows(published: Published) -> list[KeyFigure]:
    """Size, speed and cold start of the featured image; empty if there is none."""
    if not (record := published.featured):
        return []
    (speed, *_), (starts, *_) = (published.measured(record, kind) for kind in ("bench", "startup"))
    rows = []
    if official := published.official(record):
        share = f"{record.compressed_bytes / official.compressed_bytes:.2f}x"
        detail = f"{size_text(record.compressed_bytes)} instead of {size_text(official.compressed_bytes)}"
        detail += f" ({official.reference})"
        rows.append(KeyFigure("size to pull", share, detail, f"inv compare --version={record.release}"))
    programs = (result for kind in ("applications", "operations") for result in published.measured(record, kind))
    for result in (speed, *programs):
        about = f"speed, {'pyperformance' if result.kind == 'bench' else result.kind}"
        if mean := result.summary:
            ratio, _, interval = ratio_text(mean.geometric_mean, mean.low, mean.high, 3).partition(" ")
            detail = f"{interval}; {mean.count} benchmarks, slowest {mean.slowest.ratio:.2f}x".removeprefix("; ")
            rows.append(KeyFigure(about, ratio, detail, result.command))
    for figure, about in ((INSIDE, "cold start, six imports"), (WHOLE, "six imports, whole docker run")):
        for times in starts.benchmarks:
            if times.name == f"{IMPORTS}, {figure}":
                ratio, _, interval = ratio_text(times.ratio, times.low, times.high, 1).partition(" ")
                ours, reference = map(starts.format_value, times.medians)
                rows.append(
                    KeyFigure(
                        about, ratio, f"{interval}; {ours} instead of {reference}".removeprefix("; "), starts.command
                    )
                )
    return rows


def key_figures(published: Published) -> str:
    """Markdown: :func:`key_rows` as a table."""
    if not (record := published.featured):
        return "Nothing has been measured yet.\n"
    rows = [[row.about, f"**{row.ratio}** {row.detail}", f"`{row.command}`"] for row in key_rows(published)]
    return markdown_table([f"{name_of(record)}, amd64", "compared with the official image", "command"], rows)


def series_table(published: Published) -> str:
    """Markdown: a row for each series with its best default image and what was measured of it; for README."""
    rows = []
    for series in published.catalog.series:
        builds = published.builds(series.name, platform=AMD64)
        tested = {record.target: "" for record in builds if record.tests and not record.tests.failed}
        default = next((record for record in builds if variant_of(record) == "default"), None)
        if not default:
            rows.append([f"`{series.name}`", series.default.release, "not built yet", "", "", ""])
            continue
        targets = [target.name for target in published.catalog.targets if target.name in tested]
        bench = next((result for record in builds for result in published.measured(record, "bench")), None)
        minimal = next((record for record in builds if variant_of(record) == "minimal"), None)
        official = published.official(default)
        other = official.compressed_bytes if official else None
        rows.append([
            f"`{series.name}`", default.release + (" (source tree)" if is_tree(default) else ""),
            ", ".join(targets) or "tests failed", size_text(default.compressed_bytes, other),
            size_text(minimal.compressed_bytes) if minimal else "",
            f"{bench.summary.geometric_mean:.3f}x" if bench and bench.summary else "",
        ])  # fmt: skip
    heads = ["tag", "release built", "built and tested on", "size, ratio to `python:X-slim`", "`X-minimal`", "speed"]
    return markdown_table(heads, rows, "   rrr")


def measured_tables(published: Published) -> dict[str, str]:
    """Markdown by part of docs/figures.md: what was measured of every image, with a chart for each result."""
    rows: dict[str, list[list[str]]] = {part: [] for part in PARTS}
    charts = dict.fromkeys(PARTS, "")
    for result in published.results:
        part, command = "peers" if is_peer(result) else result.kind, f"`{result.command}`"
        chart = f"![{image_of(result)}: chart](images/{result.stem}.svg)"
        details = f"<details><summary>{image_of(result)}{store_of(result)}</summary>\n\n{chart}\n\n</details>\n\n"
        charts[part] += details
        link = f"[{image_of(result)}](results/{result.stem}.md){store_of(result)}"
        if (mean := result.summary) and result.kind != "memory":
            text = ratio_text(mean.geometric_mean, mean.low, mean.high, 3)
            slowest = f"{mean.slowest.name} {mean.slowest.ratio:.2f}x"
            rows[part].append([link, f"{mean.count} benchmarks", text, slowest, command])
            continue
        for times in result.benchmarks:
            if result.kind == "memory" or times.name.rpartition(", ")[2] in SHOWN:
                ours, reference = map(result.format_value, times.medians)
                text, both = ratio_text(times.ratio, times.low, times.high), f"{ours} instead of {reference}"
                rows[part].append([link, times.name, text, both, command])
    return {
        name: f"{markdown_table([*HEADS, head, 'command'], rows[part])}\n{charts[part]}"
        for part, (name, head) in PARTS.items()
    }
