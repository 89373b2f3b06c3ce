"""Rows for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bakery.build.builder import BuildResult, failure_of
from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.display.tables import Column, render
from bakery.errors import InputError
from bakery.records.builds import Size, record_file, write_record
from bakery.report.rows import catalog_rows, release_rows, result_rows, tag_rows
from bakery.sizes.baseline import OfficialImage
from bakery.workspace import Workspace
from tests.records import local_record

COLUMNS = (Column("Name", "name"), Column("Count", "count", right=True))
ROWS = [{"name": "a [b]", "count": 1, "hidden": [1]}, {"name": ["x", "y"], "count": None}, {"name": True}]
BASELINE = {
    ("python:3.13-slim-bookworm", "linux/amd64"): OfficialImage("python:3.13-slim-bookworm", "3.13.15", 50_000_000),
    ("python:3.15-rc-slim-bookworm", "linux/amd64"): OfficialImage("python:3.15-rc-slim-bookworm", "3.15.0b3", 1),
}

TODAY = date(2026, 11, 24)


def test_a_table_aligns_its_columns_and_leaves_no_blanks_at_the_end() -> None:
    text = render(ROWS, COLUMNS)
    assert text.endswith("\n")
    heading, _, *lines = text.splitlines()
    assert heading.split() == ["Name", "Count"]
    assert [line.split("  ")[0] for line in lines] == ["a [b]", "x y", "yes"]
    assert [line[-1] for line in lines] == ["1", "-", "-"]
    assert len({len(line) for line in (heading, *lines)}) == 1


def test_a_table_is_never_cut_or_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert len(render([{"name": "x" * 300, "count": 1}], COLUMNS).splitlines()) == 3


def test_a_table_in_a_file_has_no_control_characters() -> None:
    assert "\x1b" not in render(ROWS, COLUMNS)


def test_a_table_in_a_file_has_no_control_characters_whatever_ci_forces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in render(ROWS, COLUMNS)


def test_markdown_has_a_heading_a_rule_and_the_same_cells() -> None:
    assert render(ROWS, COLUMNS, "markdown") == (
        "| Name | Count |\n| --- | ---: |\n| a [b] | 1 |\n| x y | - |\n| yes | - |\n"
    )


def test_json_has_everything_columns_or_not() -> None:
    assert json.loads(render(ROWS, COLUMNS, "json")) == ROWS


def test_no_rows_are_an_empty_table_in_every_format() -> None:
    assert render([], COLUMNS, "json") == "[]\n"
    assert render([], COLUMNS, "markdown").count("\n") == 2
    assert "Name" in render([], COLUMNS)


@pytest.mark.parametrize("form", ["yaml", "", "JSON"])
def test_an_unknown_format_is_answered_with_those_that_there_are(form: str) -> None:
    with pytest.raises(InputError, match="unknown format") as caught:
        render([], (), form)
    assert caught.value.exit_code == 2
    assert caught.value.hint == "There are: table, json, markdown."


def result(one: Image, **more: object) -> BuildResult:
    return BuildResult(one, ("infra7/python:x",), Path("/log"), **more)  # type: ignore[arg-type]


def test_an_image_that_was_built_is_told_beside_the_official_one(catalog: Catalog, image: Callable[..., Image]) -> None:
    built = result(
        image("3.13"), id="sha256:1", size=Size(40_000_000, 120_000_000), seconds=185.44, compiled=True,
        phases={"source": 0.04, "compile": 185.4},
    )  # fmt: skip
    (row,) = result_rows(catalog, [built], BASELINE)
    assert row["result"] == "built"
    assert (row["compressed"], row["disk"]) == ("40.0 MB", "120.0 MB")
    assert (row["compressed_bytes"], row["disk_bytes"]) == (40_000_000, 120_000_000)
    assert row["official"] == "50.0 MB python:3.13-slim-bookworm (0.80x)"
    assert row["official_compressed_bytes"] == 50_000_000
    assert (row["time"], row["seconds"]) == ("3 min 05 s", 185.4)
    assert row["phases"] == {"source": 0.0, "compile": 185.4}
    assert row["tags"] == ["infra7/python:x"]
    assert row["error"] is None


def test_an_image_that_was_there_is_up_to_date(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13"), size=Size(1, 2), compiled=False)], BASELINE)
    assert (row["result"], row["error"]) == ("up to date", None)


def test_an_image_that_failed_has_its_error_and_no_sizes(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13"), error="it broke", compiled=True)], BASELINE)
    assert (row["result"], row["error"]) == ("failed", "it broke")
    assert (row["compressed"], row["disk"], row["compressed_bytes"], row["disk_bytes"]) == (None,) * 4
    assert row["official"] == "50.0 MB python:3.13-slim-bookworm"


def test_a_quick_image_is_not_measured_against_the_official_one(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13", recipe=RecipeName.QUICK), size=Size(1, 2))], BASELINE)
    assert row["recipe"] == "quick"
    assert "x)" not in row["official"]


def test_without_an_official_image_the_column_is_empty(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.9"), size=Size(1, 2))], BASELINE)
    assert (row["official"], row["official_compressed_bytes"]) == (None, None)


def test_every_row_of_results_has_the_same_keys_and_is_json(catalog: Catalog, image: Callable[..., Image]) -> None:
    results = [
        result(image("3.13"), compiled=True, size=Size(1, 2)), result(image("3.12")), result(image("3.9"), error="x"),
    ]  # fmt: skip
    rows = result_rows(catalog, results, BASELINE)
    assert len({tuple(row) for row in rows}) == 1
    assert json.loads(render(rows, (), "json")) == rows


def test_the_list_of_images_shows_what_this_clone_recorded(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    clone = Workspace(root=tmp_path, home=tmp_path / "home")
    built, other = image("3.13"), image("3.15", "noble")
    record = local_record(built="2026-01-02T03:04:05+00:00", compressed_bytes=41_200_000, disk_bytes=5)
    write_record(clone, built, record)
    first, second = catalog_rows(catalog, clone, [built, other], TODAY)
    assert (first["built"], first["recipe"], first["compressed"]) == (record.built, "full", "41.2 MB")
    assert (second["built"], second["recipe"], second["compressed"]) == (None, None, None)
    assert (first["series"], first["until"], first["target"]) == ("3.13", "2029-10", "bookworm")
    assert (first["status"], first["distribution"]) == ("security", "debian 12")
    assert second["status"] == "bugfix, pre-release pinned"
    assert [row["latest"] for row in catalog_rows(catalog, clone, [image("3.14"), built], TODAY)] == [True, False]


@pytest.mark.parametrize("text", ["", "no json", "[1]", "null", '{"built": 5}', "\udcff"])
def test_a_broken_record_is_ignored(catalog: Catalog, image: Callable[..., Image], tmp_path: Path, text: str) -> None:
    clone, one = Workspace(root=tmp_path, home=tmp_path), image("3.13")
    record_file(clone, one).parent.mkdir(parents=True)
    record_file(clone, one).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert catalog_rows(catalog, clone, [one], TODAY)[0]["built"] is None


def test_the_pinned_releases_are_listed_newest_first_with_the_default_marked(catalog: Catalog) -> None:
    rows = release_rows(catalog, ["3.13"])
    assert [row["release"] for row in rows[:2]] == ["3.13.15", "3.13.14"]
    assert [row["release"] for row in rows if row["default"]] == ["3.13.15"]
    assert {row["series"] for row in rows} == {"3.13"}
    assert next(row for row in rows if row["release"] == "3.13.5")["in_pool"] is True
    assert len(release_rows(catalog, [])) == sum(len(one.pins) for one in catalog.series)


def test_the_list_of_tags_names_the_repository(catalog: Catalog, image: Callable[..., Image]) -> None:
    assert tag_rows(catalog, [image("3.13.5", "jammy")]) == [
        {"image": "3.13.5-jammy", "repository": "infra7/python", "tags": ["3.13.5-jammy"]}
    ]


@pytest.mark.parametrize(("codes", "code"), [([], None), ([2], 2), ([2, 2, 0], 2), ([1, 2], 1), ([1], 1)])
def test_a_run_ends_with_code_2_only_where_nothing_but_the_input_was_wrong(
    codes: list[int], code: int | None, image: Callable[..., Image], tmp_path: Path
) -> None:
    results = [BuildResult(image("3.13"), (), tmp_path, error="x" if one else "", exit_code=one) for one in codes]
    failure = failure_of(results)
    assert (failure.exit_code if failure else None) == code
