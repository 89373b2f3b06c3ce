"""The commit that an image's label names: the newest one that changed what the image is made from."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.plan.revision import made_from, revision_of

SHA256 = "a" * 64


class Clone:
    """A repository that grows by one file a commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q")
        self.pinned = ""
        self.first = self.commit("debian/Dockerfile", "FROM base\n")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=A Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(self.root), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, name: str, text: str) -> str:
        self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", name)
        return self.git("rev-parse", "HEAD")

    def revision(self, *paths: str) -> str:
        return revision_of(self.root, paths or ("debian",), SHA256)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "clone")
    clone.pinned = clone.commit("shared/lock.toml", f'sha256 = "{SHA256}"\n')
    return clone


def test_commits_of_other_files_do_not_change_the_revision(clone: Clone) -> None:
    before = clone.revision()
    clone.commit("README.md", "words\n")
    clone.commit("shared/status.json", "{}\n")
    clone.commit("shared/lock.toml", f'sha256 = "{SHA256}"\nanother = "{"b" * 64}"\n')
    assert clone.revision() == before == clone.pinned


@pytest.mark.parametrize(
    "name",
    [
        "debian/Dockerfile",
        "shared/install.sh",
        "shared/common.sh",
        "shared/minimal.conf",
        "shared/catalog.toml",
        "bakery/plan/bake.py",
    ],
)
def test_a_commit_of_a_file_that_the_image_is_made_from_is_its_revision(clone: Clone, name: str) -> None:
    assert clone.commit(name, "# another\n") == clone.revision()


def test_an_image_is_made_from_its_familys_data_and_the_dockerfile_that_it_names(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert made_from(catalog, image("3.13", "bookworm")) == ("debian", "debian/Dockerfile", "shared/profiles/3.13")
    assert made_from(catalog, image("3.12", "noble")) == ("ubuntu", "debian/Dockerfile")
    reference = image("3.13", "noble", RecipeName.REFERENCE)
    assert made_from(catalog, reference) == ("ubuntu", "reference")


def test_another_familys_data_is_not_what_the_image_is_made_from(clone: Clone) -> None:
    clone.commit("ubuntu/family.toml", "schema = 1\n")
    ubuntu = ("ubuntu", "debian/Dockerfile")
    before = clone.revision(*ubuntu)
    after = clone.commit("debian/family.toml", "schema = 1\n")
    assert (clone.revision("debian", "debian/Dockerfile"), clone.revision(*ubuntu)) == (after, before)
    shared = clone.commit("debian/Dockerfile", "FROM base AS build\n")
    assert (clone.revision("debian", "debian/Dockerfile"), clone.revision(*ubuntu)) == (shared, shared)


@pytest.mark.parametrize(
    ("name", "dirty"), [("debian/Dockerfile", True), ("shared/new.sh", True), ("README.md", False)]
)
def test_uncommitted_changes_are_marked_if_the_image_is_made_from_them(clone: Clone, name: str, dirty: bool) -> None:
    clone.write(name, "changed\n")
    assert clone.revision().endswith("-dirty") is dirty


def test_an_uncommitted_pin_is_marked_as_dirty(clone: Clone) -> None:
    assert revision_of(clone.root, ["debian"], "c" * 64) == f"{clone.first}-dirty"


def test_a_copy_that_is_not_a_clone_has_no_revision(clone: Clone) -> None:
    inside = clone.root / "a" / "copy"
    clone.commit("a/copy/debian/Dockerfile", "FROM base\n")
    assert revision_of(inside, ["debian"], SHA256) == "", "the commits of another repository around it say nothing"
    assert revision_of(clone.root.parent, ["debian"], SHA256) == ""
