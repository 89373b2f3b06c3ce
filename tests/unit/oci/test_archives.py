"""Image archives are untrusted: what is read is limited in size, and compared with its digests."""

from __future__ import annotations

import io
import json
import re

import pytest

from bakery.errors import BakeryError
from bakery.oci import archives
from bakery.oci.archives import image_archive, open_layer
from bakery.oci.contents import contents_of
from bakery.oci.manifests import ManifestError
from bakery.platforms import AMD64
from tests.archives import INDEX, Archive, digest_of, make_tar


@pytest.mark.parametrize("name", ["index.json", "manifest.json"])
def test_a_document_of_an_image_archive_that_is_too_large_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    stream = io.BytesIO(make_tar({name: b"[" * 1001}))
    with pytest.raises(ManifestError, match=f"{name} has more than 1,000 bytes"), image_archive(stream, AMD64):
        pass


def test_a_manifest_or_configuration_of_an_image_archive_that_is_too_large_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1500)
    archive = Archive()
    archive.image([make_tar({"x": b""})], history=[{"created_by": "x" * 1500}])
    with (
        pytest.raises(ManifestError, match=r"blobs/sha256/.* has more than 1,500 bytes"),
        image_archive(io.BytesIO(archive.save()), AMD64),
    ):
        pass


LAYER = make_tar({"etc/version": b"1"})
ALL = re.compile(".*")


@pytest.mark.parametrize("method", ["gzip", "none"])
@pytest.mark.parametrize("damage", ["changed layer", "cut layer", "changed configuration", "another layer's digest"])
def test_an_image_whose_bytes_do_not_match_its_digests_is_not_read(damage: str, method: str) -> None:
    """An engine that saves an image compares nothing; a bill of materials would list another image's packages."""
    archive, other = Archive(), Archive()
    diff_id = digest_of(b"x" if damage.startswith("another") else LAYER)
    image = archive.image([LAYER], method, rootfs={"type": "layers", "diff_ids": [diff_id]})
    manifest = json.loads(archive.blobs[image["digest"]])
    layer, config = manifest["layers"][0]["digest"], manifest["config"]["digest"]
    if damage == "changed layer":
        other.image([make_tar({"etc/version": b"2"})], method)
        archive.blobs[layer] = next(data for data in other.blobs.values() if not data.startswith(b"{"))
    elif damage == "cut layer":
        archive.blobs[layer] = archive.blobs[layer][:-1]
    elif damage == "changed configuration":
        archive.blobs[config] = archive.blobs[config].replace(b"linux", b"lynux")
    with pytest.raises(BakeryError, match=r"has other bytes|does not unpack to sha256:"):
        contents_of(io.BytesIO(archive.save()), AMD64, ALL)


def test_a_layer_that_is_not_read_to_its_end_is_compared_with_its_digest_all_the_same() -> None:
    archive = Archive()
    archive.image([make_tar({"a": b"", "b": bytes(1 << 22)})], rootfs={"diff_ids": [digest_of(b"x")]})
    with (
        pytest.raises(BakeryError, match="does not unpack to"),
        image_archive(io.BytesIO(archive.save()), AMD64) as image,
        open_layer(image, image.layers[0]) as tar,
    ):
        tar.next()


def test_an_image_lists_a_digest_for_each_uncompressed_layer() -> None:
    archive = Archive()
    archive.image([LAYER], rootfs={"diff_ids": [digest_of(LAYER)] * 2})
    with pytest.raises(BakeryError, match="it has 1 layers and 2 diff_ids"):
        contents_of(io.BytesIO(archive.save()), AMD64, ALL)


def test_an_engine_identifies_an_image_by_its_index_its_manifest_or_its_configuration() -> None:
    archive, outer = Archive(), Archive()
    image = archive.image([LAYER])
    config = json.loads(archive.blobs[image["digest"]])["config"]["digest"]
    outer.blobs = archive.blobs
    index = outer.blob(archive.index(), INDEX)
    outer.descriptors = [index]
    for identity in (index["digest"], image["digest"], config):
        assert contents_of(io.BytesIO(outer.save()), AMD64, ALL, identity).files == {"etc/version": b"1"}
    with pytest.raises(BakeryError, match=f"the image archive has {image['digest']}, expected {digest_of(b'x')}"):
        contents_of(io.BytesIO(outer.save()), AMD64, ALL, digest_of(b"x"))


def test_an_archive_of_an_engine_without_manifests_is_compared_with_the_digest_of_its_configuration() -> None:
    def saved(layer: bytes) -> io.BytesIO:
        listed = json.dumps([{"Config": "c.json", "Layers": ["a/layer.tar"]}]).encode()
        return io.BytesIO(make_tar({"a/layer.tar": layer, "c.json": config, "manifest.json": listed}))

    config = json.dumps({"os": "linux", "rootfs": {"diff_ids": [digest_of(LAYER)]}}).encode()
    assert contents_of(saved(LAYER), AMD64, ALL, digest_of(config)).files == {"etc/version": b"1"}
    with pytest.raises(BakeryError, match="expected sha256:"):
        contents_of(saved(LAYER), AMD64, ALL, digest_of(b"x"))
    with pytest.raises(BakeryError, match="does not unpack to"):
        contents_of(saved(make_tar({"etc/version": b"2"})), AMD64, ALL, digest_of(config))
