"""What `--against` names: the distribution's own Python, or any image."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bakery.build.peers import peer_of
from bakery.catalog.models import Catalog, Image
from bakery.errors import InputError


@pytest.mark.parametrize("against", [None, "python:3.13-slim-bookworm", "debian:bookworm-slim"])
def test_any_other_image_is_returned_unchanged(
    image: Callable[..., Image], catalog: Catalog, against: str | None
) -> None:
    builder = SimpleNamespace(catalog=catalog)
    assert peer_of(builder, image("3.13"), against) == against  # type: ignore[arg-type]


def test_the_python_of_another_distribution_is_rejected_with_what_to_type(
    image: Callable[..., Image], catalog: Catalog
) -> None:
    builder = SimpleNamespace(catalog=catalog)
    with pytest.raises(
        InputError, match=r"--against=debian: 3.12.\d+-jammy is based on ubuntu\n +Type --against=ubuntu"
    ):
        peer_of(builder, image("3.12", "jammy"), "debian")  # type: ignore[arg-type]
