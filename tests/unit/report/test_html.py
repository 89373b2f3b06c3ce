"""The HTML page of comparisons: data is escaped, charts have a text and a table, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from operator import itemgetter
from typing import Any

import pytest

from bakery.catalog.models import Image
from bakery.display.tables import Column
from bakery.oci.manifests import LayerSize
from bakery.platforms import Platform
from bakery.report.html import page, templates
from bakery.report.treemap import Box, squarified, tiles
from bakery.sizes.breakdown import FileSize, Part, Share
from bakery.sizes.comparison import Comparison, SizeReport

EVIL = "<script>alert('x')</script>\"&"


class Reader(HTMLParser):
    """Collects elements; fails if they are not closed in order."""

    VOID = ("meta", "br", "col")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def measured(name: str, **more: Any) -> SizeReport:
    size, parts = 5_000_000, {part: Share() for part in Part}
    parts[Part.BASE] = Share(9_000_000, 4_000_000, 1)
    parts[Part.LIBRARY] = Share(2_000_000, 1_000_000, 1)
    files = {f"a/{name}": FileSize(f"a/{name}", 9_000_000, Part.BASE), "b": FileSize("b", 2_000_000, Part.LIBRARY)}
    layers = (LayerSize("sha256:0", "gzip", size, f"step of {name}"),)
    values = {"disk_bytes": 11_000_000, "parts": parts, "files": files, **more}
    return SizeReport(name, "engine", f"about {name}", Platform("linux/amd64"), size, layers, **values)


@pytest.fixture
def hostile(image: Callable[..., Image]) -> Comparison:
    ours, other = measured(EVIL), measured(f"other {EVIL}")
    return Comparison(image("3.13"), ours, other, other, over_budget=f"over {EVIL}", notes=(f"note {EVIL}",))


def macro(name: str, *arguments: Any, **more: Any) -> str:
    """The HTML of a macro of the page."""
    return str(getattr(templates().get_template("macros.html").module, name)(*arguments, **more))


def columns(*headings: str) -> list[Column]:
    return [Column(heading, right=at > 0, value=itemgetter(at)) for at, heading in enumerate(headings)]


def test_text_and_attributes_are_escaped() -> None:
    text = macro("table", EVIL, columns(EVIL, EVIL), [(EVIL, EVIL)])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 6
    assert text.count("&#34;&amp;") == 6


def test_nothing_from_data_becomes_markup(hostile: Comparison) -> None:
    text = page([hostile, hostile])
    assert "<script" not in text
    names = {tag for tag, _ in read(text).seen}
    assert "script" not in names
    for name in ("infra", "other", "step of", "about", "note", "over"):
        assert f"{name} <script>" not in text


def test_the_page_is_self_contained(hostile: Comparison) -> None:
    reader = read(page([hostile]))
    for tag, attributes in reader.seen:
        assert tag not in ("link", "img", "iframe", "object", "embed")
        assert not {"src", "href", "onclick", "onload"} & set(attributes), tag
    style = re.search(r"<style>(.*?)</style>", page([hostile]), re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1] and "</" not in style[1]


def test_the_page_has_a_language_a_title_one_heading_and_both_colour_schemes(hostile: Comparison) -> None:
    text = page([hostile])
    reader = read(text)
    assert ("html", {"lang": "en"}) in reader.seen
    assert [tag for tag, _ in reader.seen].count("h1") == 1
    assert [tag for tag, _ in reader.seen].count("title") == 1
    assert "prefers-color-scheme: dark" in text


def test_every_chart_has_a_text_and_every_table_a_caption_and_headings(hostile: Comparison) -> None:
    reader = read(page([hostile]))
    charts = [attributes for _, attributes in reader.seen if attributes.get("role") == "img"]
    assert len(charts) >= 4
    assert all(len(attributes["aria-label"] or "") > 10 for attributes in charts)
    tags = [tag for tag, _ in reader.seen]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") >= 4
    assert all(attributes.get("scope") for tag, attributes in reader.seen if tag == "th")


@pytest.mark.parametrize("missing", ["ours", "official", "reference", "all"])
def test_a_page_without_some_measurements_says_so(hostile: Comparison, missing: str) -> None:
    import dataclasses

    fields = ("ours", "official", "reference") if missing == "all" else (missing,)
    text = page([dataclasses.replace(hostile, **dict.fromkeys(fields))])
    read(text)
    assert "nothing to compare with yet" in text


def test_a_page_without_comparisons_is_valid() -> None:
    read(page([]))


def test_the_row_of_totals_is_in_the_foot_of_a_table() -> None:
    text = macro("table", "c", columns("a", "b"), [("x", "1"), ("all", "1")], total=True)
    tags = [tag for tag, _ in read(text).seen]
    assert tags[tags.index("tbody") :] == ["tbody", "tr", "th", "td", "tfoot", "tr", "th", "td"]
    assert [attributes.get("class") for tag, attributes in read(text).seen if tag in ("th", "td")] == [None, "n"] * 3


@pytest.mark.parametrize("sizes", [[1], [6, 6, 4, 3, 2, 2, 1], [1000, 1, 1], [5, 0], [0, 0], []])
def test_the_boxes_of_a_treemap_fill_it_in_proportion(sizes: list[float]) -> None:
    boxes = squarified(sizes, Box(0, 0, 6, 4))
    assert len(boxes) == len(sizes)
    for (x, y, width, height), size in zip(boxes, sizes, strict=True):
        assert width * height == pytest.approx(24 * size / (sum(sizes) or 1))
        assert x >= -1e-9 and x + width <= 6 + 1e-9 and y >= -1e-9 and y + height <= 4 + 1e-9


def test_the_treemap_shows_every_byte_once() -> None:
    files = {f"usr/lib/{folder}/{number}": 10 * number + 1 for folder in ("a", "b", "c") for number in range(60)}
    boxes = tiles({"base": files, "pip": {"pip": 5000}})
    assert sum(tile.size for tile in boxes) == sum(files.values()) + 5000
    labels = [int(size.replace(",", "")) for size in re.findall(r"([\d,]+) bytes", macro("treemap", "text", boxes))]
    assert sum(labels) == sum(tile.size for tile in boxes)


def test_the_treemap_of_an_image_without_files_has_no_boxes() -> None:
    assert tiles({}) == tiles({"base": {}, "pip": {"link": 0}}) == []
    assert "tile" not in macro("treemap", "text", [])


def test_bars_share_one_scale_and_small_pieces_have_no_label() -> None:
    rows = [("a", [("x", 100, "base"), ("y", 1, "pip"), ("z", 0, "other")]), ("b", [("x", 50, "base")])]
    text = macro("bars", "t", rows)
    assert "width:100%" in text and f"width:{100 * 50 / 101:.3f}%" in text
    assert ">y 0.0 MB<" not in text and 'title="y: 1 bytes"' in text
    assert ">x 0.0 MB<" in text and "z: 0" not in text


def test_negative_differences_are_on_the_left_and_positive_ones_on_the_right() -> None:
    text = macro("difference_bars", "t", [("less", -4_000_000, "base"), ("more", 2_000_000, "pip")])
    assert "left:0%;width:50%" in text and "left:50%;width:25%" in text
    assert "\N{MINUS SIGN}4.0 MB" in text and "+2.0 MB" in text


def test_a_mark_shows_the_size_of_the_other_image() -> None:
    text = macro("paired_bars", "t", [("a", 4_000_000, 8_000_000), ("b", 2_000_000, None)])
    assert "width:50%" in text and "left:100%" in text and ">0.50x<" in text
    assert "width:25%" in text and ">2.0 MB<" in text and text.count("mark") == 1
