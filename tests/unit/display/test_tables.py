"""Tables for the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json

import pytest

from bakery.display.tables import FORMATS, Column, Report, _wrapped, render
from bakery.errors import InputError, listed

COLUMNS = (Column("Name", "name"), Column("Count", "count", right=True))
ROWS = [{"name": "a [b]", "count": 1, "hidden": [1]}, {"name": ["x", "y"], "count": None}, {"name": True}]


def test_a_table_aligns_its_columns_without_trailing_blanks() -> None:
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


def test_a_cell_is_one_short_line() -> None:
    for form in ("table", "markdown"):
        text = render(
            [{"name": "a\nb", "count": "\n" * 1_000_000}, {"name": "x" * 1_000_000, "count": 1}], COLUMNS, form
        )
        assert len(text.splitlines()) == 4
        assert "a b" in text and "x..." in text
        assert len(text) < 20_000


def test_tables_that_fit_are_rendered_as_rich_renders_them() -> None:
    rows = [*ROWS, {"name": "日本xx", "count": 12345678}]
    cells = [[column.heading for column in COLUMNS], *([column.text(row) for column in COLUMNS] for row in rows)]
    lines = _wrapped(cells, COLUMNS, 80, last=True)
    assert render(rows, COLUMNS).splitlines() == lines
    assert render(rows, COLUMNS, width=len(lines[1])).splitlines() == lines


def test_a_table_in_a_file_has_no_control_characters() -> None:
    assert "\x1b" not in render(ROWS, COLUMNS)


def test_forced_colours_do_not_affect_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in render(ROWS, COLUMNS)


def test_markdown_has_a_heading_a_rule_and_the_same_cells() -> None:
    assert render(ROWS, COLUMNS, "markdown") == (
        "| Name | Count |\n| --- | ---: |\n| a [b] | 1 |\n| x y | - |\n| yes | - |\n"
    )


def test_json_has_all_keys_of_the_rows() -> None:
    assert json.loads(render(ROWS, COLUMNS, "json")) == ROWS


def test_a_table_without_rows_is_valid_in_every_format() -> None:
    assert render([], COLUMNS, "json") == "[]\n"
    assert render([], COLUMNS, "markdown").count("\n") == 2
    assert "Name" in render([], COLUMNS)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_renders_all_rows_and_ends_with_a_newline(form: str) -> None:
    rows = [{"name": "first", "count": 11}, {"name": ["second", "third"], "count": None}, {}]
    text = render(rows, COLUMNS, form)
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert all(word in text for word in ("first", "11", "second", "third"))


@pytest.mark.parametrize("form", ["yaml", "", "JSON"])
def test_an_unknown_format_is_rejected_with_a_list_of_formats(form: str) -> None:
    with pytest.raises(InputError, match="unknown format") as caught:
        render([], (), form)
    assert caught.value.exit_code == 2
    assert caught.value.hint == f"Expected {listed(FORMATS)}."


def test_a_column_shows_a_key_of_the_row_or_a_function_of_it() -> None:
    columns = (Column("name"), Column("Twice", value=lambda row: 2 * row["count"]))
    assert render([{"name": "a", "count": 2}], columns, "markdown").splitlines()[-1] == "| a | 4 |"


def test_a_report_prints_its_table_and_text_to_stdout_and_its_notes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Report([{"name": "a"}], [Column("name")], text="\nmore\n", notes=["a note"]).show("markdown")
    output = capsys.readouterr()
    assert output.out == "| name |\n| --- |\n| a |\n\nmore\n"
    assert output.err == "a note\n"


def test_a_report_raises_its_failure_after_everything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="wrong"):
        Report([], [Column("name")], notes=["why"], failure=InputError("wrong")).show("json")
    assert capsys.readouterr() == ("[]\n", "why\n")


def test_a_report_of_keys_aligns_numbers_right() -> None:
    report = Report.of("name count", [{"name": "a", "count": 1, "other": 2}])
    assert [(column.heading, column.right) for column in report.columns] == [("name", False), ("count", True)]
    assert Report.of("name", []).columns[0].right is False


def test_columns_below_a_row_are_wrapped_at_80_columns_and_are_ordinary_cells_in_other_formats() -> None:
    columns = (*COLUMNS, Column("tags", below=True), Column("empty", below=True))
    rows = [{"name": "a", "count": 1, "tags": ["infra7/python:3.13.15-bookworm"] * 6}, {"name": "b", "tags": ["x"]}]
    lines = render(rows, columns).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line and not line.startswith("    ")][2:] == ["a", "b"]
    assert lines[-1] == "    tags: x"
    assert sum("infra7" in line for line in lines) == 3
    assert render(rows, columns, "markdown").splitlines()[3] == "| b | - | x | - |"
