"""From what a user typed to the images that are meant."""

from __future__ import annotations

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images, split
from bakery.errors import InputError, NothingSelected
from bakery.platforms import Platform, host_platform


def names(
    catalog: Catalog, versions: list[str], targets: list[str] | None = None, everything: bool = False,
    variants: list[str] | None = None,
) -> list[str]:  # fmt: skip
    images = select_images(catalog, versions, targets or [], variants or [], everything=everything)
    return [image.name for image in images]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("3.13", ("3.13",)),
        (["3.13,3.12", "3.11"], ("3.13", "3.12", "3.11")),
        ([" 3.13 , 3.12 ", ",", "3.13"], ("3.13", "3.12")),
    ],
)
def test_lists_may_be_repeated_and_comma_separated(typed: str | list[str] | None, words: tuple[str, ...]) -> None:
    assert split(typed) == words


def test_a_series_selects_its_default_release_on_the_default_target(catalog: Catalog) -> None:
    assert names(catalog, ["3.13"]) == ["3.13.15-bookworm"]


def test_a_release_selects_itself(catalog: Catalog) -> None:
    assert names(catalog, ["3.13.5"], ["jammy"]) == ["3.13.5-jammy"]
    assert names(catalog, ["3.15.0a1"]) == ["3.15.0a1-bookworm"]


def test_versions_and_targets_are_crossed_in_the_order_given(catalog: Catalog) -> None:
    assert names(catalog, ["3.12", "3.9"], ["noble", "trixie"]) == [
        "3.12.13-noble", "3.12.13-trixie", "3.9.25-noble", "3.9.25-trixie",
    ]  # fmt: skip


def test_the_same_image_named_twice_is_selected_once(catalog: Catalog) -> None:
    assert names(catalog, ["3.13", "3.13.15", "3.13"], ["bookworm", "debian-12"]) == ["3.13.15-bookworm"]


@pytest.mark.parametrize("alias", ["noble", "ubuntu-24.04", "ubuntu:24.04"])
def test_a_target_may_be_named_by_its_number(catalog: Catalog, alias: str) -> None:
    assert names(catalog, ["3.13"], [alias]) == ["3.13.15-noble"]


def test_all_selects_everything_that_is_not_given(catalog: Catalog) -> None:
    series, targets, infixes = (
        [f"{entry.default.release}{entry.suffix}" for entry in catalog.series],
        [target.name for target in catalog.targets],
        [f"-{variant.infix}-" if variant.infix else "-" for variant in catalog.variants],
    )
    assert {"-", "-dev-", "-debug-", "-minimal-", "-minimal-debug-"} <= set(infixes)
    every = [f"{version}{infix}{target}" for version in series for target in targets for infix in infixes]
    assert names(catalog, [], everything=True) == every
    newest = [f"3.13.15{infix}{target}" for target in targets for infix in infixes]
    assert names(catalog, ["3.13"], everything=True) == newest
    assert names(catalog, [], ["jammy"], everything=True) == [
        f"{version}{infix}jammy" for version in series for infix in infixes
    ]
    assert names(catalog, ["3.13"], ["jammy"], everything=True) == [f"3.13.15{infix}jammy" for infix in infixes]
    assert names(catalog, ["3.13"], ["jammy"], everything=True, variants=["minimal"]) == ["3.13.15-minimal-jammy"]


def test_the_default_variant_is_selected_unless_others_are_given_and_these_keep_their_order(catalog: Catalog) -> None:
    assert names(catalog, ["3.13"], variants=["minimal-debug", "default"]) == [
        "3.13.15-minimal-debug-bookworm", "3.13.15-bookworm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "nearest"), [("minimum", "minimal"), ("minimal_debug", "minimal-debug"), ("Default", "default")]
)
def test_an_error_about_an_unknown_variant_suggests_the_nearest_name(
    catalog: Catalog, variant: str, nearest: str
) -> None:
    with pytest.raises(InputError, match=f"unknown variant '{variant}'") as caught:
        select_images(catalog, ["3.13"], [], [variant])
    assert caught.value.exit_code == 2
    assert f"Did you mean {nearest}" in caught.value.hint
    assert f"Available: {', '.join(variant.name for variant in catalog.variants)}." in caught.value.hint


