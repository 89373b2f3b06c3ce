"""Comparisons as one HTML page that needs nothing else: styles inside, no script, light and dark, real tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakery.catalog import RecipeName
from bakery.report.charts import beside
from bakery.report.figures import difference, image_map, made_of, pulled
from bakery.report.markup import Html, el, join, table
from bakery.report.text import METHOD, SUMMARY_COLUMNS, summary_rows
from bakery.sizes import TITLES, Comparison, FileSize, Measured, megabytes, only_in, ratio

__all__ = ["STYLE", "page"]

MOST = 400
"""Files of one list on the page; the rest is summed up in its last row, and all of them are in the JSON."""


STYLE = Path(__file__).with_name("page.css")


def page(comparisons: Sequence[Comparison]) -> str:
    """The whole page, ends with a newline."""
    style = STYLE.read_text(encoding="utf-8")
    title = f"Image sizes: {', '.join(dict.fromkeys(one.image.name for one in comparisons)) or 'nothing compared'}"
    head = join(
        [
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("title", title),
            el("style", Html(style)),
        ]
    )
    body = el(
        "main",
        el("h1", "How large the images are"),
        el("p", "Container images of CPython beside the ones that people would use instead.", class_="soft"),
        _summary(comparisons) if len(comparisons) > 1 else None,
        join(_comparison(one) for one in comparisons),
        el("h2", "How this was measured"),
        el("section", el("p", METHOD), el("p", "1 MB is a million bytes."), class_="card"),
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def _summary(comparisons: Sequence[Comparison]) -> Html:
    rows = [[str(row[column.key] or "-") for column in SUMMARY_COLUMNS] for row in summary_rows(comparisons)]
    heads = [column.heading for column in SUMMARY_COLUMNS]
    sizes = [
        (one.name, one.ours.compressed_bytes, one.official.compressed_bytes if one.official else None)
        for one in comparisons
        if one.ours
    ]
    told = "; ".join(f"{name}: {megabytes(size)} beside {megabytes(other)}" for name, size, other in sizes)
    return el(
        "figure",
        el("h3", "All images at a glance"),
        el("figcaption", "What is pulled; the mark is the size of what it is compared with."),
        beside(sizes, f"Bytes to pull: {told}"),
        table("The figures", heads, rows, numbers=range(1, 7)),
    )


def _comparison(one: Comparison) -> Html:
    quick = " (quick build)" if one.image.recipe is not RecipeName.FULL else ""
    ours, official, reference = one.ours, one.official, one.reference
    return join(
        [
            el("h2", f"{one.image.name}{quick} on {one.image.platform}"),
            el("p", one.over, class_="over", role="alert") if one.over else None,
            el(
                "div",
                _hero(
                    "to pull",
                    ours.compressed_bytes if ours else None,
                    official,
                    official.compressed_bytes if official else None,
                ),
                _hero(
                    "on disk", ours.disk_bytes if ours else None, reference, reference.disk_bytes if reference else None
                ),
                class_="heroes",
            ),
            pulled([side for side in (ours, official) if side and side.layers]),
            made_of(ours, reference) if ours and ours.parts else None,
            difference(ours, reference) if ours and reference and ours.parts and reference.parts else None,
            image_map(ours) if ours and ours.files else None,
            _files(ours, reference) if ours and reference else None,
            _notes(one),
        ]
    )


def _hero(what: str, size: int | None, other: Measured | None, theirs: int | None) -> Html:
    share = ratio(size, theirs)
    if share is None or other is None:
        than: Html | str = "nothing to compare with yet"
    else:
        grade = "good" if share <= 1 else "bad"
        than = join([el("b", f"{share:.2f}x", class_=grade), f" of {other.reference}, {megabytes(theirs)}"])
    number, _, unit = megabytes(size).partition(" ")
    return el("div", el("span", what), el("strong", number, " ", el("small", unit)), el("span", than), class_="hero")


def _files(ours: Measured, reference: Measured) -> Html | None:
    lists = ((reference, only_in(reference, ours)), (ours, only_in(ours, reference)))
    if not any(files for _, files in lists):
        return None
    return el(
        "section",
        el("h3", "Files that only one of the two has"),
        join(
            el(
                "details",
                el("summary", f"In {side.reference} only: {len(files):,} files, {_total(files)} bytes"),
                table(
                    f"Files in {side.reference} only, the largest first",
                    ("Path", "Bytes", "Part"),
                    _rows(files),
                    numbers=(1,),
                ),
            )
            for side, files in lists
        ),
        class_="card",
    )


def _rows(files: Sequence[FileSize]) -> list[tuple[str, str, str]]:
    rows = [(one.path, f"{one.disk_bytes:,}", TITLES[one.part]) for one in files[:MOST]]
    rest = files[MOST:]
    return [*rows, (f"{len(rest):,} more, in the JSON", _total(rest), "")] if rest else rows


def _total(files: Sequence[FileSize]) -> str:
    return f"{sum(one.disk_bytes for one in files):,}"


def _notes(one: Comparison) -> Html | None:
    notes = list(one.notes)
    if one.budget:
        limits = f"{one.budget.compressed_bytes:,} bytes compressed and {one.budget.disk_bytes:,} on disk"
        notes.insert(0, f"Size budget: {limits}: {'exceeded' if one.over else 'kept'}.")
    return (
        el("section", el("ul", join(el("li", note) for note in notes), class_="notes"), class_="card")
        if notes
        else None
    )
