"""Software bills of materials, and packages that are outdated."""

from bakery.sbom.document import bill_of, load_licences
from bakery.sbom.listing import BILL_COLUMNS, bill_rows, bills
from bakery.sbom.outdated import OUTDATED_COLUMNS, Outdated
from bakery.sbom.spdx import text_of

__all__ = [
    "BILL_COLUMNS", "OUTDATED_COLUMNS", "Outdated", "bill_of", "bill_rows", "bills", "load_licences", "text_of",
]  # fmt: skip
