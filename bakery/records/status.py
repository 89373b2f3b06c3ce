"""What was really built and tested: shared/status.json in the repository, written by machine from build records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from bakery.errors import ConfigError
from bakery.files import write_whole

__all__ = ["adopt", "local_records", "read_status", "write_status"]

KEPT = (
    "image", "series", "release", "target", "variant", "platform", "recipe", "built", "seconds", "base", "source",
    "compressed_bytes", "disk_bytes", "anatomy", "compared", "tests", "regrtest",
)  # fmt: skip
"""Fields of a build record that are kept; what names a machine or a folder is not among them."""


def status_file(root: Path) -> Path:
    """Where it lies."""
    return root / "shared" / "status.json"


def read_status(root: Path) -> list[dict[str, Any]]:
    """All kept records; :exc:`ConfigError` where the file is not sound."""
    file = status_file(root)
    try:
        records = json.loads(file.read_text(encoding="utf-8"))["records"]
        return [dict(record) for record in records]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{file}: expected an object with a list of records: {error!r}") from None


def write_status(root: Path, records: Sequence[dict[str, Any]]) -> None:
    """Replace the file."""
    write_whole(status_file(root), json.dumps({"schema": 1, "records": list(records)}, indent=1) + "\n")


def local_records(folder: Path) -> list[dict[str, Any]]:
    """The records of this clone's builds (:class:`bakery.build.builder.Builder` writes them), by file name."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and "image" in record:
            found.append(record)
    return found


def adopt(kept: Iterable[dict[str, Any]], local: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """``kept`` with those of ``local`` that were tested; a newer record of the same image and recipe replaces an older.

    A quick build does not replace a full one: both are kept. A build on a base of the user's own says nothing about the
    target and is left out.
    """
    records = {(record["image"], record["platform"], record["recipe"]): record for record in kept}
    for record in local:
        key = (record["image"], record["platform"], record["recipe"])
        if "tests" not in record or record.get("base", {}).get("origin") == "user":
            continue
        if key not in records or records[key]["built"] <= record["built"]:
            records[key] = {field: record[field] for field in KEPT if field in record}
    return [records[key] for key in sorted(records, key=lambda key: (Version(records[key]["release"]), key))]
