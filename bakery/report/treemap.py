"""The geometry of the treemap on the page of sizes: its boxes, with their positions and sizes.

Positions and widths are shares of the chart, from 0 to 1. The templates turn them into HTML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SPLIT = 0.035  # share of an image above which the treemap shows the content of a folder instead of the folder
TINY = 0.004  # share of an image below which a folder or a file gets no box
SHAPE = 1.7  # width to height of the treemap; page.css has the same number


class Box(NamedTuple):
    """A rectangle: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float


def squarified(sizes: Sequence[float], box: Box) -> list[Box]:
    """Boxes that fill ``box`` in proportion to ``sizes``, largest first, and are as square as possible.

    Bruls, Huizing, van Wijk: Squarified Treemaps (2000).
    """
    boxes: list[Box] = []
    x, y, width, height = box
    rest, left = list(sizes), float(sum(sizes))
    while rest and left > 0:
        side, area = min(width, height), width * height / left
        row = [rest.pop(0)]
        while rest and _worst([*row, rest[0]], side, area) <= _worst(row, side, area):
            row.append(rest.pop(0))
        thick, offset = sum(row) * area / side if side else 0.0, 0.0
        for size in row:
            long = size * area / thick if thick else 0.0
            boxes.append(Box(x, y + offset, thick, long) if width >= height else Box(x + offset, y, long, thick))
            offset += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
        left -= sum(row)
    return boxes + [Box(x, y, 0.0, 0.0)] * len(rest)


def _worst(row: Sequence[float], side: float, area: float) -> float:
    """The worst ratio of the sides of a box, if ``row`` is laid out along ``side``."""
    total = sum(row) * area
    if not total or not min(row):
        return float("inf")
    return max(side * side * max(row) * area / total**2, total**2 / (side * side * min(row) * area))


@dataclass(frozen=True)
class Tile:
    """A box of a treemap: the group, a folder or a file of it, a short name for that, and its bytes."""

    group: str
    path: str
    name: str
    size: int
    box: Box


def tiles(groups: Mapping[str, Mapping[str, int]]) -> list[Tile]:
    """A treemap of groups of files, bytes by path: a box for each group, divided among its folders and large files."""
    sums = {group: sum(files.values()) for group, files in groups.items()}
    order = sorted((group for group in groups if sums[group]), key=lambda group: (-sums[group], group))
    total, result = sum(sums.values()), []
    for group, outer in zip(order, squarified([sums[group] for group in order], Box(0, 0, SHAPE, 1)), strict=True):
        items = _items(groups[group], total)
        for (path, size), box in zip(items, squarified([size for _, size in items], outer), strict=True):
            share = Box(box.x / SHAPE, box.y, box.width / SHAPE, box.height)
            result.append(Tile(group, path, _short(path), size, share))
    return result


def _items(files: Mapping[str, int], total: int) -> list[tuple[str, int]]:
    """Folders and files with their bytes, largest first. A large folder is split if large items are in it."""
    queue, items = [("", {path: size for path, size in files.items() if size})], []
    while queue:
        path, members = queue.pop()
        size = sum(members.values())
        below: dict[str, dict[str, int]] = {}
        for file, bytes_ in members.items():
            name = file[len(path) :].lstrip("/").partition("/")[0]
            below.setdefault("/".join(part for part in (path, name) if part), {})[file] = bytes_
        large = {name: inner for name, inner in below.items() if sum(inner.values()) >= TINY * total}
        inside = sum(sum(inner.values()) for inner in large.values())
        if set(below) == {path}:
            items.append((path, size))
        elif len(below) == 1 or (size > SPLIT * total and inside > size / 3):
            queue += (below if len(below) == 1 else large).items()
            if len(below) > 1 and size > inside:
                items.append((f"{path}/\N{HORIZONTAL ELLIPSIS}".lstrip("/"), size - inside))
        else:
            items.append((path or "\N{HORIZONTAL ELLIPSIS}", size))
    return sorted(items, key=lambda item: (-item[1], item[0]))


def _short(path: str) -> str:
    """The last name of a path, with its folder if the name is short."""
    folder, _, name = path.rpartition("/")
    return f"{folder.rpartition('/')[2]}/{name}" if folder and len(name) < 6 else name
