"""Builds images: inputs, buildx, export into the engine, measurement. One failed image does not stop the others."""

import functools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bakery import records
from bakery.build.export import Export, Packed, Stage, files_of, stages_after_compiling
from bakery.build.inputs import BuildInputs, InputResolver, check_inputs
from bakery.catalog import Catalog, Image, RecipeName, all_references, references, require_match
from bakery.compression import Compression
from bakery.display import Clock, Column, Display, Report, duration, make_display, phases_text
from bakery.engine import BuildxOptions, BuildxProcesses, Engine, buildx_options, default_jobs, find_engine
from bakery.errors import BakeryError, BuildError, InputError
from bakery.files import Tell, disk_full, interruptible, locked, no_space
from bakery.options import Building, Selection, as_typed
from bakery.sizes import OfficialImage, megabytes, official_size, read_baseline, size_and_anatomy
from bakery.workspace import Workspace

FIT = "fit"
"""The Dockerfile's stage with a file of the same name, which shared/profile-fit.sh wrote."""


@dataclass(frozen=True)
class BuildResult:
    """The outcome of one image's build: its ``record``, with the times of this run, or an ``error``.

    ``seconds`` is wall time; ``compiled`` is false if everything came from the build cache.
    """

    image: Image
    tags: tuple[str, ...]
    log: Path
    record: records.LocalRecord | None = None
    seconds: float = 0.0
    compiled: bool = False
    error: str = ""
    exit_code: int = 0


def failure_of(results: Sequence[BuildResult]) -> BakeryError | None:
    """The error that a run ends with, ``None`` if every image was built; :exc:`InputError` if only input was wrong."""
    codes = [result.exit_code for result in results if result.error]
    if not codes:
        return None
    kind = InputError if set(codes) == {InputError.exit_code} else BuildError
    causes = "".join(f"\n{result.image.name}: {result.error}" for result in results if result.error)
    return kind(f"{len(codes)} of {len(results)} images failed:{causes}")


