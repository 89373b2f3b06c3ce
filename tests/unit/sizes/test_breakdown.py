"""The parts of an image, their sums, and the files that a container sees."""

from __future__ import annotations

import pytest

from bakery.records.builds import PartSize
from bakery.sizes.breakdown import Entry, Part, Share, breakdown, classify, divide, final_files
from bakery.sizes.budget import compact, growth


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("etc/ssl/certs/ca-certificates.crt", Part.CERTIFICATES),
        ("usr/share/ca-certificates/mozilla/X.crt", Part.CERTIFICATES),
        ("usr/share/zoneinfo/Europe/Berlin", Part.CERTIFICATES),
        ("usr/share/zoneinfo.d/x", Part.CERTIFICATES),
        ("etc/localtime", Part.CERTIFICATES),
        ("usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", Part.PACKAGES),
        ("var/lib/dpkg/status", Part.PACKAGES),
        ("usr/local/bin/python3.13", Part.INTERPRETER),
        ("usr/local/lib/libpython3.13.so.1.0", Part.INTERPRETER),
        ("opt/python/bin/python3", Part.INTERPRETER),
        ("usr/local/bin/python3.13-config", Part.HEADERS),
        ("usr/local/include/python3.13/Python.h", Part.HEADERS),
        ("usr/local/lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile", Part.HEADERS),
        ("usr/local/lib/pkgconfig/python3.pc", Part.HEADERS),
        ("usr/local/lib/python3.13/json/decoder.py", Part.LIBRARY),
        ("usr/local/lib/python3.13/ensurepip/__init__.py", Part.LIBRARY),
        ("usr/local/lib/python3.13/pydoc_data/topics.py", Part.LIBRARY),
        ("usr/local/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so", Part.EXTENSIONS),
        ("usr/local/lib/python3.13/__pycache__/os.cpython-313.pyc", Part.BYTECODE),
        ("usr/local/lib/python3.13/site-packages/pip/__pycache__/x.cpython-313.pyc", Part.BYTECODE),
        ("usr/local/lib/python3.13/site-packages/pip/_vendor/idna/core.py", Part.PIP),
        ("usr/local/lib/python3.13/site-packages/pip-25.0.dist-info/RECORD", Part.PIP),
        ("usr/local/lib/python3.9/site-packages/pkg_resources/__init__.py", Part.PIP),
        ("usr/local/lib/python3.13/ensurepip/_bundled/pip-25.0-py3-none-any.whl", Part.PIP),
        ("usr/local/bin/pip3.13", Part.PIP),
        ("usr/local/lib/python3.13t/site-packages/pip/x.py", Part.PIP),
        ("usr/local/share/man/man1/python3.1", Part.OTHER),
        ("usr/local/bin/idle3", Part.OTHER),
    ],
)  # fmt: skip
def test_files_are_classified_by_path(path: str, part: Part) -> None:
    assert classify(path) is part


@pytest.mark.parametrize("total", [0, 1, 2, 7, 100, 10_353_274])
@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 0, 3), (1_000_003, 999_983, 1)])
def test_a_size_is_divided_to_the_last_byte(total: int, weights: tuple[int, ...]) -> None:
    shares = divide(total, dict(zip(Part, weights, strict=False)))
    assert sum(shares.values()) == total
    for part, weight in zip(Part, weights, strict=False):
        assert abs(shares[part] - total * weight / sum(weights)) < 1


def test_the_size_of_an_empty_layer_counts() -> None:
    assert divide(32, {}) == {Part.OTHER: 32}
    assert divide(0, {}) == {}


def test_only_a_first_layer_with_a_package_manager_is_a_base() -> None:
    system = [Entry("var/lib/dpkg/status", 10), Entry("usr/bin/sh", 5)]
    parts = breakdown([(system, 8, {}), (system, 9, {Part.PACKAGES: 1})])
    assert parts[Part.BASE] == Share(15, 8, 2)
    assert parts[Part.PACKAGES] == Share(15, 9, 2)
    scratch = breakdown([([Entry("usr/bin/sh", 5), Entry("usr/local/bin/python3", 7)], 6, {Part.INTERPRETER: 1})])
    assert scratch[Part.BASE] == Share()
    assert scratch[Part.INTERPRETER] == Share(7, 6, 1)
    assert scratch[Part.PACKAGES] == Share(5, 0, 1)


def test_a_file_that_a_higher_layer_replaces_counts_in_both() -> None:
    layers = [([Entry("a", 3)], 1, {Part.PACKAGES: 1}), ([Entry("a", 4)], 1, {Part.PACKAGES: 1})]
    assert breakdown(layers)[Part.PACKAGES] == Share(7, 2, 2)


def test_folders_do_not_count_as_files() -> None:
    assert breakdown([([Entry("a", folder=True)], 1, {})])[Part.PACKAGES].files == 0


def paths(*layers: list[Entry]) -> dict[str, int]:
    return {path: file.disk_bytes for path, file in final_files(layers).items()}


def test_a_container_sees_the_file_of_the_highest_layer() -> None:
    assert paths([Entry("a/b", 1), Entry("a", folder=True)], [Entry("a/b", 2)]) == {"a/b": 2}


def test_a_whiteout_only_affects_lower_layers() -> None:
    below = [Entry("a/b", 1), Entry("a/c/d", 1), Entry("a/cc", 1), Entry("e", 1)]
    assert paths(below, [Entry("a/.wh.b"), Entry("a/.wh.c"), Entry(".wh.e"), Entry("e", 5)]) == {"a/cc": 1, "e": 5}


def test_an_opaque_folder_hides_lower_files_but_not_those_of_its_own_layer() -> None:
    below = [Entry("a/b", 1), Entry("a/c/d", 1), Entry("b", 1)]
    assert paths(below, [Entry("a/new", 2), Entry("a/.wh..wh..opq")]) == {"a/new": 2, "b": 1}


def test_paths_through_a_linked_folder_are_resolved() -> None:
    assert paths([Entry("lib", link="usr/lib")], [Entry("lib/x.so", 3)]) == {"lib": 0, "usr/lib/x.so": 3}


def test_the_part_of_a_file_is_that_of_its_layer() -> None:
    base = [Entry("var/lib/dpkg/status", 1), Entry("usr/lib/x.so", 1)]
    files = final_files([base, [Entry("var/lib/dpkg/status", 2)]])
    assert (files["usr/lib/x.so"].part, files["var/lib/dpkg/status"].part) == (Part.BASE, Part.PACKAGES)


def test_a_record_has_no_empty_parts_and_changes_are_computed_from_records() -> None:
    old = compact({Part.BASE: Share(10, 5, 1), Part.PIP: Share(7, 3, 1), Part.OTHER: Share()})
    assert old == {"base": (10, 5), "pip": (7, 3)}
    new = compact({Part.BASE: Share(10, 5, 2), Part.PIP: Share(6, 4, 1), Part.BYTECODE: Share(100, 40, 9)})
    assert growth(old, new) == (
        "Bytecode (.pyc): +100 bytes on disk, +40 compressed",
        "pip and bundled wheels: -1 bytes on disk, +1 compressed",
    )  # fmt: skip
    assert growth(new, {"base": PartSize(10, 5)}) == (
        "Bytecode (.pyc): -100 bytes on disk, -40 compressed",
        "pip and bundled wheels: -6 bytes on disk, -4 compressed",
    )  # fmt: skip
