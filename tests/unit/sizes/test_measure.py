"""The sources of the sizes in a comparison: a registry if it answers, else the record. Notes describe substitutes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.catalog.tags import labels_that_name
from bakery.engine import Engine, EngineImage
from bakery.errors import BakeryError, InputError
from bakery.files import write_whole
from bakery.platforms import Platform
from bakery.records.builds import ComparedWith, OfficialSize, ReferenceSize, json_text, record_file, write_record
from bakery.report.rows import Published, recorded_rows
from bakery.report.text import SUMMARY_COLUMNS
from bakery.sizes.baseline import read_baseline
from bakery.sizes.comparison import Comparison, SizeReport, document
from bakery.sizes.measure import Comparer, record_comparison, reference_names, with_twin
from bakery.workspace import Workspace
from tests.archives import Archive, digest_of, make_tar
from tests.locks import change_while_locked
from tests.records import local_record, recorded, run_of_tests

Make = Callable[..., Image]
LAYERS = [make_tar({"var/lib/dpkg/status": b"x" * 900}), make_tar({"usr/local/bin/python3": b"y" * 5000})]


@pytest.fixture
def archive(image: Make) -> Archive:
    archive, labels = Archive(), labels_that_name(image("3.13"))
    for platform in ("linux/amd64", "linux/arm64"):
        archive.image(
            LAYERS, "zstd", platform, config={"Env": ["PYTHON_VERSION=3.13.15"], "Labels": labels},
            created="2026-11-20T01:00:00Z",
        )  # fmt: skip
    return archive


def publish(server: Any, archive: Archive, name: str, tag: str) -> None:
    server.routes[f"/v2/{name}/manifests/{tag}"] = archive.index()
    for digest, data in archive.blobs.items():
        server.routes[f"/v2/{name}/blobs/{digest}"] = server.routes[f"/v2/{name}/manifests/{digest}"] = data
    assert digest_of(archive.index()) not in archive.blobs


def official_at(catalog: Catalog, host: str) -> Catalog:
    """The catalog with Debian's official images in another registry."""
    families = tuple(
        dataclasses.replace(family, official=f"{host}/library/{family.official}") for family in catalog.families
    )
    return dataclasses.replace(catalog, families=families)


def comparer(catalog: Catalog, root: Path, **more: Any) -> Comparer:
    return Comparer(catalog, None, more.pop("baseline", read_baseline(root)), [], tell=lambda _: None, **more)


@pytest.fixture
def offline(nowhere: str, catalog: Catalog, root: Path) -> dict[str, Any]:
    """A catalog whose official images are in a registry that does not answer, and the repository's record of them."""
    host = nowhere.removeprefix("http://")
    baseline = {
        (f"{host}/library/{tag}", platform): msgspec.structs.replace(official, reference=f"{host}/library/{tag}")
        for (tag, platform), official in read_baseline(root).items()
    }
    return {"catalog": official_at(catalog, host), "root": root, "baseline": baseline}


def layer_bytes(archive: Archive) -> list[int]:
    manifest = json.loads(archive.blobs[archive.descriptors[0]["digest"]])
    return [len(archive.blobs[layer["digest"]]) for layer in manifest["layers"]]


def test_the_official_image_is_measured_by_its_manifest(
    serve: Any, catalog: Catalog, root: Path, image: Make, archive: Archive
) -> None:
    server = serve()
    publish(server, archive, "library/python", "3.13-slim-bookworm")
    (comparison,) = comparer(official_at(catalog, server.address), root).compare(image("3.13"))
    assert comparison.official is not None
    assert comparison.official.source == "registry"
    assert [layer.compressed_bytes for layer in comparison.official.layers] == layer_bytes(archive)
    assert (comparison.official.release, comparison.official.date) == ("3.13.15", "2026-11-20")
    assert not any("recorded" in note for note in comparison.notes)


def test_without_a_registry_the_record_is_used_and_a_note_says_so(offline: dict[str, Any], image: Make) -> None:
    (comparison,) = comparer(**offline).compare(image("3.13"))
    assert comparison.official is not None
    assert (comparison.official.source, comparison.official.compressed_bytes) == ("recorded", 44_365_264)
    (note,) = (note for note in comparison.notes if "recorded" in note)
    assert "cannot be reached" in note and "2026-09-19" in note and "docker-library/repo-info" in note


def test_without_a_registry_and_a_record_there_is_no_official_image(offline: dict[str, Any], image: Make) -> None:
    (comparison,) = comparer(**{**offline, "baseline": {}}).compare(image("3.13"))
    assert comparison.official is None
    assert any("no size of an official image is recorded" in note for note in comparison.notes)
    assert document(comparison)["compressed_ratio"] is None


