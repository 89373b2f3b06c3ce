"""Sizes and files of an image, for every compression of layers and every kind of archive."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from bakery.errors import BakeryError
from bakery.sizes.breakdown import Part, Size
from bakery.sizes.layers import saved_image
from tests.archives import PACKERS, Archive, digest_of, make_tar

AMD64 = "linux/amd64"
BASE = make_tar({"var/lib/dpkg/status": b"Package: x\n" * 50, "usr/bin/sh": b"\x7fELF" * 5000, "bin": "usr/bin"})
TOP = make_tar(
    {
        "usr/local/bin/python3.13": b"\x7fELF" * 3000,
        "usr/local/bin/python3": "python3.13",
        "usr/local/lib/python3.13/os.py": b"import this\n" * 100,
    },
    folders=["usr/local", "usr/local/bin"],
)
DISK = 550 + 20_000 + 12_000 + 1200


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [100, 4096, 1 << 20])
@pytest.mark.parametrize("method", ["gzip", "zstd"])
def test_compressed_layers_count_with_their_size(size: int, method: str) -> None:
    archive = Archive()
    archive.image([BASE, TOP], method)
    image = saved_image(chunks(archive.save(), size), AMD64)
    assert image.size == Size(sum(len(PACKERS[method](layer)) for layer in (BASE, TOP)), DISK)
    assert [layer.method for layer in image.layers] == [method, method]
    assert not image.estimated


def test_uncompressed_layers_are_estimated_with_gzip() -> None:
    def packed(data: bytes) -> int:
        packer = zlib.compressobj(6, wbits=31)
        return len(packer.compress(data)) + len(packer.flush())

    archive = Archive()
    archive.image([BASE, TOP], "none")
    image = saved_image([archive.save()], AMD64)
    assert image.size == Size(packed(BASE) + packed(TOP), DISK)
    assert image.estimated


def test_an_archive_without_manifests_is_read_by_its_list_of_layers() -> None:
    files = {"a/layer.tar": BASE, "b/layer.tar": TOP, "c.json": b'{"os": "linux"}'}
    listed = json.dumps([{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]).encode()
    image = saved_image([make_tar({**files, "manifest.json": listed})], AMD64)
    assert image.size.disk_bytes == DISK
    assert image.parts[Part.BASE].disk_bytes == 20_550


def test_a_layer_larger_than_any_buffer_is_counted_to_its_end() -> None:
    big = make_tar({"a": bytes(3_000_000), "b": b"x" * 10})
    archive = Archive()
    archive.image([big])
    assert saved_image(chunks(archive.save(), 65536), AMD64).size == Size(len(gzip.compress(big)), 3_000_010)


@pytest.mark.parametrize("method", ["gzip", "zstd", "none"])
def test_the_parts_add_up_to_the_image_and_the_base_is_its_layer(method: str) -> None:
    archive = Archive()
    archive.image([BASE, TOP], method)
    image = saved_image([archive.save()], AMD64)
    assert sum(share.compressed_bytes for share in image.parts.values()) == image.size.compressed_bytes
    assert sum(share.disk_bytes for share in image.parts.values()) == image.size.disk_bytes
    base = image.parts[Part.BASE]
    assert (base.compressed_bytes, base.disk_bytes, base.files) == (image.layers[0].compressed_bytes, 20_550, 3)
    assert image.parts[Part.INTERPRETER].disk_bytes == 12_000
    assert image.parts[Part.LIBRARY].disk_bytes == 1200
    assert image.files["usr/local/lib/python3.13/os.py"].disk_bytes == 1200


def test_only_the_image_for_the_platform_is_read_and_attestations_are_skipped() -> None:
    archive = Archive()
    archive.image([BASE], platform="linux/arm64")
    archive.image([BASE, TOP])
    attestation = archive.image([make_tar({"statement": b"{}"})], platform="unknown/unknown")
    attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    data = archive.save()
    assert saved_image([data], AMD64).size.disk_bytes == DISK
    assert saved_image([data], "linux/arm64").size.disk_bytes == 20_550
    with pytest.raises(BakeryError, match=r"no image for linux/riscv64; available: linux/amd64, linux/arm64$"):
        saved_image([data], "linux/riscv64")


def test_a_platform_whose_layers_were_not_pulled_is_an_error() -> None:
    archive = Archive()
    missing = archive.image([BASE], platform="linux/arm64")
    archive.image([BASE])
    del archive.blobs[missing["digest"]]
    with pytest.raises(BakeryError, match="does not include linux/arm64"):
        saved_image([archive.save()], "linux/arm64")


def test_a_nested_index_is_followed() -> None:
    inner, outer = Archive(), Archive()
    inner.image([BASE, TOP])
    outer.blobs = inner.blobs
    outer.descriptors = [outer.blob(inner.index(), "application/vnd.oci.image.index.v1+json")]
    assert saved_image([outer.save()], AMD64).size.disk_bytes == DISK


def test_layers_are_labelled_by_their_build_steps() -> None:
    steps = [
        {"created_by": "# debian.sh --arch 'amd64' out/ 'bookworm'"},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "RUN |1 A=b /bin/sh -c set -eux;   apt-get install -y a # buildkit"},
    ]
    archive = Archive()
    archive.image([BASE, TOP], history=steps)
    assert [layer.label for layer in saved_image([archive.save()], AMD64).layers] == [
        "debian.sh",
        "apt-get install -y a",
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped", "nothing", "no layer", "unknown"])
def test_a_damaged_archive_is_a_clear_error(damage: str) -> None:
    archive = Archive()
    archive.image([BASE, TOP])
    data = archive.save()
    if damage == "cut":
        data = data[: len(data) // 3]
    elif damage == "flipped":
        packed = gzip.compress(BASE)
        data = data.replace(packed, packed[:40] + bytes(60) + packed[100:])
    elif damage == "nothing":
        data = b""
    elif damage == "no layer":
        del archive.blobs[next(iter(archive.blobs))]
        data = archive.save()
    elif damage == "unknown":
        archive.image([b"BZh91AY" + bytes(600)], "none", "linux/arm64")
        data = archive.save()
    with pytest.raises(BakeryError):
        saved_image([data], "linux/arm64" if damage == "unknown" else AMD64)


def test_all_zstd_frames_of_a_layer_are_read() -> None:
    frames = PACKERS["zstd"](TOP[:5000]) + PACKERS["zstd"](TOP[5000:])
    archive = Archive()
    descriptor = archive.image([frames], "none", rootfs={"type": "layers", "diff_ids": [digest_of(TOP)]})
    manifest = archive.blobs.pop(descriptor["digest"]).replace(b"layer.v1.tar", b"layer.v1.tar+zstd")
    archive.descriptors = [{**archive.blob(manifest, descriptor["mediaType"]), "platform": descriptor["platform"]}]
    image = saved_image([archive.save()], AMD64)
    assert image.size == Size(len(frames), 12_000 + 1200)
