"""What was built and tested: build records of this clone and shared/status.json."""

from bakery.records.builds import read_record, record_file
from bakery.records.status import adopt, local_records, read_status, write_status

__all__ = [
    "adopt", "local_records", "read_record", "read_status", "record_file", "write_status",
]  # fmt: skip
