"""Names in registries are checked wherever they enter: options, files of --digests, references, descriptors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bakery import names
from bakery.errors import InputError
from bakery.oci.manifests import ManifestError, parse_index
from bakery.options import Measuring, Publishing, make_groups, options_of
from bakery.platforms import AMD64
from bakery.publish import read_digests, write_digests
from bakery.publish.push import PushedImage, open_repository
from bakery.publish.tag_moves import ImageTags
from bakery.records.builds import json_text, local_records
from bakery.registry import split_reference
from bakery.workspace import Workspace
from tests.records import local_record

DIGEST = "sha256:" + "a" * 64
BAD_NAMES = [
    "", "..", "../x", "a/../b", "a" * 256, "a/..", "a//b", "a/", "A/b/c", "a/B", "a b", "a\n", "a/b\n", "-a", "a-",
    "a___b", "a..b", "a/.b", "https://host/a", "host:port/a", "name:password@host/a", "a/" * 200 + "a", "a?x=1", "a#b",
    "a%2e%2e/b", "é",
]  # fmt: skip
BAD_TAGS = ["..", ".", "-x", "a/b", "../../x", "a" * 129, "a b", "a:b", "a\n", "", "é", "a?digest=x", "a@b"]
BAD_DIGESTS = [
    "sha256:",
    "sha256:..",
    "sha256:" + "a" * 63,
    "sha256:" + "A" * 64,
    "md5:" + "a" * 32,
    "a" * 64,
    f"{DIGEST}\n",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_an_invalid_repository_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        open_repository(name, None, print)
    with pytest.raises(InputError):
        split_reference(f"{name}:tag")
    for group in (Publishing, Measuring):
        with pytest.raises(InputError, match=r"expected a repository without a tag|is empty"):
            make_groups([group], options_of([group], "repository", {}), {"repository": name})


@pytest.mark.parametrize(
    "name", ["a", "a/b-c/d__e/f.g", "127.0.0.1:5000/a", "[::1]:5000/a/b", "ghcr.io/x/python", "a--b"]
)
def test_a_valid_repository_is_accepted(name: str) -> None:
    assert names.repository(name) == name
    assert names.reference(f"{name}:3.13-bookworm@{DIGEST}")


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_a_reference_with_a_bad_tag_is_refused(tag: str) -> None:
    with pytest.raises(InputError):
        split_reference(f"host.example/name:{tag}")
    for option in ("image", "against"):
        with pytest.raises(InputError):
            make_groups([Measuring], options_of([Measuring], option, {}), {option: f"host.example/name:{tag}"})


@pytest.mark.parametrize("digest", BAD_DIGESTS)
def test_a_bad_digest_is_refused(digest: str) -> None:
    with pytest.raises(InputError):
        split_reference(f"name@{digest}")
    with pytest.raises(ManifestError, match="not an image index"):
        parse_index({"manifests": [{"mediaType": "m", "digest": digest, "size": 1}]})


@pytest.mark.parametrize("stamp", [*BAD_TAGS[3:], "../x", "$(id)", "a;b", "x" * 65, "gzip", "20261122-gzip"])
def test_a_stamp_that_cannot_end_a_tag_is_refused(stamp: str) -> None:
    with pytest.raises(InputError, match="--stamp"):
        make_groups([Publishing], options_of([Publishing], "stamp", {}), {"stamp": stamp})


@pytest.fixture
def pushed() -> PushedImage:
    """One image in a file that `inv push --digests` wrote."""
    entry: Any = {"mediaType": "m", "digest": DIGEST, "size": 1, "artifactType": "kept"}
    return PushedImage("3.13.5-bookworm", AMD64, ImageTags("3.13.5-bookworm-1", "3.13.5-bookworm", ("3.13",)), [entry])


def test_a_digests_file_is_read_as_it_was_written(tmp_path: Path, pushed: PushedImage) -> None:
    file = tmp_path / "digests.json"
    write_digests(str(file), [pushed])
    assert read_digests([str(file)]) == [pushed]
    assert read_digests([str(file)])[0].entries == pushed.entries


@pytest.mark.parametrize("tag", BAD_TAGS)
@pytest.mark.parametrize("key", ["dated", "release", "shared"])
def test_a_digests_file_with_a_bad_tag_is_refused(tmp_path: Path, pushed: PushedImage, key: str, tag: str) -> None:
    content = asdict(pushed)
    content["names"][key] = [tag] if key == "shared" else tag
    file = tmp_path / "digests.json"
    file.write_text(json.dumps([content]))
    with pytest.raises(InputError, match="expected a file that `inv push --digests"):
        read_digests([str(file)])


@pytest.mark.parametrize(
    "change",
    [
        {"entries": []}, {"entries": [{"mediaType": "m", "digest": "../x", "size": 1}]}, {"platform": 5}, {"names": 1},
        {"platform": "../x"},
        {"entries": [{"mediaType": "m", "digest": DIGEST, "size": -1}]}, {"image": None}, {"entries": 7},
    ],
)  # fmt: skip
def test_a_digests_file_with_nonsense_is_refused(tmp_path: Path, pushed: PushedImage, change: dict[str, Any]) -> None:
    file = tmp_path / "digests.json"
    file.write_text(json.dumps([{**asdict(pushed), **change}]))
    with pytest.raises(InputError, match="expected a file that `inv push --digests"):
        read_digests([str(file)])


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_tags_of_an_image_are_checked_wherever_they_come_from(tag: str) -> None:
    for tags in ((tag, "3.13", ()), ("3.13", tag, ()), ("3.13", "3.13", ("3", tag))):
        with pytest.raises(InputError, match="is not a tag"):
            ImageTags(*tags)


@pytest.mark.parametrize("text", ["[1]", "{}", "", "7", "null", "[" * 100_000, '[{"a":1}]', "\xff"])
def test_a_file_other_than_a_digests_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "digests.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="expected a file that `inv push --digests"):
        read_digests([str(file)])


def test_an_empty_digests_file_is_refused(tmp_path: Path, pushed: PushedImage) -> None:
    full, empty = tmp_path / "full.json", tmp_path / "empty.json"
    write_digests(str(full), [pushed])
    empty.write_text("[]")
    with pytest.raises(InputError, match=r"empty\.json contains no image"):
        read_digests([str(full), str(empty)])


@pytest.mark.parametrize(
    "tag", ["../x:1", "infra7/python:../x", "infra7/python:a b", "A/b:1", "name:password@host/x:1"]
)
def test_a_record_with_a_bad_tag_is_not_valid(tmp_path: Path, tag: str) -> None:
    workspace = Workspace(tmp_path, tmp_path)
    for tags, count in ((("infra7/python:3.13-bookworm",), 1), ((tag,), 0)):
        workspace.records.mkdir(parents=True, exist_ok=True)
        (workspace.records / local_record().file_name).write_text(json_text(local_record(tags=tags)))
        assert len(local_records(workspace)) == count


@pytest.mark.parametrize(
    "built",
    [
        "/../../../x",
        "2026-01-02T../../x",
        "2026-01-02\n",
        "",
        "20260102",
        "2026-13-01",
        "2026-01-32T01:00:00Z",
        "2026-01-02T99:99:99+00:00",
    ],
)
def test_a_record_with_a_bad_date_is_not_valid(tmp_path: Path, built: str) -> None:
    workspace = Workspace(tmp_path, tmp_path)
    workspace.records.mkdir(parents=True)
    for day, count in (("2026-01-02", 1), ("2026-01-02T03:04:05+00:00", 1), (built, 0)):
        (workspace.records / local_record().file_name).write_text(json_text(local_record(built=day)))
        assert len(local_records(workspace)) == count
