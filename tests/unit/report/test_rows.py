"""The rows of the tables that commands print."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bakery.build.builder import BuildResult, build_report, failure_of, result_rows
from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.catalog.tags import aliases_of, tags_of
from bakery.display.progress import Display
from bakery.display.tables import render
from bakery.errors import BuildError
from bakery.records.builds import LocalRecord, SourceRecord, record_file, write_record
from bakery.report.rows import image_report, release_report, tag_report
from bakery.sizes.baseline import OfficialImage
from bakery.workspace import Workspace
from tests.records import local_record

ROOT = Path(__file__).resolve().parents[3]

BASELINE = {
    (reference, "linux/amd64"): OfficialImage(reference, release, size, "linux/amd64")
    for reference, release, size in (
        ("python:3.13-slim-bookworm", "3.13.15", 50_000_000),
        ("python:3.15-rc-slim-bookworm", "3.15.0b3", 1),
    )
}

TODAY = date(2026, 11, 24)


def result(image: Image, **more: object) -> BuildResult:
    return BuildResult(image, ("infra7/python:x",), Path("/log"), **more)  # type: ignore[arg-type]


def sizes(compressed: int, disk: int, **more: object) -> LocalRecord:
    return local_record(compressed_bytes=compressed, disk_bytes=disk, **more)


def test_a_built_image_is_compared_with_the_official_image(catalog: Catalog, image: Callable[..., Image]) -> None:
    record = sizes(40_000_000, 120_000_000, phases={"source": 0.0, "compile": 185.4})
    built = result(image("3.13"), record=record, seconds=185.44, compiled=True)
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


def test_a_twin_has_its_size_and_is_compared_with_the_official_image(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    built = result(image("3.13"), record=sizes(40_000_000, 120_000_000, gzip_bytes=45_000_000))
    (row,) = result_rows(catalog, [built], BASELINE)
    assert (row["gzip"], row["gzip_bytes"]) == ("45.0 MB (0.90x)", 45_000_000)
    (row,) = result_rows(catalog, [result(image("3.13"), record=sizes(40_000_000, 120_000_000))], BASELINE)
    assert (row["gzip"], row["gzip_bytes"]) == (None, None)


def test_a_cached_image_is_up_to_date(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13"), record=sizes(1, 2), compiled=False)], BASELINE)
    assert (row["result"], row["error"]) == ("up to date", None)


def test_a_failed_image_has_an_error_and_no_sizes(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13"), error="it broke", compiled=True)], BASELINE)
    assert (row["result"], row["error"]) == ("failed", "it broke")
    assert (row["compressed"], row["disk"], row["compressed_bytes"], row["disk_bytes"]) == (None,) * 4
    assert row["official"] == "50.0 MB python:3.13-slim-bookworm"


def test_a_quick_image_is_not_compared_with_the_official_image(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.13", recipe=RecipeName.QUICK), record=sizes(1, 2))], BASELINE)
    assert row["recipe"] == "quick"
    assert "x)" not in row["official"]


def test_without_an_official_image_the_column_is_empty(catalog: Catalog, image: Callable[..., Image]) -> None:
    (row,) = result_rows(catalog, [result(image("3.9"), record=sizes(1, 2))], BASELINE)
    assert (row["official"], row["official_compressed_bytes"]) == (None, None)


def test_every_row_of_results_has_the_same_keys_and_is_json(catalog: Catalog, image: Callable[..., Image]) -> None:
    results = [
        result(image("3.13"), record=sizes(1, 2), compiled=True), result(image("3.12")),
        result(image("3.9"), error="x"),
    ]  # fmt: skip
    rows = result_rows(catalog, results, BASELINE)
    assert len({tuple(row) for row in rows}) == 1
    assert json.loads(render(rows, (), "json")) == rows


def test_the_list_of_images_shows_the_records_of_this_clone(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    clone = Workspace(root=tmp_path, home=tmp_path / "home")
    built, other = image("3.13"), image("3.15", "noble")
    record = local_record(built="2026-01-02T03:04:05+00:00", compressed_bytes=41_200_000, disk_bytes=5)
    write_record(clone, built, record)
    first, second = image_report(catalog, clone, [built, other], TODAY).rows
    assert (first["built"], first["recipe"], first["compressed"]) == (record.built, "full", "41.2 MB")
    assert (second["built"], second["recipe"], second["compressed"]) == (None, None, None)
    assert (first["series"], first["until"], first["target"]) == ("3.13", "2029-10", "bookworm")
    assert (first["status"], first["distribution"]) == ("security", "debian 12")
    assert second["status"] == "bugfix, pre-release pinned"
    assert [row["latest"] for row in image_report(catalog, clone, [image("3.14"), built], TODAY).rows] == [True, False]


def test_a_source_tree_that_was_built_is_in_the_list_of_images(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path
) -> None:
    clone, default, noble = Workspace(root=tmp_path, home=tmp_path / "home"), image("3.14"), image("3.14", "noble")
    tree = replace(default, pin=replace(default.pin, release="3.14.7+", local="git 0edaa75"))
    source = SourceRecord(file="Python-3.14.7+.tar.xz", sha256="0" * 64, signature="local, not verified")
    series = {"series": "3.14", "release": "3.14.7", "target": "bookworm", "variant": "default"}
    write_record(clone, tree, local_record(image=tree.name, **series, source=source, compressed_bytes=33_000_000))
    rows = image_report(catalog, clone, [default, noble], TODAY).rows
    assert [row["image"] for row in rows] == [default.name, noble.name, "3.14.7-local-bookworm"]
    assert [row["compressed"] for row in rows] == [None, None, "33.0 MB"]
    assert len(image_report(catalog, clone, [noble], TODAY).rows) == 1
    assert len(image_report(catalog, clone, [tree], TODAY).rows) == 1


@pytest.mark.parametrize("text", ["", "no json", "[1]", "null", '{"built": 5}', "\udcff"])
def test_a_broken_record_is_ignored(catalog: Catalog, image: Callable[..., Image], tmp_path: Path, text: str) -> None:
    clone, built = Workspace(root=tmp_path, home=tmp_path), image("3.13")
    record_file(clone, built).parent.mkdir(parents=True)
    record_file(clone, built).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert image_report(catalog, clone, [built], TODAY).rows[0]["built"] is None


def test_the_pinned_releases_are_listed_newest_first_with_the_default_marked(catalog: Catalog) -> None:
    rows = release_report(catalog, ["3.13"], lambda pin: "cache" if pin.release == "3.13.15" else "").rows
    assert [row["release"] for row in rows[:2]] == ["3.13.15", "3.13.14"]
    assert [row["release"] for row in rows if row["default"]] == ["3.13.15"]
    assert [row["where"] for row in rows[:2]] == ["cache", None]
    assert {row["series"] for row in rows} == {"3.13"}
    assert next(row for row in rows if row["release"] == "3.13.5")["in_pool"] is True
    assert [row["release"] for row in release_report(catalog, ["3.13.5"], lambda _: "").rows] == ["3.13.5"]
    assert len(release_report(catalog, [], lambda _: "").rows) == sum(len(series.pins) for series in catalog.series)


def test_the_list_of_tags_names_the_repository(catalog: Catalog, image: Callable[..., Image]) -> None:
    tags, aliases = (list(names(catalog, image("3.13.5", "jammy"))) for names in (tags_of, aliases_of))
    assert "3.13.5-slim-jammy" in aliases
    assert tag_report(catalog, [image("3.13.5", "jammy")]).rows == [
        {"image": "3.13.5-jammy", "repository": "infra7/python", "tags": tags, "aliases": aliases}
    ]


@pytest.mark.parametrize(("codes", "code"), [([], None), ([2], 2), ([2, 2, 0], 2), ([1, 2], 1), ([1], 1)])
def test_a_run_ends_with_code_2_only_if_all_errors_are_input_errors(
    codes: list[int], code: int | None, image: Callable[..., Image], tmp_path: Path
) -> None:
    results = [
        BuildResult(image("3.13"), (), tmp_path, error="x" if status else "", exit_code=status) for status in codes
    ]
    failure = failure_of(results)
    assert (failure.exit_code if failure else None) == code


class FakeBuilder:
    """Returns results without building."""

    def __init__(self, catalog: Catalog, results: list[BuildResult]) -> None:
        self.catalog, self.workspace, self.results = catalog, Workspace(ROOT, ROOT), results
        self.display = Display(io.StringIO())

    def build(self, images: list[Image]) -> list[BuildResult]:
        return self.results


def test_the_report_of_a_build_explains_failures_and_fails(catalog: Catalog, image: Callable[..., Image]) -> None:
    good = result(image("3.13"), record=sizes(1_000_000, 2_000_000), compiled=True)
    bad = result(image("3.12"), error="it broke", exit_code=1)
    report = build_report(FakeBuilder(catalog, [good, bad]), [good.image, bad.image])  # type: ignore[arg-type]
    assert [row["result"] for row in report.rows] == ["built", "failed"]  # type: ignore[index]
    assert isinstance(report.failure, BuildError)
    assert str(report.failure) == f"1 of 2 images failed:\n{bad.image.name}: it broke", "the cause is last"
    assert build_report(FakeBuilder(catalog, [good]), [good.image]).failure is None  # type: ignore[arg-type]


def test_the_overview_says_what_is_built_by_default(catalog: Catalog, tmp_path: Path) -> None:
    images = select_images(catalog, everything=True)
    report = image_report(catalog, Workspace(tmp_path, tmp_path), images, TODAY, overview=True)
    assert "Without --target and --variant: bookworm, default." in report.notes


@pytest.mark.parametrize(
    "other", [{"image": "3.13.15-trixie", "target": "trixie"}, {"platform": "linux/arm64"}, {"recipe": "reference"}]
)
def test_the_record_of_another_image_does_not_make_an_image_built(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    other: dict[str, str],
) -> None:  # fmt: skip
    clone, built = Workspace(root=tmp_path, home=tmp_path), image("3.13")
    recipe = RecipeName(other.get("recipe", "full"))
    write_record(clone, built, local_record(**{**other, "recipe": recipe}))
    assert image_report(catalog, clone, [built], TODAY).rows[0]["built"] is None
    assert "3.13.15-bookworm-amd64.json: the record of another image: " in capsys.readouterr().err
