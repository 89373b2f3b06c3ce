"""Image archives are untrusted: the size of files that are read into memory is limited."""

from __future__ import annotations

import io

import pytest

from bakery.oci import archives
from bakery.oci.archives import image_archive
from bakery.oci.manifests import ManifestError
from bakery.platforms import AMD64
from tests.archives import Archive, make_tar


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
