"""How an image gets from buildx into the engine: as the engine packs it, or with its layers packed anew on the way.

What is packed anew travels as an image layout, and there it is told what is in it and how it was made: the bill of
materials and BuildKit's provenance become attestations of its index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bakery.catalog import Compression, Image, RecipeName
from bakery.engine import Engine
from bakery.oci import attest, attested, image_archive, recompress, remember_attested
from bakery.sbom import Subject, bill_of, document, load_licences
from bakery.workspace import Workspace

__all__ = ["ENGINES_OWN", "Export"]

ENGINES_OWN = Compression("gzip", None)
FAST = Compression("zstd", 1)


class Export:
    """The way of one image; a context that leaves no file behind.

    An engine that does not keep layers as they are packed gets the image straight from buildx: it would unpack them,
    and pack them as it likes when they are pushed. Only full builds are attested: others are never published. ``stage``
    says that it is another stage of the Dockerfile, which is no image to publish either. The reference has BuildKit's
    provenance, as the official images have: where a container is made of an index, an engine takes longer over it.
    """

    def __init__(
        self, workspace: Workspace, engine: Engine, image: Image, packing: Compression, *, stage: bool = False
    ) -> None:
        self.workspace, self.engine, self.image = workspace, engine, image
        self.repacks = packing != ENGINES_OWN and engine.keeps_layers
        # Another stage is for this engine alone, but its layers must be those of the image below it.
        self.packing = FAST if stage else packing
        full = self.repacks and image.recipe is RecipeName.FULL
        self.attests, self.stamps = full and not stage, full and bool(image.pin.date)
        self.proves = self.attests or (engine.keeps_layers and image.recipe is RecipeName.REFERENCE and not stage)
        self.archive = workspace.build / f"{image.slug}.oci.tar"

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.archive, self.packed, self.whole):
            file.unlink(missing_ok=True)

    @property
    def packed(self) -> Path:
        """Where the image lies with its layers packed anew."""
        return self.archive.with_suffix(".packed.tar")

    @property
    def whole(self) -> Path:
        """Where it lies with its attestations."""
        return self.archive.with_suffix(".attested.tar")

    @property
    def output(self) -> str:
        """The exporter to give to buildx, which runs in the repository's folder."""
        if not self.repacks:
            return "type=docker"
        # Files of the build get the time of SOURCE_DATE_EPOCH, where the plan gives one.
        stamp = ",rewrite-timestamp=true" if self.stamps else ""
        return f"type=oci,dest={self.archive.relative_to(self.workspace.root)}{stamp}"

    def finish(self, references: Sequence[str], tarball: Path, repository: str, enter: Callable[[str], None]) -> None:
        """Load what buildx exported into the engine, unless the engine has it already; ``enter`` begins a phase.

        The bill of materials names what is in ``tarball``; ``repository`` is this repository's URL.
        """
        if not self.repacks:
            return
        enter("compress")
        digests = recompress(self.archive, self.packed, self.packing, self.workspace.home / "layers")
        if not self.attests:
            self._load(self.packed, references, set(digests), enter)
            return
        manifest = self._manifest()
        # A build that made the same image again has another provenance, of a build that did nothing: the first stays.
        if all(self._has(reference, manifest) for reference in references):
            return
        enter("attest")
        subject, licences = Subject(self.image, references[0], tarball, repository), load_licences(self.workspace.root)
        with self.packed.open("rb") as stream:
            indexes = attest(self.packed, self.whole, lambda: document(bill_of(stream, subject, licences)), repository)
        for index in indexes:
            remember_attested(self.workspace.home, index, manifest)
        self._load(self.whole, references, set(indexes), enter)

    def _manifest(self) -> str:
        with self.packed.open("rb") as stream, image_archive(stream, self.image.platform) as archive:
            return archive.digest

    def _ids(self, reference: str) -> set[str]:
        return {image.id for image in self.engine.images(name=reference)}

    def _has(self, reference: str, manifest: str) -> bool:
        """Whether the engine has the image ``manifest`` under this name, with attestations."""
        found = self._ids(reference)
        return len(found) == 1 and manifest not in found and attested(self.workspace.home, found.pop()) == manifest

    def _load(self, archive: Path, references: Sequence[str], digests: set[str], enter: Callable[[str], None]) -> None:
        enter("load")
        if any(self._ids(reference) != digests for reference in references):
            self.engine.load(archive)
