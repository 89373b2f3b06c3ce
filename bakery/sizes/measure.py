"""Measures our images and the images that they are compared with.

Sources of the figures:
- compressed size: the official image's manifest in its registry; if that is not available, shared/official-sizes.json
- size on disk: the official image if the engine has it, else the reference image that ``inv reference`` builds
- ``--against``: an image of the user's choice for both, from the engine or, if it is not there, from its registry
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bakery.catalog import LABELS, Catalog, Image, RecipeName, mismatch, references, require_match, tags_of
from bakery.engine import Engine, find_engine, running_engine
from bakery.errors import InputError
from bakery.files import Tell
from bakery.names import GZIP
from bakery.oci import ImageConfig, LayerSize, ManifestError, labels_of
from bakery.options import Measuring
from bakery.platforms import Platform
from bakery.records import BuildRecord, ComparedWith, PartSize, amend_record, read_record, read_status
from bakery.registry import Registry, RegistryError, RemoteImage
from bakery.sizes.baseline import OfficialImage, megabytes, official_size, official_tags, read_baseline
from bakery.sizes.breakdown import Size
from bakery.sizes.budget import budget_of, compact, explain_excess
from bakery.sizes.comparison import Comparison, SizeReport
from bakery.sizes.layers import saved_image
from bakery.workspace import Workspace

NO_OFFICIAL_IMAGE = "{} is a Debian image: there is no official Python image for {}."
OTHER_BUILD = "The engine's {} is a different build from the registry's, so its size on disk was not measured."
ESTIMATED = "{}: this engine stores layers uncompressed, so its compressed sizes are estimates (gzip -6)."


def reference_names(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """Names of the reference image: the same release on the distribution of the official image."""
    distribution = official_tags(catalog, image.series, image.target)[0].rpartition("-")[2]
    target = next((target for target in catalog.targets if target.name == distribution), image.target)
    series = next(series for series in catalog.series if series.name == image.series.number)
    standard = dataclasses.replace(image, series=series, target=target, variant=catalog.default_variant)
    return references(catalog, dataclasses.replace(standard, recipe=RecipeName.REFERENCE))


def size_and_anatomy(
    engine: Engine, image: Image, identity: str, record: BuildRecord | None
) -> tuple[Size, dict[str, PartSize]]:
    """Sizes of the image ``identity``, and of its parts: from its ``record`` if it has one, else measured."""
    if record and record.anatomy:
        return Size(record.compressed_bytes, record.disk_bytes), record.anatomy
    saved = saved_image(engine.save(identity), image.platform, identity)
    return saved.size, compact(saved.parts)


def with_twin(comparison: Comparison, workspace: Workspace) -> Comparison:
    """``comparison`` with a note about the gzip twin, if the record of the measured image has one."""
    record, official = read_record(workspace, comparison.image), comparison.official
    if not record or not record.gzip_bytes or Size(record.compressed_bytes, record.disk_bytes) != comparison.size:
        return comparison
    ratio = record.gzip_bytes / official.compressed_bytes if official else 0
    share = f", {ratio:.2f}x the size of {official.reference}" if official else ""
    note = f"Its twin with gzip layers ({comparison.image.name}{GZIP}): {megabytes(record.gzip_bytes)}{share}."
    return dataclasses.replace(comparison, notes=(*comparison.notes, note))


def record_comparison(workspace: Workspace, comparison: Comparison, tell: Tell) -> None:
    """Add the images that a build was compared with to its record, if that is of the image that was measured."""
    compared = msgspec.convert(comparison, ComparedWith, from_attributes=True)

    def applies(record: BuildRecord) -> bool:
        return Size(record.compressed_bytes, record.disk_bytes) == comparison.size

    amend_record(workspace, comparison.image, applies, tell, compared=compared)


@dataclass
class Comparer:
    """Compares images with official ones, or with ``against``.

    Images of ours come from ``engine`` or, with ``repository``, from a registry; one of the two is required.
    ``records`` are those of shared/status.json. ``measured`` are the engine's images by reference and platform.
    """

    catalog: Catalog
    engine: Engine | None
    baseline: Mapping[tuple[str, str], OfficialImage]
    records: Sequence[BuildRecord]
    against: str | None = None
    repository: str | None = None
    tell: Tell = print
    registry: Registry = field(default_factory=Registry)
    measured: dict[tuple[str, Platform], SizeReport | None] = field(default_factory=dict)

    def compare_all(self, images: Sequence[Image], workspace: Workspace) -> list[Comparison]:
        """Compare each of ``images``; a comparison with the official image is added to the image's build record."""
        comparisons = [with_twin(comparison, workspace) for image in images for comparison in self.compare(image)]
        if not self.against and not self.repository:
            for comparison in comparisons:
                record_comparison(workspace, comparison, self.tell)
        return comparisons

    def compare(self, image: Image) -> list[Comparison]:
        """Compare ``image`` on its platform; with a repository, on all platforms that the repository has."""
        if self.repository is None:
            return [self._compare(image, None)]
        reference = self._published(image)
        try:
            platforms = self.registry.platforms(reference) or (image.platform,)
            remotes = [self.registry.image(reference, platform) for platform in platforms]
        except (RegistryError, ManifestError) as error:
            raise InputError(
                f"{reference}: {error.message}", hint="--repository is the repository that these images were pushed to."
            ) from None
        for remote in remotes:
            if remote.config and (problem := mismatch(image, labels_of(remote.config))):
                raise InputError(f"{reference} for {remote.platform} is another image: {problem}")
        return [self._compare(dataclasses.replace(image, platform=remote.platform), remote) for remote in remotes]

    def _published(self, image: Image) -> str:
        return f"{self.repository}:{tags_of(self.catalog, image)[0]}"

    def _compare(self, image: Image, remote: RemoteImage | None) -> Comparison:
        notes: list[str] = []
        ours = self._ours(image, remote, notes)
        official = self._against(self.against, image) if self.against else self._official(image, notes)
        reference = self._reference(image, notes)
        if official and "{target}" not in self.catalog.family_of(image.target).official and not self.against:
            notes.append(NO_OFFICIAL_IMAGE.format(official.reference, image.target.family.capitalize()))
        if ours and ours.recipe in list(RecipeName):  # the image in the engine may be of another recipe than requested
            image = dataclasses.replace(image, recipe=RecipeName(ours.recipe))
        notes += [ESTIMATED.format(side.reference) for side in (ours, official, reference) if side and side.estimated]
        comparison = Comparison(image, ours, official, reference, notes=tuple(notes))
        size = comparison.size
        if size is None or ours is None:
            return comparison
        over = explain_excess(self.catalog, image, size, compact(ours.parts), self.records)
        return dataclasses.replace(comparison, budget=budget_of(self.catalog, image), over_budget=over)

    def _ours(self, image: Image, remote: RemoteImage | None, notes: list[str]) -> SizeReport | None:
        names = [self._published(image)] if self.repository else []
        if self.engine and not remote and (found := self.engine.find(references(self.catalog, image)[0])):
            require_match(image, found)
        local = self._first_local([*names, references(self.catalog, image)[0]], image.platform)
        if remote is None:
            return local
        pulled = _from_registry(remote)
        if local is None:
            notes.append(f"{remote.reference} is not in the engine, so its size on disk was not measured.")
            return pulled
        if [layer.digest for layer in local.layers] != [layer.digest for layer in pulled.layers]:
            notes.append(OTHER_BUILD.format(local.reference))
            return pulled
        return dataclasses.replace(pulled, disk_bytes=local.disk_bytes, parts=local.parts, files=local.files)

    def _official(self, image: Image, notes: list[str]) -> SizeReport | None:
        reason = ""
        for tag in official_tags(self.catalog, image.series, image.target):
            try:
                return _from_registry(self.registry.image(tag, image.platform))
            except (RegistryError, ManifestError) as error:
                reason = reason or error.message
        recorded = official_size(self.baseline, self.catalog, image)
        if recorded is None:
            notes.append(f"{reason}, and no size of an official image is recorded to compare with.")
            return None
        report = recorded_report(recorded, image.platform)
        notes.append(f"{reason}; using the compressed size of {report.reference} {report.about}.")
        return report

    def _against(self, reference: str, image: Image) -> SizeReport:
        try:
            return self._local(reference, image.platform) or _from_registry(
                self.registry.image(reference, image.platform)
            )
        except (RegistryError, ManifestError) as error:
            raise InputError(
                f"--against={reference} is neither in the engine nor available from its registry: {error.message}",
                hint="Expected an image reference such as python:3.13-slim-bookworm.",
            ) from None

    def _reference(self, image: Image, notes: list[str]) -> SizeReport | None:
        built = reference_names(self.catalog, image)
        names = [self.against] if self.against else [*official_tags(self.catalog, image.series, image.target), *built]
        reference = self._first_local(names, image.platform)
        if reference is None and self.engine is not None:
            absent = self.against or f"{names[0]} and no {built[0]}"
            build = f"inv reference {image.version_option(image.series.number)} --target={built[0].rpartition('-')[2]}"
            command = f"docker pull {self.against}" if self.against else build
            notes.append(f"No image to compare with on disk: the engine has no {absent}. To get one: {command}")
        return reference

    def _first_local(self, references: Sequence[str], platform: Platform) -> SizeReport | None:
        images = (self._local(reference, platform) for reference in references)
        return next((image for image in images if image), None)

    def _local(self, reference: str, platform: Platform) -> SizeReport | None:
        """An image in the engine, read once in a run; ``None`` if the engine does not have it for ``platform``."""
        key = (reference, platform)
        if key in self.measured:
            return self.measured[key]
        image = self.engine.find(reference) if self.engine else None
        if self.engine is None or image is None or image.platform != platform:
            return None
        self.tell(f"measuring {reference}")
        saved = saved_image(self.engine.save(image.id), platform, image.id)
        digest = saved.digest or image.id
        measured = SizeReport(
            reference, "engine", f"docker save, {digest[:19]}", platform, saved.size.compressed_bytes, saved.layers,
            saved.size.disk_bytes, saved.parts, saved.files, digest, estimated=saved.estimated,
        )  # fmt: skip
        self.measured[key] = _described(measured, saved.config)
        return self.measured[key]


