"""The bills of materials that `inv sbom` prints: whole, or as an overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bakery.catalog import Catalog, Image, references
from bakery.display import Column
from bakery.engine import find_engine
from bakery.files import Tell
from bakery.sbom.document import Bill, Subject, load_licences, of_engine
from bakery.sources import SourceCache
from bakery.workspace import Workspace

__all__ = ["BILL_COLUMNS", "bill_rows", "bills"]


def bills(
    workspace: Workspace, catalog: Catalog, images: Sequence[Image], mirror: str | None, tell: Tell
) -> Iterator[Bill]:
    """The bills of ``images`` in the engine in use. Raises what :func:`of_engine` and :class:`SourceCache` raise."""
    engine = find_engine(workspace, catalog, tell)
    licences, sources = load_licences(workspace.root), SourceCache(workspace, mirror, tell)
    for image in images:
        folder = sources.fetch(image.pin, image.series, "inv sbom --version={version}")
        subject = Subject(image, references(catalog, image)[0], folder / image.pin.file, catalog.source)
        yield of_engine(engine, subject, licences)


BILL_COLUMNS = (
    Column("package", "name"),
    Column("version", "version"),
    Column("licence", "licence"),
    Column("package URL", "purl"),
)


def bill_rows(bill: Bill) -> list[dict[str, str | None]]:
    """An overview of a bill: the image and its packages with version, licence and package URL."""
    image = {"name": bill.name, "version": bill.digest, "licence": None, "purl": bill.purl}
    return [
        image,
        *(
            {"name": one.name, "version": one.version or None, "licence": one.licence or None, "purl": one.purl or None}
            for one in bill.components
        ),
    ]