def test_a_series_before_its_first_release_is_compared_with_release_candidates(
    serve: Any, catalog: Catalog, root: Path, image: Make, archive: Archive
) -> None:
    server = serve()
    publish(server, archive, "library/python", "3.15-rc-slim-trixie")
    (comparison,) = comparer(official_at(catalog, server.address), root).compare(image("3.15", "trixie"))
    assert comparison.official is not None
    assert comparison.official.reference.endswith("python:3.15-rc-slim-trixie")


def test_ubuntu_is_compared_with_the_debian_image_and_a_note_says_so(offline: dict[str, Any], image: Make) -> None:
    (comparison,) = comparer(**offline).compare(image("3.13", "noble"))
    assert comparison.official is not None
    assert comparison.official.reference.endswith("python:3.13-slim-bookworm")
    assert any("there is no official Python image for Ubuntu" in note for note in comparison.notes)
    (debian,) = comparer(**offline).compare(image("3.13"))
    assert not any("no official Python image" in note for note in debian.notes)


def test_against_accepts_any_image(serve: Any, catalog: Catalog, root: Path, image: Make, archive: Archive) -> None:
    server = serve()
    publish(server, archive, "team/other", "1")
    (comparison,) = comparer(catalog, root, against=f"{server.address}/team/other:1").compare(image("3.13"))
    assert comparison.official is not None
    assert comparison.official.compressed_bytes == sum(layer_bytes(archive))


def test_an_unavailable_image_for_against_is_an_input_error(
    serve: Any, catalog: Catalog, root: Path, image: Make
) -> None:
    server = serve()
    with pytest.raises(InputError, match="neither in the engine nor available from its registry"):
        comparer(catalog, root, against=f"{server.address}/team/other:1").compare(image("3.13"))


def test_images_in_a_registry_are_measured_for_every_platform(
    serve: Any, offline: dict[str, Any], image: Make, archive: Archive
) -> None:
    server = serve()
    publish(server, archive, "mine/python", "3.13.15-bookworm")
    comparisons = comparer(**offline, repository=f"{server.address}/mine/python").compare(image("3.13"))
    assert [comparison.image.platform for comparison in comparisons] == ["linux/amd64", "linux/arm64"]
    for comparison in comparisons:
        assert comparison.ours is not None and comparison.official is not None
        assert comparison.ours.compressed_bytes == sum(layer_bytes(archive))
        assert (comparison.ours.disk_bytes, comparison.official.platform) == (None, comparison.image.platform)
        assert any("was not measured" in note for note in comparison.notes)
        assert comparison.size is None and comparison.over_budget == ""


def test_an_image_of_a_registry_under_the_tag_of_another_one_is_not_compared(
    serve: Any, offline: dict[str, Any], image: Make, archive: Archive
) -> None:
    server = serve()
    publish(server, archive, "mine/python", "3.13.15-trixie")
    with pytest.raises(InputError, match=r"for linux/amd64 is another image: .*target is bookworm, not trixie"):
        comparer(**offline, repository=f"{server.address}/mine/python").compare(image("3.13", "trixie"))


def test_a_repository_without_the_image_is_an_input_error(
    serve: Any, catalog: Catalog, root: Path, image: Make
) -> None:
    server = serve()
    with pytest.raises(InputError, match=r"mine/python:3.13.15-bookworm: .* answered 404"):
        comparer(catalog, root, repository=f"{server.address}/mine/python").compare(image("3.13"))


@pytest.mark.parametrize(
    ("version", "target", "name"),
    [
        ("3.13", "bookworm", "reference/python:3.13.15-bookworm"),
        ("3.13", "trixie", "reference/python:3.13.15-trixie"),
        ("3.13.5", "noble", "reference/python:3.13.5-bookworm"),
        ("3.13t", "bookworm", "reference/python:3.13.15-bookworm"),
    ],
)
def test_the_reference_is_of_the_same_release_on_the_distribution_of_the_official_image(
    catalog: Catalog, image: Make, version: str, target: str, name: str
) -> None:
    assert reference_names(catalog, image(version, target))[0] == name


def test_a_minimal_image_is_compared_with_the_same_reference(catalog: Catalog) -> None:
    (minimal,) = select_images(catalog, ["3.13"], ["bookworm"], ["minimal"])
    assert reference_names(catalog, minimal)[0] == "reference/python:3.13.15-bookworm"


def measured(name: str, source: str, compressed: int, disk: int | None) -> SizeReport:
    return SizeReport(name, source, "", "linux/amd64", compressed, disk_bytes=disk, date="2026-11-20")


