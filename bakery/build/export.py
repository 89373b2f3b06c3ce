"""How an image gets from buildx into the engine: as buildx compresses it, or recompressed on the way.

An image to recompress is exported as an OCI image layout. A full build also gets attestations there: its bill of
materials and BuildKit's provenance.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bakery import oci
from bakery.catalog import Image, RecipeName
from bakery.compression import Compression
from bakery.engine import Engine
from bakery.files import Tell, require_type, spooled, write_whole
from bakery.records import Resolution, manifest_digest_of, record_attested
from bakery.regular_files import read_regular, read_text
from bakery.workspace import Workspace

ENGINES_OWN = Compression("gzip", None)
FAST = Compression("zstd", 1)
PACKED = f"compression={FAST.method},compression-level={FAST.level}"
"""How buildx packs the layers of an image that is recompressed."""


@dataclass(frozen=True)
class Stage:
    """A stage of the Dockerfile to build, the image's own if ``name`` is empty, with its log.

    ``packings`` has the image's compression for each group of names, the twin's last. ``resolution`` has the
    distribution's packages; ``None`` if they are not resolved, because what the stage installs is not published.
    """

    image: Image
    log: Path
    packings: Mapping[tuple[str, ...], Compression]
    name: str = ""
    resolution: Resolution | None = None


@dataclass(frozen=True)
class Packed:
    """An image in the engine: the digest of its manifest, and the bytes of its layers as they are pulled."""

    id: str
    compressed_bytes: int


def files_of(engine: Engine, image: Image, identity: str, names: re.Pattern[str]) -> Mapping[str, bytes]:
    """The files of ``image``'s stage ``identity`` whose names match ``names``, by name."""
    with spooled(engine.save(identity)) as saved:
        return oci.contents_of(saved, image.platform, names, identity).files


def stages_after_compiling(dockerfile: Path) -> tuple[str, ...]:
    """The stages after the one that compiles; the reference's Dockerfile has no such stage."""
    text = read_text(dockerfile).partition(" AS build\n")[2]
    return tuple(re.findall(r"(?m)^FROM \S+ AS (\S+)$", text))


