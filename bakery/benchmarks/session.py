"""What benchmarks of speed and of cold starts share: options, images, interpreters, and the result of a run."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bakery import __version__
from bakery.benchmarks.results import (
    AGAINST,
    COLUMNS,
    NOISY,
    OPTIONAL,
    BenchmarkEnvironment,
    BenchmarkResult,
    BenchmarkSettings,
    BenchmarkTimes,
    Kind,
    MeasuredImage,
    MeasuredImages,
    notes_of,
    rows_of,
    save,
    summary_of,
)
from bakery.catalog import LABELS, Catalog, Image, RecipeName, references, require_match
from bakery.display import Display, Report, duration
from bakery.engine import Container, Engine, require_embedded
from bakery.errors import BakeryError, BuildError, InputError
from bakery.files import disk_full, locked
from bakery.options import Measuring
from bakery.redaction import shorten
from bakery.workspace import Workspace

SIDES = ("ours", "reference")
PROGRAMS = Path(__file__).resolve().parents[2] / "benchmarks"  # programs that run in containers


@dataclass(frozen=True)
class Pair:
    """Two image references and their result's name. A missing image is pulled unless a hint says how to build it.

    ``images`` are those that were built here, ``None`` for an image that the user named.
    """

    name: str
    ours: str
    reference: str
    ours_hint: str = ""
    reference_hint: str = ""
    images: tuple[Image | None, Image | None] = (None, None)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the containers that measure the pair."""
        return {f"{LABELS}.measuring": self.name}


def pair_of(catalog: Catalog, image: Image, ours: str | None, against: str | None) -> Pair:
    """``image`` and its reference image. ``ours`` and ``against`` replace either of them."""
    official = replace(image, recipe=RecipeName.REFERENCE)
    return Pair(
        _file_name(image.slug, against) if against else image.slug,
        ours or references(catalog, image)[0],
        against or references(catalog, official)[0],
        "" if ours else f"Build it first: inv build {image.selection}",
        "" if against else f"Build it first: inv reference {image.selection}",
        (None if ours else image, None if against else official),
    )


def pairs_of(catalog: Catalog, images: Sequence[Image], ours: str | None, against: Sequence[str | None]) -> list[Pair]:
    """:func:`pair_of` for each of ``images``, with what it is measured ``against``."""
    return [pair_of(catalog, image, ours, other) for image, other in zip(images, against, strict=True)]


def free_pair(catalog: Catalog, ours: str, reference: str) -> Pair:
    """Two images of any origin; :exc:`InputError` if ``reference`` names a family, whose Python is built on a base."""
    if reference in {target.family for target in catalog.targets}:
        hint = f"Add --version and --target, or give an image: --against={reference}:TAG."
        raise InputError(f"--against={reference}, the distribution's own Python, needs a target", hint=hint)
    return Pair(_file_name(ours, reference), ours, reference)


def _file_name(ours: str, reference: str) -> str:
    """A file name for a comparison with ``reference``, as the user named it."""
    names = (re.sub(r"[^A-Za-z0-9.]+", "-", name.partition("@")[0]).strip("-") for name in (ours, reference))
    return AGAINST.join(names)


@dataclass(frozen=True)
class Python:
    """An interpreter and its machine. Interpreters with the same ``key`` can share installed packages and byte code."""

    key: str
    series: str
    version: str
    full: str
    cpu_model: str
    kernel: str


def python_of(container: Container, reference: str) -> Python:
    """The interpreter in a container of ``reference``; :exc:`BuildError` if it does not start."""
    result = container.run(["python3", "-c", (PROGRAMS / "probe.py").read_text(encoding="utf-8")])
    if result.code:
        raise BuildError(f"{reference}: python3 does not start: {result.output.strip()}")
    try:
        return msgspec.json.decode(result.stdout, type=Python)
    except (ValueError, RecursionError):
        printed = shorten(result.stdout.strip(), 200)
        raise BuildError(f"{reference}: python3 printed more than its version, such as {printed!r}") from None


def require_usable(engine: Engine, settings: Measuring) -> None:
    """Raise :exc:`InputError` if ``engine`` cannot measure with ``settings``; for use before an image is built."""
    if settings.threads and engine.info.cpus < 2:
        raise InputError("--threads needs two CPUs, and the engine's machine has one")
    if settings.cpu is not None and settings.cpu >= engine.info.cpus:
        raise InputError(f"--cpu={settings.cpu}: the engine's machine has CPUs 0 to {engine.info.cpus - 1}")
    if settings.fresh_engine or settings.pull:
        require_embedded(engine)