def recorded_report(official: OfficialImage, platform: Platform) -> SizeReport:
    """The sizes of an official image in shared/official-sizes.json."""
    return SizeReport(
        official.reference, "recorded", f"recorded {official.date} from {official.source}", platform,
        official.compressed_bytes,
        tuple(LayerSize("", "gzip", layer.compressed_bytes, layer.label) for layer in official.layers),
        digest=official.digest, release=official.release, date=official.date,
    )  # fmt: skip


def _from_registry(remote: RemoteImage) -> SizeReport:
    measured = SizeReport(
        remote.reference, "registry", f"manifest at {remote.host}, {remote.digest[:19]}", remote.platform,
        remote.compressed_bytes, remote.layers, digest=remote.digest,
    )  # fmt: skip
    return _described(measured, remote.config)


def _described(image: SizeReport, config: ImageConfig) -> SizeReport:
    """``image`` with the data of its configuration: Python's release, the day of its creation, and our recipe.

    https://github.com/opencontainers/image-spec/blob/main/config.md
    """
    variables = (config.get("config") or {}).get("Env") or []
    environment = dict(variable.split("=", 1) for variable in variables if "=" in variable)
    return dataclasses.replace(
        image,
        release=environment.get("PYTHON_VERSION", ""),
        date=str(config.get("created", ""))[:10],
        recipe=labels_of(config).get(f"{LABELS}.recipe", ""),
    )


def open_comparer(workspace: Workspace, catalog: Catalog, measuring: Measuring, tell: Tell) -> Comparer:
    """A comparer with the engine in use, which images in a repository do not need, and the recorded sizes."""
    engine = (running_engine if measuring.repository else find_engine)(workspace, tell)
    baseline, records = read_baseline(workspace.root), read_status(workspace.root)
    return Comparer(catalog, engine, baseline, records, measuring.against, measuring.repository, tell)
