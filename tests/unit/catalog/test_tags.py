"""The tag scheme: what a tag stands for never moves to an older release."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.catalog.tags import latest_series, references, tags_of


@pytest.mark.parametrize(
    ("version", "target", "tags"),
    [
        ("3.13", "bookworm", "3.13.15-bookworm 3.13-bookworm 3.13.15 3.13"),
        ("3.13", "jammy", "3.13.15-jammy 3.13-jammy"),
        ("3.13.5", "bookworm", "3.13.5-bookworm 3.13.5"),
        ("3.13.5", "trixie", "3.13.5-trixie"),
        ("3.14", "bookworm", "3.14.6-bookworm 3.14-bookworm 3.14.6 3.14 latest"),
        ("3.14", "trixie", "3.14.6-trixie 3.14-trixie"),
        ("3.14.5", "bookworm", "3.14.5-bookworm 3.14.5"),
        ("3.15", "bookworm", "3.15.0b3-bookworm 3.15-bookworm 3.15.0b3 3.15"),
        ("3.15.0a1", "noble", "3.15.0a1-noble"),
    ],
)
def test_the_tags_of_an_image(
    catalog: Catalog, image: Callable[..., Image], version: str, target: str, tags: str
) -> None:
    assert " ".join(tags_of(catalog, image(version, target))) == tags


@pytest.mark.parametrize(
    ("version", "target", "tags"),
    [
        ("3.13", "bookworm", "3.13.15-minimal-bookworm 3.13-minimal-bookworm 3.13.15-minimal 3.13-minimal"),
        ("3.13", "jammy", "3.13.15-minimal-jammy 3.13-minimal-jammy"),
        ("3.13.5", "bookworm", "3.13.5-minimal-bookworm 3.13.5-minimal"),
        ("3.14t", "trixie", "3.14.6t-minimal-trixie 3.14t-minimal-trixie"),
        ("3.14", "bookworm", "3.14.6-minimal-bookworm 3.14-minimal-bookworm 3.14.6-minimal 3.14-minimal"),
    ],
)
def test_a_variants_name_stands_after_the_version_in_each_of_its_tags(
    catalog: Catalog, version: str, target: str, tags: str
) -> None:
    (one,) = select_images(catalog, [version], [target], ["minimal"])
    assert " ".join(tags_of(catalog, one)) == tags


def every(catalog: Catalog) -> list[Image]:
    return list(select_images(catalog, [pin.release for one in catalog.series for pin in one.pins], everything=True))


def test_no_tag_stands_for_two_images(catalog: Catalog) -> None:
    seen: dict[str, str] = {}
    for one in every(catalog):
        for tag in tags_of(catalog, one):
            assert seen.setdefault(tag, one.name) == one.name, tag


def test_an_older_release_never_gets_the_tags_of_its_series(catalog: Catalog) -> None:
    older = [one for one in every(catalog) if one.pin != one.series.default]
    assert len(older) > 100
    for one in older:
        for tag in tags_of(catalog, one):
            assert tag.startswith(one.pin.release), (one.name, tag)


def test_latest_is_the_newest_stable_series_on_the_default_target_only(catalog: Catalog) -> None:
    assert [one.name for one in every(catalog) if "latest" in tags_of(catalog, one)] == ["3.14.6-bookworm"]


def test_latest_moves_on_with_the_first_final_release_of_a_series(catalog: Catalog) -> None:
    assert latest_series(catalog).name == "3.14"
    *older, newest = (one for one in catalog.series if not one.suffix)
    final = dataclasses.replace(newest.pins[0], release="3.15.0", file="Python-3.15.0.tar.xz")
    newer = dataclasses.replace(catalog, series=(*older, dataclasses.replace(newest, pins=(final, *newest.pins))))
    assert latest_series(newer).name == "3.15"


def test_a_free_threaded_build_has_tags_of_its_own_and_is_never_latest(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert tags_of(catalog, image("3.14t")) == ("3.14.6t-bookworm", "3.14t-bookworm", "3.14.6t", "3.14t")


def test_another_default_target_takes_the_short_tags_with_it(catalog: Catalog, image: Callable[..., Image]) -> None:
    moved = dataclasses.replace(catalog, default_target="trixie")
    assert tags_of(moved, image("3.14", "bookworm")) == ("3.14.6-bookworm", "3.14-bookworm")
    assert tags_of(moved, image("3.14", "trixie"))[2:] == ("3.14.6", "3.14", "latest")


def test_every_image_has_a_tag_of_its_own_and_they_are_what_docker_takes(catalog: Catalog) -> None:
    import re

    for one, tag in itertools.chain.from_iterable(
        ((one, tag) for tag in tags_of(catalog, one)) for one in every(catalog)
    ):
        assert re.fullmatch(r"[\w][\w.-]{0,127}", tag), (one.name, tag)
    assert all(tags_of(catalog, one)[0] == one.name for one in every(catalog))


def test_references_carry_the_repository(catalog: Catalog, image: Callable[..., Image]) -> None:
    assert references(catalog, image("3.13.5", "jammy")) == (f"{catalog.repository}:3.13.5-jammy",)


def test_where_no_series_is_stable_no_image_is_latest(catalog: Catalog, image: Callable[..., Image]) -> None:
    alone = dataclasses.replace(catalog, series=catalog.series[-1:])
    assert "latest" not in tags_of(alone, image("3.15"))
