"""The static site: complete, self-contained, and with the figures of the records."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from bakery.errors import BakeryError, ConfigError, InputError
from bakery.records.builds import BuildRecord, LocalRecord, PartSize, SourceRecord
from bakery.records.status import adopt
from bakery.report.published_tables import series_table
from bakery.report.rows import Page, Published, pages_of, read_published
from bakery.report.site import LIST, SECTIONS, packages_of, site_files, write_site
from bakery.workspace import Workspace
from tests.records import local_record, passed_build

ROOT = Path(__file__).resolve().parents[3]


class Links(HTMLParser):
    """The targets of links and the IDs of elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [values[key] or "" for key in ("href", "src") if key in values]
        self.ids += [values["id"] or ""] if "id" in values else []


@pytest.fixture(scope="module")
def published() -> Published:
    return read_published(ROOT)


@pytest.fixture(scope="module")
def files(published: Published, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return site_files(published, Workspace(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home")))


def test_every_link_leads_into_the_folder_and_no_id_occurs_twice(files: dict[str, str]) -> None:
    for name, text in files.items():
        if name.endswith(".html"):
            page = Links(text)
            assert len(page.ids) == len(set(page.ids)), name
            for link in page.links:
                path, _, anchor = link.partition("#")
                target = "/".join([*name.split("/")[:-1], path]).replace("images/../", "") if path else name
                assert link == "data:," or target in files, f"{name}: {link}"
                assert not anchor or anchor in Links(files[target]).ids


def test_there_is_a_page_for_every_full_build_with_the_figures_of_its_record(
    published: Published, files: dict[str, str]
) -> None:
    assert len(published.builds()) >= 6
    for record in published.builds():
        text = files[f"images/{record.image}-{record.platform.rpartition('/')[2]}.html"]
        assert record.source.sha256 in text and record.base.digest in text
        for size in (
            record.compressed_bytes,
            record.disk_bytes,
            *(part.disk_bytes for part in record.anatomy.values()),
        ):
            assert f"{size:,}" in text
        if record.tests:
            assert f"{record.tests.passed} passed, {record.tests.failed} failed" in text
        for result in published.measured(record, "bench"):
            for times in result.benchmarks:
                assert f"{times.name}: {times.ratio:.2f}x" in text


def test_a_source_tree_is_marked_and_has_only_its_own_tag(published: Published, tmp_path: Path) -> None:
    source = SourceRecord(file="Python-3.14.7.tar.xz", sha256="2", signature="local, not verified")
    tree = passed_build("3.14.7", image="3.14.7-local-bookworm", source=source)
    only = Published(published.catalog, tuple(adopt([], [tree])), published.baseline, ())
    files = site_files(only, Workspace(tmp_path, tmp_path))
    text = files["images/3.14.7-local-bookworm-amd64.html"]
    assert "source tree" in files["index.html"] and "not verified" in text
    assert only.tags(only.records[0]) == ("3.14.7-local-bookworm",)
    assert "infra7/python:3.14-slim" not in text


def test_digests_are_those_of_the_same_build_in_this_clone(published: Published) -> None:
    record = published.builds()[0]
    key = (record.image, record.platform, record.built)
    page = next(page for page in pages_of(published, {key: ("sha256:a", "sha256:b")}) if page.record is record)
    assert (page.digest, page.twin) == ("sha256:a", "sha256:b")
    page = next(page for page in pages_of(published, {(*key[:2], "later"): ("a", "b")}) if page.record is record)
    assert (page.digest, page.twin) == ("", "")


DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def page(published: Published) -> Page:
    """The page of an image whose digest is known."""
    return replace(next(page for page in pages_of(published, {}) if page.tree is False), digest=DIGEST)


def bill(*packages: tuple[str, str, str]) -> str:
    return json.dumps({
        "packages": [
            {
                "name": name, "versionInfo": version, "licenseDeclared": "MIT",
                "externalRefs": [{"referenceLocator": locator}],
            }
            for name, version, locator in packages
        ]
    })  # fmt: skip


def test_packages_come_from_the_sbom_by_section(tmp_path: Path, page: Page) -> None:
    file = tmp_path / "sbom.json"
    assert packages_of(file, page) == {}
    image = (f"infra7/python:{page.record.image}", DIGEST, "pkg:oci/python@sha256%3A1?arch=amd64")
    packages = [("tar", "1", "pkg:deb/debian/tar@1"), ("expat", "1", "pkg:generic/expat@2")]
    file.write_text(bill(*packages, image))
    expected = {SECTIONS[0]: [("tar", "1", "MIT")], SECTIONS[1]: [("expat", "1", "MIT")]}
    assert packages_of(file, page) == packages_of(file, replace(page, digest="")) == expected


def test_the_sbom_of_another_image_is_not_shown(tmp_path: Path, page: Page) -> None:
    file = tmp_path / "sbom.json"
    name, locator = f"infra7/python:{page.record.image}", "pkg:oci/python@sha256%3A1?arch=amd64"
    for image in (
        (name, DIGEST.replace("1", "2"), locator), (name.replace("bookworm", "trixie"), DIGEST, locator),
        (name, DIGEST, locator.replace("amd64", "arm64")), ("tar", "1", "pkg:deb/debian/tar@1"),
    ):  # fmt: skip
        file.write_text(bill(image))
        with pytest.raises(ConfigError, match=rf"is about .*; expected {page.record.image} {DIGEST} \(amd64\)"):
            packages_of(file, page)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"packages": 3}', '{"packages": [1]}', '{"packages": [{"name": 1}'])
def test_a_file_that_is_not_an_sbom_is_an_error_that_names_it(tmp_path: Path, page: Page, text: str) -> None:
    file = tmp_path / "sbom.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"sbom\.json: expected an SPDX document"):
        packages_of(file, page)


def test_a_record_keeps_the_sizes_of_the_build_before_it() -> None:
    def build(day: int, size: int) -> LocalRecord:
        return passed_build(built=f"2026-01-0{day}", compressed_bytes=size)

    def newest(published: list[BuildRecord], record: LocalRecord) -> BuildRecord:
        (result,) = adopt(published, [record])
        return result

    first = newest([], build(1, 10))
    second = newest([first], build(2, 12))
    assert first.previous is None
    assert second.previous and (second.previous.built, second.previous.compressed_bytes) == ("2026-01-01", 10)
    again = newest([second], build(2, 12))
    assert again.previous == second.previous, "tested again, not built again"
    assert msgspec.json.decode(msgspec.json.encode(second), type=BuildRecord) == second


def test_pages_of_images_that_are_gone_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    folder, workspace = tmp_path / "site", Workspace(ROOT, tmp_path)
    folder.mkdir()
    for name in ("CNAME", ".nojekyll"):
        (folder / name).write_text("")
    assert "index.html written" in write_site(workspace, folder)
    for name in ("images/old.html", "images/holiday.html", "notes.txt"):
        (folder / name).write_text("")
    with (folder / LIST).open("a") as stream:
        stream.write("images/old.html\n../outside.html\n")
    (tmp_path / "outside.html").write_text("")
    assert "index.html written" in write_site(workspace, folder)
    assert not (folder / "images/old.html").exists()
    kept = ("CNAME", ".nojekyll", "images/holiday.html", "notes.txt", "../outside.html")
    assert all((folder / name).exists() for name in kept)


@pytest.mark.parametrize("name", ["images/holiday.html", "site.js", "page.css", "index.html", "src/main.py"])
def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text("precious")
    with pytest.raises(InputError, match=r"has files that `inv site` did not write"):
        write_site(Workspace(ROOT, tmp_path), tmp_path / "mine")
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "precious"


def test_names_from_data_are_escaped(published: Published, tmp_path: Path) -> None:
    record = local_record(image="3.13.15-bookworm", source=SourceRecord(file="<script>", sha256="2"))
    only = Published(published.catalog, (msgspec.convert(record, BuildRecord, from_attributes=True),), {}, ())
    text = site_files(only, Workspace(tmp_path, tmp_path))["images/3.13.15-bookworm-amd64.html"]
    assert not re.search("<script>", text)


@pytest.mark.parametrize(
    "change",
    [{"series": "bookworm"}, {"target": "3.13"}, {"series": "bookworm", "target": "3.13"}, {"variant": "huge"}],
)
def test_records_of_unknown_series_targets_and_variants_have_no_page(
    published: Published, tmp_path: Path, change: dict[str, str]
) -> None:
    record = msgspec.convert(local_record(**change), BuildRecord, from_attributes=True)
    only = Published(published.catalog, (record,), {}, ())
    assert [name for name in site_files(only, Workspace(tmp_path, tmp_path)) if name.startswith("images/")] == []
    assert "not built yet" in series_table(only)


def test_parts_of_another_version_are_shown_by_their_keys(published: Published, tmp_path: Path) -> None:
    record = local_record(anatomy={"interpreter": PartSize(3, 2), "<b>": PartSize(2, 1)})
    only = Published(published.catalog, (msgspec.convert(record, BuildRecord, from_attributes=True),), {}, ())
    text = site_files(only, Workspace(tmp_path, tmp_path))[f"images/{record.image}-amd64.html"]
    assert ">Interpreter</th>" in text and ">&lt;b&gt;</th>" in text


def test_nothing_is_removed_or_replaced_through_a_link_in_the_site(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.html").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / LIST).write_text("index.html\nimages/notes.html\n")
    (tmp_path / "site" / "images").symlink_to(tmp_path / "mine")
    with pytest.raises(BakeryError, match="images is a symbolic link: expected a folder"):
        write_site(Workspace(ROOT, tmp_path), tmp_path / "site")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.html"]
