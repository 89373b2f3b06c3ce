"""Differences between two image archives, by layer, file and byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakery.build.reproducibility import Difference, compare_archives
from bakery.errors import BakeryError
from bakery.platforms import Platform
from tests.archives import Archive, make_tar

PLATFORM = Platform("linux/amd64")


def archive(file: Path, layers: list[bytes], config: dict[str, Any] | None = None) -> Path:
    """Write an archive with uncompressed layers: gzip would record the time."""
    made = Archive()
    made.image(layers, "none", PLATFORM, **(config or {}))
    file.write_bytes(made.save())
    return file


def differences(tmp_path: Path, left: list[bytes], right: list[bytes], **config: Any) -> list[Difference]:
    first, second = archive(tmp_path / "1.tar", left), archive(tmp_path / "2.tar", right, config)
    return compare_archives(first, second, PLATFORM)


def test_identical_images_have_no_differences(tmp_path: Path) -> None:
    files = make_tar({"usr/bin/x": b"x"})
    assert differences(tmp_path, [files], [files]) == []


def test_changed_bytes_are_located_by_layer_file_and_offset(tmp_path: Path) -> None:
    same = make_tar({"etc/os-release": b"same"})
    differing = differences(tmp_path, [same, make_tar({"a": b"0123456789"})], [same, make_tar({"a": b"0123x567y9"})])
    description = "2 of 10 bytes, first at 4: 34 35 36 37 38 39 against 78 35 36 37 79 39"
    assert differing == [Difference(2, "a", description)]


@pytest.mark.parametrize(("key", "value"), [("mtime", 7), ("mode", 0o600), ("uid", 3)])
def test_a_changed_header_field_is_reported(tmp_path: Path, key: str, value: int) -> None:
    (difference,) = differences(tmp_path, [make_tar({"a": b"x"})], [make_tar({"a": b"x"}, **{key: value})])
    assert (difference.layer, difference.path) == (1, "a")
    assert difference.description.startswith(key)


def test_files_in_only_one_image_are_reported(tmp_path: Path) -> None:
    differing = differences(tmp_path, [make_tar({"a": b"", "b": b""})], [make_tar({"a": b"", "c": b""})])
    assert differing == [Difference(1, "b", "only in the first"), Difference(1, "c", "only in the second")]


def test_another_order_of_the_same_files_is_a_difference(tmp_path: Path) -> None:
    (difference,) = differences(tmp_path, [make_tar({"a": b"", "b": b""})], [make_tar({"b": b"", "a": b""})])
    assert difference.description == "the same files in a different order"


def test_a_changed_configuration_and_a_missing_layer_are_reported(tmp_path: Path) -> None:
    files = make_tar({"a": b""})
    differing = differences(tmp_path, [files], [files, files], created="2026-01-01T00:00:00Z")
    assert [difference.layer for difference in differing] == [0, 0]
    assert "created: None against '2026-01-01T00:00:00Z'" in differing[0].description
    assert differing[1].description == "1 layers against 2"


def test_an_invalid_archive_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no tar")
    with pytest.raises(BakeryError, match="cannot be read"):
        compare_archives(tmp_path / "x", tmp_path / "x", PLATFORM)
