"""Which image manifest an index with attestations belongs to, recorded in the cache when the index is made."""

from __future__ import annotations

from pathlib import Path

from bakery.files import write_whole

__all__ = ["manifest_digest_of", "record_attested"]


def record_attested(home: Path, index: str, manifest: str) -> None:
    """Record that the index with digest ``index`` holds the image ``manifest`` and its attestations."""
    write_whole(_file(home, index), manifest)


def manifest_digest_of(home: Path, identity: str) -> str:
    """The digest of the image's manifest if ``identity`` is the digest of a recorded index, else ``identity``.

    An engine identifies an image with attestations by its index, which contains the time of the build; the manifest
    does not.
    """
    try:
        return _file(home, identity).read_text(encoding="utf-8")
    except OSError:
        return identity


def _file(home: Path, index: str) -> Path:
    return home / "layers" / "attested" / index.replace(":", "-")
