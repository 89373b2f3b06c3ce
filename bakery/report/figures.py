"""The figures of a comparison's page: each a heading, a sentence, a chart, and its table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bakery.report.charts import Segment, bars, differences, legend, map_of
from bakery.report.markup import Html, el, join, table
from bakery.sizes import TITLES, Measured, Part, Share, megabytes

__all__ = ["difference", "image_map", "made_of", "pulled"]

LAYER_COLOURS = 6
"""Colours of layers in page.css, ``layer1`` and so on; the last one serves all above it."""


def _told(sides: Sequence[tuple[str, int]]) -> str:
    return "; ".join(f"{name}: {megabytes(size)}" for name, size in sides)


def pulled(sides: Sequence[Measured]) -> Html | None:
    """The layers of each side as bars, and in tables the bytes that the manifests give them."""
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
        el("figcaption", "As the manifests have them, packed."),
        bars(rows, text),
        el("details", el("summary", "The same in exact bytes"), join(tables)),
    )


def made_of(ours: Measured, reference: Measured | None) -> Html:
    """The anatomy of both sides, on disk and as pulled."""
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


def difference(ours: Measured, reference: Measured) -> Html | None:
    """What ours saves and adds on disk, part by part; nothing where no part differs."""
    changes = [(part, ours.parts[part].disk_bytes - reference.parts[part].disk_bytes) for part in Part]
    rows = [(TITLES[part], size, str(part)) for part, size in changes if size]
    if not rows:
        return None
    told = "; ".join(f"{name}: {size:+,} bytes" for name, size, _ in rows)
    sentence = f"On disk, beside {reference.reference}: to the left what ours saves, to the right what it adds."
    return el(
        "figure",
        el("h3", "Where the difference lies"),
        el("figcaption", f"{sentence} Parts that are the same are left out."),
        differences(rows, f"Difference on disk by part: {told}"),
    )


def image_map(ours: Measured) -> Html:
    """A treemap of ours."""
    return el(
        "figure",
        el("h3", "A map of the image"),
        el("figcaption", "What a container sees; each box is a folder or a large file, its area the bytes on disk."),
        map_of(ours.files, f"Treemap of {ours.reference}; its figures stand in the table of the anatomy."),
        legend(part for part in Part if ours.parts.get(part, Share()) != Share()),
    )
