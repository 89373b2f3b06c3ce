"""shared/status.json: the records of tested builds that the repository publishes."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from bakery.errors import ConfigError, reason_of
from bakery.files import Tell, changing, write_whole
from bakery.records.builds import BuildRecord, PreviousBuild, Record, json_text, local_records
from bakery.regular_files import MEDIUM, read_regular
from bakery.workspace import Workspace

SIZES = ("release", "compressed_bytes", "disk_bytes", "gzip_bytes", "anatomy")
"""Fields that `inv compare` compares, and the release that it compares them for."""


class Status(Record, frozen=True, kw_only=True):
    """The content of the file; ``schema`` changes when older versions of this program could not read it."""

    schema: Literal[1]
    records: list[BuildRecord]


def status_file(root: Path) -> Path:
    """The file's path in the repository ``root``."""
    return root / "shared" / "status.json"


def read_status(root: Path) -> list[BuildRecord]:
    """All published records; :exc:`ConfigError` if the file is missing or not valid."""
    file = status_file(root)
    try:
        records = msgspec.json.decode(read_regular(file, MEDIUM), type=Status).records
        for record in records:
            record.require_name()
        for key, count in Counter(record.key for record in records).items():
            if count > 1:
                raise ValueError(f"two records of the same image: {', '.join(key)}")
        return records
    except (OSError, ValueError, RecursionError) as error:
        hint = "`inv readme --record` wrote this file; `git checkout shared/status.json` restores it."
        problem = f"{file}: expected an object with valid build records: {reason_of(error)}"
        raise ConfigError(problem, hint=hint) from None


def write_status(root: Path, records: Iterable[BuildRecord]) -> None:
    """Replace the file."""
    write_whole(status_file(root), json_text(Status(schema=1, records=list(records))))


def adopt(published: Iterable[BuildRecord], local: Iterable[BuildRecord], now: str = "9999") -> list[BuildRecord]:
    """``published`` and the tested builds of ``local``; of two records for an image and recipe, the newer one.

    A record from later than ``now`` (ISO 8601), whose clock was wrong, is replaced by any other and replaces none. A
    quick build does not replace a full build: both are kept. A build on the user's own base image (``--base``) says
    nothing about the target and is skipped, as is one of which no test passed. Fields that are only valid in this clone
    are dropped. What `inv compare` recorded for a build of the same sizes is kept.
    """
    records = {record.key: record for record in published}
    for record in local:
        key = record.key
        if record.tests is None or not record.tests.passed or record.base.origin == "user" or record.built > now:
            continue
        if key not in records or not record.built < records[key].built <= now:
            old, new = records.get(key), msgspec.convert(record, BuildRecord, from_attributes=True)
            if old:
                again = old.built == record.built  # the same build, tested again
                before = old.previous if again else msgspec.convert(old, PreviousBuild, from_attributes=True)
                new = msgspec.structs.replace(new, previous=before)
                if all(getattr(old, name) == getattr(new, name) for name in SIZES):
                    new = msgspec.structs.replace(new, compared=new.compared or old.compared)
            records[key] = new
    return [records[key] for key in sorted(records, key=lambda key: (records[key].version, key))]


def publish_local_records(workspace: Workspace, tell: Tell) -> None:
    """Add the records of this clone's tested builds to shared/status.json; those from the future are reported."""
    now, local = datetime.now(UTC).isoformat(timespec="seconds"), local_records(workspace, tell)
    for record in local:
        if record.built > now:
            tell(f"{workspace.records / record.file_name}: built in the future ({record.built}); not published")
    with changing(workspace.root, "shared/status.json", tell):
        write_status(workspace.root, adopt(read_status(workspace.root), local, now))
