"""Build records: the size, the inputs and the test results of each image, and their files in ``build/records``.

An engine identifies an image with attestations by its index, which contains the time of the build; the manifest does
not. So records have the digest of the manifest.

Records are validated when they are read (msgspec), so the rest of the program only sees typed fields.
"""

import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from packaging.version import Version

from bakery.catalog import RELEASE, Image, RecipeName, slug_of
from bakery.files import Tell, changing, require_type, write_whole
from bakery.names import DIGEST, REFERENCE
from bakery.platforms import Platform
from bakery.redaction import redacted
from bakery.regular_files import MEDIUM, open_regular, read_regular
from bakery.workspace import Workspace

Time = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"(T([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?([+-][0-9]{2}:[0-9]{2}|Z))?\Z"
    ),
]
"""A day or a time (ISO 8601); the day becomes a part of tags."""
FileName = Annotated[str, msgspec.Meta(pattern=r"\A\w[\w.+-]*\Z")]
"""What becomes a part of the name of a file: of a page, of a chart."""
Line = Annotated[
    str, msgspec.Meta(max_length=200, pattern=r"\A[^\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069|`<>]*\Z")
]
"""A name in tables, charts and prose: on one line, without characters that would end a cell, a code or a chart."""


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A number of things or bytes: JSON has integers of any size, but a float cannot hold them."""
Size = Annotated[int, msgspec.Meta(gt=0, le=1 << 53)]
"""Bytes of an image, which others are divided by."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class PartSize(NamedTuple):
    """Bytes of one part of an image, on disk and as pulled; a list of two numbers in JSON."""

    disk_bytes: Count
    compressed_bytes: Count


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An object in JSON. Fields with their default value are not written; an unknown field is an error."""


class BaseRecord(Record, frozen=True, kw_only=True):
    """The base image of a build; ``origin`` is ``registry``, ``mmdebstrap`` or ``user``."""

    name: str
    digest: str
    origin: Annotated[str, msgspec.Meta(pattern=r"\A(registry|mmdebstrap|user)\Z")]


class SourceRecord(Record, frozen=True, kw_only=True):
    """The tarball of a build, and the result of checking upstream's signature (empty: not recorded)."""

    file: str
    sha256: str
    signature: str = ""


class OfficialSize(Record, frozen=True, kw_only=True):
    """The image that a build was compared with by compressed size, and the day on which that image was made."""

    reference: str
    source: str
    date: str
    compressed_bytes: Size


class ReferenceSize(Record, frozen=True, kw_only=True):
    """The image that a build was compared with by size on disk."""

    reference: str
    disk_bytes: Size


class ComparedWith(Record, frozen=True, kw_only=True):
    """The images that ``inv compare`` compared a build with."""

    official: OfficialSize | None = None
    reference: ReferenceSize | None = None


class TestRun(Record, frozen=True, kw_only=True):
    """A run of all tests in tests/image: the time of its end (ISO 8601) and numbers of tests."""

    __test__ = False  # for pytest, which collects classes called Test*

    when: Time
    passed: Count
    failed: Count
    skipped: Count


class SuiteRun(TestRun, frozen=True, kw_only=True):
    """A run of CPython's own test suite, in test files.

    ``expected`` tests are those that shared/regrtest.toml expects to fail; ``recovered`` of them no longer do.
    """

    expected: Count
    recovered: Count


class PreviousBuild(Record, frozen=True, kw_only=True):
    """The recorded build before the newest one of an image: what the newest one is compared with."""

    release: str
    built: Time
    compressed_bytes: Size
    disk_bytes: Size
    anatomy: dict[str, PartSize] = {}


class ProfileRecord(Record, frozen=True, kw_only=True):
    """The recorded profile that an interpreter was compiled with.

    It is of ``release``, or of a source tree of it. ``fit`` is the share, 0 to 1, of its weight that belongs to
    functions of the interpreter's own source; see shared/profile-fit.sh.
    """

    release: str
    tree: str = ""
    fit: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class BuildRecord(Record, frozen=True, kw_only=True):
    """A build as shared/status.json records it: ``built`` is the time of its end (ISO 8601), ``seconds`` its duration.

    ``variant`` is empty in records that are older than variants; they are of the default one. ``anatomy`` has the sizes
    of all parts that are not empty, by the value of :class:`bakery.sizes.Part`. ``gzip_bytes`` is the size of the
    gzip twin as it is pulled. ``profile`` is ``None`` if the build ran the training itself or used no profile.
    ``packages`` is the digest of :class:`bakery.records.packages.Resolution`.
    """

    image: FileName
    series: FileName
    release: Annotated[str, msgspec.Meta(pattern=rf"^{RELEASE}\+?\Z")]
    target: FileName
    variant: str = ""
    platform: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]+(/[a-z0-9_]+){1,2}\Z")]
    recipe: RecipeName
    built: Time
    seconds: Seconds
    base: BaseRecord
    source: SourceRecord
    compressed_bytes: Size
    disk_bytes: Size
    gzip_bytes: Count = 0
    packages: str = ""
    anatomy: dict[str, PartSize] = {}
    compared: ComparedWith | None = None
    tests: TestRun | None = None
    regrtest: SuiteRun | None = None
    previous: PreviousBuild | None = None
    profile: ProfileRecord | None = None

    @property
    def version(self) -> Version:
        """The release as PEP 440 orders it, without the ``+`` of a tree that is later than its release."""
        return Version(self.release.rstrip("+"))

    @property
    def key(self) -> tuple[str, str, RecipeName]:
        """What identifies the image: its name, its platform and the recipe."""
        return self.image, self.platform, self.recipe

    def require_name(self) -> None:
        """Raise :exc:`ValueError` unless the image's name is made of the other fields: figures are found by both."""
        number = self.series.rstrip("t")
        suffix = self.series.removeprefix(number)
        name = rf"{re.escape(str(self.version))}{suffix}(-local)?(-[a-z-]+)?-{re.escape(self.target)}"
        if not (re.fullmatch(name, self.image) and self.image.startswith(f"{number}.")):
            raise ValueError(f"{self.image} is not the name of {self.release} ({self.series}) on {self.target}")