@dataclass
class Builder:
    """Builds with one engine and the user's options; ``command`` is as for :class:`InputResolver`.

    ``inputs`` are resolved and ``processes`` stopped for all images of a run together.
    """

    workspace: Workspace
    catalog: Catalog
    engine: Engine
    display: Display
    building: Building = field(default_factory=Building)
    command: str = "inv build --version={version}"
    buildx: BuildxOptions = field(default_factory=BuildxOptions)
    inputs: InputResolver = field(init=False)
    processes: BuildxProcesses = field(init=False)
    fits: dict[Image, float] = field(init=False, default_factory=dict)
    fits_lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.inputs = InputResolver(self.workspace, self.catalog, self.building, self.command)
        embedded = self.engine.embedded if self.engine.kind == "embedded" else None
        self.processes = BuildxProcesses(self.workspace.home, embedded)

    def build(self, images: Sequence[Image]) -> list[BuildResult]:
        """Build ``images``, several at a time; failures are in the results, an interruption stops all and is raised."""
        jobs = self.building.jobs or 1
        if jobs == 1 or len(images) < 2:
            return [self._build_image(image) for image in images]
        with interruptible() as give_up, ThreadPoolExecutor(jobs, "build") as pool:
            try:
                return list(pool.map(self._build_image, images))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.processes.stop()
                give_up()
                raise

    def build_missing(self, images: Sequence[Image]) -> None:
        """Build those of ``images`` that the engine does not have; :exc:`BuildError` if one cannot be built."""
        missing = []
        for image in images:
            if found := self.engine.find(references(self.catalog, image)[0]):
                require_match(image, found)
            else:
                missing.append(image)
        with self.display:
            for result in self.build(missing):
                if result.error:
                    raise BuildError(f"{result.image.name}: {result.error}")

    def stage(self, image: Image, name: str, tag: str, *, packages: bool = True) -> str:
        """Build another stage of the Dockerfile from the same inputs and tag it; returns the ID of its image.

        ``packages``: whether the stage is on top of the image, with the packages of the image's last build. Raises
        :exc:`BuildError` if that build used another base, because its list of packages belongs to that base.
        """
        log = self.workspace.logs / f"{image.slug}-{name}.log"
        stage = Stage(image, log, {(tag,): self._compression(image)}, name)
        with disk_full(self.workspace.build), locked(stage.log.with_suffix(".lock"), name, self._tell(image)):
            clock = self._clock(image)
            inputs = self.inputs.resolve(image, self._tell(image), clock.enter)
            log.unlink(missing_ok=True)
            if packages:
                below = require_match(image, self.engine.require(references(self.catalog, image)[0]))
                last = records.record_of(self.workspace, image, below.id)
                if last and last.base.digest != inputs.base.digest:
                    problem = f"{image.name} was built on an earlier version of its base, {inputs.base.name}"
                    raise BuildError(problem, hint="Build it again first: `inv build`, with the same options.")
                resolution = records.recorded(self.workspace, last.packages if last else "")
                resolution = resolution or self._resolve(stage, inputs, clock)[1]
                inputs = inputs.with_packages(self.workspace.root, resolution, name)
            self._build_stage(stage, inputs, clock)
        self.display.done(image.name, f"{name} ready")
        return self.engine.require(tag).id

    def _build_image(self, image: Image) -> BuildResult:
        log = self.workspace.logs / f"{image.slug}.log"
        stage = Stage(image, log, self._packings(image))
        start = time.monotonic()
        try:
            lock = locked(log.with_suffix(".lock"), f"building {image.name}", self._tell(image))
            with disk_full(self.workspace.build), lock:
                result = self._build_and_measure(stage)
        except BakeryError as error:
            tags = references(self.catalog, image)
            result = BuildResult(image, tags, log, error=str(error), exit_code=error.exit_code)
        result = replace(result, seconds=time.monotonic() - start)
        state = "built" if result.compiled else "up to date"
        text = "failed" if result.error else f"{state}, {duration(result.seconds)}"
        self.display.done(image.name, text, ok=not result.error)
        if result.compiled and result.record:
            self.display.note(image.name, phases_text(result.record.phases))
        return result

    def _build_and_measure(self, stage: Stage) -> BuildResult:
        """Build the image and record it; an image that was measured before is not measured again."""
        image, clock, tags = stage.image, self._clock(stage.image), references(self.catalog, stage.image)
        inputs = self.inputs.resolve(image, self._tell(image), clock.enter)
        stage.log.unlink(missing_ok=True)
        compiled_before = False
        if image.recipe is not RecipeName.REFERENCE:
            compiled_before, resolution = self._resolve(stage, inputs, clock)
            stage, inputs = replace(stage, resolution=resolution), inputs.with_packages(self.workspace.root, resolution)
        compiled, packed = self._build_stage(stage, inputs, clock)
        compiled = compiled or compiled_before
        clock.enter("measure")
        identity = require_match(image, self.engine.require(tags[0])).id
        digest = records.manifest_digest_of(self.workspace.home, identity)
        if image.recipe is RecipeName.FULL and packed and packed[0].id != digest:
            problem = f"{tags[0]} is {digest} in the engine, expected {packed[0].id}: another process has replaced it"
            raise BuildError(problem, hint="Build it again.")
        known = records.record_of(self.workspace, image, identity)
        size, anatomy = size_and_anatomy(self.engine, image, identity, known)
        base = inputs.base
        gzip = packed[1] if len(packed) > 1 else Packed("", 0)
        phases = {phase: round(seconds, 1) for phase, seconds in clock.stop().items()}
        record = records.LocalRecord(
            image=image.name, series=image.series.name, release=str(image.pin.version), target=image.target.name,
            variant=image.variant.name, platform=image.platform, recipe=image.recipe,
            compression=str(self._compression(image)), tags=tags,
            id=digest, twin=gzip.id,
            built=datetime.now(UTC).isoformat(timespec="seconds"), seconds=round(sum(phases.values()), 1),
            phases=phases, **asdict(size), anatomy=anatomy, gzip_bytes=gzip.compressed_bytes,
            packages=inputs.contexts.resolution, profile=self._fitting(image)[1],
            base=records.BaseRecord(name=base.name, digest=base.digest, origin=base.origin),
            source=records.SourceRecord(file=image.pin.file, sha256=image.pin.sha256, signature=inputs.signature),
        )  # fmt: skip
        self._write(image, record, identity, compiled=compiled)
        return BuildResult(image, tags, stage.log, record, compiled=compiled)

    def _resolve(self, stage: Stage, inputs: BuildInputs, clock: Clock) -> tuple[bool, records.Resolution]:
        """Resolve an image's packages in the archive, or replay a resolution; returns whether anything was compiled."""
        image, compiled = stage.image, False
        if self.building.packages:
            return False, inputs.replay(image, self.building.packages, self._tell(image))

        def build(folder: Path) -> None:
            nonlocal compiled
            uncached, catalog = (records.QUERY, records.STAGE), self._fitting(image)[0]
            options = replace(self.buildx.reaching(inputs.archives), uncached=uncached, cache_to=())
            arguments = inputs.query_arguments(catalog, image, self.engine.network, records.STAGE, folder)
            compiled = self.run_buildx(stage, options, arguments, clock.enter)

        clock.enter("build steps")
        resolution = records.resolve(self.workspace, image.slug, inputs.resolution_fields(image), build)
        return compiled, resolution

    def _build_stage(self, stage: Stage, inputs: BuildInputs, clock: Clock) -> tuple[bool, list[Packed]]:
        """Run buildx and load its export into the engine; returns whether anything was compiled."""
        catalog = self.catalog if stage.name == FIT else self._fitting(stage.image)[0]
        with Export(self.workspace, self.engine, stage) as export:
            clock.enter("build steps")
            options = self.buildx.reaching(inputs.archives)
            if options.no_cache and inputs.contexts.resolution and not self.building.packages:
                # The step that resolves the packages has compiled already.
                later = stages_after_compiling(self.workspace.root / self.catalog.dockerfile_of(stage.image))
                options = replace(options, no_cache=False, uncached=later)
            compiled = self.run_buildx(stage, options, inputs.arguments(catalog, export), clock.enter)
            origin = (self.catalog.source, inputs.checkout, self.building.builder_id or "")
            return compiled, export.finish(inputs.tarball, origin, clock.enter, self._tell(stage.image))

    def _fitting(self, image: Image) -> tuple[Catalog, records.ProfileRecord | None]:
        """The catalog to build ``image`` with, without its profile if too little of that fits; and the profile used.

        A profile of the same source fits as a whole. For another release, the fit is computed.
        """
        profile = self.catalog.profile_of(image)
        if not profile or profile.recorded_on(image.pin):
            return self.catalog, records.ProfileRecord(release=profile.release, tree=profile.tree) if profile else None
        key = replace(image, variant=self.catalog.default_variant)
        with self.fits_lock:
            if key not in self.fits:
                self.fits[key], misfits = self._compute_fit(key)
                if self.fits[key] < self.catalog.profile_fit:
                    needed = f"{self.catalog.profile_fit:.0%} is needed: training instead"
                    text = f"{self.fits[key]:.1%} of {profile.release}'s profile fits, {needed}"
                    self._tell(key)(f"{text}; functions without counts: {', '.join(misfits[:5])}")
        used = records.ProfileRecord(release=profile.release, tree=profile.tree, fit=self.fits[key])
        if used.fit >= self.catalog.profile_fit:
            return self.catalog, used
        return replace(self.catalog, profiles={}), None

    def _compute_fit(self, image: Image) -> tuple[float, list[str]]:
        """The share that fits (0 to 1), by shared/profile-fit.sh, and the functions that do not, the heaviest first."""
        tag = f"{self.catalog.recipes[image.recipe].repository}-{FIT}:{image.version}-{image.target.name}"
        files = files_of(self.engine, image, self.stage(image, FIT, tag, packages=False), re.compile(FIT))
        share, *misfits = files[FIT].decode().splitlines()
        return float(share), [line.partition(" ")[2] for line in misfits]

    def run_buildx(
        self, stage: Stage, options: BuildxOptions, arguments: Sequence[str], enter: Callable[[str], None]
    ) -> bool:
        """Run buildx; :exc:`BuildError` with the last lines of the failing step. Returns whether it compiled."""
        users = options.arguments(stage.image.slug)
        command = [*self.engine.buildx, "build", "--progress=rawjson", *users, *arguments]
        # buildx counts ignored files as changes and records local paths, so Publication.complete adds the commit.
        environment = {**self.engine.environment, **options.network.environment, "BUILDX_GIT_INFO": "0"}
        tracker, code = self.processes.run(command, self.workspace.root, environment, stage.log, enter)
        if code:
            lines = tracker.failure()
            if any("no space left on device" in line for line in (*lines, *tracker.text)):
                raise no_space(self.engine.embedded.folder if self.engine.kind == "embedded" else self.workspace.root)
            tail = "".join(f"\n    {line}" for line in lines)
            raise BuildError(f"not built; the failing step ended with:{tail}", hint=f"Full log: {stage.log}")
        return tracker.compiled

    def _tell(self, image: Image) -> Tell:
        return functools.partial(self.display.note, image.name)

    def _clock(self, image: Image) -> Clock:
        def show(phase: str) -> None:
            # Another image may have been interrupted while this one waited for a lock or a download.
            self.processes.check()
            self.display.phase(image.name, phase)

        return Clock(show)

    def _compression(self, image: Image) -> Compression:
        return self.building.compression or self.catalog.compressions[image.recipe]

    def _packings(self, image: Image) -> dict[tuple[str, ...], Compression]:
        """The compression for each group of names: twins are a separate image unless ``image`` has gzip layers."""
        (names, twins), compression = all_references(self.catalog, image), self._compression(image)
        if not twins or compression.method == "gzip":
            return {names + twins: compression}
        return {names: compression, twins: self.catalog.compressions["twin"]}

    def _write(self, image: Image, record: records.LocalRecord, identity: str, *, compiled: bool) -> None:
        """Write the record. Results of the image ``identity`` are kept, and its times unless this run compiled.

        Those of tests/image also cover the gzip image, which another version of a library compresses to other bytes.
        """
        kept = ("regrtest", "compared", *(() if compiled else ("built", "seconds", "phases")))
        with records.changing_record(self.workspace, image, self._tell(image)):
            old = records.record_of(self.workspace, image, identity)
            tests = ("tests",) if old and old.twin == record.twin else ()
            same = {name: getattr(old, name) for name in (*kept, *tests)} if old else {}
            records.write_record(self.workspace, image, record, **same)


