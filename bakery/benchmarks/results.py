"""Results of `inv bench` and `inv startup`: their files, tables and notes; statistics.py explains the ratios.

The files are in ``build/bench``, published copies in docs/results; docs/benchmarks.md describes them. Durations are in
seconds, memory is in bytes, times of day are in ISO 8601 (UTC).
"""

import math
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bakery.benchmarks.statistics import estimate, geometric_mean, round_logs
from bakery.display import Column, render
from bakery.errors import ConfigError, reason_of
from bakery.files import write_whole
from bakery.records import Count, FileName, Line, Record, Seconds, Time, json_text
from bakery.regular_files import MEDIUM, read_regular

COLUMNS = (
    Column("benchmark"), Column("reference", right=True), Column("ours", right=True), Column("ratio", right=True),
    Column("95 % interval", "interval", right=True),
)  # fmt: skip
AGAINST = "-against-"  # in the name of a result: followed by an image other than the reference
Kind = Literal["bench", "applications", "operations", "threads", "memory", "startup", "pull"]
OPTIONAL: tuple[Kind, ...] = ("applications", "operations", "threads", "memory")
"""What `inv bench` measures with the option of that name."""
TITLES: dict[Kind, str] = {
    "bench": "Speed", "applications": "Speed of applications", "operations": "Speed of single operations",
    "threads": "Speed of two threads", "memory": "Memory", "startup": "Cold starts",
    "pull": "From pull to the first line",
}  # fmt: skip
FIRST_LINE = "first line"
"""A figure of `inv startup --pull`: the seconds from `docker pull` to the first line of output."""
UNITS = {0: "s", -3: "ms", -6: "us", -9: "ns"}
WIDE = 0.10  # of a ratio: a wider interval is marked in tables and charts
SETTLED = 0.01  # of the geometric mean: rounds are added until its interval is at most as wide (--max-rounds)
NOISY = 0.05  # spread of the times of identical work above which a machine is noisy
BUSY = 0.95  # if our processes had less than this share of the CPU, others used it as well

