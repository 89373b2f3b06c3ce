"""Measures images and what they are compared with: registries for what is pulled, the engine for what lies on disk.

What is compared, and where its figures come from:
- compressed: the official image's manifest in its registry; where that does not answer, the repository's record
- on disk: the official image where the engine has it, else the official recipe as ``inv reference`` builds it
- ``--against``: one image of the user's choice for both, from the engine where it is there, else from its registry
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bakery.catalog import LABELS, Catalog, Image, Platform, RecipeName, references, tags_of
from bakery.engine import Engine
from bakery.errors import InputError
from bakery.files import Tell
from bakery.oci import LayerSize, ManifestError
from bakery.records import BuildRecord, PartSize, Size, read_record, write_record
from bakery.registry import Registry, RegistryUnavailable, Remote
from bakery.sizes.baseline import Official, official_size, official_tags
from bakery.sizes.breakdown import compact
from bakery.sizes.budget import budget_of, verdict
from bakery.sizes.comparison import Comparison, Measured, compared_with
from bakery.sizes.layers import SavedImage, saved_image
from bakery.workspace import Workspace

__all__ = ["Comparer", "reference_names", "remember", "size_and_anatomy"]

STAND_IN = "{} stands in: there is no official Python image for {}, and the Debian one is what people would use."
ESTIMATED = "{}: this engine keeps layers unpacked, so its compressed sizes are what gzip -6 makes of them."


def reference_names(catalog: Catalog, image: Image) -> tuple[str, ...]:
    """What `inv reference` calls the official image's re-creation: the same release on the distribution of that one."""
    on = official_tags(catalog, image.series, image.target)[0].rpartition("-")[2]
    target = next((one for one in catalog.targets if one.name == on), image.target)
    series = next(one for one in catalog.series if one.name == image.series.number)
    made = dataclasses.replace(image, series=series, target=target, variant=catalog.default_variant)
    return references(catalog, dataclasses.replace(made, recipe=RecipeName.REFERENCE))


def size_and_anatomy(
    engine: Engine, image: Image, reference: str, known: BuildRecord | None
) -> tuple[Size, dict[str, PartSize]]:
    """Size and anatomy of ``reference`` in the engine: from ``known``, a record of the same image, else measured."""
    if known and known.anatomy:
        return known.size, known.anatomy
    saved = saved_image(engine.save(reference), image.platform)
    return saved.size, compact(saved.parts)


def remember(workspace: Workspace, one: Comparison) -> None:
    """Add to the record of a build what it was compared with, where the record is of the image that was measured."""
    record = read_record(workspace, one.image)
    if record and record.size == one.size:
        write_record(workspace, one.image, record, compared=compared_with(one))