def check_options(building: Building, workspace: Workspace | None = None) -> BuildxOptions:
    """The options for buildx, as :func:`buildx_options`; :exc:`InputError` if no build could use ``building``."""
    check_inputs(building)
    return buildx_options(building, workspace)


def open_builder(
    workspace: Workspace, catalog: Catalog, verb: str, selection: Selection, building: Building, jobs: int = 1
) -> Builder:
    """A builder for the engine in use, for the command ``verb`` with the user's options; 0 ``jobs``: as many as fit.

    Raises :exc:`bakery.errors.EngineError` if no engine can be used, :exc:`InputError` as :func:`check_options` does.
    """
    buildx = check_options(building, workspace)  # before an engine is downloaded or started
    display = make_display(sys.stderr)
    engine = find_engine(workspace, functools.partial(display.note, ""))
    command = as_typed(verb, selection, building)
    building = replace(building, jobs=jobs or default_jobs(engine.info.cpus, engine.info.memory_bytes))
    return Builder(workspace, catalog, engine, display, building, command, buildx)


RESULT_COLUMNS = (
    Column("image"), Column("result"), Column("to pull", "compressed", right=True),
    Column("on disk", "disk", right=True), Column("time", right=True),
    Column("recipe", value=lambda row: "" if row["recipe"] == "full" else row["recipe"], below=True),
    Column("official", below=True), Column("gzip", below=True), Column("tags", below=True),
)  # fmt: skip


