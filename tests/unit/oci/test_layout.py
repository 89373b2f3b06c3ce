"""Image layouts: valid by the specification, and the same for the same tar."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bakery.errors import InputError
from bakery.oci.layout import layout_digest, open_tar, write_layout

CREATED = "2026-01-02T03:04:05Z"


def make_tar(text: str = "hello") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("etc/motd")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def blob(folder: Path, descriptor: dict[str, Any]) -> bytes:
    """The bytes behind a descriptor, checked against its digest and size."""
    algorithm, _, name = descriptor["digest"].partition(":")
    data = (folder / "blobs" / algorithm / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == name
    assert len(data) == descriptor["size"]
    return data


def test_every_descriptor_matches_its_blob_and_the_diff_id_is_the_tars(tmp_path: Path) -> None:
    tar = make_tar("x" * 3_000_000)
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


def test_the_layout_holds_nothing_but_what_the_index_leads_to(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", io.BytesIO(make_tar()), architecture="amd64", created=CREATED)
    files = sorted(
        str(one.relative_to(tmp_path / "layout")) for one in (tmp_path / "layout").rglob("*") if one.is_file()
    )
    assert len(files) == 5
    assert [one for one in files if not one.startswith("blobs/sha256/")] == ["index.json", "oci-layout"]


def test_the_same_tar_gives_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for number, now in enumerate((1.0, 2_000_000_000.0)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        digests.add(write_layout(tmp_path / str(number), io.BytesIO(make_tar()), architecture="amd64", created=CREATED))
    assert len(digests) == 1


@pytest.mark.parametrize("change", [{"architecture": "arm64"}, {"created": "2027-01-01T00:00:00Z"}, {"text": "other"}])
def test_another_content_gives_another_digest(tmp_path: Path, change: dict[str, str]) -> None:
    def write(name: str, text: str = "hello", **more: str) -> str:
        return write_layout(
            tmp_path / name, io.BytesIO(make_tar(text)), **{"architecture": "amd64", "created": CREATED, **more}
        )

    assert write("one") != write("other", **change)


def test_the_digest_of_a_layout_is_its_first_manifests(tmp_path: Path) -> None:
    digest = write_layout(tmp_path / "layout", io.BytesIO(make_tar()), architecture="amd64", created=CREATED)
    assert layout_digest(tmp_path / "layout") == digest


@pytest.mark.parametrize("text", [None, "", "no json", "[]", "{}", '{"manifests": []}', '{"manifests": [{}]}', "null"])
def test_what_is_no_layout_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"is no OCI image layout: expected index\.json") as caught:
        layout_digest(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_is_opened_without_its_compression(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "file").write_bytes(pack(make_tar()))
    with open_tar(tmp_path / "file") as stream:
        assert stream.read() == make_tar()


@pytest.mark.parametrize(
    "data",
    [b"", b"text", gzip.compress(b"text"), b"\x28\xb5\x2f\xfd" + bytes(600)],
    ids=["empty", "text", "gzip", "zstd"],
)
def test_what_is_no_tar_is_refused_with_what_was_expected(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match="is no tar file") as caught:
        open_tar(tmp_path / "file")
    assert ".tar.gz" in caught.value.hint
