"""Results of `inv bench` and `inv startup`: the files in ``build/bench``, and published copies in docs/results.

docs/benchmarks.md describes the file. Durations are in seconds, times of day in ISO 8601 (UTC).
"""

from pathlib import Path
from typing import Literal

import msgspec

from bakery.files import write_whole
from bakery.records.builds import Record, json_text


class BenchmarkSettings(Record, frozen=True, kw_only=True):
    """The options of a run: ``full`` and ``only`` of `inv bench`; ``fresh_engine`` of `inv startup`, an image store."""

    rounds: int
    cpu: int
    clock: str
    full: bool | msgspec.UnsetType = msgspec.UNSET
    only: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    fresh_engine: str | msgspec.UnsetType | None = msgspec.UNSET


class BenchmarkEnvironment(Record, frozen=True, kw_only=True):
    """The machine and the software of a run; ``cpu`` is the number of the CPU that it was pinned to."""

    cpu_model: str
    cpus: int
    cpu: int
    memory_bytes: int
    kernel: str
    engine: str
    storage: str
    bakery: str
    pyperformance: str = ""
    pyperf: str = ""


class MeasuredImage(Record, frozen=True, kw_only=True):
    """An image, its ID in the engine, and its interpreter: ``python`` is the release, ``build`` is ``sys.version``.

    ``cpu_share`` is the CPU time of all its processes divided by their wall time.
    """

    image: str
    id: str
    created: str | None
    python: str = ""
    build: str = ""
    cpu_share: float | None = None


class MeasuredImages(Record, frozen=True, kw_only=True):
    """The two images of a comparison."""

    ours: MeasuredImage
    reference: MeasuredImage


class NamedRatio(Record, frozen=True, kw_only=True):
    """Time of the reference / time of ours, with its 95 % interval (``None`` after a single round)."""

    name: str
    ratio: float
    low: float | None
    high: float | None


class BenchmarkTimes(Record, frozen=True, kw_only=True):
    """The values of a benchmark, a list for each round, and their ratio as in :class:`NamedRatio`.

    ``benchmark`` is pyperformance's name of the script and ``loops`` the number of loops in each value.
    """

    name: str
    benchmark: str = ""
    loops: int = 0
    ours: list[list[float]]
    reference: list[list[float]]
    ratio: float
    low: float | None
    high: float | None


class BenchmarkSummary(Record, frozen=True, kw_only=True):
    """The geometric mean of all ratios with its 95 % interval, and the benchmark with the lowest ratio."""

    count: int
    geometric_mean: float
    low: float | None
    high: float | None
    slowest: NamedRatio


class BenchmarkResult(Record, frozen=True, kw_only=True):
    """A comparison of two images: their speed (``bench``) or their cold starts (``startup``).

    ``seconds`` is the duration of the run, ``left_out`` has the reason for each benchmark that was not measured.
    Only cold starts have ``commands``, and only speed has a ``summary``.
    """

    schema: Literal[1]
    kind: Literal["bench", "startup"]
    name: str
    created: str
    seconds: float
    settings: BenchmarkSettings
    environment: BenchmarkEnvironment
    images: MeasuredImages
    commands: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    benchmarks: list[BenchmarkTimes]
    left_out: dict[str, str]
    summary: BenchmarkSummary | None


def write_result(folder: Path, result: BenchmarkResult) -> Path:
    """Write ``KIND-NAME.json`` in ``folder`` and return its path.

    The name of a result from a fresh engine ends with the image store, so that each store keeps its result.
    """
    parts = (result.kind, result.name, result.settings.fresh_engine)
    file = folder / ("-".join(part for part in parts if part) + ".json")
    write_whole(file, json_text(result))
    return file
