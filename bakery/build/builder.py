"""Builds images: source, base, plan, buildx, measurement. One failed image does not stop the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bakery.bases import Base, Bases
from bakery.build.export import Export
from bakery.catalog import Catalog, Compression, Image, references
from bakery.display import Clock, Display, duration, phases_text
from bakery.engine import Engine, How, Running
from bakery.errors import BakeryError, BuildError, InputError
from bakery.files import Tell, disk_full, locked, no_space
from bakery.oci import attested
from bakery.plan import Inputs, build_arguments, definition, revision_of, target_name
from bakery.records import BaseRecord, LocalRecord, PartSize, Size, SourceRecord, read_record, write_record
from bakery.sbom import Subject, bill_of, document, load_licences
from bakery.sizes import compact, saved_image
from bakery.sources import Signatures, Sources, load_upstream
from bakery.workspace import Workspace

__all__ = ["Builder", "Result", "failure_of", "inputs_for"]


@dataclass
class Result:
    """What became of one image. Bytes, seconds; no ``error`` where it was built; ``anatomy`` as ``compact`` has it."""

    image: Image
    tags: tuple[str, ...]
    log: Path
    id: str = ""
    size: Size | None = None
    anatomy: dict[str, PartSize] = field(default_factory=dict)
    seconds: float = 0.0
    compiled: bool = False
    phases: dict[str, float] = field(default_factory=dict)
    error: str = ""
    exit_code: int = 0


def failure_of(results: Sequence[Result]) -> BakeryError | None:
    """The error that a run ends with, if an image failed: :exc:`InputError` where nothing but the input was wrong."""
    codes = [result.exit_code for result in results if result.error]
    if not codes:
        return None
    kind = InputError if set(codes) == {InputError.exit_code} else BuildError
    return kind(f"{len(codes)} of {len(results)} images failed")


def inputs_for(workspace: Workspace, catalog: Catalog, image: Image, source: Path, extras: Path, base: Base) -> Inputs:
    """The named contexts of ``image``, from what was resolved for it."""
    folder = catalog.recipes[image.recipe].folder or image.target.family
    profile = catalog.profile_of(image)
    revision = revision_of(workspace.root, (folder, profile.folder) if profile else (folder,), image.pin.sha256)
    return Inputs(str(source), str(extras), base.context, base.name, base.digest, base.origin, revision)


@dataclass
class Builder:
    """Builds with one engine; ``again`` is the user's command with ``{version}`` in it, for messages."""

    workspace: Workspace
    catalog: Catalog
    engine: Engine
    display: Display
    mirror: str | None = None
    base: str | None = None
    refresh: bool = False
    how: How = field(default_factory=How)
    compression: Compression | None = None
    again: str = "inv build --version={version}"
    jobs: int = 1
    bases: dict[tuple[str, str], Base] = field(default_factory=dict)
    running: Running = field(default_factory=Running)
    choosing: threading.Lock = field(default_factory=threading.Lock)

    def build(self, images: Sequence[Image]) -> list[Result]:
        """Build ``images``, ``jobs`` at a time; failures are in the results, an interruption ends all and is raised."""
        if self.jobs == 1 or len(images) < 2:
            return [self._one(image) for image in images]
        with ThreadPoolExecutor(self.jobs, "build") as pool:
            try:
                return list(pool.map(self._one, images))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.running.stop()
                raise

    def missing(self, images: Sequence[Image]) -> list[Image]:
        """Those of ``images`` that the engine does not have."""
        return [image for image in images if self.engine.find(references(self.catalog, image)[0]) is None]

    def _one(self, image: Image) -> Result:
        log = self.workspace.logs / f"{image.slug}.log"
        result = Result(image, references(self.catalog, image), log)
        start = time.monotonic()
        try:
            with (
                disk_full(self.workspace.build),
                locked(log.with_suffix(".lock"), f"building {image.name}", self._tell(image)),
            ):
                self._run(result)
        except BakeryError as error:
            result.error, result.exit_code = str(error), error.exit_code
        result.seconds = time.monotonic() - start
        if result.error:
            self.display.done(image.name, "failed", ok=False)
        else:
            how = "built" if result.compiled else "up to date"
            self.display.done(image.name, f"{how}, {duration(result.seconds)}")
            if result.compiled:
                self.display.note(image.name, phases_text(result.phases))
        return result

    def _tell(self, image: Image) -> Callable[[str], None]:
        return lambda text: self.display.note(image.name, text)

    def _phase(self, image: Image, phase: str) -> None:
        """Begin a phase, unless all work was interrupted while another image's was waited for."""
        self.running.check()
        self.display.phase(image.name, phase)

    def stage(self, image: Image, stage: str, tag: str) -> str:
        """Build another ``stage`` of the Dockerfile from the same inputs and tag it; return its image's identity."""
        result = Result(image, (tag,), self.workspace.logs / f"{image.slug}-{stage}.log")
        with disk_full(self.workspace.build), locked(result.log.with_suffix(".lock"), stage, self._tell(image)):
            self._run(result, stage)
        self.display.done(image.name, f"{stage} ready")
        return self.engine.require(tag).id

    def _run(self, result: Result, stage: str = "") -> None:
        image, clock = result.image, Clock(lambda phase: self._phase(result.image, phase))
        tell = self._tell(image)
        clock.enter("source")
        sources = Sources(self.workspace, self.mirror, tell)
        source, extras = sources.fetch(image.pin, image.series, self.again), sources.extras(image.series)
        signatures = Signatures(sources, load_upstream(self.workspace.root), tell)
        signature = signatures.ensure(image.pin, image.series.number, source / image.pin.file)
        clock.enter("base")
        base = self._base(image, tell)
        inputs = {image: inputs_for(self.workspace, self.catalog, image, source, extras, base)}
        with Export(self.workspace, self.engine, image, self._packing(image), stage=bool(stage)) as export:
            plan = definition(
                self.catalog, [image], inputs, network=self.engine.network, output=export.output, attest=export.proves
            )
            clock.enter("build steps")
            other = {"target": stage, "tags": list(result.tags)} if stage else {}
            self._buildx(build_arguments(plan["target"][target_name(image)] | other), result, clock)
            subject = Subject(image, result.tags[0], source / image.pin.file, self.catalog.source)
            licences = load_licences(self.workspace.root)
            bill = lambda archive: document(bill_of(archive, subject, licences))  # noqa: E731
            export.finish(result.tags, bill, subject.repository, clock.enter)
        if stage:
            return
        clock.enter("measure")
        result.id = attested(self.workspace.home, self.engine.require(result.tags[0]).id)
        record = read_record(self.workspace, image)
        if record and record.id == result.id and not result.compiled and record.anatomy:
            result.size, result.anatomy = record.size, record.anatomy
        else:
            saved = saved_image(self.engine.save(result.tags[0]), image.platform)
            result.size, result.anatomy = saved.size, compact(saved.parts)
        result.phases = clock.stop()
        self._record(result, base, signature, record)

    def _packing(self, image: Image) -> Compression:
        return self.compression or self.catalog.compressions[image.recipe]

    def _base(self, image: Image, tell: Tell) -> Base:
        """The base of ``image``, resolved once in a run, so that all images of a target share it also with refresh."""
        key = (image.target.name, image.platform)
        with self.choosing:
            if key not in self.bases:
                bases = Bases(self.workspace, self.catalog, self.base, self.refresh, tell)
                self.bases[key] = bases.resolve(image.target, image.platform)
            return self.bases[key]

    def _buildx(self, arguments: list[str], result: Result, clock: Clock) -> None:
        command = [*self.engine.buildx, "build", "--progress=rawjson", *self.how.arguments(result.image), *arguments]
        environment = {**self.engine.environment, **self.how.network.environment}
        tracker, code = self.running.run(command, self.workspace.root, environment, result.log, clock.enter)
        result.compiled = tracker.compiled
        if code:
            lines = tracker.failure()
            if any("no space left on device" in line for line in (*lines, *tracker.text)):
                raise no_space(self.engine.embedded.folder if self.engine.kind == "embedded" else self.workspace.root)
            said = "".join(f"\n    {line}" for line in lines)
            raise BuildError(f"not built; the failing step ended with:{said}", hint=f"Full log: {result.log}")

    def _record(self, result: Result, base: Base, signature: str, old: LocalRecord | None) -> None:
        """Write the record. It keeps the test results of ``old``, and its times unless this run compiled the image."""
        assert result.size is not None
        image = result.image
        kept = ("tests", "regrtest", *(() if result.compiled else ("built", "seconds", "phases")))
        record = LocalRecord(
            image=image.name,
            series=image.series.name,
            release=image.pin.release,
            target=image.target.name,
            variant=image.variant.name,
            platform=image.platform,
            recipe=image.recipe,
            compression=str(self._packing(image)),
            id=result.id,
            tags=result.tags,
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(sum(result.phases.values()), 1),
            phases={phase: round(seconds, 1) for phase, seconds in result.phases.items()},
            compressed_bytes=result.size.compressed_bytes,
            disk_bytes=result.size.disk_bytes,
            anatomy=result.anatomy,
            base=BaseRecord(name=base.name, digest=base.digest, origin=base.origin),
            source=SourceRecord(file=image.pin.file, sha256=image.pin.sha256, signature=signature),
        )
        same = {name: getattr(old, name) for name in kept} if old and old.id == result.id else {}
        write_record(self.workspace, image, record, **same)
