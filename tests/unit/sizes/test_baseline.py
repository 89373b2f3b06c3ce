"""Sizes as text, and the recorded official image that an image is compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.errors import ConfigError
from bakery.platforms import Platform
from bakery.sizes.baseline import OfficialImage, megabytes, official_size, read_baseline


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "-"), (0, "0.0 MB"), (44_449_999, "44.4 MB"), (44_451_000, "44.5 MB"), (1_234_567_890, "1234.6 MB")],
)
def test_sizes_are_shown_in_millions_of_bytes(size: int | None, text: str) -> None:
    assert megabytes(size) == text


@pytest.mark.parametrize(
    ("version", "target", "tag"),
    [
        ("3.13", "bookworm", "python:3.13-slim-bookworm"),
        ("3.13.5", "trixie", "python:3.13-slim-trixie"),
        ("3.12", "jammy", "python:3.12-slim-bookworm"),
        ("3.15", "noble", "python:3.15-rc-slim-bookworm"),
        ("3.15", "trixie", "python:3.15-rc-slim-trixie"),
    ],
)
def test_an_image_is_compared_with_the_official_image_that_it_can_replace(
    root: Path, catalog: Catalog, image: Callable[..., Image], version: str, target: str, tag: str
) -> None:
    for platform in ("linux/amd64", "linux/arm64"):
        official = official_size(read_baseline(root), catalog, image(version, target, platform=platform))
        assert official is not None
        assert official.reference == tag
        assert 30e6 < official.compressed_bytes < 70e6
        assert sum(layer.compressed_bytes for layer in official.layers) == official.compressed_bytes
        assert official.date.startswith("20") and official.source and official.digest.startswith("sha256:")


def test_a_final_release_is_preferred_to_a_release_candidate(catalog: Catalog, image: Callable[..., Image]) -> None:
    both = {
        (tag, "linux/amd64"): OfficialImage(tag, "3.15", size, "linux/amd64")
        for tag, size in (("python:3.15-slim-bookworm", 1), ("python:3.15-rc-slim-bookworm", 2))
    }
    assert official_size(both, catalog, image("3.15")) == both["python:3.15-slim-bookworm", "linux/amd64"]


def test_without_a_record_there_is_no_official_size(root: Path, catalog: Catalog, image: Callable[..., Image]) -> None:
    assert official_size({}, catalog, image("3.13")) is None
    assert official_size(read_baseline(root), catalog, image("3.13", platform=Platform("linux/riscv64"))) is None


@pytest.mark.parametrize(
    "text", [None, "", "[]", '{"images": [{}]}', '{"images": [{"tag": "x", "platform": "y", "release": "z"}]}',
             '{"images": [{"tag": "x", "platform": "y", "release": "z", "compressed_bytes": "many"}]}',
             '{"images": [{"tag": "x", "platform": "y", "release": "z", "compressed_bytes": 0}]}'],
)  # fmt: skip
def test_an_invalid_baseline_is_an_error_that_says_what_was_expected(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "shared").mkdir()
    if text is not None:
        (tmp_path / "shared" / "official-sizes.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"official-sizes\.json: expected images with tag, platform, release"
    ) as caught:
        read_baseline(tmp_path)
    assert caught.value.exit_code == 2
