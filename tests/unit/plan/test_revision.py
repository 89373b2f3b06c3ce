"""The commit that an image's label names: the newest one that changed what the image is made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bakery.plan.revision import revision_of

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

    def revision(self, folder: str = "debian") -> str:
        return revision_of(self.root, [folder], SHA256)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    one = Clone(tmp_path / "clone")
    one.pinned = one.commit("shared/lock.toml", f'sha256 = "{SHA256}"\n')
    return one


def test_a_commit_that_no_image_is_made_from_leaves_the_label_as_it_is(clone: Clone) -> None:
    before = clone.revision()
    clone.commit("README.md", "words\n")
    clone.commit("shared/status.json", "{}\n")
    clone.commit("shared/lock.toml", f'sha256 = "{SHA256}"\nanother = "{"b" * 64}"\n')
    assert clone.revision() == before == clone.pinned


@pytest.mark.parametrize(
    "name",
    ["debian/Dockerfile", "shared/install.sh", "shared/minimal.conf", "shared/catalog.toml", "bakery/plan/bake.py"],
)
def test_a_commit_that_changes_what_the_image_is_made_from_is_the_one_that_is_named(clone: Clone, name: str) -> None:
    assert clone.commit(name, "# another\n") == clone.revision()


def test_another_familys_dockerfile_is_not_what_the_image_is_made_from(clone: Clone) -> None:
    before = clone.revision()
    after = clone.commit("ubuntu/Dockerfile", "FROM base\n")
    assert (clone.revision("debian"), clone.revision("ubuntu")) == (before, after)


@pytest.mark.parametrize(
    ("name", "dirty"), [("debian/Dockerfile", True), ("shared/new.sh", True), ("README.md", False)]
)
def test_what_is_not_committed_is_said_where_the_image_is_made_from_it(clone: Clone, name: str, dirty: bool) -> None:
    clone.write(name, "changed\n")
    assert clone.revision().endswith("-dirty") is dirty


def test_a_release_that_is_pinned_but_not_committed_is_dirty(clone: Clone) -> None:
    assert revision_of(clone.root, ["debian"], "c" * 64) == f"{clone.first}-dirty"


def test_there_is_no_revision_without_a_clone_of_this_repository(clone: Clone) -> None:
    inside = clone.root / "a" / "copy"
    clone.commit("a/copy/debian/Dockerfile", "FROM base\n")
    assert revision_of(inside, ["debian"], SHA256) == "", "the commits of another repository around it say nothing"
    assert revision_of(clone.root.parent, ["debian"], SHA256) == ""