class Export:
    """The export of one image, as a context manager that removes its temporary files.

    buildx loads the image straight into an engine that unpacks layers: such an engine would discard the compressed
    layers, and compress them in its own way when they are pushed. Only full builds are attested, because no others are
    published. A stage with a name is not published either. Reference images get BuildKit's provenance, which the
    official images have, because an engine takes longer to start a container from an index.
    """

    def __init__(self, workspace: Workspace, engine: Engine, stage: Stage) -> None:
        self.workspace, self.engine, self.stage, self.image = workspace, engine, stage, stage.image
        self.recompresses = ENGINES_OWN not in stage.packings.values() and engine.keeps_layers
        full = self.recompresses and self.image.recipe is RecipeName.FULL
        self.attests, self.stamps = full and not stage.name, full and bool(self.image.pin.date)
        self.proves = self.attests or (engine.keeps_layers and self.image.recipe is RecipeName.REFERENCE)
        # A stage has separate files, because the image may be built at the same time.
        self.exported = workspace.build / f"{'-'.join(filter(None, (self.image.slug, stage.name)))}.oci.tar"
        self.recompressed = self.exported.with_suffix(".packed.tar")
        self.attested = self.exported.with_suffix(".attested.tar")

    def __enter__(self) -> "Export":
        self._clear()  # what a killed process left, or a link or FIFO, which programs would write to
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _clear(self) -> None:
        for file in (self.exported, self.recompressed, self.attested):
            file.unlink(missing_ok=True)

    @property
    def output(self) -> str:
        """The value of buildx's ``--output``; buildx runs in the repository's root folder."""
        if not self.recompresses:
            # BuildKit may have a layer as zstd, from another export. Without force, the image would get that layer,
            # which `docker commit` and registries of Docker's media types reject.
            return "type=docker,compression=gzip,force-compression=true"
        # Files that the build made get the time of SOURCE_DATE_EPOCH, if the plan sets one. BuildKit then packs layers
        # again at each export, which takes three times as long with gzip; recompress() discards this compression.
        stamp = ",rewrite-timestamp=true" if self.stamps else ""
        return f"type=oci,dest={self.exported.relative_to(self.workspace.root)},{PACKED}{stamp}"

    def finish(
        self, tarball: Path, origin: tuple[str, str, str], enter: Callable[[str], None], tell: Tell
    ) -> list[Packed]:
        """Load what buildx exported into the engine, unless the engine has it already; ``enter`` begins a phase.

        The bill of materials names what is in ``tarball``; the provenance has the ``origin``: the fields of
        :class:`bakery.oci.Origin`.
        """
        packings = self.stage.packings.items() if self.recompresses else ()
        self.layers = oci.LayerCache(self.workspace.home / "layers", tell)
        return [self._pack(*packing, tarball, oci.Origin(*origin), enter) for packing in packings]

    def _pack(
        self, names: tuple[str, ...], packing: Compression, tarball: Path, origin: oci.Origin,
        enter: Callable[[str], None],
    ) -> Packed:  # fmt: skip
        enter("compress")
        # Other stages stay in this engine, but their lower layers must be those of the image.
        packing = FAST if self.stage.name else packing
        record = self._record_file(packing)
        text = read_regular(record).decode(errors="replace") if require_type(record) else None
        known = re.fullmatch(rf"{re.escape(record.name)} (sha256:[0-9a-f]{{64}}) (\d+)\n", text or "")
        # A rebuild of the same image has the provenance of a build that did nothing, so the first one is kept.
        if self.attests and known and all(self._has(name, known[1]) for name in names):
            return Packed(known[1], int(known[2]))
        tags = {name.rpartition(":")[2] for name in names}
        digests = oci.recompress(self.exported, self.recompressed, packing, self.layers, tags=tags)
        with self.recompressed.open("rb") as stream, oci.image_archive(stream, self.image.platform) as archive:
            packed = Packed(archive.digest, sum(archive.tar.getmember(name).size for name in archive.layers))
        if not self.attests:
            self._load(self.recompressed, names, set(digests), enter)
            return packed
        new = f"{record.name} {packed.id} {packed.compressed_bytes}\n"
        if text not in (None, new):
            self.layers.tell(f"{record}: damaged in the cache, or another library version wrote it; writing it again")
        write_whole(record, new)
        if all(self._has(name, packed.id) for name in names):
            return packed
        from bakery import sbom  # 0.08 s, which `inv plan` does not need

        enter("attest")
        subject = sbom.Subject(self.image, names[0], tarball, origin.repository)
        licences = sbom.load_licences(self.workspace.root)
        with self.recompressed.open("rb") as stream:
            predicates = sbom.predicates_of(sbom.bill_of(stream, subject, licences), self.workspace.root)
            materials, resolution = sbom.materials_of(self.image), self.stage.resolution
            if resolution:
                predicates[oci.PACKAGES], materials[oci.PACKAGES] = msgspec.to_builtins(resolution), resolution.digest
            publication = oci.Publication(predicates, origin, materials)
            # The image already has its mark.
            packing = replace(packing, marked=False)
            indexes = oci.recompress(self.recompressed, self.attested, packing, self.layers, publication)
        for index in indexes:
            record_attested(self.workspace.home, index, packed.id)
        self._load(self.attested, names, set(indexes), enter)
        return packed

    def _record_file(self, packing: Compression) -> Path:
        """The file that records the digest and the size of what was exported, once it was packed in this way.

        It begins with its own name, so that the record of another image is not trusted.
        """
        with self.exported.open("rb") as stream, oci.image_archive(stream, self.image.platform) as archive:
            config = oci.digest_of(oci.to_json(archive.config))
        name = f"{config}-{packing}{'-marked' if packing.marked else ''}"
        return self.workspace.home / "layers" / "attested" / name.replace(":", "-")

    def _has(self, reference: str, manifest: str) -> bool:
        """Whether the engine has the image ``manifest`` under this name, with attestations."""
        image = self.engine.find(reference)
        if not image or image.id == manifest:
            return False
        return manifest_digest_of(self.workspace.home, image.id, self.layers.tell) == manifest

    def _load(self, archive: Path, references: Iterable[str], digests: set[str], enter: Callable[[str], None]) -> None:
        enter("load")
        if any({image and image.id} != digests for image in map(self.engine.find, references)):
            with archive.open("rb") as stream:
                self.engine.load(stream)
