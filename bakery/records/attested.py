"""Images by an engine's identity: the manifest of an index with attestations, and the build record of an image."""

from pathlib import Path

from bakery.catalog import Image
from bakery.files import write_whole
from bakery.records.builds import LocalRecord, read_record
from bakery.workspace import Workspace


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


def record_of(workspace: Workspace, image: Image, identity: str) -> LocalRecord | None:
    """The record of the last build of ``image``, ``None`` if it is not of the engine's image ``identity``."""
    record = read_record(workspace, image)
    return record if record and record.id == manifest_digest_of(workspace.home, identity) else None


def _file(home: Path, index: str) -> Path:
    return home / "layers" / "attested" / index.replace(":", "-")
