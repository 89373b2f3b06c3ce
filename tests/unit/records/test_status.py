"""README's status table: a check mark only for what was built and tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bakery.catalog.loader import load_catalog
from bakery.catalog.recipes import RecipeName
from bakery.errors import ConfigError
from bakery.records.builds import BaseRecord, BuildRecord, LocalRecord, SuiteRun
from bakery.records.status import adopt, read_status, status_file, write_status
from bakery.report.readme import drift, fill
from bakery.report.status_table import status_table
from tests.records import local_record, run_of_tests

ROOT = Path(__file__).resolve().parents[3]


def record(release: str = "3.13.15", recipe: str = "full", built: str = "2026-01-01", **more: Any) -> LocalRecord:
    series = ".".join(release.split(".")[:2])
    values = {"tests": run_of_tests(180, skipped=2), **more}
    return local_record(
        image=f"{release}-bookworm", series=series, release=release, recipe=RecipeName(recipe), built=built, **values
    )


def cell(*records: BuildRecord, series: str = "3.13", column: int = 2) -> str:
    table = status_table(load_catalog(ROOT), list(records), "linux/amd64")
    (row,) = (line for line in table.splitlines() if line.startswith(f"| **{series}**"))
    return row.strip("| ").split(" | ")[column]


def test_what_was_never_built_has_no_check_mark() -> None:
    assert cell() == "not yet built"


def test_what_was_built_and_passed_has_a_check_mark_and_its_counts() -> None:
    assert cell(record()) == "✓ 3.13.15<br>180 passed"


@pytest.mark.parametrize(
    ("failed", "recovered", "said"), [(0, 0, "suite: 430 files"), (1, 1, "suite: 430 files, 2 not as expected")]
)
def test_a_run_of_cpython_s_own_suite_is_named(failed: int, recovered: int, said: str) -> None:
    suite = SuiteRun(when="", passed=430, failed=failed, skipped=50, expected=3, recovered=recovered)
    (kept,) = adopt([], [record(regrtest=suite)])
    assert cell(kept) == f"✓ 3.13.15<br>180 passed<br>{said}"


def test_what_failed_its_tests_has_no_check_mark() -> None:
    assert cell(record(tests=run_of_tests(1, failed=2))) == "✗ 3.13.15<br>1 passed, 2 failed"


def test_a_quick_build_is_called_quick_and_gives_way_to_a_full_one() -> None:
    assert "quick" in cell(record(recipe="quick"))
    assert "quick" not in cell(record(recipe="quick"), record("3.13.5"))


def test_another_platform_s_build_does_not_count() -> None:
    assert cell(record(platform="linux/arm64")) == "not yet built"


def test_an_untested_build_is_not_taken_over() -> None:
    assert adopt([], [record(tests=None)]) == []


def test_a_build_on_a_base_of_the_users_own_does_not_count_for_the_target() -> None:
    assert adopt([], [record(base=BaseRecord(name="own", digest="", origin="user"))]) == []
    assert len(adopt([], [record(base=BaseRecord(name="made", digest="", origin="mmdebstrap"))])) == 1


def test_a_newer_build_replaces_an_older_one_and_not_the_other_way_round() -> None:
    old, new = record(built="2026-01-01"), record(built="2026-02-01")
    assert [one.built for one in adopt([old], [new])] == ["2026-02-01"]
    assert [one.built for one in adopt([new], [old])] == ["2026-02-01"]


def test_fields_that_are_only_valid_in_this_clone_are_not_published() -> None:
    (published,) = adopt([], [record(tags=("a:b",), phases={"source": 1.0}, compression="zstd")])
    assert type(published) is BuildRecord
    assert not {"id", "tags", "phases", "compression"} & set(msgspec.to_builtins(published))


def test_the_status_file_round_trips(tmp_path: Path) -> None:
    published = adopt([], [record()])
    write_status(tmp_path, published)
    assert read_status(tmp_path) == published


def test_the_repository_s_status_file_round_trips_byte_for_byte(tmp_path: Path) -> None:
    write_status(tmp_path, read_status(ROOT))
    assert status_file(tmp_path).read_bytes() == status_file(ROOT).read_bytes()


def test_a_missing_status_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"status\.json"):
        read_status(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `schema`"),
        ('{"schema": 2, "records": []}', r"enum value 2 - at `\$.schema`"),
        ('{"schema": 1, "records": [{"compressed_bytes": "1"}]}', r"got `str` - at `\$.records\[0\].compressed_bytes`"),
        (
            '{"schema": 1, "records": [{"anatomy": {"base": [1]}}]}',
            r"Expected `array` of length 2.*records\[0\].anatomy",
        ),
        ('{"schema": 1, "records": [{"recipe": "slow"}]}', r"enum value 'slow' - at `\$.records\[0\].recipe`"),
        ('{"schema": 1, "records": [{"image": "x", "surprise": 1}]}', "unknown field `surprise`"),
    ],
)
def test_an_error_in_the_status_file_names_the_field_and_the_expected_type(
    tmp_path: Path, text: str, problem: str
) -> None:
    status_file(tmp_path).parent.mkdir()
    status_file(tmp_path).write_text(text)
    with pytest.raises(ConfigError, match=rf"shared/status\.json: expected .* build records: .*{problem}"):
        read_status(tmp_path)


def test_only_what_stands_between_the_markers_changes() -> None:
    text = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n"
    assert fill(text, {"a": "new\n"}) == "before\n<!-- a:begin -->\nnew\n<!-- a:end -->\nafter\n"


def test_a_missing_marker_is_told() -> None:
    with pytest.raises(ConfigError, match="a:begin"):
        fill("text", {"a": "new"})


def test_drift_is_a_diff_and_empty_where_there_is_none() -> None:
    assert drift("a\n", "a\n") == ""
    assert "-a\n+b\n" in drift("a\n", "b\n")
