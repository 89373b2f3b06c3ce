"""The names of platforms that users may type."""

from __future__ import annotations

import pytest

from bakery.catalog.models import Catalog
from bakery.errors import InputError
from bakery.platforms import Platform, parse_platforms


@pytest.mark.parametrize("word", ["arm64", "aarch64", "arm64v8", "linux/arm64", "linux/arm64/v8", "ARM64"])
def test_platforms_may_be_selected_by_any_of_their_names(catalog: Catalog, word: str) -> None:
    assert parse_platforms(catalog.platforms, [word, "x86_64", "linux/amd64"]) == ("linux/arm64", "linux/amd64")


@pytest.mark.parametrize(
    ("architecture", "variant", "name"),
    [
        ("arm64", "8", "linux/arm64"), ("arm64", "v8", "linux/arm64"), ("arm64", None, "linux/arm64"),
        ("arm64", "v9", "linux/arm64/v9"), ("arm", "v8", "linux/arm/v8"),
        ("amd64", "v1", "linux/amd64"), ("amd64", "v3", "linux/amd64/v3"),
    ],
)  # fmt: skip
def test_the_first_variant_of_an_architecture_is_not_part_of_the_name(
    architecture: str, variant: str | None, name: str
) -> None:
    """As in containerd, which chooses the image of an index for Docker."""
    assert Platform.from_descriptor({"os": "linux", "architecture": architecture, "variant": variant}) == name


@pytest.mark.parametrize("fields", [{"os": "linux"}, {"architecture": "amd64"}, {}])
def test_fields_of_a_platform_that_are_null_are_absent(fields: dict[str, str]) -> None:
    null = {"os": None, "architecture": None, "variant": None, **fields}
    assert Platform.from_descriptor(null) == Platform.from_descriptor(fields)
    assert "None" not in Platform.from_descriptor(null)


@pytest.mark.parametrize(
    "word", ["x86", "X64", "x86-64", "x86_64", "amd64", "linux/x86", "linux/amd64", "linux/amd64/v1"]
)
def test_x86_means_amd64(catalog: Catalog, word: str) -> None:
    assert parse_platforms(catalog.platforms, [word]) == ("linux/amd64",)


@pytest.mark.parametrize("word", ["arm", "armv7", "i386", "linux/386", "windows/amd64", "amd64/v3"])
def test_another_platform_is_never_mistaken_for_one_of_ours(catalog: Catalog, word: str) -> None:
    with pytest.raises(InputError, match="expected linux/amd64 or linux/arm64"):
        parse_platforms(catalog.platforms, [word])


def test_an_error_about_an_unknown_platform_lists_the_known_names(catalog: Catalog) -> None:
    with pytest.raises(InputError, match=r"'riscv64': expected linux/amd64 or linux/arm64\n.*aarch64"):
        parse_platforms(catalog.platforms, ["riscv64"])
