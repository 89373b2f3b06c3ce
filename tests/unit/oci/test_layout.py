"""Image layouts are valid by the specification, and the same for the same tar."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bakery.errors import InputError
from bakery.oci.layout import check_root_file_system, layout_digest, write_layout
from bakery.platforms import AMD64, ARM64, Platform
from tests.archives import MANIFEST, make_tar

CREATED = "2026-01-02T03:04:05Z"
TAR = make_tar({"etc/motd": b"hello"})


def blob(folder: Path, descriptor: dict[str, Any]) -> bytes:
    """The bytes behind a descriptor, checked against its digest and size."""
    algorithm, _, name = descriptor["digest"].partition(":")
    data = (folder / "blobs" / algorithm / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == name
    assert len(data) == descriptor["size"]
    return data


def test_every_descriptor_matches_its_blob_and_the_diff_id_is_the_digest_of_the_tar(tmp_path: Path) -> None:
    tar = make_tar({"etc/motd": b"x" * 3_000_000})
    digest = write_layout(tmp_path / "layout", io.BytesIO(tar), architecture="arm64", created=CREATED)
    folder = tmp_path / "layout"
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((folder / "index.json").read_text())
    (entry,) = index["manifests"]
    assert entry["digest"] == digest
    manifest = json.loads(blob(folder, entry))
    assert manifest["schemaVersion"] == index["schemaVersion"] == 2
    assert manifest["mediaType"] == entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    config = json.loads(blob(folder, manifest["config"]))
    (layer,) = manifest["layers"]
    assert layer["mediaType"].endswith("tar+gzip")
    assert gzip.decompress(blob(folder, layer)) == tar
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]}
    assert (config["architecture"], config["os"], config["created"]) == ("arm64", "linux", CREATED)
    assert len(config["history"]) == len(manifest["layers"])


def test_the_layout_has_only_files_that_the_index_refers_to(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", io.BytesIO(TAR), architecture="amd64", created=CREATED)
    folder = tmp_path / "layout"
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    assert len(files) == 5
    assert [file for file in files if not file.startswith("blobs/sha256/")] == ["index.json", "oci-layout"]


def test_the_same_tar_gives_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for number, now in enumerate((1.0, 2_000_000_000.0)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        digests.add(write_layout(tmp_path / str(number), io.BytesIO(TAR), architecture="amd64", created=CREATED))
    assert len(digests) == 1


@pytest.mark.parametrize("change", [{"architecture": "arm64"}, {"created": "2027-01-01T00:00:00Z"}, {"text": "other"}])
def test_different_content_gives_a_different_digest(tmp_path: Path, change: dict[str, str]) -> None:
    def write(name: str, text: str = "hello", **more: str) -> str:
        return write_layout(
            tmp_path / name,
            io.BytesIO(make_tar({"etc/motd": text.encode()})),
            **{"architecture": "amd64", "created": CREATED, **more},
        )

    assert write("first") != write("second", **change)


def test_the_digest_of_a_layout_is_the_digest_of_its_manifest(tmp_path: Path) -> None:
    digest = write_layout(tmp_path / "layout", io.BytesIO(TAR), architecture="amd64", created=CREATED)
    assert layout_digest(tmp_path / "layout") == digest


@pytest.mark.parametrize("text", [None, "", "no json", "[]", "{}", '{"manifests": []}', '{"manifests": [{}]}', "null"])
def test_a_folder_that_is_not_a_layout_is_rejected(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"is not an OCI image layout: expected index\.json") as caught:
        layout_digest(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_root_file_system_may_be_compressed(tmp_path: Path, compress: Any) -> None:
    (tmp_path / "file").write_bytes(compress(TAR))
    check_root_file_system(tmp_path / "file")


@pytest.mark.parametrize(
    "data",
    [b"", b"text", gzip.compress(b"text"), b"\x28\xb5\x2f\xfd" + bytes(600)],
    ids=["empty", "text", "gzip of text", "damaged zstd"],
)
def test_a_file_that_is_not_a_tar_is_rejected_with_the_formats_that_are_accepted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match="is not a tar file") as caught:
        check_root_file_system(tmp_path / "file")
    assert ".tar.gz" in caught.value.hint


@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_layout_with_several_images_is_refused(tmp_path: Path, others: int) -> None:
    entries = [{"mediaType": MANIFEST, "digest": f"sha256:{str(n) * 64}", "size": 1} for n in range(others + 1)]
    (tmp_path / "index.json").write_text(json.dumps({"manifests": entries + entries[:1]}))
    if not others:
        assert layout_digest(tmp_path) == f"sha256:{'0' * 64}"
        return
    with pytest.raises(InputError, match=f"has {others + 1} images in its index.json: expected one") as caught:
        layout_digest(tmp_path)
    assert f"skopeo copy oci:{tmp_path}:TAG oci:" in caught.value.hint


def test_a_layout_with_an_image_for_each_platform_gives_the_requested_platforms_image(tmp_path: Path) -> None:
    def entry(number: int, architecture: str, **more: object) -> dict[str, object]:
        platform = {"os": "unknown" if architecture == "unknown" else "linux", "architecture": architecture}
        return {"mediaType": MANIFEST, "digest": f"sha256:{str(number) * 64}", "size": 1, "platform": platform, **more}

    attestation = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    entries = [entry(0, "arm64"), entry(1, "amd64"), entry(2, "unknown", **attestation), entry(1, "amd64")]
    (tmp_path / "index.json").write_text(json.dumps({"manifests": entries}))
    assert layout_digest(tmp_path, AMD64) == f"sha256:{'1' * 64}"
    assert layout_digest(tmp_path, ARM64) == f"sha256:{'0' * 64}"
    with pytest.raises(InputError, match="no image for linux/s390x; available: linux/amd64, linux/arm64"):
        layout_digest(tmp_path, Platform("linux/s390x"))
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [*entries, entry(3, "amd64")]}))
    with pytest.raises(InputError, match=r"has 3 images in its index\.json: expected one, or one for each platform"):
        layout_digest(tmp_path, AMD64)
