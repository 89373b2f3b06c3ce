"""Resolutions of packages: their digest, their date, and what an archive answered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bakery.errors import BuildError, InputError
from bakery.records.packages import (
    NewerPackage,
    Package,
    Resolution,
    date_of,
    parse_newer,
    read_resolution,
    recorded,
    resolve,
)  # fmt: skip
from bakery.workspace import Workspace

MONDAY, FRIDAY = 1_790_000_000, 1_790_400_000
ABOUT = {"target": "bookworm", "platform": "linux/amd64", "base": "sha256:1"}


def package(name: str, *suites: str) -> Package:
    return Package(stage="runtime", name=name, version="1", architecture="all", sha256="a" * 64, suites=suites)


def test_the_date_is_that_of_the_last_suite_that_was_needed() -> None:
    releases = [f"bookworm {MONDAY}", f"bookworm-security {FRIDAY}", f"bookworm-updates {FRIDAY + 9}"]
    old, both = package("a", "bookworm"), package("b", "bookworm", "bookworm-security")
    fixed = package("c", "bookworm-security")
    assert date_of([old, both], releases) == "2026-09-21T14:13:20Z"
    assert date_of([old, both, fixed], releases) == "2026-09-26T05:20:00Z"
    assert date_of([], releases) == "", "then nothing of the archive is in the image"
    assert date_of([package("d", "elsewhere")], releases) == "2026-09-26T05:20:09Z"
    assert date_of([old], [f"bookworm {FRIDAY}", f"bookworm {MONDAY}"]) == "2026-09-26T05:20:00Z"


def asked(packages: str, releases: str) -> object:
    def build(folder: Path) -> None:
        (folder / "packages").write_text(packages)
        (folder / "releases").write_text(releases)

    return build


def test_the_same_packages_keep_their_date_when_the_archive_is_published_again(tmp_path: Path) -> None:
    workspace, line = Workspace(tmp_path, tmp_path), f"runtime aa=1 all {'a' * 64} bookworm\n"
    first = resolve(workspace, "x", ABOUT, asked(line, f"bookworm {MONDAY}\n"))  # type: ignore[arg-type]
    again = resolve(workspace, "x", ABOUT, asked(line, f"bookworm {FRIDAY}\n"))  # type: ignore[arg-type]
    fixed = resolve(workspace, "x", ABOUT, asked(line.replace("=1", "=2"), f"bookworm {FRIDAY}\n"))  # type: ignore[arg-type]
    assert (first.date, again.date) == ("2026-09-21T14:13:20Z",) * 2
    assert (fixed.date, fixed.digest == first.digest) == ("2026-09-26T05:20:00Z", False)
    assert recorded(workspace, first.digest) == first


def test_a_recorded_date_that_is_later_than_the_archive_is_not_repeated(tmp_path: Path) -> None:
    workspace, line = Workspace(tmp_path, tmp_path), f"runtime aa=1 all {'a' * 64} bookworm\n"
    first = resolve(workspace, "x", ABOUT, asked(line, f"bookworm {MONDAY}\n"))  # type: ignore[arg-type]
    file = workspace.records / "packages" / f"{first.digest}.json"
    file.write_text(file.read_text().replace(first.date, "2031-01-01T00:00:00Z"))
    assert resolve(workspace, "x", ABOUT, asked(line, f"bookworm {MONDAY}\n")) == first  # type: ignore[arg-type]


def test_a_damaged_record_of_the_same_packages_is_replaced(tmp_path: Path) -> None:
    workspace, build = Workspace(tmp_path, tmp_path), asked(f"runtime aa=1 all {'a' * 64} x\n", f"x {MONDAY}\n")
    first = resolve(workspace, "x", ABOUT, build)  # type: ignore[arg-type]
    file = workspace.records / "packages" / f"{first.digest}.json"
    file.write_text("{")
    assert resolve(workspace, "x", ABOUT, build) == first  # type: ignore[arg-type]
    assert recorded(workspace, first.digest) == first


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda file: file.symlink_to(__file__)])
@pytest.mark.parametrize("name", ["packages", "releases"])
def test_a_file_of_a_build_that_is_not_regular_is_an_error(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    def build(folder: Path) -> None:
        for file in {"packages", "releases"} - {name}:
            (folder / file).touch()
        make(folder / name)

    with pytest.raises(BuildError, match=f"could not be resolved: .*expected a regular file, not .*{name}'"):
        resolve(Workspace(tmp_path, tmp_path), "x", ABOUT, build)


def test_neither_date_nor_relaxed_verification_affects_the_installed_bits() -> None:
    resolution = Resolution(**ABOUT, packages=(package("a"),))
    assert msgspec.structs.replace(resolution, date="2026-01-01T00:00:00Z", relaxed="x").digest == resolution.digest


@pytest.mark.parametrize(
    "change",
    [{"date": text} for text in ("yesterday", "9999-99-99T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00Z\n")]
    + [{"relaxed": text} for text in ("a\nb", "x" * 201, "\x1b[2J")],
)
def test_values_of_labels_are_checked(tmp_path: Path, change: dict[str, str]) -> None:
    labels = {"date": "2026-01-01T00:00:00Z", "relaxed": "expired package lists of a snapshot were accepted"}
    file, content = tmp_path / "x.json", {"schema": 1, **ABOUT, "packages": [], **labels}
    file.write_text(json.dumps(content))
    assert read_resolution(file).date == labels["date"]
    file.write_text(json.dumps(content | change))
    with pytest.raises(InputError, match="not a resolution of packages"):
        read_resolution(file)


@pytest.mark.parametrize(("name", "reason"), [("x", "No such file or directory"), ("", "not a folder")])
def test_a_file_of_packages_that_cannot_be_read_is_named_once_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_resolution(tmp_path / name)
    assert caught.value.message.endswith(reason) and "Errno" not in caught.value.message


def test_an_answer_without_dates_is_not_a_resolution(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="the packages of bookworm could not be resolved"):
        resolve(Workspace(tmp_path, tmp_path), "x", ABOUT, lambda folder: (folder / "packages").touch())


def test_an_answer_says_which_versions_are_newer_and_which_packages_are_unknown() -> None:
    lines = ["aa 1 1.1+deb12u1 1790000000 bookworm,bookworm-security", "bb 1:2 - 0 ", "cc 1 2 0 bookworm"]
    secured, gone, plain = parse_newer(lines)
    assert secured == NewerPackage(
        name="aa", version="1", available="1.1+deb12u1", since=MONDAY, suites=("bookworm", "bookworm-security")
    )
    assert (gone.available, plain.available) == (None, "2")
    assert [package.is_security_update for package in (secured, gone, plain)] == [True, False, False]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "aa 1",
        "aa 1 2 x bookworm",
        "--option 1 2 0 x",
        "aa 1 --option 0 x",
        "aa 1 2 -1 x",
        "aa 1 2 99999999999999999 x",
    ],
)
def test_any_other_answer_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_newer([line])


@pytest.mark.parametrize("cut", [0, 10, -3])
def test_a_resolution_that_was_cut_off_counts_as_missing(tmp_path: Path, cut: int) -> None:
    workspace, line = Workspace(tmp_path, tmp_path), f"runtime aa=1 all {'a' * 64} bookworm\n"
    first = resolve(workspace, "x", ABOUT, asked(line, f"bookworm {MONDAY}\n"))  # type: ignore[arg-type]
    file = workspace.records / "packages" / f"{first.digest}.json"
    file.write_text(file.read_text()[:cut])
    assert recorded(workspace, first.digest) is None
