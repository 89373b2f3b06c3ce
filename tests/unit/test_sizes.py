"""Sizes from the image itself, and the official image that it is compared with."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from bakery.errors import ConfigError
from bakery.models import Catalog, Image
from bakery.sizes import Official, Size, megabytes, official_size, read_baseline, saved_size


def make_tar(files: dict[str, bytes], *, links: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if links:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE):
                member = tarfile.TarInfo(f"other-{kind!r}")
                member.type, member.linkname = kind, next(iter(files))
                tar.addfile(member)
    return buffer.getvalue()


LAYERS = [
    make_tar({"usr/bin/python3": b"\x7fELF" * 5000, "etc/empty": b""}, links=True),
    make_tar({"usr/lib/x.py": b"import this\n" * 100}),
]
DISK = 20_000 + 1200


def saved(layers: list[bytes]) -> bytes:
    """What `docker save` writes: an image layout in a tar, with its JSON files and the older manifest.json."""
    blobs = [json.dumps({"rootfs": {}}).encode(), json.dumps({"layers": []}).encode(), *layers]
    files = {f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in blobs}
    files |= {"index.json": b'{"manifests": []}', "manifest.json": b"[]", "oci-layout": b"{}"}
    return make_tar(files, links=True)


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [100, 1000, 4096, 1 << 20])
def test_compressed_layers_count_as_they_are(size: int) -> None:
    packed = [gzip.compress(layer) for layer in LAYERS]
    assert saved_size(chunks(saved(packed), size)) == Size(sum(map(len, packed)), DISK)


@pytest.mark.parametrize("size", [100, 4096, 1 << 20])
def test_uncompressed_layers_count_as_gzip_would_make_them(size: int) -> None:
    def packed(data: bytes) -> int:
        packer = zlib.compressobj(6, wbits=31)
        return len(packer.compress(data)) + len(packer.flush())

    assert saved_size(chunks(saved(LAYERS), size)) == Size(sum(map(packed, LAYERS)), DISK)


def test_a_layer_larger_than_any_buffer_is_counted_to_its_end() -> None:
    big = make_tar({"a": bytes(3_000_000), "b": b"x" * 10})
    packed = gzip.compress(big)
    assert saved_size(chunks(saved([packed]), 65536)) == Size(len(packed), 3_000_010)
    assert saved_size(chunks(saved([big]), 65536)).disk_bytes == 3_000_010


def test_a_zstd_layer_counts_as_it_is_packed_and_with_what_is_in_it() -> None:
    packed = [zstandard.ZstdCompressor().compress(layer) for layer in LAYERS]
    assert saved_size(chunks(saved(packed), 4096)) == Size(sum(map(len, packed)), DISK)


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "-"), (0, "0.0 MB"), (44_449_999, "44.4 MB"), (44_451_000, "44.5 MB"), (1_234_567_890, "1234.6 MB")],
)
def test_sizes_are_told_in_millions_of_bytes(size: int | None, text: str) -> None:
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
def test_an_image_is_compared_with_the_official_one_that_people_would_use_instead(
    root: Path, catalog: Catalog, image: Callable[..., Image], version: str, target: str, tag: str
) -> None:
    for platform in ("linux/amd64", "linux/arm64"):
        found = official_size(read_baseline(root), catalog, image(version, target, platform=platform))
        assert found is not None
        assert found.tag == tag
        assert 30e6 < found.compressed_bytes < 70e6


def test_a_final_release_is_preferred_to_a_candidate(catalog: Catalog, image: Callable[..., Image]) -> None:
    both = {
        (tag, "linux/amd64"): Official(tag, "3.15", size)
        for tag, size in (("python:3.15-slim-bookworm", 1), ("python:3.15-rc-slim-bookworm", 2))
    }
    assert official_size(both, catalog, image("3.15")) == both["python:3.15-slim-bookworm", "linux/amd64"]


def test_where_nothing_is_recorded_there_is_nothing_to_compare_with(
    root: Path, catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert official_size({}, catalog, image("3.13")) is None
    assert official_size(read_baseline(root), catalog, image("3.13", platform="linux/riscv64")) is None


@pytest.mark.parametrize(
    "text", [None, "", "[]", '{"images": [{}]}', '{"images": [{"tag": "x", "platform": "y", "release": "z"}]}',
             '{"images": [{"tag": "x", "platform": "y", "release": "z", "compressed_bytes": "many"}]}'],
)  # fmt: skip
def test_a_broken_baseline_is_named_with_what_was_expected(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "shared").mkdir()
    if text is not None:
        (tmp_path / "shared" / "official-sizes.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"official-sizes\.json: expected images with tag, platform, release"
    ) as caught:
        read_baseline(tmp_path)
    assert caught.value.exit_code == 2
