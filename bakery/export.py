"""How an image gets from buildx into the engine: as the engine packs it, or with its layers packed anew on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bakery.compression import Compression
from bakery.engine import Engine
from bakery.models import Layout

__all__ = ["ENGINES_OWN", "Export"]

ENGINES_OWN = Compression("gzip", None)


class Export:
    """The way of one image; a context that leaves no file behind.

    An engine that does not keep layers as they are packed gets the image straight from buildx: it would unpack them,
    and pack them as it likes when they are pushed.
    """

    def __init__(self, layout: Layout, engine: Engine, slug: str, packing: Compression) -> None:
        self.layout, self.engine, self.packing = layout, engine, packing
        self.repacks = packing != ENGINES_OWN and engine.keeps_layers
        self.archive = layout.build / f"{slug}.oci.tar"

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.archive, self.packed):
            file.unlink(missing_ok=True)

    @property
    def packed(self) -> Path:
        """Where the image lies with its layers packed anew."""
        return self.archive.with_suffix(".packed.tar")

    @property
    def output(self) -> str:
        """The exporter to give to buildx, which runs in the repository's folder."""
        return f"type=oci,dest={self.archive.relative_to(self.layout.root)}" if self.repacks else "type=docker"

    def finish(self, references: Sequence[str], enter: Callable[[str], None]) -> None:
        """Bring what buildx exported into the engine, unless that has just it already; ``enter`` begins a phase."""
        from bakery.recompress import recompress

        if not self.repacks:
            return
        enter("compress")
        digests = set(recompress(self.archive, self.packed, self.packing, self.layout.home / "layers"))
        enter("load")
        for reference in references:
            if {image.id for image in self.engine.client.images.list(name=reference)} != digests:
                self.engine.load(self.packed)
                break