class LocalRecord(BuildRecord, frozen=True, kw_only=True):
    """A build as ``build/records`` records it: with fields that are only valid in this clone.

    ``id`` is the image's digest in the engine, ``twin`` its gzip twin's; ``phases`` has the seconds of each phase.
    """

    id: str
    twin: str = ""
    compression: str = ""
    tags: tuple[Annotated[str, msgspec.Meta(pattern=rf"\A{REFERENCE}\Z")], ...] = ()
    phases: dict[str, Seconds] = {}

    @property
    def file_name(self) -> str:
        """The name of its file, as of the file that :func:`record_file` returns."""
        return f"{slug_of(self.image, Platform(self.platform), self.recipe)}.json"


def json_text(record: Record) -> str:
    """``record`` as the text of a JSON file."""
    # msgspec does not encode subclasses of str, such as Platform, by itself: enc_hook does.
    return json.dumps(redacted(msgspec.to_builtins(record, enc_hook=str)), indent=1) + "\n"


def record_file(workspace: Workspace, image: Image) -> Path:
    """The file that holds the record of ``image``."""
    return workspace.records / f"{image.slug}.json"


def _read(file: Path, tell: Tell, platform: str = "") -> LocalRecord | None:
    """The record in ``file``, of ``platform`` if given.

    ``None`` if it is missing, or reported: it is not valid, or of another image than the file is named after.
    """
    try:
        record = msgspec.json.decode(read_regular(file, MEDIUM), type=LocalRecord)
        record.require_name()
    except (OSError, ValueError, RecursionError):
        if os.path.lexists(file):
            tell(f"{file}: damaged, or not the record of a build")
        return None
    if record.file_name != file.name or platform not in ("", record.platform):
        tell(f"{file}: the record of another image: {record.recipe} {record.image} for {record.platform}")
        return None
    return record


def read_record(workspace: Workspace, image: Image, tell: Tell = lambda _: None) -> LocalRecord | None:
    """The record of the last build of ``image`` in this clone.

    ``None`` if it is missing, or reported: it is not valid, or of another image.
    """
    return _read(record_file(workspace, image), tell, image.platform)


def local_records(workspace: Workspace, tell: Tell = lambda _: None) -> list[LocalRecord]:
    """All valid records of this clone, by file name; others, and those under another image's name, are reported."""
    records = (_read(file, tell) for file in sorted(workspace.records.glob("*.json")))
    return [record for record in records if record]


def changing_record(workspace: Workspace, image: Image, tell: Tell) -> AbstractContextManager[None]:
    """The lock to hold from the reading of an image's record to :func:`write_record`: a build and tests add to it."""
    return changing(workspace.root, f"build/records/{image.slug}.json", tell)


def amend_record(
    workspace: Workspace, image: Image, applies: Callable[[LocalRecord], bool], tell: Tell, **changes: object
) -> None:
    """Write ``changes`` to the record of ``image`` if it ``applies``, else nothing: the clone may be read-only."""
    if (record := read_record(workspace, image, tell)) and applies(record):
        with changing_record(workspace, image, tell):
            if (record := read_record(workspace, image)) and applies(record):
                write_record(workspace, image, record, **changes)


def write_record(workspace: Workspace, image: Image, record: LocalRecord, **changes: object) -> None:
    """Write ``record``, with ``changes`` to its fields, as the record of ``image``."""
    write_whole(record_file(workspace, image), json_text(msgspec.structs.replace(record, **changes)))


def record_attested(home: Path, index: str, manifest: str) -> None:
    """Record that the index with digest ``index`` holds the image ``manifest`` and its attestations."""
    write_whole(_attested(home, index), f"{index} {manifest}")


def manifest_digest_of(home: Path, identity: str, tell: Tell = lambda _: None) -> str:
    """The digest of the image's manifest if ``identity`` is the digest of a recorded index, else ``identity``.

    A record that is damaged, or of another index, is reported by ``tell`` and does not count.
    """
    file = _attested(home, identity)
    if not require_type(file):
        return identity
    with open_regular(file) as stream:
        text = stream.read(2 * len(identity) + 2).decode(errors="replace")
    # Earlier versions recorded the manifest alone.
    record = re.fullmatch(rf"(?:{re.escape(identity)} )?({DIGEST})", text)
    if not record or record[1] == identity:  # no index holds itself: the record was cut off
        tell(f"{file}: damaged in the cache: it does not say what {identity} holds")
        return identity
    return record[1]


def record_of(workspace: Workspace, image: Image, identity: str) -> LocalRecord | None:
    """The record of the last build of ``image``, ``None`` if it is not of the engine's image ``identity``."""
    record = read_record(workspace, image)
    return record if record and record.id == manifest_digest_of(workspace.home, identity) else None


def _attested(home: Path, index: str) -> Path:
    return home / "layers" / "attested" / index.replace(":", "-")
