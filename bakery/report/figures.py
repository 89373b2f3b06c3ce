"""The figures that README, docs/ and the site show, from the published records: short tables, and charts in SVG."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bakery.benchmarks import (
    AGAINST,
    COLUMNS,
    FIRST_LINE,
    TITLES,
    BenchmarkResult,
    markdown,
    notes_of,
    rows_of,
    seconds_text,
)
from bakery.platforms import AMD64
from bakery.report.html import templates
from bakery.report.rows import Published, is_tree, name_of, size_text, variant_of
from bakery.report.svg import Chart, Row, page_charts, svg

IMPORTS = "imports"  # the cold start that README shows: six imports in a new container
PARTS = {
    "bench": ("speed", "slowest"), "applications": ("applications", "slowest"),
    "operations": ("operations", "slowest"), "threads": ("threads", "slowest"), "memory": ("memory", "ours, reference"),
    "startup": ("startup", "ours, reference"), "pull": ("pull", "ours, reference"),
    "peers": ("peers", "slowest; ours, reference"),
}  # fmt: skip
"""The parts of docs/figures.md by kind of result: the name of its markers and the heading of a column."""
HEADS = ("image", "measured", "ratio (95 % interval)")
INSIDE, WHOLE = "in the container", "docker run"
SHOWN = (INSIDE, WHOLE, FIRST_LINE)  # the figures of a start that tables and charts show
TABLE = "| {} |\n".format
FULL_SIZE = 3  # the official image with compilers is 9 times as large as slim, and would dwarf all others in a chart


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> str:
    """A table in Markdown; columns whose letter in ``right`` is ``r`` are aligned right."""
    rules = ["---:" if letter == "r" else "---" for letter in right.ljust(len(heads))]
    return "".join(TABLE(" | ".join(cells)) for cells in (heads, rules, *rows))


def ratio_text(ratio: float, low: float | None, high: float | None, digits: int = 2) -> str:
    """``1.27x (1.27 to 1.28)``; no interval after a single round."""
    interval = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{ratio:.{digits}f}x{interval}"


def image_of(result: BenchmarkResult) -> str:
    """The measured image in prose: ``3.13.15-bookworm on amd64``, ``3.14.7-bookworm on amd64 (source tree)``.

    An image other than the reference is named: ``3.11.2-bookworm on amd64 against debian/python:bookworm``.
    """
    name, _, platform = result.name.partition(AGAINST)[0].rpartition("-")
    if platform not in ("amd64", "arm64"):  # a pair of any images
        return result.name
    other = f" against {result.images.reference.image}" if is_peer(result) else ""
    return f"{name.replace('-local', '')} on {platform}{' (source tree)' if '-local' in name else ''}{other}"


def is_peer(result: BenchmarkResult) -> bool:
    """Whether an image was compared with one other than the official recipe's."""
    return AGAINST in result.name


def summaries_chart(results: Sequence[BenchmarkResult]) -> Chart | None:
    """The geometric mean of each image's benchmarks; ``None`` if none was measured."""
    rows, results = [], [result for result in results if result.kind == "bench" and not is_peer(result)]
    for result in sorted(results, key=lambda result: -(result.summary.geometric_mean if result.summary else 0)):
        if mean := result.summary:
            text = ratio_text(mean.geometric_mean, mean.low, mean.high, 3)
            rows.append(Row(image_of(result), mean.geometric_mean, text, mean.low, mean.high))
    caption = (
        "Speed of each image as a multiple of the official recipe's, built on the same machine from the same release: "
        "geometric mean of pyperformance with its 95 % interval. Right of 1x is faster."
    )
    return Chart("Speed compared with the official recipe", caption, tuple(rows), dots=True) if rows else None


def speed_chart(result: BenchmarkResult) -> Chart:
    """Every benchmark of a result, fastest first, with its interval, and the geometric mean on top."""
    rows = [
        Row(times.name, times.ratio, ratio_text(times.ratio, times.low, times.high), times.low, times.high)
        for times in sorted(result.benchmarks, key=lambda times: -times.ratio)
    ]
    if mean := result.summary:
        text = ratio_text(mean.geometric_mean, mean.low, mean.high, 3)
        rows.insert(0, Row("geometric mean", mean.geometric_mean, text, mean.low, mean.high, "mean"))
    what, best = ("memory", "smaller") if result.kind == "memory" else ("time", "faster")
    caption = (
        f"{'pyperformance in ' if result.kind == 'bench' else ''}{result.images.ours.image}: the {what} of "
        f"{result.images.reference.image} divided by ours, with 95 % intervals of {result.settings.rounds} rounds. "
        f"Right of 1x is {best}."
    )
    return Chart(f"{TITLES[result.kind]} of {image_of(result)}", caption, tuple(rows), dots=True)


