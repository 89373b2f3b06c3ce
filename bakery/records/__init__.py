"""Records of builds, tests and benchmarks: the files of this clone, and those that the repository publishes."""

from bakery.records.benchmarks import (
    BenchmarkEnvironment,
    BenchmarkResult,
    BenchmarkSettings,
    BenchmarkSummary,
    BenchmarkTimes,
    MeasuredImage,
    MeasuredImages,
    NamedRatio,
    write_result,
)
from bakery.records.builds import (
    BaseRecord,
    BuildRecord,
    ComparedWith,
    LocalRecord,
    PartSize,
    SourceRecord,
    SuiteRun,
    TestRun,
    manifest_digest_of,
    read_record,
    record_attested,
    record_of,
    write_record,
)
from bakery.records.status import publish_local_records, read_status

__all__ = [
    "BaseRecord", "BenchmarkEnvironment", "BenchmarkResult", "BenchmarkSettings", "BenchmarkSummary", "BenchmarkTimes",
    "BuildRecord", "ComparedWith", "LocalRecord", "MeasuredImage", "MeasuredImages", "NamedRatio", "PartSize",
    "SourceRecord", "SuiteRun", "TestRun", "manifest_digest_of", "publish_local_records", "read_record", "read_status",
    "record_attested", "record_of", "write_record", "write_result",
]  # fmt: skip
