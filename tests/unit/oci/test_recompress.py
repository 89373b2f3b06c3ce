"""Recompressed layers: the same images, smaller, with all references to changed digests updated."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import random
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bakery.compression import Compression
from bakery.errors import BakeryError, DiskFullError
from bakery.oci.attestations import STATEMENT
from bakery.oci.manifests import CONFIG, INDEX, MANIFEST
from bakery.oci.recompress import LayerCache, recompress
from tests.archives import Archive, digest_of, make_tar

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
ZSTD = Compression("zstd", 19)
WINDOW = 8 << 20
"""The window that every decoder must support (RFC 8878, 3.1.1.1.2)."""


def layer(*names: str, size: int = 5000) -> bytes:
    """A tar with a file of each name, whose bytes resemble text and are always the same."""
    words = [b"def", b"return", b"self", b"import", b"0"]
    return make_tar({name: b" ".join(random.Random(name).choices(words, k=size)) for name in names})


class Layout(Archive):
    """An image layout with images and attestations as buildx writes them."""

    def built(
        self, *layers: bytes, packed: Any = gzip.compress, docker: bool = False, config_labels: Any = None, **more: Any
    ) -> dict[str, Any]:
        """An image with ``layers``; its descriptor. With labels, its manifest has ``null`` annotations."""
        empty = {"annotations": None} if config_labels else {}
        types = (f"{DOCKER}.distribution.manifest.v2+json", f"{DOCKER}.container.image.v1+json")
        types = types if docker else (MANIFEST, CONFIG)
        tar = f"{DOCKER}.image.rootfs.diff.tar.gzip" if docker else f"{OCI}.layer.v1.tar+gzip"
        diff_ids = [digest_of(content) for content in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": types[0],
            "config": self.json(
                {
                    "os": "linux",
                    "config": {"Labels": config_labels},
                    "rootfs": {"type": "layers", "diff_ids": diff_ids},
                },
                types[1],
            ),
            "layers": [self.blob(packed(content), tar) for content in layers],
            **empty,
        }
        return self.json(manifest, types[0], platform={"architecture": "amd64", "os": "linux"}, **more)

    def attestation(self, image: dict[str, Any]) -> dict[str, Any]:
        """BuildKit's attestation of an image: a manifest whose layers are statements about the image's digest."""
        subject = [{"name": "pkg:docker/x", "digest": {"sha256": image["digest"].removeprefix("sha256:")}}]
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "subject": subject, "predicate": {"a": 1}}
        layer = self.json(statement, STATEMENT, annotations={"in-toto.io/predicate-type": "x"})
        rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
        config = self.json({"architecture": "unknown", "os": "unknown", "rootfs": rootfs}, CONFIG)
        annotations = {
            "vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest",
        }  # fmt: skip
        platform = {"architecture": "unknown", "os": "unknown"}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        return self.json(manifest, MANIFEST, annotations=annotations, platform=platform)

    def nested(self, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
        """An index within the index."""
        return self.json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}, INDEX, **more)

    def write(self, file: Path, *entries: dict[str, Any]) -> Path:
        self.descriptors = list(entries)
        file.write_bytes(self.save())
        return file


class Recompressed:
    """A recompressed layout; every descriptor is checked against its blob."""

    def __init__(self, file: Path) -> None:
        self.files: dict[str, bytes] = {}
        with tarfile.open(file) as tar:
            for member in tar:
                assert member.name not in self.files, f"{member.name} is written twice"
                assert (member.mtime, member.uid, member.uname) == (0, 0, "")
                self.files[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
        self.index = json.loads(self.files["index.json"])
        assert "oci-layout" in self.files

    def get(self, descriptor: dict[str, Any]) -> bytes:
        data = self.files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
        assert len(data) == descriptor["size"]
        return data

    def json(self, descriptor: dict[str, Any]) -> Any:
        return json.loads(self.get(descriptor))

    def layers(self, manifest: dict[str, Any]) -> list[bytes]:
        """The layers' content, by the compression of their media types."""
        unpacked = []
        for descriptor in manifest["layers"]:
            method = descriptor["mediaType"].removeprefix(f"{OCI}.layer.v1.tar+")
            data = self.get(descriptor)
            unpacked.append(
                gzip.decompress(data)
                if method == "gzip"
                else zstandard.ZstdDecompressor().decompressobj().decompress(data)
            )
        return unpacked


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Recompresses a layout and reads the result."""

    def recompressed(
        layout: Layout, *entries: dict[str, Any], compression: Compression = ZSTD, name: str = "out"
    ) -> Recompressed:
        source = layout.write(tmp_path / "in.tar", *entries)
        target = tmp_path / f"{name}.tar"
        digests = recompress(source, target, compression, LayerCache(tmp_path / "cache", print))
        result = Recompressed(target)
        assert digests == tuple(entry["digest"] for entry in result.index["manifests"])
        return result

    return recompressed


def test_content_and_configuration_stay_the_same_and_layers_get_smaller(make: Any) -> None:
    layout, layers = Layout(), (layer("a"), layer("b", "c"))
    image = layout.built(*layers)
    old = json.loads(layout.blobs[image["digest"]])
    result = make(layout, image)
    manifest = result.json(result.index["manifests"][0])
    assert result.layers(manifest) == list(layers)
    assert manifest["config"] == old["config"]
    result.get(manifest["config"])
    assert {new["mediaType"] for new in manifest["layers"]} == {f"{OCI}.layer.v1.tar+zstd"}
    for new, before in zip(manifest["layers"], old["layers"], strict=True):
        assert new["size"] < before["size"]


def test_the_creation_time_comes_from_the_label_and_not_from_the_base(make: Any) -> None:
    layout, created = Layout(), "2026-08-05T00:00:00Z"
    result = make(layout, layout.built(layer("a"), config_labels={"org.opencontainers.image.created": created}))
    manifest = result.json(result.index["manifests"][0])
    assert result.json(manifest["config"])["created"] == created
    assert manifest["annotations"] == {"org.opencontainers.image.created": created}


def test_every_decoder_supports_the_window_size(make: Any) -> None:
    layout = Layout()
    result = make(layout, layout.built(bytes(3 * WINDOW)))
    (packed,) = result.json(result.index["manifests"][0])["layers"]
    assert zstandard.get_frame_parameters(result.get(packed)).window_size <= WINDOW


def test_replaced_blobs_are_not_written(make: Any) -> None:
    layout = Layout()
    result = make(layout, layout.built(layer("a")))
    manifest = result.json(result.index["manifests"][0])
    parts = [result.index["manifests"][0], manifest["config"], *manifest["layers"]]
    assert set(result.files) == {
        "index.json",
        "oci-layout",
        *(f"blobs/{part['digest'].replace(':', '/')}" for part in parts),
    }


@pytest.mark.parametrize(
    "packed",
    [
        lambda data: data,
        gzip.compress,
        lambda data: gzip.compress(data[:3000]) + gzip.compress(data[3000:]),
        zstandard.ZstdCompressor(level=1).compress,
    ],
    ids=["uncompressed", "gzip", "gzip in two members", "zstd"],
)
def test_layers_of_any_compression_are_read(make: Any, packed: Any) -> None:
    layout, content = Layout(), layer("a", size=400_000)
    result = make(layout, layout.built(content, packed=packed), compression=Compression("zstd", 1))
    assert result.layers(result.json(result.index["manifests"][0])) == [content]


def test_layers_are_recompressed_by_another_gzip_level(make: Any) -> None:
    layout, content = Layout(), layer("a")
    result = make(
        layout, layout.built(content, packed=lambda data: gzip.compress(data, 1)), compression=Compression("gzip", 9)
    )
    manifest = result.json(result.index["manifests"][0])
    assert result.layers(manifest) == [content]
    assert manifest["layers"][0]["mediaType"] == f"{OCI}.layer.v1.tar+gzip"
    packer = zlib.compressobj(9, wbits=31)
    assert result.get(manifest["layers"][0]) == packer.compress(content) + packer.flush()


def test_libdeflate_packs_more_tightly_than_zlib_and_always_to_the_same_bytes(make: Any, tmp_path: Path) -> None:
    layout, content, packed = Layout(), layer("a", size=50_000), []
    for level in (9, 12):
        result = make(layout, layout.built(content), compression=Compression("gzip", level))
        manifest = result.json(result.index["manifests"][0])
        assert result.layers(manifest) == [content]
        assert manifest["layers"][0]["mediaType"] == f"{OCI}.layer.v1.tar+gzip"
        packed.append(result.get(manifest["layers"][0]))
    assert len(packed[1]) < len(packed[0])
    assert packed[1][4:8] == bytes(4), "no time in the header"
    source = layout.write(tmp_path / "again.tar", layout.built(content))
    recompress(source, tmp_path / "2.tar", Compression("gzip", 12), LayerCache(tmp_path / "another cache", print))
    assert packed[1] in (tmp_path / "2.tar").read_bytes()


def test_only_the_entries_with_the_requested_tags_are_written(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.built(layer("a"))
    named = [{**image, "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("1", "1-gzip")]
    source = layout.write(tmp_path / "in.tar", *named)
    for name, packing in (("1", ZSTD), ("1-gzip", Compression("gzip", 12))):
        recompress(source, tmp_path / "out.tar", packing, LayerCache(tmp_path / "cache", print), tags={name})
        result = Recompressed(tmp_path / "out.tar")
        (entry,) = result.index["manifests"]
        assert entry["annotations"]["org.opencontainers.image.ref.name"] == name
        assert result.layers(result.json(entry)) == [layer("a")]


def test_a_marked_layer_has_the_same_files_and_another_diff_id_and_is_marked_once(make: Any, tmp_path: Path) -> None:
    layout, layers = Layout(), (layer("a"), layer("b"))
    image, plain = layout.built(*layers), Compression("gzip", 12)
    result = make(layout, image, compression=Compression("gzip", 12, marked=True), name="marked")
    manifest = result.json(result.index["manifests"][0])
    assert result.layers(manifest) == [layers[0], layers[1] + bytes(1024)]
    diff_ids = result.json(manifest["config"])["rootfs"]["diff_ids"]
    assert diff_ids == [digest_of(content) for content in result.layers(manifest)]
    again = make(layout, image, compression=Compression("gzip", 12, marked=True), name="again")
    assert again.files == result.files, "from the cache"
    recompress(tmp_path / "marked.tar", tmp_path / "copy.tar", plain, LayerCache(tmp_path / "cache", print))
    assert Recompressed(tmp_path / "copy.tar").files == result.files


def test_a_compressed_layer_is_read_back_before_it_is_cached(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A compressor with a fault: a real one has none.
    wrong = [gzip.compress(b"something else")]
    monkeypatch.setattr(
        sys.modules[recompress.__module__], "compressed", lambda chunks, *_: wrong if list(chunks) else []
    )
    layout = Layout()
    with pytest.raises(BakeryError, match="is not the same after gzip:12 has compressed it"):
        make(layout, layout.built(layer("a")), compression=Compression("gzip", 12))
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    layout = Layout()
    source = layout.write(tmp_path / "in.tar", layout.built(layer("a"), layer("b", size=200_000)))
    written = []
    for number in (1, 2):
        recompress(source, tmp_path / f"{number}.tar", ZSTD, LayerCache(tmp_path / f"cache-{number}", print))
        written.append((tmp_path / f"{number}.tar").read_bytes())
    assert written[0] == written[1]


def test_the_time_of_the_export_is_removed_and_names_stay(make: Any) -> None:
    layout = Layout()
    names = {"io.containerd.image.name": "docker.io/x/y:1", "org.opencontainers.image.ref.name": "1"}
    image = layout.built(layer("a"), annotations={**names, "org.opencontainers.image.created": "2026-01-02T03:04:05Z"})
    result = make(layout, image)
    assert result.index["manifests"][0]["annotations"] == names
    assert result.index["manifests"][0]["platform"] == image["platform"]


def test_an_image_under_several_names_is_written_once(make: Any) -> None:
    layout = Layout()
    image = layout.built(layer("a"))
    named = [{**image, "annotations": {"org.opencontainers.image.ref.name": name}} for name in ("1", "2")]
    result = make(layout, *named)
    first, second = result.index["manifests"]
    assert first["digest"] == second["digest"]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in (first, second)] == ["1", "2"]


def test_a_layer_is_compressed_once_and_then_read_from_the_cache(make: Any, tmp_path: Path) -> None:
    layout = Layout()
    first = make(layout, layout.built(layer("base"), layer("a")), name="first")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    assert len(before) == 2
    other = Layout()
    # Another compression of the same content: the cache is keyed by content.
    second = make(other, other.built(layer("base"), layer("b"), packed=lambda data: data), name="second")
    bases = [image.json(image.index["manifests"][0])["layers"][0] for image in (first, second)]
    assert bases[0] == bases[1]
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    assert len(after) == 3
    assert all(after[file] == time for file, time in before.items())


def with_other_bytes(packed: bytes, kind: str) -> bytes:
    """The same content as ``packed``, at another level or with data that a decompressor ignores."""
    if packed.startswith(b"\x1f\x8b"):  # gzip: a time in the header (RFC 1952)
        return gzip.compress(gzip.decompress(packed), 1) if kind == "level" else packed[:4] + b"DATA" + packed[8:]
    content = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    # A skippable frame (RFC 8878 3.1.2).
    return zstandard.compress(content, 1) if kind == "level" else packed + b"\x50\x2a\x4d\x18\4\0\0\0DATA"


DAMAGE: dict[str, Callable[[Path, Path], object]] = {
    "emptied": lambda file, _: file.write_bytes(b""),
    "cut short": lambda file, _: file.write_bytes(file.read_bytes()[:-5]),
    "overwritten": lambda file, _: file.write_bytes(b"\0" * file.stat().st_size),
    "zeros appended": lambda file, _: file.write_bytes(file.read_bytes() + b"\0"),
    "another layer": lambda file, other: file.write_bytes(other.read_bytes()),
    "uncompressed": lambda file, _: file.write_bytes(layer("a")),
    "in the other compression": lambda file, _: file.write_bytes(
        gzip.compress(layer("a")) if "zstd" in str(file) else zstandard.compress(layer("a"))
    ),
    "at another level": lambda file, _: file.write_bytes(with_other_bytes(file.read_bytes(), "level")),
    "with hidden data": lambda file, _: file.write_bytes(with_other_bytes(file.read_bytes(), "hidden")),
    "a link": lambda file, other: (file.unlink(), file.symlink_to(other)),
    "a FIFO": lambda file, _: (file.unlink(), os.mkfifo(file)),
}


@pytest.mark.parametrize("compression", [ZSTD, Compression("gzip", 9), Compression("gzip", 12, True)], ids=str)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_layer_in_the_cache_is_reported_and_compressed_again(
    make: Any, tmp_path: Path, compression: Compression, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout()
    image = layout.built(layer("b"), layer("a"))  # the last one is marked
    first = make(layout, image, compression=compression)
    names = (digest_of(layer(name)).removeprefix("sha256:") for name in ("a", "b"))
    (file,), (other,) = ([*(tmp_path / "cache").glob(f"*/{name}*")] for name in names)
    assert capsys.readouterr().out == ""
    DAMAGE[damage](file, other)
    second = make(layout, image, compression=compression)
    assert second.files == first.files
    output = capsys.readouterr().out
    assert f"{file}: damaged in the cache: " in output and output.count("\n") == 1
    assert file.is_file() and not file.is_symlink()
    make(layout, image, compression=compression)
    assert capsys.readouterr().out == ""


def test_a_full_disk_of_the_cache_is_named(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bakery.files.os.fsync", full)
    layout = Layout()
    with pytest.raises(DiskFullError, match=f"no space left on the file system of {tmp_path / 'cache'}"):
        make(layout, layout.built(layer("a")))


def test_levels_and_methods_have_separate_caches(make: Any) -> None:
    layout, sizes = Layout(), []
    image = layout.built(layer("a", size=100_000))
    for compression in (ZSTD, Compression("zstd", 1), Compression("gzip", 9)):
        result = make(layout, image, compression=compression)
        sizes.append(result.json(result.index["manifests"][0])["layers"][0]["size"])
    assert len(set(sizes)) == 3


def test_a_layer_with_another_diff_id_is_rejected_and_not_cached(make: Any, tmp_path: Path) -> None:
    layout = Layout()
    image = layout.built(layer("a"))
    manifest = json.loads(layout.blobs[image["digest"]])
    layout.blobs[manifest["layers"][0]["digest"]] = gzip.compress(layer("another"))
    with pytest.raises(BakeryError, match="its image's configuration says sha256:"):
        make(layout, image)
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("packer", [gzip.compress, zstandard.ZstdCompressor(level=1).compress], ids=["gzip", "zstd"])
def test_a_damaged_layer_is_reported_with_its_digest_and_not_cached(make: Any, tmp_path: Path, packer: Any) -> None:
    layout = Layout()
    image = layout.built(layer("a"), packed=packer)
    (damaged,) = json.loads(layout.blobs[image["digest"]])["layers"]
    data = layout.blobs[damaged["digest"]]
    layout.blobs[damaged["digest"]] = data[:20] + b"\xff" * (len(data) - 20)
    with pytest.raises(BakeryError, match=f"layer {damaged['digest']} cannot be decompressed: "):
        make(layout, image)
    assert [file for file in (tmp_path / "cache").rglob("*") if file.is_file()] == []


def test_an_attestation_follows_the_digest_of_its_image(make: Any) -> None:
    layout = Layout()
    image = layout.built(layer("a"))
    # BuildKit lists the image first; the order must not matter.
    index = layout.nested(layout.attestation(image), image, annotations={"io.containerd.image.name": "x"})
    result = make(layout, index)
    (entry,) = result.index["manifests"]
    proof, packed = result.json(entry)["manifests"]
    assert packed["digest"] != image["digest"]
    assert proof["annotations"]["vnd.docker.reference.digest"] == packed["digest"]
    manifest = result.json(proof)
    (attested,) = manifest["layers"]
    statement = result.json(attested)
    assert statement["subject"][0]["digest"]["sha256"] == packed["digest"].removeprefix("sha256:")
    assert statement["predicate"] == {"a": 1}
    assert attested["mediaType"] == "application/vnd.in-toto+json"
    assert attested["annotations"] == {"in-toto.io/predicate-type": "x"}
    assert result.json(manifest["config"])["rootfs"]["diff_ids"] == [attested["digest"]]
    assert image["digest"].removeprefix("sha256:") not in str(result.files)


def test_null_annotations_are_the_same_as_absent_ones(make: Any) -> None:
    layout, names = Layout(), {"io.containerd.image.name": "x"}
    image = layout.built(layer("a"), config_labels={"org.opencontainers.image.version": "3.13"}, annotations=None)
    inner = layout.nested(image, {**layout.attestation(image)}, annotations=names)
    content = {**json.loads(layout.blobs[inner["digest"]]), "annotations": None}
    result = make(layout, layout.json(content, INDEX, annotations=None))
    (entry,) = result.index["manifests"]
    packed, proof = result.json(entry)["manifests"]
    assert proof["annotations"]["vnd.docker.reference.digest"] == packed["digest"]
    assert result.json(packed)["annotations"] == {"org.opencontainers.image.version": "3.13"}


def test_images_for_several_platforms_keep_their_order_and_their_platforms(make: Any) -> None:
    layout = Layout()
    images = [layout.built(layer("base"), layer(name)) for name in ("amd64", "arm64")]
    images[1]["platform"] = {"architecture": "arm64", "os": "linux"}
    result = make(layout, layout.nested(*images))
    entries = result.json(result.index["manifests"][0])["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    assert [result.layers(result.json(entry))[1] for entry in entries] == [layer("amd64"), layer("arm64")]


def test_docker_media_types_become_oci_media_types(make: Any) -> None:
    layout = Layout()
    result = make(layout, layout.built(layer("a"), docker=True))
    (entry,) = result.index["manifests"]
    manifest = result.json(entry)
    assert entry["mediaType"] == manifest["mediaType"] == f"{OCI}.manifest.v1+json"
    assert manifest["config"]["mediaType"] == f"{OCI}.config.v1+json"
    assert manifest["layers"][0]["mediaType"] == f"{OCI}.layer.v1.tar+zstd"


def test_a_layer_with_urls_is_left_alone(make: Any) -> None:
    layout = Layout()
    image = layout.built(layer("a"))
    manifest = json.loads(layout.blobs[image["digest"]])
    foreign = {**manifest["layers"][0], "urls": ["https://example.org/layer"]}
    changed = layout.json({**manifest, "layers": [foreign]}, image["mediaType"])
    result = make(layout, changed)
    assert result.json(result.index["manifests"][0])["layers"] == [foreign]
