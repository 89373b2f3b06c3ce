"""Published records: the builds that are adopted, and the file."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bakery.errors import ConfigError
from bakery.files import write_whole
from bakery.records.builds import BaseRecord, BuildRecord, ComparedWith, ReferenceSize, json_text, local_records
from bakery.records.status import adopt, publish_local_records, read_status, status_file, write_status
from bakery.workspace import Workspace
from tests.locks import change_while_locked
from tests.records import local_record, passed_build, run_of_tests

ROOT = Path(__file__).resolve().parents[3]


def test_untested_builds_are_not_adopted() -> None:
    assert adopt([], [passed_build(tests=None)]) == []


def test_builds_on_a_custom_base_are_not_adopted() -> None:
    assert adopt([], [passed_build(base=BaseRecord(name="own", digest="", origin="user"))]) == []
    assert len(adopt([], [passed_build(base=BaseRecord(name="made", digest="", origin="mmdebstrap"))])) == 1


def test_the_newer_of_two_builds_is_published() -> None:
    old, new = passed_build(built="2026-01-01"), passed_build(built="2026-02-01")
    assert [record.built for record in adopt([old], [new])] == ["2026-02-01"]
    assert [record.built for record in adopt([new], [old])] == ["2026-02-01"]


def test_comparisons_are_kept_for_a_rebuild_of_the_same_sizes_only() -> None:
    compared = ComparedWith(reference=ReferenceSize(reference="official", disk_bytes=1))
    old = passed_build(built="2026-01-01", compared=compared)
    (same,) = adopt([old], [passed_build(built="2026-02-01")])
    (larger,) = adopt([old], [passed_build(built="2026-02-01", disk_bytes=old.disk_bytes + 1)])
    assert (same.compared, larger.compared) == (compared, None)


def test_fields_that_are_only_valid_in_this_clone_are_not_published() -> None:
    (published,) = adopt([], [passed_build(tags=("a:b",), phases={"source": 1.0}, compression="zstd")])
    assert type(published) is BuildRecord
    assert not {"id", "tags", "phases", "compression"} & set(msgspec.to_builtins(published))


def test_the_status_file_round_trips(tmp_path: Path) -> None:
    published = adopt([], [passed_build()])
    write_status(tmp_path, published)
    assert read_status(tmp_path) == published


def test_the_status_file_of_the_repository_round_trips_byte_for_byte(tmp_path: Path) -> None:
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
        (f'{{"schema": 1, "records": [{{"disk_bytes": {10**400}}}]}}', r"records\[0\].disk_bytes"),
        ('{"schema": 1, "records": [{"compressed_bytes": 0}]}', r"records\[0\].compressed_bytes"),
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


def test_a_published_record_from_the_future_is_replaced(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    write_status(tmp_path, adopt([], [passed_build(built="2106-02-07T06:28:15+00:00")]))
    workspace.records.mkdir(parents=True)
    record = passed_build(built="2026-11-28T00:00:00+00:00")
    (workspace.records / record.file_name).write_bytes(msgspec.json.encode(record))
    publish_local_records(workspace, print)
    assert [record.built[:4] for record in read_status(tmp_path)] == ["2026"]


def test_a_record_from_the_future_replaces_none() -> None:
    old, later = passed_build(built="2026-01-01"), passed_build(built="2999-01-01")
    assert [record.built for record in adopt([old], [later], "2026-02-01")] == ["2026-01-01"]
    assert adopt([], [later], "2026-02-01") == []


def test_builds_of_which_no_test_passed_are_not_adopted() -> None:
    assert adopt([], [passed_build(tests=run_of_tests(0))]) == []


def test_two_published_records_of_one_image_are_an_error(tmp_path: Path) -> None:
    write_status(tmp_path, [*adopt([], [passed_build()])] * 2)
    with pytest.raises(ConfigError, match=r"two records of the same image: 3\.13\.15-bookworm, linux/amd64, full"):
        read_status(tmp_path)


def test_damaged_and_misnamed_records_are_reported_and_not_published(tmp_path: Path) -> None:
    workspace, told = Workspace(tmp_path, tmp_path / "home"), list[str]()
    write_status(tmp_path, [])
    write_whole(workspace.records / "copy of it.json", json_text(passed_build()))
    write_whole(workspace.records / passed_build().file_name, "{")
    publish_local_records(workspace, told.append)
    assert read_status(tmp_path) == []
    assert [text.partition("/build/records/")[2] for text in told] == [
        f"{passed_build().file_name}: damaged, or not the record of a build",
        "copy of it.json: the record of another image: full 3.13.15-bookworm for linux/amd64",
    ]


def test_publishing_records_keeps_those_that_are_published_at_the_same_time(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    write_status(tmp_path, [])
    workspace.records.mkdir(parents=True)
    record = passed_build("3.13.15")
    (workspace.records / record.file_name).write_bytes(msgspec.json.encode(record))
    change_while_locked(
        tmp_path, "shared/status.json", lambda tell: publish_local_records(workspace, tell),
        lambda: write_status(tmp_path, adopt([], [passed_build("3.12.11")])),
    )  # fmt: skip
    assert [record.release for record in read_status(tmp_path)] == ["3.12.11", "3.13.15"]


@pytest.mark.parametrize(
    ("image", "series", "release", "target", "valid"),
    [
        ("3.13.15-bookworm", "3.13", "3.13.15", "bookworm", True),
        ("3.13.15t-minimal-debug-trixie", "3.13t", "3.13.15", "trixie", True),
        ("3.14.7-local-minimal-bookworm", "3.14", "3.14.7+", "bookworm", True),
        ("3.15.0b3-noble", "3.15", "3.15.0b3", "noble", True),
        ("3.13.15-bookworm", "3.14", "3.13.15", "bookworm", False),
        ("3.13.15-bookworm", "3.13t", "3.13.15", "bookworm", False),
        ("3.13.15-bookworm", "3.13", "3.13.14", "bookworm", False),
        ("3.13.15-bookworm", "3.13", "3.13.15", "trixie", False),
    ],
)
def test_a_record_whose_fields_are_those_of_another_image_is_not_read(
    tmp_path: Path, image: str, series: str, release: str, target: str, valid: bool
) -> None:
    workspace = Workspace(tmp_path, tmp_path)
    record = local_record(image=image, series=series, release=release, target=target)
    write_status(tmp_path, adopt([], [msgspec.structs.replace(record, tests=run_of_tests(1))]))
    write_whole(workspace.records / record.file_name, json_text(record))
    assert len(local_records(workspace)) == valid
    if valid:
        assert len(read_status(tmp_path)) == 1
        return
    with pytest.raises(ConfigError, match=f"{re.escape(image)} is not the name of {release} "):
        read_status(tmp_path)