def _profile_text(profile: records.ProfileRecord | None) -> str:
    """How much of another release's profile fits, as a note in brackets; empty if all of it does."""
    return f" ({profile.fit:.0%} of {profile.release}'s profile)" if profile and profile.fit < 1 else ""


def result_rows(
    catalog: Catalog, results: Iterable[BuildResult], baseline: Mapping[tuple[str, str], OfficialImage]
) -> list[dict[str, object]]:
    """The result of each build, and the recorded size of the official image; a quick build is not compared with it."""
    rows = []
    for result in results:
        image, record = result.image, result.record
        official, profile = official_size(baseline, catalog, image), record.profile if record else None
        compared = official.compressed_bytes if official and image.recipe is not RecipeName.QUICK else 0
        size, gzip = (record.compressed_bytes, record.gzip_bytes) if record else (0, 0)
        share, gzip_share = (f" ({part / compared:.2f}x)" if compared and part else "" for part in (size, gzip))
        row: dict[str, object] = {
            "image": image.name,
            "result": "failed" if result.error else "built" if result.compiled else "up to date",
            "recipe": f"{image.recipe}{_profile_text(profile)}",
            "profile_release": profile and profile.release,
            "profile_fit": profile and profile.fit,
            "variant": image.variant.name,
            "id": record.id if record else "",
            "platform": image.platform,
            "compressed": record and megabytes(size),
            "disk": record and megabytes(record.disk_bytes),
            "compressed_bytes": record and size,
            "gzip": f"{megabytes(gzip)}{gzip_share}" if gzip else None,
            "gzip_bytes": gzip or None,
            "disk_bytes": record and record.disk_bytes,
            "official": official and f"{megabytes(official.compressed_bytes)} {official.reference}{share}",
            "official_compressed_bytes": official and official.compressed_bytes,
            "time": duration(result.seconds),
            "seconds": round(result.seconds, 1),
            "phases": record.phases if record else {},
            "tags": [] if result.error else list(result.tags),
            "log": str(result.log),
            "error": result.error or None,
        }
        rows.append(row)
    return rows


def build_report(builder: Builder, images: Sequence[Image]) -> Report:
    """Build ``images`` and report each result; if some failed, also the error that the run ends with."""
    with builder.display:
        results = builder.build(images)
    rows = result_rows(builder.catalog, results, read_baseline(builder.workspace.root))
    return Report(rows, RESULT_COLUMNS, failure=failure_of(results))