@dataclass
class Comparer:
    """Compares with one engine and one client for registries; ``repository`` names where ours are published.

    Without an engine only ``repository`` can tell about ours. ``records`` are the kept ones (shared/status.json).
    """

    catalog: Catalog
    engine: Engine | None
    baseline: dict[tuple[str, str], Official]
    records: list[BuildRecord]
    against: str | None = None
    repository: str | None = None
    tell: Tell = print
    registry: Registry = field(default_factory=Registry)
    saved: dict[tuple[str, str], tuple[str, SavedImage] | None] = field(default_factory=dict)

    def compare(self, image: Image) -> list[Comparison]:
        """``image`` on its platform; with a repository, on every platform that the repository has it for."""
        if self.repository is None:
            return [self._one(image, None)]
        reference = self._published(image)
        try:
            platforms = self.registry.platforms(reference) or (image.platform,)
            remotes = [self.registry.image(reference, platform) for platform in platforms]
        except (RegistryUnavailable, ManifestError) as error:
            raise InputError(
                f"{reference}: {error}", hint="--repository names where these images were pushed."
            ) from None
        return [self._one(dataclasses.replace(image, platform=one.platform), one) for one in remotes]

    def _published(self, image: Image) -> str:
        return f"{self.repository}:{tags_of(self.catalog, image)[0]}"

    def _one(self, image: Image, remote: Remote | None) -> Comparison:
        notes: list[str] = []
        ours = self._ours(image, remote, notes)
        official = self._against(image) if self.against else self._official(image, notes)
        reference = self._reference(image, notes)
        if official and "{target}" not in self.catalog.family_of(image.target).official and not self.against:
            notes.append(STAND_IN.format(official.reference, image.target.family.capitalize()))
        if ours and ours.recipe in list(RecipeName):  # what is compared is what is there, not what was asked for
            image = dataclasses.replace(image, recipe=RecipeName(ours.recipe))
        notes += [ESTIMATED.format(one.reference) for one in (ours, official, reference) if one and one.estimated]
        comparison = Comparison(image, image.variant.name, ours, official, reference, notes=tuple(notes))
        size = comparison.size
        if size is None or ours is None:
            return comparison
        over = verdict(self.catalog, image, size, compact(ours.parts), self.records)
        return dataclasses.replace(comparison, budget=budget_of(self.catalog, image), over=over)

    def _ours(self, image: Image, remote: Remote | None, notes: list[str]) -> Measured | None:
        names = [self._published(image)] if self.repository else []
        names.append(references(self.catalog, image)[0])
        local = next((one for name in names if (one := self._local(name, image.platform))), None)
        if remote is None:
            return local
        pulled = _from_registry(remote)
        if local is None:
            notes.append(f"{remote.reference} is not in the engine, so its size on disk was not measured.")
            return pulled
        if [layer.digest for layer in local.layers] != [layer.digest for layer in pulled.layers]:
            notes.append(
                f"The engine's {local.reference} is another build than the registry's: nothing is said on disk."
            )
            return pulled
        return dataclasses.replace(pulled, disk_bytes=local.disk_bytes, parts=local.parts, files=local.files)

    def _official(self, image: Image, notes: list[str]) -> Measured | None:
        reason = ""
        for tag in official_tags(self.catalog, image.series, image.target):
            try:
                return _from_registry(self.registry.image(tag, image.platform))
            except (RegistryUnavailable, ManifestError) as error:
                reason = reason or str(error)
        recorded = official_size(self.baseline, self.catalog, image)
        if recorded is None:
            notes.append(f"{reason}, and no size of an official image is recorded to compare with.")
            return None
        about = f"recorded {recorded.date} from {recorded.source}"
        notes.append(f"{reason}; the compressed size of {recorded.tag} is the one {about}.")
        return Measured(
            recorded.tag, "recorded", about, image.platform, recorded.compressed_bytes, recorded.layers,
            digest=recorded.digest, release=recorded.release, date=recorded.date,
        )  # fmt: skip

    def _against(self, image: Image) -> Measured | None:
        assert self.against is not None
        local = self._local(self.against, image.platform)
        if local is not None:
            return local
        try:
            return _from_registry(self.registry.image(self.against, image.platform))
        except (RegistryUnavailable, ManifestError) as error:
            raise InputError(
                f"--against={self.against} is neither in the engine nor to be had from its registry: {error}",
                hint="Expected an image reference such as python:3.13-slim-bookworm.",
            ) from None

    def _reference(self, image: Image, notes: list[str]) -> Measured | None:
        made = reference_names(self.catalog, image)
        names = [self.against] if self.against else [*official_tags(self.catalog, image.series, image.target), *made]
        found = next((one for name in names if (one := self._local(name, image.platform))), None)
        if found is None and self.engine is not None:
            absent = self.against or f"{names[0]} and no {made[0]}"
            make = f"inv reference --version={image.pin.release} --target={made[0].rpartition('-')[2]}"
            way = f"docker pull {self.against}" if self.against else make
            notes.append(f"Nothing to compare with on disk: the engine has no {absent}. To have it: {way}")
        return found

    def _local(self, reference: str, platform: Platform) -> Measured | None:
        found = self._engine_image(reference, platform)
        if found is None:
            return None
        identity, saved = found
        digest = saved.digest or identity
        one = _measured(reference, "engine", "docker save", platform, digest, saved.layers, saved.config)
        return dataclasses.replace(
            one, disk_bytes=saved.size.disk_bytes, parts=saved.parts, files=saved.files, estimated=saved.estimated
        )

    def _engine_image(self, reference: str, platform: Platform) -> tuple[str, SavedImage] | None:
        """The engine's identity of an image and its contents, read once in a run; ``None`` where it has none."""
        key = (reference, platform)
        if key not in self.saved:
            self.saved[key] = None
            if self.engine is None:
                return None
            found = self.engine.find(reference)
            if found is None or found.platform != platform:
                return None
            self.tell(f"measuring {reference}")
            self.saved[key] = found.id, saved_image(self.engine.save(reference), platform)
        return self.saved[key]


def _from_registry(remote: Remote) -> Measured:
    about = f"manifest at {remote.host}"
    return _measured(
        remote.reference, "registry", about, remote.platform, remote.digest, remote.manifest.layers, remote.config
    )


def _measured(
    reference: str, source: str, about: str, platform: Platform, digest: str, layers: tuple[LayerSize, ...],
    config: Mapping[str, Any],
) -> Measured:  # fmt: skip
    """Sizes as pulled, and what the configuration says: Python's release, the day of the image, our recipe."""
    inner = config.get("config") or {}
    environment = dict(one.split("=", 1) for one in inner.get("Env") or [] if "=" in one)
    return Measured(
        reference=reference,
        source=source,
        about=f"{about}, {digest[:19]}",
        platform=platform,
        compressed_bytes=sum(layer.compressed_bytes for layer in layers),
        layers=layers,
        digest=digest,
        release=environment.get("PYTHON_VERSION", ""),
        date=str(config.get("created", ""))[:10],
        recipe=(inner.get("Labels") or {}).get(f"{LABELS}.recipe", ""),
    )