@pytest.fixture
def finished(image: Make) -> Comparison:
    return Comparison(
        image("3.13"), measured("ours", "engine", 100, 300),
        measured("official", "registry", 200, None), measured("reference", "engine", 150, 310),
    )  # fmt: skip


def test_a_comparison_is_added_to_the_record_of_the_build(tmp_path: Path, finished: Comparison) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    record = local_record(compressed_bytes=100, disk_bytes=300)
    write_record(workspace, finished.image, record)
    record_comparison(workspace, finished, print)
    assert json.loads(record_file(workspace, finished.image).read_text()) == {
        **msgspec.to_builtins(record),
        "compared": {
            "official": {"reference": "official", "source": "registry", "date": "2026-11-20", "compressed_bytes": 200},
            "reference": {"reference": "reference", "disk_bytes": 310},
        },
    }


def test_a_comparison_keeps_what_tests_record_at_the_same_time(tmp_path: Path, finished: Comparison) -> None:
    workspace, record = Workspace(tmp_path, tmp_path / "home"), local_record(compressed_bytes=100, disk_bytes=300)
    write_record(workspace, finished.image, record)
    change_while_locked(
        tmp_path, f"build/records/{finished.image.slug}.json",
        lambda tell: record_comparison(workspace, finished, tell),
        lambda: write_record(workspace, finished.image, record, tests=run_of_tests(9)),
    )  # fmt: skip
    both = recorded(workspace, finished.image)
    assert both.tests == run_of_tests(9) and both.compared is not None


def test_a_comparison_mentions_the_gzip_twin_of_the_measured_image(tmp_path: Path, finished: Comparison) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    assert with_twin(finished, workspace) == finished
    write_record(workspace, finished.image, local_record(compressed_bytes=100, disk_bytes=300, gzip_bytes=150))
    note = "Its twin with gzip layers (3.13.15-bookworm-gzip): 0.0 MB, 0.75x the size of official."
    assert with_twin(finished, workspace).notes == (*finished.notes, note)
    write_record(workspace, finished.image, local_record(compressed_bytes=101, disk_bytes=300, gzip_bytes=150))
    assert with_twin(finished, workspace) == finished


@pytest.mark.parametrize("record", [None, json_text(local_record(compressed_bytes=100, disk_bytes=301)), "broken"])
def test_the_record_of_another_build_is_not_changed(tmp_path: Path, finished: Comparison, record: str | None) -> None:
    workspace = Workspace(tmp_path, tmp_path / "home")
    file = record_file(workspace, finished.image)
    if record:
        write_whole(file, record)
    record_comparison(workspace, finished, print)
    assert (file.read_text() if file.exists() else None) == record


def test_the_table_of_sizes_lists_full_builds_and_their_comparisons(catalog: Catalog, root: Path) -> None:
    record = local_record(compressed_bytes=33_000_000, disk_bytes=117_000_000)
    official = OfficialSize(
        reference="python:3.13-slim-bookworm", source="registry", date="2026-11-20", compressed_bytes=44_000_000
    )
    compared = ComparedWith(official=official, reference=ReferenceSize(reference="r", disk_bytes=118_000_000))
    replace = msgspec.structs.replace
    records = [
        replace(record, compared=compared),
        replace(record, target="noble"),
        replace(record, recipe=RecipeName.QUICK),
        replace(record, platform="linux/arm64"),
        replace(record, series="3.99"),
    ]
    published = Published(catalog, tuple(records), read_baseline(root), ())
    full, noble = recorded_rows(published, Platform("linux/amd64"))
    cells = iter([column.text(full) for column in SUMMARY_COLUMNS])
    expected = ("3.13.15-bookworm", "33.0 MB", "44.0 MB", "0.75x", "117.0 MB", "118.0 MB", "0.99x")
    assert all(text in cells for text in (*expected, "python:3.13-slim-bookworm of 2026-11-20"))  # in this order
    assert noble.compared_with == "python:3.13-slim-bookworm of 2026-09-19"
    assert noble.reference is None


def test_an_image_that_the_engine_saves_instead_of_another_is_not_measured(catalog: Catalog, archive: Archive) -> None:
    engine = SimpleNamespace(
        find=lambda _: EngineImage(digest_of(b"another")), save=lambda identity: [archive.save()] * bool(identity)
    )
    comparer = Comparer(catalog, cast(Engine, engine), {}, [], tell=lambda _: None)
    with pytest.raises(BakeryError, match=f"expected {digest_of(b'another')}"):
        comparer._local("python:3.13", Platform("linux/amd64"))
