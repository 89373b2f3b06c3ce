"""The size budget: the images that have one, and the report of an excess."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from bakery.catalog.models import Budget, Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.platforms import Platform
from bakery.records.builds import BuildRecord, PartSize
from bakery.sizes.breakdown import Size
from bakery.sizes.budget import budget_of, excess, explain_excess, growth, last_record
from tests.records import local_record

LIMIT = Budget(40_000_000, 110_000_000)
Make = Callable[..., Image]


@pytest.fixture
def tight(catalog: Catalog) -> Catalog:
    return dataclasses.replace(catalog, budgets={("3.13", "default", "bookworm"): LIMIT})


def record(**more: Any) -> BuildRecord:
    return local_record(**{"release": "3.13.14", "anatomy": parts(base=(100, 50), pip=(10, 5)), **more})


def parts(**sizes: tuple[int, int]) -> dict[str, PartSize]:
    return {part: PartSize(*size) for part, size in sizes.items()}


def test_the_default_image_has_a_budget(catalog: Catalog, image: Make) -> None:
    assert budget_of(catalog, image("3.13")) is not None


def test_a_quick_build_another_platform_and_an_unlisted_image_are_exempt(tight: Catalog, image: Make) -> None:
    assert budget_of(tight, image("3.13")) == LIMIT
    for exempt in (
        image("3.13", recipe=RecipeName.QUICK),
        image("3.13", platform=Platform("linux/arm64")),
        image("3.13", "trixie"),
    ):
        assert budget_of(tight, exempt) is None


def test_a_budget_applies_to_every_release_of_its_series(tight: Catalog, image: Make) -> None:
    assert budget_of(tight, image("3.13.5")) == LIMIT


@pytest.mark.parametrize(
    ("compressed", "disk", "sentences"),
    [
        (40_000_000, 110_000_000, []),
        (40_000_001, 110_000_000, ["40,000,001 bytes compressed, 1 more than the budget of 40,000,000"]),
        (1, 110_000_010, ["110,000,010 bytes on disk, 10 more than the budget of 110,000,000"]),
        (50_000_000, 120_000_000, ["compressed", "on disk"]),
    ],
)
def test_one_byte_over_is_over(compressed: int, disk: int, sentences: list[str]) -> None:
    over = excess(LIMIT, Size(compressed, disk))
    assert len(over) == len(sentences)
    for line, words in zip(over, sentences, strict=True):
        assert words in line


def test_without_a_budget_nothing_is_over() -> None:
    assert excess(None, Size(10**12, 10**12)) == ()


def test_the_last_record_is_the_newest_of_the_same_kind(image: Make) -> None:
    newest = record(built="2026-11-02T00:00:00+00:00", variant="default")
    others = [
        record(built="2026-12-01", **changes)
        for changes in (
            {"recipe": RecipeName.QUICK},
            {"platform": Platform("linux/arm64")},
            {"target": "trixie"},
            {"variant": "minimal"},
            {"series": "3.13t"},
        )
    ]
    assert last_record([record(), newest, *others], image("3.13")) == newest
    assert last_record(others, image("3.13")) is None


def test_growth_lists_the_parts_that_changed_largest_first() -> None:
    lines = growth(parts(base=(100, 50), pip=(10, 5)), parts(base=(101, 50), pip=(10, 5), bytecode=(900, 300)))
    assert lines == ("Bytecode (.pyc): +900 bytes on disk, +300 compressed", "Base: +1 bytes on disk, +0 compressed")


def test_an_excess_names_the_budget_and_the_parts_that_grew(tight: Catalog, image: Make) -> None:
    text = explain_excess(tight, image("3.13"), Size(40_000_100, 1), parts(base=(100, 50), pip=(12, 9)), [record()])
    assert 'shared/budgets.toml, budget."3.13".default.bookworm' in text
    assert "100 more than the budget" in text
    assert "changes since the recorded build of 3.13.14 on 2026-11-01" in text
    assert "pip and bundled wheels: +2 bytes on disk, +4 compressed" in text


def test_an_excess_without_an_earlier_record_says_so(tight: Catalog, image: Make) -> None:
    for records in ([], [record(anatomy={})]):
        text = explain_excess(tight, image("3.13"), Size(10**9, 1), {}, records)
        assert "has no build with a breakdown to compare with" in text


def test_an_image_within_its_budget_has_no_excess(tight: Catalog, image: Make) -> None:
    assert explain_excess(tight, image("3.13"), Size(1, 1), {}, []) == ""
