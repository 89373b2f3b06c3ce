"""README's generated parts: a check mark only for tested builds, and the text between markers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bakery.catalog.loader import load_catalog
from bakery.errors import BakeryError, BuildError, ConfigError
from bakery.records.builds import BuildRecord, SourceRecord, SuiteRun
from bakery.records.status import adopt, publish_local_records, read_status, write_status
from bakery.report.readme import fill, update_files, update_readme
from bakery.report.rows import status_table
from bakery.workspace import Workspace
from tests.records import passed_build, run_of_tests

ROOT = Path(__file__).resolve().parents[3]


def cell(*records: BuildRecord, series: str = "3.13", column: int = 2) -> str:
    table = status_table(load_catalog(ROOT), list(records), "linux/amd64")
    (row,) = (line for line in table.splitlines() if line.startswith(f"| **{series}**"))
    return row.strip("| ").split(" | ")[column]


def test_a_target_without_a_build_has_no_check_mark() -> None:
    assert cell() == "not yet built"


def test_a_build_that_passed_its_tests_has_a_check_mark_and_their_number() -> None:
    assert cell(passed_build()) == "✓ 3.13.15<br>180 passed"


@pytest.mark.parametrize(
    ("failed", "recovered", "text"), [(0, 0, "suite: 430 files"), (1, 1, "suite: 430 files, 2 not as expected")]
)
def test_a_run_of_cpythons_test_suite_is_shown(failed: int, recovered: int, text: str) -> None:
    suite = SuiteRun(when="", passed=430, failed=failed, skipped=50, expected=3, recovered=recovered)
    (published,) = adopt([], [passed_build(regrtest=suite)])
    assert cell(published) == f"✓ 3.13.15<br>180 passed<br>{text}"


def test_a_build_that_failed_its_tests_has_no_check_mark() -> None:
    assert cell(passed_build(tests=run_of_tests(1, failed=2))) == "✗ 3.13.15<br>1 passed, 2 failed"


def test_a_quick_build_is_marked_and_a_full_build_is_preferred() -> None:
    assert "quick" in cell(passed_build(recipe="quick"))
    assert "quick" not in cell(passed_build(recipe="quick"), passed_build("3.13.5"))


def test_a_build_of_a_source_tree_is_marked_and_one_of_a_release_is_preferred() -> None:
    source = SourceRecord(file="Python-3.13.16.tar.xz", sha256="2", signature="local, not verified")
    tree = passed_build("3.13.16", image="3.13.16-local-bookworm", source=source)
    (published,) = adopt([], [tree])
    assert cell(published) == "✓ 3.13.16, tarball not verified<br>180 passed"
    assert cell(passed_build(), published) == "✓ 3.13.15<br>180 passed"


def test_builds_for_other_platforms_do_not_count() -> None:
    assert cell(passed_build(platform="linux/arm64")) == "not yet built"


def test_only_the_text_between_the_markers_changes() -> None:
    text = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n"
    assert fill(text, {"a": "new\n"}) == "before\n<!-- a:begin -->\nnew\n<!-- a:end -->\nafter\n"


def test_a_missing_marker_is_an_error() -> None:
    with pytest.raises(ConfigError, match="a:begin"):
        fill("text", {"a": "new"})


def test_the_readme_is_written_only_if_it_changes_and_never_with_check(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("<!-- a:begin -->\nold\n<!-- a:end -->\n")
    with pytest.raises(BuildError, match=r"README.md is not up to date:(.|\n)*\n-old\n\+new\n") as caught:
        update_readme(file, {"a": "new"}, check=True)
    assert (caught.value.hint, file.read_text()) == (
        "Render it again: inv readme",
        "<!-- a:begin -->\nold\n<!-- a:end -->\n",
    )
    assert update_readme(file, {"a": "new"}, check=False) == "README.md written"
    assert update_readme(file, {"a": "new"}, check=True) == "README.md is up to date"
    assert file.read_text() == "<!-- a:begin -->\nnew\n<!-- a:end -->\n"


@pytest.mark.parametrize("name", ["docs", "docs/results"])
def test_files_are_not_removed_through_a_folder_that_is_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine" / "results").mkdir(parents=True)
    notes = tmp_path / "mine" / "results" / "notes.md"
    notes.write_text("mine")
    clone = tmp_path / "clone"
    (clone / name).parent.mkdir(parents=True)
    (clone / name).symlink_to(tmp_path / name.replace("docs", "mine"))
    with pytest.raises(BakeryError, match=f"{name} is a symbolic link: expected a folder"):
        update_files(clone / "docs" / "results", ".md", {"a.md": "new"}, check=False)
    assert [file.name for file in notes.parent.iterdir()] == ["notes.md"]


def test_tested_builds_of_this_clone_are_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    write_status(tmp_path, adopt([], [passed_build("3.12.13")]))
    workspace.records.mkdir(parents=True)
    (workspace.records / passed_build().file_name).write_bytes(msgspec.json.encode(passed_build()))
    publish_local_records(workspace, print)
    assert [record.release for record in read_status(tmp_path)] == ["3.12.13", "3.13.15"]


def test_a_marker_in_a_generated_part_does_not_end_it() -> None:
    parts = {"a": "| x <!-- a:end --> y |", "b": "new"}
    once = fill("<!-- a:begin -->\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\nmine", parts)
    assert fill(once, parts) == once
    assert once.count("<!-- a:end -->") == 1 and once.endswith("<!-- b:begin -->\nnew\n<!-- b:end -->\nmine")
