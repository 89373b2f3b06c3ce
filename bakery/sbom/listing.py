"""The bills of materials that `inv sbom` prints: whole, or as an overview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bakery.catalog import Catalog, Image, references
from bakery.display import Column
from bakery.engine import find_engine
from bakery.files import Tell
from bakery.sbom.document import load_licences, of_engine
from bakery.sources import Sources
from bakery.workspace import Workspace

__all__ = ["BILL_COLUMNS", "bill_rows", "bills"]


def bills(
    workspace: Workspace, catalog: Catalog, images: Sequence[Image], mirror: str | None, tell: Tell
) -> Iterator[dict[str, Any]]:
    """The bills of ``images``, as far as the engine in use has them. Raises as :func:`of_engine` and sources do."""
    engine = find_engine(workspace, catalog, tell)
    licences, sources = load_licences(workspace.root), Sources(workspace, mirror, tell)
    for image in images:
        folder = sources.fetch(image.pin, image.series, "inv sbom --version={version}")
        reference = references(catalog, image)[0]
        yield of_engine(engine, image, reference, folder / image.pin.file, licences, catalog.source)


BILL_COLUMNS = (
    Column("package", "name"),
    Column("version", "version"),
    Column("licence", "licence"),
    Column("package URL", "purl"),
)


def bill_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An overview of a bill: its packages with version, licence and package URL."""
    rows = []
    for one in content["packages"]:
        references = {ref["referenceType"]: ref["referenceLocator"] for ref in one.get("externalRefs", [])}
        licence = one.get("licenseDeclared", "NOASSERTION")
        rows.append(
            {
                "name": one["name"],
                "version": one.get("versionInfo"),
                "licence": None if licence == "NOASSERTION" else licence,
                "purl": references.get("purl"),
            }
        )
    return rows
