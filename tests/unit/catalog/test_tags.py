"""The tag scheme: a tag never moves to an older release."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.catalog.tags import (
    aliases_of,
    all_references,
    labels_that_name,
    latest_series,
    references,
    require_match,
    tags_of,
)
from bakery.engine.engine import EngineImage
from bakery.errors import BuildError
from bakery.platforms import ARM64


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
def test_a_variants_name_follows_the_version_in_each_of_its_tags(
    catalog: Catalog, version: str, target: str, tags: str
) -> None:
    (image,) = select_images(catalog, [version], [target], ["minimal"])
    assert " ".join(tags_of(catalog, image)) == tags


@pytest.mark.parametrize(
    ("version", "target", "aliases"),
    [
        ("3.13", "bookworm", "3.13.15-slim-bookworm 3.13-slim-bookworm 3.13.15-slim 3.13-slim"),
        ("3.13", "trixie", "3.13.15-slim-trixie 3.13-slim-trixie"),
        ("3.13.5", "bookworm", "3.13.5-slim-bookworm 3.13.5-slim"),
        (
            "3.14", "bookworm",
            "3.14.6-slim-bookworm 3.14-slim-bookworm 3-slim-bookworm slim-bookworm 3.14.6-slim 3.14-slim 3-slim slim",
        ),
        ("3.14", "trixie", "3.14.6-slim-trixie 3.14-slim-trixie 3-slim-trixie slim-trixie"),
        ("3.14.5", "trixie", "3.14.5-slim-trixie"),
        ("3.15", "trixie", "3.15.0b3-slim-trixie 3.15-rc-slim-trixie 3.15-slim-trixie"),
        ("3.14t", "bookworm", "3.14.6t-slim-bookworm 3.14t-slim-bookworm 3.14.6t-slim 3.14t-slim"),
    ],
)  # fmt: skip
def test_the_official_slim_names_are_aliases(
    catalog: Catalog, image: Callable[..., Image], version: str, target: str, aliases: str
) -> None:
    assert " ".join(aliases_of(catalog, image(version, target))) == aliases


def test_variants_have_twins_but_no_slim_aliases(catalog: Catalog) -> None:
    (image,) = select_images(catalog, ["3.13"], ["jammy"], ["minimal"])
    assert aliases_of(catalog, image) == ()
    assert all_references(catalog, image)[1] == (
        "infra7/python:3.13.15-minimal-jammy-gzip", "infra7/python:3.13-minimal-jammy-gzip",
    )  # fmt: skip


def test_every_tag_and_alias_has_a_twin_that_ends_in_gzip(catalog: Catalog, image: Callable[..., Image]) -> None:
    names, twins = all_references(catalog, image("3.13"))
    assert names[:4] == references(catalog, image("3.13"))
    assert {"infra7/python:3.13-slim", "infra7/python:3.13-slim-bookworm"} <= set(names)
    assert twins == tuple(f"{name}-gzip" for name in names)


def test_the_reference_image_has_neither_aliases_nor_twins(catalog: Catalog, image: Callable[..., Image]) -> None:
    official = dataclasses.replace(image("3.13"), recipe=RecipeName.REFERENCE)
    assert all_references(catalog, official) == (references(catalog, official), ())


def all_images(catalog: Catalog) -> tuple[Image, ...]:
    """Every variant of every pinned release on every target."""
    releases = [pin.release for series in catalog.series for pin in series.pins]
    return select_images(catalog, releases, everything=True)


def test_no_two_images_share_a_tag(catalog: Catalog) -> None:
    seen: dict[str, str] = {}
    for image in all_images(catalog):
        for tag in itertools.chain(*all_references(catalog, image)):
            assert seen.setdefault(tag, image.name) == image.name, tag


def test_an_older_release_never_gets_the_tags_of_its_series(catalog: Catalog) -> None:
    older = [image for image in all_images(catalog) if image.pin != image.series.default]
    assert len(older) > 100
    for image in older:
        for tag in (*tags_of(catalog, image), *aliases_of(catalog, image)):
            assert tag.startswith(image.pin.release), (image.name, tag)


def test_latest_is_the_newest_stable_series_on_the_default_target_only(catalog: Catalog) -> None:
    assert [image.name for image in all_images(catalog) if "latest" in tags_of(catalog, image)] == ["3.14.6-bookworm"]


def test_latest_moves_to_a_series_with_its_first_final_release(catalog: Catalog) -> None:
    assert latest_series(catalog).name == "3.14"
    *older, newest = (series for series in catalog.series if not series.suffix)
    final = dataclasses.replace(newest.pins[0], release="3.15.0", file="Python-3.15.0.tar.xz")
    newer = dataclasses.replace(catalog, series=(*older, dataclasses.replace(newest, pins=(final, *newest.pins))))
    assert latest_series(newer).name == "3.15"


def test_a_free_threaded_build_has_separate_tags_and_is_never_latest(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert tags_of(catalog, image("3.14t")) == ("3.14.6t-bookworm", "3.14t-bookworm", "3.14.6t", "3.14t")


def test_the_short_tags_belong_to_the_default_target(catalog: Catalog, image: Callable[..., Image]) -> None:
    moved = dataclasses.replace(catalog, default_target="trixie")
    assert tags_of(moved, image("3.14", "bookworm")) == ("3.14.6-bookworm", "3.14-bookworm")
    assert tags_of(moved, image("3.14", "trixie"))[2:] == ("3.14.6", "3.14", "latest")


def test_the_first_tag_is_the_images_name_and_all_tags_are_valid_for_docker(catalog: Catalog) -> None:
    for image in all_images(catalog):
        assert tags_of(catalog, image)[0] == image.name
        for tag in (*tags_of(catalog, image), *aliases_of(catalog, image)):
            assert re.fullmatch(r"[\w][\w.-]{0,127}", tag), (image.name, tag)


def test_references_begin_with_the_repository(catalog: Catalog, image: Callable[..., Image]) -> None:
    assert references(catalog, image("3.13.5", "jammy")) == (f"{catalog.repository}:3.13.5-jammy",)


def test_no_image_is_latest_if_no_series_is_stable(catalog: Catalog, image: Callable[..., Image]) -> None:
    alone = dataclasses.replace(catalog, series=catalog.series[-1:])
    assert "latest" not in tags_of(alone, image("3.15"))


RECIPE = "io.github.infra7.python.recipe"


def test_an_image_under_the_name_of_another_one_is_refused_and_the_error_says_what_it_is(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    ours = image("3.13")
    labels = labels_that_name(ours)
    for recipe in ("full", "quick"):  # their names are the same
        built = EngineImage("sha256:1", labels={**labels, RECIPE: recipe})
        assert require_match(ours, built) is built
    (minimal,) = select_images(catalog, ["3.13"], ["bookworm"], ["minimal"])
    others = {
        "target is trixie": EngineImage("", labels=labels_that_name(image("3.13", "trixie"))),
        "version is 3.13.5, not 3.13.15": EngineImage("", labels=labels_that_name(image("3.13.5"))),
        "series is 3.13t, not 3.13": EngineImage("", labels=labels_that_name(image("3.13t"))),
        "variant is minimal": EngineImage("", labels=labels_that_name(minimal)),
        "recipe is reference, not full": EngineImage("", labels={**labels, RECIPE: "reference"}),
        "it is for linux/arm64, not for linux/amd64": EngineImage("", labels=labels, platform=ARM64),
        "version is missing": EngineImage(""),
    }
    for problem, other in others.items():
        with pytest.raises(
            BuildError, match=f"another image under the name of 3.13.15-bookworm: .*{problem}"
        ) as raised:
            require_match(ours, other)
        assert raised.value.hint.endswith("inv build --version=3.13 --target=bookworm")
    reference = dataclasses.replace(ours, recipe=RecipeName.REFERENCE)
    with pytest.raises(BuildError, match="recipe is full, not reference"):
        require_match(reference, EngineImage("", labels={**labels, RECIPE: "full"}))


def test_a_tree_that_is_later_than_its_release_has_its_name(image: Callable[..., Image]) -> None:
    ours = image("3.13")
    tree = dataclasses.replace(ours, pin=dataclasses.replace(ours.pin, release="3.13.15+", local="a folder"))
    assert require_match(tree, EngineImage("", labels=labels_that_name(ours)))
    assert require_match(ours, EngineImage("", labels=labels_that_name(tree)))