def startup_chart(result: BenchmarkResult) -> Chart:
    """The time of each cold start: ours and the reference's, in milliseconds."""
    rows: list[Row] = []
    reference_name = result.images.reference.image if is_peer(result) else "official recipe"
    for times in result.benchmarks:
        command, _, figure = times.name.rpartition(", ")
        if figure in SHOWN:
            ours, reference = times.medians
            rows += [
                Row(f"{command}, {figure}: {ratio_text(times.ratio, times.low, times.high)}"),
                Row("ours", ours * 1000, seconds_text(ours)),
                Row(reference_name, reference * 1000, seconds_text(reference), kind="other"),
            ]
    store = f", image store {result.environment.storage}" if result.settings.fresh_engine else ""
    what = "from `docker pull` to Python's first line" if result.kind == "pull" else "in a new container"
    caption = f"Milliseconds {what}, median of {result.settings.rounds} rounds{store}. Shorter is better."
    return Chart(f"{TITLES[result.kind]} of {image_of(result)}", caption, tuple(rows))


def chart_of(result: BenchmarkResult) -> Chart:
    """The chart of a result."""
    return startup_chart(result) if result.kind in ("startup", "pull") else speed_chart(result)


def sizes_chart(published: Published) -> Chart | None:
    """Compressed sizes of all variants of the featured series next to other images of the series that are recorded."""
    if not (featured := published.featured):
        return None
    official = published.official(featured)
    places = {"series": featured.series, "target": featured.target, "platform": featured.platform}
    builds = {variant_of(record): record for record in reversed(published.builds(**places))}
    rows = [
        Row(f"ours, {name}", record.compressed_bytes / 1e6, size_text(record.compressed_bytes))
        for name, record in builds.items()
    ]
    most = FULL_SIZE * (official.compressed_bytes if official else featured.compressed_bytes)
    rows += [
        Row(image.reference, image.compressed_bytes / 1e6, size_text(image.compressed_bytes), kind="other")
        for (_, platform), image in published.baseline.items()
        if platform == featured.platform and image.compressed_bytes <= most
        and image.release.rpartition(".")[0] == featured.series
    ]  # fmt: skip
    rows.sort(key=lambda row: row.value or 0)
    caption = "Megabytes to pull on amd64, from the manifests. Filled: ours. Hollow: other images, as recorded."
    return Chart(f"Size of Python {featured.series} images", caption, tuple(rows))


def all_sizes_chart(published: Published) -> Chart | None:
    """The compressed size of every image, with a mark at the official image's."""
    rows = []
    builds = {record.image: record for record in reversed(published.builds(platform=AMD64))}
    for record in sorted(builds.values(), key=lambda record: (record.version, record.image)):
        official = published.official(record)
        size, other = record.compressed_bytes, official.compressed_bytes if official else None
        text = size_text(size, other)
        rows.append(Row(name_of(record), size / 1e6, text, mark=other / 1e6 if other else None))
    caption = "Megabytes to pull on amd64. The mark is the recorded python:X-slim of the same series and distribution."
    return Chart("Size of every image", caption, tuple(rows)) if rows else None


def chart_files(published: Published) -> dict[str, str]:
    """The charts in docs/images: the text of each file by its name."""
    charts = {
        "sizes": sizes_chart(published),
        "sizes-all": all_sizes_chart(published),
        "speed": summaries_chart(published.results),
    }
    for result in published.results:
        charts[result.stem] = chart_of(result)
    return {f"{name}.svg": svg(chart) for name, chart in charts.items() if chart}


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
                ours, reference = map(seconds_text, times.medians)
                rows.append(
                    KeyFigure(
                        about, ratio, f"{interval}; {ours} instead of {reference}".removeprefix("; "), starts.command
                    )
                )
    return rows


def result_pages(published: Published) -> dict[str, str]:
    """The pages of results in docs/results: the text of each file by its name."""
    return {f"{result.stem}.md": markdown(result) for result in published.results}


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


def store_of(result: BenchmarkResult) -> str:
    """The image store of a result from a fresh engine: ``, overlay2``."""
    return f", {result.settings.fresh_engine}" if result.settings.fresh_engine else ""


def benchmark_page(results: Sequence[BenchmarkResult]) -> str:
    """Results of `inv bench` or `inv startup` as one self-contained page: charts, tables and notes."""
    charts = page_charts([chart_of(result) for result in results])
    return templates().get_template("benchmarks.html").render(
        title=f"{TITLES[results[0].kind]} of images" if results else "Results",
        sections=[(image_of(result), chart, result, rows_of(result), notes_of(result))
                  for result, chart in zip(results, charts, strict=True)],
        columns=COLUMNS,
    )  # fmt: skip
