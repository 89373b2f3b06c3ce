"""Software bills of materials, and packages that are outdated."""

from bakery.sbom.document import (
    BILL_COLUMNS,
    Subject,
    bill_of,
    bill_rows,
    bills,
    load_licences,
    predicates_of,
    print_bill,
    vulnerability_report,
    write_bill,
)
from bakery.sbom.outdated import Outdated
from bakery.sbom.vendored import materials_of
