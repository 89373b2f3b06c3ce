"""Tags move in the right order and never lose a platform; indexes are merged deterministically."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.tags import aliases_of, tags_of
from bakery.errors import InputError
from bakery.oci.indexes import digest_of, entries_for, merged
from bakery.oci.layout import describe, to_json
from bakery.platforms import Platform
from bakery.publish.push import tags_for
from bakery.publish.tag_moves import ImageTags, plan_moves

AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")


def entry(platform: str, text: str, **annotations: str) -> Any:
    system, _, machine = platform.partition("/")
    about = {"platform": {"os": system, "architecture": machine}, "annotations": annotations}
    return {**describe(text.encode(), "m"), **about}


def with_attestation(platform: str, text: str) -> list[Any]:
    image = entry(platform, text)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    return [image, entry("unknown/unknown", f"about {text}", **about)]


def published(index: Any) -> tuple[Any, str]:
    return index, digest_of(to_json(index))


def digests(index: Any) -> list[str]:
    return [entry["digest"] for entry in index["manifests"]]


def test_an_attestation_is_replaced_together_with_its_image() -> None:
    old = merged(None, [*with_attestation(ARM, "arm"), *with_attestation(AMD, "old")])
    new = merged(old, with_attestation(AMD, "new"))
    expected = ["new", "arm", "about new", "about arm"]
    assert digests(new) == [digest_of(text.encode()) for text in expected]


def test_a_permanent_tag_keeps_its_attestations_and_the_release_tag_gets_those_of_the_last_build() -> None:
    """Another build of the same image has another provenance; a file of `inv push --digests` may even have none."""
    old = merged(None, with_attestation(AMD, "amd"))
    tags, rebuilt = ImageTags("x-1", "x", ()), with_attestation(AMD, "amd")[:1]
    dated, release = plan_moves(tags, rebuilt, dict.fromkeys(tags.all, published(old)))
    assert (dated.state, release.state) == ("unchanged", "moved")
    (again, _) = plan_moves(tags, [*rebuilt, *with_attestation(ARM, "arm")], dict.fromkeys(tags.all, published(old)))
    assert digests(json.loads(again.index)) == [
        digest_of(text.encode()) for text in ("amd", "arm", "about amd", "about arm")
    ]


def test_the_index_does_not_depend_on_the_order_of_pushes() -> None:
    amd, arm = with_attestation(AMD, "a"), with_attestation(ARM, "b")
    assert to_json(merged(merged(None, amd), arm)) == to_json(merged(merged(None, arm), amd))


def test_annotations_of_an_archive_are_not_published() -> None:
    """Names that `docker save` adds and claims about the image are dropped; attestations keep those they need."""
    image, attestation = with_attestation(AMD, "a")
    claims = {"io.containerd.image.name": "x", "org.opencontainers.image.source": "https://other.example"}
    claimed = [{**each, "annotations": {**each["annotations"], **claims}} for each in (image, attestation)]
    plain, about = entries_for({"manifests": claimed}, AMD)
    assert "annotations" not in plain
    assert about == attestation


def test_tags_of_a_release_move_before_tags_that_releases_share(catalog: Catalog, image: Callable[..., Image]) -> None:
    tags = tags_for(catalog, image("3.14"), "20261122")
    release, *shared = (*tags_of(catalog, image("3.14")), *aliases_of(catalog, image("3.14")))
    assert (tags.dated, tags.release) == ("3.14.6-bookworm-20261122", release)
    assert sorted(tags.shared) == sorted(shared)
    assert tags.all == (tags.dated, tags.release, *tags.shared)
    of_release = [tag.startswith("3.14.6") for tag in tags.shared]
    assert of_release == sorted(of_release, reverse=True)
    assert {"3.14.6", "3.14-bookworm", "3.14", "latest"} <= set(tags.shared)
    assert all(tag.startswith("3.13.5") for tag in tags_for(catalog, image("3.13.5"), "1").shared)


def test_each_tag_of_a_twin_ends_in_gzip(catalog: Catalog, image: Callable[..., Image]) -> None:
    tags, twins = (tags_for(catalog, image("3.14"), "20261122", end) for end in ("", "-gzip"))
    assert twins.dated == "3.14.6-bookworm-20261122-gzip"
    assert twins.all == tuple(f"{tag}-gzip" for tag in tags.all)


def test_a_shared_tag_waits_for_the_platform_that_it_would_lose(catalog: Catalog, image: Callable[..., Image]) -> None:
    tags = tags_for(catalog, image("3.13"), "20261122")
    both = published(merged(None, [entry(AMD, "old"), entry(ARM, "old arm")]))
    current: dict[str, Any] = dict.fromkeys(tags.all) | {"3.13": both}
    moves = {move.tag: move for move in plan_moves(tags, [entry(AMD, "new")], current)}
    assert (moves["3.13"].state, moves["3.13-bookworm"].state) == ("kept", "new")
    assert (moves["3.13"].changes, moves["3.13-bookworm"].changes) == (False, True)
    assert "linux/arm64 of 3.13.15-bookworm" in moves["3.13"].why
    forced = {move.tag: move.state for move in plan_moves(tags, [entry(AMD, "new")], current, force=True)}
    assert forced["3.13"] == "moved"


def test_a_dated_tag_accepts_another_platform_but_never_another_image(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    tags = tags_for(catalog, image("3.13"), "20261122")
    current: dict[str, Any] = dict.fromkeys((tags.release, *tags.shared))
    current[tags.dated] = published(merged(None, [entry(AMD, "old")]))
    first, *_ = plan_moves(tags, [entry(ARM, "arm")], current)
    assert first.state == "moved"
    same, *_ = plan_moves(tags, [entry(AMD, "old")], current)
    assert same.state == "unchanged"
    with pytest.raises(InputError, match="never changes"):
        plan_moves(tags, [entry(AMD, "new")], current, force=True)