def test_a_free_threaded_build_is_a_separate_series_with_the_same_releases(catalog: Catalog) -> None:
    assert names(catalog, ["3.13t", "3.13.5t"]) == ["3.13.15t-bookworm", "3.13.5t-bookworm"]
    assert names(catalog, ["3.13", "3.13t"]) == ["3.13.15-bookworm", "3.13.15t-bookworm"]


def test_a_free_threaded_build_that_a_series_does_not_have_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"3\.12t"):
        select_images(catalog, ["3.12t"])


def test_selecting_nothing_lists_the_series_and_has_a_separate_exit_code(catalog: Catalog) -> None:
    with pytest.raises(NothingSelected) as caught:
        select_images(catalog, [], ["bookworm"])
    assert caught.value.exit_code == 3
    for word in ("--version", "3.13", "--all"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("version", "nearest"), [("3.99", "3.9"), ("3.41", "3.14"), ("3.1", "3.10"), ("v3.13", "3.13"), ("4", "3.14")]
)
def test_an_error_about_an_unknown_version_suggests_the_nearest_series(
    catalog: Catalog, version: str, nearest: str
) -> None:
    with pytest.raises(InputError, match="unknown version") as caught:
        select_images(catalog, [version])
    assert caught.value.exit_code == 2
    assert repr(version) in caught.value.message
    assert nearest in caught.value.hint


@pytest.mark.parametrize("version", ["three", "3.x", "3.13-bookworm", "latest", "3.13.*"])
def test_an_error_about_a_nonsense_version_shows_what_a_version_looks_like(catalog: Catalog, version: str) -> None:
    with pytest.raises(InputError, match="is not a Python version: expected a series such as") as caught:
        select_images(catalog, [version])
    assert caught.value.exit_code == 2
    assert "Available: 3.9," in caught.value.hint


@pytest.mark.parametrize(
    ("version", "nearest"),
    [
        ("3.13.99", "3.13.13, 3.13.14, 3.13.15"),
        ("3.11.5", "3.11.2, 3.11.10, 3.11.11"),
        ("3.12.0", "3.12.7, 3.12.8, 3.12.9"),
        ("3.15.0", "3.15.0b1, 3.15.0b2, 3.15.0b3"),
    ],
)
def test_an_error_about_an_unpinned_release_suggests_the_nearest_pinned_releases(
    catalog: Catalog, version: str, nearest: str
) -> None:
    with pytest.raises(InputError, match=f"release {version} is not pinned") as caught:
        select_images(catalog, [version])
    assert caught.value.exit_code == 2
    assert f"Nearest pinned releases: {nearest}." in caught.value.hint
    assert "--releases" in caught.value.hint
    assert caught.value.hint.endswith(f"--version={version.rpartition('.')[0]} --source=PATH")


@pytest.mark.parametrize(("target", "nearest"), [("bookwrm", "bookworm"), ("Jammy", "jammy"), ("noblé", "noble")])
def test_an_error_about_an_unknown_target_suggests_the_nearest_name(
    catalog: Catalog, target: str, nearest: str
) -> None:
    with pytest.raises(InputError, match="unknown target") as caught:
        select_images(catalog, ["3.13"], [target])
    assert caught.value.exit_code == 2
    assert f"Did you mean {nearest}?" in caught.value.hint
    assert f"Available: {', '.join(target.name for target in catalog.targets)}." in caught.value.hint


def test_an_error_about_a_target_without_a_near_name_lists_all_targets(catalog: Catalog) -> None:
    with pytest.raises(InputError) as caught:
        select_images(catalog, ["3.13"], ["xyz"])
    assert caught.value.hint == f"Available: {', '.join(target.name for target in catalog.targets)}."


def test_an_unknown_target_is_an_error_even_with_all(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="unknown target 'xyz'"):
        select_images(catalog, [], ["xyz"], everything=True)


def test_images_are_full_builds_for_the_given_platform(catalog: Catalog) -> None:
    (image,) = select_images(catalog, ["3.13"], platform=Platform("linux/riscv64"))
    assert (image.recipe, image.platform) == (RecipeName.FULL, "linux/riscv64")


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("riscv64", "linux/riscv64"),
    ],
)
def test_the_default_platform_is_the_hosts_as_oci_names_it(
    monkeypatch: pytest.MonkeyPatch, catalog: Catalog, machine: str, platform: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert host_platform() == platform
    assert select_images(catalog, ["3.13"])[0].platform == platform