@dataclass
class Session:
    """A run that compares the images of ``pair`` in ``engine``; raises as :func:`require_usable`."""

    workspace: Workspace
    engine: Engine
    pair: Pair
    settings: Measuring
    display: Display
    start: float = 0.0
    shown: float = 0.0
    noise: tuple[float, float] = (0.0, 0.0)
    measured: BenchmarkResult = field(init=False)

    def __post_init__(self) -> None:
        require_usable(self.engine, self.settings)

    @property
    def kind(self) -> Kind:
        """What `inv bench` measures. The options for different kinds exclude each other."""
        return next((kind for kind in OPTIONAL if getattr(self.settings, kind)), "bench")

    def note(self, text: str) -> None:
        self.display.note(self.pair.name, text)

    def phase(self, text: str, seconds_left: float = 0.0, *, every: float = 0.0) -> None:
        """Show the progress, but only if ``every`` seconds have passed since the last time."""
        if time.monotonic() - self.shown >= every:
            self.display.phase(self.pair.name, f"{text}, {duration(seconds_left)} left" if seconds_left else text)
            self.shown = time.monotonic()

    @property
    def cpu(self) -> int:
        """The CPU to pin to."""
        return self.engine.info.cpus - 1 if self.settings.cpu is None else self.settings.cpu

    def images(self) -> list[MeasuredImage]:
        """The two images, ours first; :exc:`BuildError` if one is missing and cannot be pulled."""
        pair, images = self.pair, []
        hints = (pair.ours_hint, pair.reference_hint)
        for reference, hint, built in zip((pair.ours, pair.reference), hints, pair.images, strict=True):
            present = self.engine.require(reference, hint) if hint else self.engine.find(reference)
            if built and present:
                require_match(built, present)
            image = present or self.engine.pull(reference, self.note)
            images.append(MeasuredImage(image=reference, id=image.id, created=image.created or None))
        return images

    def compare_releases(self, ours: Python, reference: Python) -> None:
        """Tell the user if the two releases differ."""
        if ours.version != reference.version:
            self.note(f"the releases differ: {ours.version} and {reference.version}")

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Start the clock, holding a lock that makes other runs with the same cache wait."""
        self.start = time.monotonic()
        with locked(self.workspace.home / "bench" / "lock", "measuring", self.note):
            yield

    def check_quiet(self, container: Container) -> None:
        """Measure how much the time of identical work varies on this machine now, and tell the user what to expect."""
        script = (PROGRAMS / "quiet.py").read_text(encoding="utf-8")
        printed = container.run(["python3", "-c", script]).stdout.strip()
        match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?(?:e-?\d\d)?)\s+(\d{1,9}(?:\.\d+)?(?:e-?\d\d)?)", printed)
        if not match:
            raise BuildError(f"the check of the machine's noise printed {shorten(printed, 200) or 'nothing'}")
        self.noise = wall, cpu = float(match[1]), float(match[2])
        clock = cpu if self.settings.clock == "cpu" else wall
        state = "noisy: expect wide intervals" if clock > NOISY else "quiet"
        advice = "; --clock=cpu is less affected" if wall > NOISY >= cpu and self.settings.clock == "wall" else ""
        spread = f"identical work varies by {wall:.1%} in wall time, {cpu:.1%} in CPU time"
        self.note(f"{spread}: the machine is {state}{advice}")

    def report(self, run: "Callable[[Session], BenchmarkResult]") -> Report:
        """Measure with ``run_benchmarks`` or ``run_startup``; write the result to build/bench and report it.

        Raises :exc:`BakeryError` before anything is measured if the folder cannot be written. A result that cannot be
        written afterwards is reported, and the report has the failure.
        """
        folder, written, failure = self.workspace.build / "bench", "", None
        with disk_full(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        with self.display:
            result = self.measured = run(self)
        try:
            with disk_full(folder):
                file = save(folder, result)
            written = f"Written: {file} and {file.stem}.md\n"
        except BakeryError as error:
            failure = error
        text = "".join(f"{note}\n" for note in notes_of(result))
        return Report(rows_of(result), COLUMNS, f"\n{text}{written}", failure=failure)

    def result(
        self, images: Sequence[tuple[MeasuredImage, Python]], benchmarks: list[BenchmarkTimes],
        left_out: dict[str, str], commands: dict[str, tuple[str, ...]] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> BenchmarkResult:  # fmt: skip
        """The result: cold starts have ``commands``, speed has the ``versions`` of pyperformance and pyperf.

        :exc:`BuildError` if there are no ``benchmarks``, with the reasons.
        """
        if not benchmarks:
            reasons = "".join(f"\n    {name}: {reason}" for name, reason in left_out.items())
            raise BuildError(f"nothing could be measured:{reasons}")
        seconds, settings, info, python = time.monotonic() - self.start, self.settings, self.engine.info, images[0][1]
        self.display.done(self.pair.name, f"{len(benchmarks)} results, {duration(seconds)}")
        ours, reference = (
            msgspec.structs.replace(image, python=python.version, build=python.full) for image, python in images
        )
        return BenchmarkResult(
            schema=1,
            kind="pull" if settings.pull else "startup" if commands else self.kind,
            name=self.pair.name,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds, 1),
            settings=BenchmarkSettings(
                rounds=len(benchmarks[0].ours), cpu=self.cpu, clock=settings.clock,
                against=settings.against or msgspec.UNSET,
                full=msgspec.UNSET if commands else settings.full, only=msgspec.UNSET if commands else settings.only,
                fresh_engine=settings.fresh_engine if commands else msgspec.UNSET,
                pull=settings.pull or msgspec.UNSET,
            ),
            environment=BenchmarkEnvironment(
                cpu_model=python.cpu_model, cpus=info.cpus, cpu=self.cpu, memory_bytes=info.memory_bytes,
                kernel=python.kernel, engine=f"{self.engine.kind} {info.version}", storage=info.storage,
                bakery=__version__, noise_wall=self.noise[0], noise_cpu=self.noise[1], **versions or {},
            ),
            images=MeasuredImages(ours=ours, reference=reference),
            commands=commands or {},
            benchmarks=benchmarks,
            left_out=left_out,
            summary=None if commands else summary_of(benchmarks),
        )  # fmt: skip
