"""Comparisons as one HTML page that needs nothing else: styles inside, no script, light and dark, real tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakery.anatomy import TITLES, FileSize, Part, Share
from bakery.charts import Segment, bars, differences, legend, map_of
from bakery.comparison import Comparison, Measured, only_in, ratio
from bakery.markup import Html, el, join, table
from bakery.models import RecipeName
from bakery.sections import METHOD, SUMMARY_COLUMNS, summary_rows
from bakery.sizes import megabytes

__all__ = ["page"]

LAYER_COLOURS = 6
"""Colours of layers in page.css, ``layer1`` and so on; the last one serves all above it."""
MOST = 400
"""Files of one list on the page; the rest is summed up in its last row, and all of them are in the JSON."""


def page(comparisons: Sequence[Comparison]) -> str:
    """The whole page, ends with a newline."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
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
    return el("section", table("All images", heads, rows, numbers=range(1, 7)), class_="card")


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
            _pulled([side for side in (ours, official) if side and side.layers]),
            _anatomy(ours, reference) if ours and ours.parts else None,
            _differences(ours, reference) if ours and reference and ours.parts and reference.parts else None,
            _map(ours) if ours and ours.files else None,
            _files(ours, reference) if ours and reference else None,
            _notes(one),
        ]
    )


def _hero(what: str, size: int | None, other: Measured | None, theirs: int | None) -> Html:
    share = ratio(size, theirs)
    if share is None or other is None:
        beside: Html | str = "nothing to compare with yet"
    else:
        grade = "good" if share <= 1 else "bad"
        beside = join([el("b", f"{share:.2f}x", class_=grade), f" of {other.reference}, {megabytes(theirs)}"])
    number, _, unit = megabytes(size).partition(" ")
    return el("div", el("span", what), el("strong", number, " ", el("small", unit)), el("span", beside), class_="hero")


def _told(sides: Sequence[tuple[str, int]]) -> str:
    return "; ".join(f"{name}: {megabytes(size)}" for name, size in sides)


def _pulled(sides: Sequence[Measured]) -> Html | None:
    if not sides:
        return None
    rows = [
        (
            side.reference,
            [
                Segment(f"layer {at}", layer.compressed_bytes, f"layer{min(at, LAYER_COLOURS)}")
                for at, layer in enumerate(side.layers, 1)
            ],
        )
        for side in sides
    ]
    tables = [
        table(
            f"{side.reference} ({side.about})",
            ("Layer", "Bytes", "Packed", "Made by"),
            [
                *(
                    (str(at), f"{layer.compressed_bytes:,}", layer.method, layer.label or "-")
                    for at, layer in enumerate(side.layers, 1)
                ),
                ("All", f"{side.compressed_bytes:,}", "", ""),
            ],
            numbers=(1,),
            total=True,
        )
        for side in sides
    ]
    text = "Bytes to pull: " + _told([(side.reference, side.compressed_bytes) for side in sides])
    return el(
        "figure",
        el("h3", "What is pulled, layer by layer"),
        el("figcaption", "As the manifests have it, packed. The first layer is the distribution's base."),
        bars(rows, text),
        el("details", el("summary", "The same in exact bytes"), join(tables)),
    )


def _anatomy(ours: Measured, reference: Measured | None) -> Html:
    sides = [side for side in (ours, reference) if side and side.parts]

    def segments(side: Measured, kind: str) -> list[Segment]:
        return [Segment(TITLES[part], getattr(share, kind), str(part)) for part, share in side.parts.items()]

    disk = [(side.reference, segments(side, "disk_bytes")) for side in sides]
    packed = [(side.reference, segments(side, "compressed_bytes")) for side in sides]
    present = [part for part in Part if any(side.parts.get(part, Share()) != Share() for side in sides)]
    heads = ["Part"]
    for side in sides:
        heads += [f"{side.reference}, on disk", "compressed", "files"]
    rows = []
    for title, pick in [*((TITLES[part], [part]) for part in present), ("All", list(Part))]:
        row = [title]
        for side in sides:
            share = sum((side.parts.get(part, Share()) for part in pick), Share())
            row += [f"{share.disk_bytes:,}", f"{share.compressed_bytes:,}", f"{share.files:,}"]
        rows.append(row)
    return el(
        "figure",
        el("h3", "What it is made of"),
        el("figcaption", "Every file of every layer, by what it serves."),
        el("h4", "On disk"),
        bars(disk, "On disk: " + _told([(side.reference, side.disk_bytes or 0) for side in sides])),
        el("h4", "As pulled"),
        bars(packed, "Compressed: " + _told([(side.reference, side.compressed_bytes) for side in sides])),
        legend(present),
        el(
            "details",
            el("summary", "The same in exact bytes"),
            table("Anatomy, in bytes", heads, rows, numbers=range(1, len(heads)), total=True),
        ),
    )


def _differences(ours: Measured, reference: Measured) -> Html | None:
    changes = [(part, ours.parts[part].disk_bytes - reference.parts[part].disk_bytes) for part in Part]
    rows = [(TITLES[part], size, str(part)) for part, size in changes if size]
    if not rows:
        return None
    told = "; ".join(f"{name}: {size:+,} bytes" for name, size, _ in rows)
    beside = f"On disk, beside {reference.reference}: to the left what ours saves, to the right what it adds."
    return el(
        "figure",
        el("h3", "Where the difference lies"),
        el("figcaption", f"{beside} Parts that are the same are left out."),
        differences(rows, f"Difference on disk by part: {told}"),
    )


def _map(ours: Measured) -> Html:
    return el(
        "figure",
        el("h3", "A map of the image"),
        el("figcaption", "What a container sees; each box is a folder or a large file, its area the bytes on disk."),
        map_of(ours.files, f"Treemap of {ours.reference}; its figures stand in the table of the anatomy."),
        legend(part for part in Part if ours.parts.get(part, Share()) != Share()),
    )


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
