"""Charts of published sizes and results, drawn by :mod:`bakery.report.svg`, and the page of the results' charts."""

from collections.abc import Sequence

from bakery.benchmarks import AGAINST, COLUMNS, FIRST_LINE, TITLES, BenchmarkResult, notes_of, rows_of, seconds_text
from bakery.platforms import AMD64
from bakery.report.html import templates
from bakery.report.rows import Published, name_of, size_text, variant_of
from bakery.report.svg import Chart, Row, page_charts, svg

INSIDE, WHOLE = "in the container", "docker run"
SHOWN = (INSIDE, WHOLE, FIRST_LINE)  # the figures of a start that tables and charts show
FULL_SIZE = 3  # the official image with compilers is 9 times as large as slim, and would dwarf all others in a chart


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


def store_of(result: BenchmarkResult) -> str:
    """The image store of a result from a fresh engine: ``, overlay2``."""
    return f", {result.settings.fresh_engine}" if result.settings.fresh_engine else ""


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


def benchmark_page(results: Sequence[BenchmarkResult]) -> str:
    """Results of `inv bench` or `inv startup` as one self-contained page: charts, tables and notes."""
    charts = page_charts([chart_of(result) for result in results])
    return templates().get_template("benchmarks.html").render(
        title=f"{TITLES[results[0].kind]} of images" if results else "Results",
        sections=[(image_of(result), chart, result, rows_of(result), notes_of(result))
                  for result, chart in zip(results, charts, strict=True)],
        columns=COLUMNS,
    )  # fmt: skip
