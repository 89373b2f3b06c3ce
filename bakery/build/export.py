"""How an image gets from buildx into the engine: as buildx compresses it, or recompressed on the way.

An image to recompress is exported as an OCI image layout. A full build also gets attestations there: its bill of
materials and BuildKit's provenance.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from bakery.catalog import Compression, Image, RecipeName
from bakery.engine import Engine
from bakery.oci import Publication, image_archive, recompress
from bakery.records import manifest_digest_of, record_attested
from bakery.workspace import Workspace

ENGINES_OWN = Compression("gzip", None)
FAST = Compression("zstd", 1)


class Export:
    """The export of one image, as a context manager that removes its temporary files.

    An engine that unpacks layers is loaded by buildx directly: it would discard the compressed layers, and compress
    them in its own way when they are pushed. Only full builds are attested, because no others are published. ``stage``
    means that another stage of the Dockerfile is built, which is not published either. The reference image gets
    BuildKit's provenance, which the official images have too: an engine takes longer to start a container of an index.
    """

    def __init__(
        self, workspace: Workspace, engine: Engine, image: Image, compression: Compression, *, stage: bool = False
    ) -> None:
        self.workspace, self.engine, self.image = workspace, engine, image
        self.recompresses = compression != ENGINES_OWN and engine.keeps_layers
        # Other stages stay in this engine, but their lower layers must be those of the image.
        self.compression = FAST if stage else compression
        full = self.recompresses and image.recipe is RecipeName.FULL
        self.attests, self.stamps = full and not stage, full and bool(image.pin.date)
        self.proves = self.attests or (engine.keeps_layers and image.recipe is RecipeName.REFERENCE and not stage)
        self.exported = workspace.build / f"{image.slug}.oci.tar"
        self.recompressed = self.exported.with_suffix(".packed.tar")
        self.attested = self.exported.with_suffix(".attested.tar")

    def __enter__(self) -> "Export":
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.exported, self.recompressed, self.attested):
            file.unlink(missing_ok=True)

    @property
    def output(self) -> str:
        """The value of buildx's ``--output``; buildx runs in the repository's root folder."""
        if not self.recompresses:
            return "type=docker"
        # Files that the build made get the time of SOURCE_DATE_EPOCH, if the plan sets one.
        stamp = ",rewrite-timestamp=true" if self.stamps else ""
        return f"type=oci,dest={self.exported.relative_to(self.workspace.root)}{stamp}"

    def finish(self, references: Sequence[str], tarball: Path, repository: str, enter: Callable[[str], None]) -> None:
        """Load what buildx exported into the engine, unless the engine has it already; ``enter`` begins a phase.

        The bill of materials names what is in ``tarball``; ``repository`` is this repository's URL.
        """
        if not self.recompresses:
            return
        enter("compress")
        packing, layers = self.compression, self.workspace.home / "layers"
        digests = recompress(self.exported, self.recompressed, packing, layers)
        if not self.attests:
            self._load(self.recompressed, references, set(digests), enter)
            return
        with self.recompressed.open("rb") as stream, image_archive(stream, self.image.platform) as archive:
            manifest = archive.digest
        # A rebuild of the same image has another provenance, of a build that did nothing: the first one is kept.
        if all(self._has(reference, manifest) for reference in references):
            return
        from bakery.sbom import Subject, bill_of, document, load_licences  # 0.08 s, which `inv plan` does not need

        enter("attest")
        subject, licences = Subject(self.image, references[0], tarball, repository), load_licences(self.workspace.root)
        with self.recompressed.open("rb") as stream:
            publication = Publication(lambda: document(bill_of(stream, subject, licences)), repository)
            indexes = recompress(self.recompressed, self.attested, packing, layers, publication)
        for index in indexes:
            record_attested(self.workspace.home, index, manifest)
        self._load(self.attested, references, set(indexes), enter)

    def _ids(self, reference: str) -> set[str]:
        return {image.id for image in self.engine.images(name=reference)}

    def _has(self, reference: str, manifest: str) -> bool:
        """Whether the engine has the image ``manifest`` under this name, with attestations."""
        ids = self._ids(reference)
        return len(ids) == 1 and manifest not in ids and {manifest_digest_of(self.workspace.home, *ids)} == {manifest}

    def _load(self, archive: Path, references: Sequence[str], digests: set[str], enter: Callable[[str], None]) -> None:
        enter("load")
        if any(self._ids(reference) != digests for reference in references):
            self.engine.load(archive)
