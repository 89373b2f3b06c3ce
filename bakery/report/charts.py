"""Charts of sizes as plain HTML boxes, which keep their letters readable at any width. Pure.

Each is one picture for a screen reader, with a text that tells it; the exact figures stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bakery.report.markup import Html, el, join
from bakery.sizes import TITLES, FileSize, Part, megabytes

__all__ = ["Segment", "bars", "beside", "differences", "legend", "map_of", "squarified"]

NARROW = 0.055
"""Share of a bar below which a segment has no label of its own."""
SPLIT = 0.035
"""Share of an image above which a folder on the map is shown by what is in it."""
TINY = 0.004
"""Share of an image below which a folder or a file has no box of its own on the map."""
SHAPE = 1.7
"""Width to height of the map for which its boxes are laid out."""


@dataclass(frozen=True)
class Segment:
    """A piece of a bar: what it is, its bytes, and the name of its colour (a class in page.css)."""

    title: str
    size: int
    colour: str


def _percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"


def bars(rows: Sequence[tuple[str, Sequence[Segment]]], text: str) -> Html:
    """Stacked bars on one scale, each with its name and its sum."""
    longest = max((sum(one.size for one in segments) for _, segments in rows), default=0) or 1

    def bar(segments: Sequence[Segment]) -> Html:
        total = sum(one.size for one in segments)
        pieces = join(
            el(
                "span",
                el("span", f"{one.title} {megabytes(one.size)}") if one.size / longest >= NARROW else None,
                class_=f"piece {one.colour}",
                style=f"flex-grow:{one.size}",
                title=f"{one.title}: {one.size:,} bytes",
            )
            for one in segments
            if one.size
        )
        return el("div", pieces, class_="bar", style=f"width:{_percent(total / longest)}")

    return el(
        "div",
        join(
            el(
                "div",
                el("div", el("span", name, class_="who"), el("strong", megabytes(sum(s.size for s in segments)))),
                bar(segments),
                class_="row",
            )
            for name, segments in rows
        ),
        class_="bars",
        role="img",
        aria_label=text,
    )


def beside(rows: Sequence[tuple[str, int, int | None]], text: str) -> Html:
    """A bar for each image, with a mark where the one stands that it is compared with: name, bytes, bytes of that."""
    widest = max((max(size, other or 0) for _, size, other in rows), default=0) or 1

    def one(name: str, size: int, other: int | None) -> Html:
        mark = (
            el("span", class_="mark", style=f"left:{_percent(other / widest)}", title=f"{other:,} bytes")
            if other
            else None
        )
        return el(
            "div",
            el("span", name, class_="who"),
            el("span", el("span", class_="fill", style=f"width:{_percent(size / widest)}"), mark, class_="track"),
            el("span", f"{size / other:.2f}x" if other else megabytes(size), class_="n", title=f"{size:,} bytes"),
            class_="row",
        )

    return el("div", join(one(*row) for row in rows), class_="beside", role="img", aria_label=text)


def legend(parts: Iterable[Part]) -> Html:
    """Which colour is which part."""
    return el(
        "ul",
        join(el("li", el("span", class_=f"dot {part}"), TITLES[part]) for part in parts),
        class_="legend",
        aria_hidden="true",
    )


def differences(rows: Sequence[tuple[str, int, str]], text: str) -> Html:
    """Bars to the left for what is less, to the right for what is more: name, bytes, colour."""
    widest = max((abs(size) for _, size, _ in rows), default=0) or 1

    def one(name: str, size: int, colour: str) -> Html:
        share = abs(size) / widest / 2
        start = 0.5 - share if size < 0 else 0.5
        style = f"left:{_percent(start)};width:{_percent(share)}"
        sign = "+" if size > 0 else "\N{MINUS SIGN}" if size < 0 else ""
        return el(
            "div",
            el("span", name, class_="who"),
            el("span", el("span", class_=f"delta {colour}", style=style), class_="axis"),
            el("span", f"{sign}{megabytes(abs(size))}", class_="n", title=f"{size:+,} bytes"),
            class_="row",
        )

    return el("div", join(one(*row) for row in rows), class_="differences", role="img", aria_label=text)


def squarified(
    sizes: Sequence[float], x: float, y: float, width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """Boxes (x, y, width, height) in proportion to ``sizes``, largest first, as square as they can be.

    Bruls, Huizing, van Wijk: Squarified Treemaps (2000).
    """
    boxes: list[tuple[float, float, float, float]] = []
    rest, left = list(sizes), float(sum(sizes))
    while rest and left > 0:
        side, area = min(width, height), width * height / left
        row = [rest.pop(0)]
        while rest and _worst([*row, rest[0]], side, area) <= _worst(row, side, area):
            row.append(rest.pop(0))
        thick, offset = sum(row) * area / side if side else 0.0, 0.0
        for size in row:
            long = size * area / thick if thick else 0.0
            boxes.append((x, y + offset, thick, long) if width >= height else (x + offset, y, long, thick))
            offset += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
        left -= sum(row)
    return boxes + [(x, y, 0.0, 0.0)] * len(rest)


def _worst(row: Sequence[float], side: float, area: float) -> float:
    total = sum(row) * area
    if not total or not min(row):
        return float("inf")
    return max(side * side * max(row) * area / total**2, total**2 / (side * side * min(row) * area))


def _groups(files: Sequence[FileSize], everything: int) -> list[tuple[str, int]]:
    """Folders and files with their bytes, largest first: each small, or not to be split into pieces worth a box."""
    waiting, done = [("", list(files))], []
    while waiting:
        path, members = waiting.pop()
        size = sum(file.disk_bytes for file in members)
        below: dict[str, list[FileSize]] = {}
        for file in members:
            rest = file.path[len(path) :].lstrip("/")
            below.setdefault("/".join(part for part in (path, rest.partition("/")[0]) if part), []).append(file)
        large = {name: own for name, own in below.items() if sum(f.disk_bytes for f in own) >= TINY * everything}
        inside = sum(file.disk_bytes for own in large.values() for file in own)
        if set(below) == {path}:
            done.append((path, size))
        elif len(below) == 1 or (size > SPLIT * everything and inside > size / 3):
            waiting += (below if len(below) == 1 else large).items()
            if len(below) > 1 and size > inside:
                done.append((f"{path}/\N{HORIZONTAL ELLIPSIS}".lstrip("/"), size - inside))
        else:
            done.append((path or "\N{HORIZONTAL ELLIPSIS}", size))
    return sorted(done, key=lambda one: (-one[1], one[0]))


def _short(path: str) -> str:
    """The end of a path that tells most: its last name, with the folder that it is in where that says little."""
    folder, _, name = path.rpartition("/")
    return f"{folder.rpartition('/')[2]}/{name}" if folder and len(name) < 6 else name


def map_of(files: Mapping[str, FileSize], text: str) -> Html:
    """A treemap of what a container sees: a box for each part, in it boxes for its folders and large files."""
    everything = sum(file.disk_bytes for file in files.values()) or 1
    by_part = {part: [file for file in files.values() if file.part is part and file.disk_bytes] for part in Part}
    sized = sorted(
        ((sum(file.disk_bytes for file in own), part, own) for part, own in by_part.items() if own),
        key=lambda one: (-one[0], one[1]),
    )
    boxes = []
    outer = squarified([size for size, _, _ in sized], 0, 0, SHAPE, 1)
    for (_, part, own), (x, y, width, height) in zip(sized, outer, strict=True):
        groups = _groups(own, everything)
        for (path, size), box in zip(groups, squarified([s for _, s in groups], x, y, width, height), strict=True):
            left, top, wide, high = box[0] / SHAPE, box[1], box[2] / SHAPE, box[3]
            style = f"left:{_percent(left)};top:{_percent(top)};width:{_percent(wide)};height:{_percent(high)}"
            label = el("span", el("b", _short(path)), el("i", megabytes(size)))
            hint = f"{TITLES[part]}: {path}, {size:,} bytes"
            boxes.append(el("span", label, class_=f"tile {part}", style=style, title=hint))
    return el("div", join(boxes), class_="map", role="img", aria_label=text)