LARGEST = 1e15
Value = Annotated[float, msgspec.Meta(gt=0, le=LARGEST)]
"""Seconds or bytes."""
Rounds = Annotated[list[Annotated[list[Value], msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class BenchmarkSettings(Record, frozen=True, kw_only=True):
    """The options of a run: ``full`` and ``only`` of `inv bench`; ``fresh_engine`` and ``pull`` of `inv startup`.

    ``fresh_engine`` is an image store; ``pull`` has bandwidths in Mbit/s, 0 for no limit.
    ``against`` is what the user typed; it is left out of comparisons with the reference.
    """

    rounds: Count
    cpu: Count
    clock: Line
    against: Line | msgspec.UnsetType = msgspec.UNSET
    full: bool | msgspec.UnsetType = msgspec.UNSET
    only: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    fresh_engine: FileName | msgspec.UnsetType | None = msgspec.UNSET
    pull: tuple[Count, ...] | msgspec.UnsetType = msgspec.UNSET


class BenchmarkEnvironment(Record, frozen=True, kw_only=True):
    """The machine and the software of a run; ``cpu`` is the number of the CPU that it was pinned to.

    ``noise_wall`` and ``noise_cpu``: the spread of the times of identical work before the run (benchmarks/quiet.py).
    """

    cpu_model: Line
    cpus: Count
    cpu: Count
    memory_bytes: Count
    kernel: str
    engine: str
    storage: Line
    bakery: str
    pyperformance: str = ""
    pyperf: str = ""
    noise_wall: Share = 0.0
    noise_cpu: Share = 0.0


class MeasuredImage(Record, frozen=True, kw_only=True):
    """An image, its ID in the engine, and its interpreter: ``python`` is the release, ``build`` is ``sys.version``.

    ``cpu_share`` is the CPU time of all its processes divided by their wall time.
    """

    image: Line
    id: str
    created: str | None
    python: Line = ""
    build: str = ""
    cpu_share: Share | None = None


class MeasuredImages(Record, frozen=True, kw_only=True):
    """The two images of a comparison."""

    ours: MeasuredImage
    reference: MeasuredImage


def is_wide(ratio: float, low: float | None, high: float | None, limit: float = WIDE) -> bool:
    """Whether the interval of a ratio is wider than ``limit``, as a share of the ratio; false after a single round."""
    return low is not None and high is not None and high - low > limit * ratio


class NamedRatio(Record, frozen=True, kw_only=True):
    """Time of the reference / time of ours, with its 95 % interval (``None`` after a single round)."""

    name: Line
    ratio: Ratio
    low: Ratio | None
    high: Ratio | None


class BenchmarkTimes(Record, frozen=True, kw_only=True):
    """The values of a benchmark (seconds, or bytes), a list for each round, and their ratio as in :class:`NamedRatio`.

    ``benchmark`` is pyperformance's name of the script and ``loops`` the number of loops in each value.
    """

    name: Line
    benchmark: str = ""
    loops: Count = 0
    ours: Rounds
    reference: Rounds
    ratio: Ratio
    low: Ratio | None
    high: Ratio | None

    @property
    def medians(self) -> tuple[float, float]:
        """The typical value of ours and of the reference: the median over the rounds."""
        ours, reference = (statistics.median(min(values) for values in side) for side in (self.ours, self.reference))
        return ours, reference


class BenchmarkSummary(Record, frozen=True, kw_only=True):
    """The geometric mean of all ratios with its 95 % interval, and the benchmark with the lowest ratio."""

    count: Count
    geometric_mean: Ratio
    low: Ratio | None
    high: Ratio | None
    slowest: NamedRatio


class BenchmarkResult(Record, frozen=True, kw_only=True):
    """A comparison of two images; :data:`TITLES` says what each kind measures.

    ``seconds`` is the duration of the run; ``left_out`` has the reason for each benchmark that was not measured.
    Cold starts (``startup``, ``pull``) have no ``summary``. Only they have ``commands`` and ``instructions`` (of each
    command in ours and in the reference). ``pulled_bytes`` is what a registry sends for each image.
    """

    schema: Literal[1]
    kind: Kind
    name: FileName
    created: Time
    seconds: Seconds
    settings: BenchmarkSettings
    environment: BenchmarkEnvironment
    images: MeasuredImages
    commands: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    pulled_bytes: dict[str, Count] = msgspec.field(default_factory=dict)
    benchmarks: list[BenchmarkTimes]
    left_out: dict[str, str]
    instructions: dict[str, Annotated[list[Count], msgspec.Meta(min_length=2, max_length=2)]] = msgspec.field(
        default_factory=dict
    )
    summary: BenchmarkSummary | None

    @property
    def stem(self) -> str:
        """The name of its file without ``.json``; a result from a fresh engine ends with the image store."""
        return "-".join(part for part in (self.kind, self.name, self.settings.fresh_engine) if part)

    @property
    def format_value(self) -> Callable[[float], str]:
        """The function that formats a value: as seconds or as bytes."""
        return bytes_text if self.kind == "memory" else seconds_text

    @property
    def command(self) -> str:
        """The command that measures this again; options that have their default value are left out."""
        settings = self.settings
        image = re.sub("-(amd64|arm64)$", "", self.name.partition(AGAINST)[0])
        version, _, rest = image.replace("-local", "").partition("-")
        if "-local" in image:  # its release need not be pinned: --version is the series, the release is the tree's
            version = re.sub(r"^(\d+\.\d+)\..*?(t?)$", r"\1\2", version)
        variant, _, target = rest.rpartition("-")
        verb = "startup" if self.kind in ("startup", "pull") else "bench"
        words = [f"inv {verb} --version={version} --target={target}", f"--rounds={settings.rounds}"]
        words += [f"--{self.kind}"] if self.kind in OPTIONAL else []
        words += [f"--pull={','.join(map(str, settings.pull))}"] if settings.pull else []
        words += [f"--variant={variant}"] if variant else []
        words += ["--source=PATH"] if "-local" in image else []
        words += [f"--against={settings.against}"] if settings.against else []
        words += ["--clock=cpu"] if settings.clock == "cpu" and verb == "bench" else []
        if store := settings.fresh_engine:
            words.append("--fresh-engine" + ("" if store == "containerd" else f"={store}"))
        return " ".join(words)


def bytes_text(number: float) -> str:
    """Millions of bytes: ``12.3 MB``."""
    return f"{number / 1e6:.1f} MB"


def seconds_text(seconds: float) -> str:
    """Three digits and a unit: ``12.3 ms``, ``1.23 s``, ``456 us``."""
    exponent = math.floor(math.log10(float(f"{seconds:.3g}")))
    power = max(-9, min(0, exponent - exponent % 3))
    return f"{seconds / 10**power:.{max(0, 2 - exponent + power)}f} {UNITS[power]}"


def times_of(
    name: str, ours: list[list[float]], reference: list[list[float]], benchmark: str = "", loops: int = 0
) -> BenchmarkTimes:
    """The values of one benchmark with their ratio; both lists have a list for each round, in the same order."""
    ratio = estimate(round_logs(ours, reference))
    return BenchmarkTimes(
        name=name, benchmark=benchmark, loops=loops, ours=ours, reference=reference,
        ratio=ratio.ratio, low=ratio.low, high=ratio.high,
    )  # fmt: skip


def summary_of(benchmarks: Sequence[BenchmarkTimes]) -> BenchmarkSummary:
    """The geometric mean of ``benchmarks`` and the slowest of them."""
    mean = geometric_mean({times.name: round_logs(times.ours, times.reference) for times in benchmarks})
    slowest = min(benchmarks, key=lambda times: times.ratio)
    return BenchmarkSummary(
        count=len(benchmarks), geometric_mean=mean.ratio, low=mean.low, high=mean.high,
        slowest=NamedRatio(name=slowest.name, ratio=slowest.ratio, low=slowest.low, high=slowest.high),
    )  # fmt: skip


def _ratio_cells(ratio: float, low: float | None, high: float | None) -> dict[str, str | None]:
    """``1.234x`` and ``1.220 to 1.241``; no interval after a single round."""
    interval = None if low is None or high is None else f"{low:.3f} to {high:.3f}"
    interval = f"{interval} (wide)" if is_wide(ratio, low, high) else interval
    return {"ratio": f"{ratio:.3f}x", "interval": interval}


def rows_of(result: BenchmarkResult) -> list[dict[str, str | None]]:
    """A row for each benchmark, then the geometric mean; times are medians over the rounds."""
    rows = [
        {
            "benchmark": times.name,
            **dict(zip(("ours", "reference"), map(result.format_value, times.medians), strict=True)),
            **_ratio_cells(times.ratio, times.low, times.high),
        }
        for times in result.benchmarks
    ]  # fmt: skip
    if mean := result.summary:
        rows.append({"benchmark": "geometric mean", **_ratio_cells(mean.geometric_mean, mean.low, mean.high)})
    return rows


def notes_of(result: BenchmarkResult) -> list[str]:
    """What a reader has to know about the table, one note per item."""
    settings, environment, ours, reference = (
        result.settings, result.environment, result.images.ours, result.images.reference,
    )  # fmt: skip
    what, verb = ("memory", "needs less") if result.kind == "memory" else ("time", "is faster")
    notes = [f"Ratio: {what} of {reference.image} / {what} of {ours.image}. Above 1, ours {verb}."]
    if result.summary and result.kind != "memory":
        notes.append(f"Slowest: {result.summary.slowest.name}, {result.summary.slowest.ratio:.3f}x.")
    if wide := sum(is_wide(times.ratio, times.low, times.high) for times in result.benchmarks):
        notes.append(
            f"Wide intervals, over {WIDE:.0%} of the ratio: {wide} of {len(result.benchmarks)} results. "
            "Do not rely on these results individually; more rounds narrow the intervals."
        )
    place = f"{environment.cpus} CPUs" if settings.pull or result.kind == "threads" else f"CPU {environment.cpu}"
    notes.append(
        f"{settings.rounds} round{'s' if settings.rounds > 1 else ''} on {place} "
        f"({environment.cpu_model}), {settings.clock} clock, "
        f"Python {ours.python} against {reference.python}, {result.created}."
    )
    if environment.noise_wall:
        notes.append(
            f"Before the run, identical work varied by {environment.noise_wall:.1%} in wall time and "
            f"{environment.noise_cpu:.1%} in CPU time."
        )
    if result.pulled_bytes:
        sizes = ", ".join(f"{side} {size / 1e6:.1f} MB" for side, size in result.pulled_bytes.items())
        notes.append(f"Pulled from a registry on loopback into an empty engine ({environment.storage}): {sizes}.")
    elif settings.fresh_engine:
        notes.append(f"Measured in a fresh engine that holds only the two images ({environment.storage}).")
    if result.instructions:
        counts = [
            f"{name} {first / 1e6:.1f} against {second / 1e6:.1f}"
            for name, (first, second) in result.instructions.items()
        ]
        notes.append(f"Millions of instructions in user mode, by valgrind: {', '.join(counts)}.")
    shares = (ours.cpu_share, reference.cpu_share)
    wall_time_on_one_cpu = settings.clock == "wall" and result.kind not in ("memory", "threads")
    if wall_time_on_one_cpu and any(share is not None and share < BUSY for share in shares):
        notes.append(
            f"Other processes used the CPU: ours ran {shares[0]:.0%} of the time and the reference {shares[1]:.0%}. "
            "--clock=cpu measures CPU time instead."
        )
    return notes + [f"Left out: {name}: {reason.rstrip('.')}." for name, reason in result.left_out.items()]


def markdown(result: BenchmarkResult) -> str:
    """The table and its notes as a page."""
    notes = "".join(f"\n{note}\n" for note in notes_of(result))
    return f"# {TITLES[result.kind]} of {result.name}\n\n{render(rows_of(result), COLUMNS, 'markdown')}{notes}"


def save(folder: Path, result: BenchmarkResult) -> Path:
    """Write ``KIND-NAME.json`` in ``folder`` and, next to it, its page (``.md``); return the path of the result.

    The name of a result from a fresh engine ends with the image store, so that each store keeps its result.
    """
    file = folder / f"{result.stem}.json"
    write_whole(file, json_text(result))
    write_whole(file.with_suffix(".md"), markdown(result))
    return file


def _require_own_figures(result: BenchmarkResult) -> None:
    """Raise :exc:`ValueError` unless the ratios and the summary of ``result`` are those of its rounds."""
    for times in result.benchmarks:
        ratio = math.exp(statistics.median(round_logs(times.ours, times.reference)))
        low, high = (ratio if end is None else end for end in (times.low, times.high))
        if not (math.isclose(times.ratio, ratio, rel_tol=1e-6) and low <= times.ratio <= high):
            raise ValueError(f"the ratio of {times.name} is {times.ratio}; its rounds give {ratio}")
    if result.summary:
        stated, own = (
            (mean.count, mean.slowest.name, *(f"{end or 0:.6g}" for end in (mean.geometric_mean, mean.low, mean.high)))
            for mean in (result.summary, summary_of(result.benchmarks))
        )
        if stated != own:
            raise ValueError(f"its summary says {stated}; its rounds give {own}")


def read_results(folder: Path) -> list[BenchmarkResult]:
    """All results in ``folder``, in the order of their file names; :exc:`ConfigError` if a file is not valid."""
    results = []
    for file in sorted(folder.glob("*.json")):
        try:
            result = msgspec.json.decode(read_regular(file, MEDIUM), type=BenchmarkResult)
            if result.stem != file.stem:
                raise ValueError(f"it is the result {result.stem}, which has another name")
            _require_own_figures(result)
            results.append(result)
        except (OSError, ValueError, RecursionError) as error:
            hint = "`inv bench` and `inv startup` write these files."
            problem = f"{file}: expected a result of a benchmark: {reason_of(error)}"
            raise ConfigError(problem, hint=hint) from None
    return results
