"""Tags in the order in which they move, and what an index is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.platforms import Platform
from bakery.catalog.tags import tags_of
from bakery.errors import InputError
from bakery.oci.indexes import digest_of, entries_for, index_bytes, merged
from bakery.publish.tag_moves import names_of, plan_moves

AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")


def entry(platform: str, text: str, **annotations: str) -> dict[str, Any]:
    system, _, machine = platform.partition("/")
    one = {"mediaType": "m", "digest": digest_of(text.encode()), "size": 1}
    return {**one, "platform": {"os": system, "architecture": machine}, "annotations": annotations}


def with_attestation(platform: str, text: str) -> list[dict[str, Any]]:
    one = entry(platform, text)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": one["digest"]}
    return [one, entry("unknown/unknown", f"about {text}", **about)]


def there(index: dict[str, Any]) -> tuple[dict[str, Any], str]:
    return index, digest_of(index_bytes(index))


def digests(index: dict[str, Any]) -> list[str]:
    return [one["digest"] for one in index["manifests"]]


def test_an_attestation_goes_with_its_image() -> None:
    old = merged(None, [*with_attestation(ARM, "arm"), *with_attestation(AMD, "old")])
    new = merged(old, with_attestation(AMD, "new"))
    wanted = ["new", "arm", "about new", "about arm"]
    assert digests(new) == [digest_of(text.encode()) for text in wanted]


def test_the_same_content_is_the_same_index_whoever_comes_last() -> None:
    one, two = with_attestation(AMD, "a"), with_attestation(ARM, "b")
    assert index_bytes(merged(merged(None, one), two)) == index_bytes(merged(merged(None, two), one))


def test_what_an_archive_notes_is_not_published() -> None:
    noted = entry(AMD, "a", **{"io.containerd.image.name": "x", "org.opencontainers.image.ref.name": "y", "kept": "z"})
    (found,) = entries_for({"manifests": [noted]}, AMD)
    assert found["annotations"] == {"kept": "z"}


def test_tags_move_from_the_most_specific_to_what_releases_share(catalog: Catalog, image: Callable[..., Image]) -> None:
    names = names_of(catalog, image("3.14"), "20261122")
    release, *shared = tags_of(catalog, image("3.14"))
    assert (names.dated, names.release) == ("3.14.6-bookworm-20261122", release)
    assert sorted(names.shared) == sorted(shared)
    are_of_release = [tag.startswith("3.14.6") for tag in names.shared]
    assert are_of_release == sorted(are_of_release, reverse=True)
    assert {"3.14.6", "3.14-bookworm", "3.14", "latest"} <= set(names.shared)
    assert all(tag.startswith("3.13.5") for tag in names_of(catalog, image("3.13.5"), "1").shared)


def test_a_shared_tag_waits_for_the_platform_that_it_would_lose(catalog: Catalog, image: Callable[..., Image]) -> None:
    names = names_of(catalog, image("3.13"), "20261122")
    both = there(merged(None, [entry(AMD, "old"), entry(ARM, "old arm")]))
    now: dict[str, Any] = {names.dated: None, names.release: None, **dict.fromkeys(names.shared)} | {"3.13": both}
    moves = {move.tag: move for move in plan_moves(names, [entry(AMD, "new")], now)}
    assert (moves["3.13"].what, moves["3.13-bookworm"].what) == ("kept", "new")
    assert "linux/arm64 of 3.13.15-bookworm" in moves["3.13"].why
    assert {move.tag: move.what for move in plan_moves(names, [entry(AMD, "new")], now, force=True)}["3.13"] == "moved"


def test_a_dated_tag_takes_another_platform_but_no_other_image(catalog: Catalog, image: Callable[..., Image]) -> None:
    names = names_of(catalog, image("3.13"), "20261122")
    now: dict[str, Any] = dict.fromkeys((names.release, *names.shared))
    now[names.dated] = there(merged(None, [entry(AMD, "old")]))
    first, *_ = plan_moves(names, [entry(ARM, "arm")], now)
    assert first.what == "moved"
    same, *_ = plan_moves(names, [entry(AMD, "old")], now)
    assert same.what == "unchanged"
    with pytest.raises(InputError, match="never changes"):
        plan_moves(names, [entry(AMD, "new")], now, force=True)
