"""Records of builds and tests: the files of this clone, and those that the repository publishes."""

from bakery.records.builds import (
    BaseRecord,
    BuildRecord,
    ComparedWith,
    Count,
    FileName,
    Line,
    LocalRecord,
    PartSize,
    ProfileRecord,
    Record,
    Seconds,
    Size,
    SourceRecord,
    SuiteRun,
    TestRun,
    Time,
    amend_record,
    changing_record,
    json_text,
    local_records,
    manifest_digest_of,
    read_record,
    record_attested,
    record_of,
    write_record,
)
from bakery.records.packages import (
    QUERY,
    STAGE,
    NewerPackage,
    Resolution,
    is_package,
    parse_newer,
    read_resolution,
    recorded,
    replayed,
    resolve,
)
from bakery.records.status import publish_local_records, read_status

__all__ = [
    "QUERY", "STAGE", "BaseRecord", "BuildRecord", "ComparedWith", "Count", "FileName", "Line", "LocalRecord",
    "NewerPackage", "PartSize", "ProfileRecord", "Record", "Resolution", "Seconds", "Size", "SourceRecord", "SuiteRun",
    "TestRun", "Time",
    "amend_record", "changing_record", "is_package", "json_text", "local_records", "manifest_digest_of", "parse_newer",
    "publish_local_records", "read_record", "read_resolution", "read_status", "record_attested", "record_of",
    "recorded", "replayed", "resolve", "write_record",
]  # fmt: skip
