"""The commit in an image's label: the newest commit that changed an input of the image."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.plan.revision import SHARED, checkout_of, made_from, pinned_by, revision_of

RELEASE = 'releases."3.13.15"'
PIN = f'[{RELEASE}]\nsha256 = "{"a" * 64}"\n'


class Clone:
    """A repository in which each commit adds or changes one file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q")
        self.pinned = ""
        self.first = self.commit("debian/Dockerfile", "FROM base\n")

    def git(self, *arguments: str) -> str:
        settings = ["-c", "user.name=A Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(self.root), *settings, *arguments]
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
        return revision_of(self.root, paths or ("debian",), [RELEASE])


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "clone")
    clone.pinned = clone.commit("shared/lock.toml", PIN)
    return clone


def test_commits_of_other_files_do_not_change_the_revision(clone: Clone) -> None:
    before = clone.revision()
    clone.commit("README.md", "words\n")
    clone.commit("shared/status.json", "{}\n")
    clone.commit("shared/lock.toml", f'[releases."3.13.14"]\nsha256 = "b"\n\n{PIN}\n[extras.wheel]\nsha256 = "c"\n')
    assert clone.revision() == before == clone.pinned


@pytest.mark.parametrize(
    "name",
    [
        "debian/Dockerfile",
        "shared/install.sh",
        "shared/common.sh",
        "shared/minimal.conf",
        "shared/startup.order",
        "shared/debug-types.c",
        "shared/catalog.toml",
        "bakery/plan/bake.py",
    ],
)
def test_a_commit_of_a_file_that_the_image_is_made_from_is_its_revision(clone: Clone, name: str) -> None:
    assert clone.commit(name, "# another\n") == clone.revision()


def test_every_shared_file_that_a_dockerfile_mounts_counts(root: Path) -> None:
    text = "".join((root / recipe / "Dockerfile").read_text() for recipe in ("debian", "reference"))
    mounted = {f"shared/{name}" for name in re.findall(r"from=shared,source=([^,]+)", text)}
    patterns = [pattern.removeprefix(":(glob)") for pattern in SHARED]
    assert not [file for file in mounted if not any(fnmatch(file, pattern) for pattern in patterns)]


def test_an_image_is_made_from_its_familys_data_and_the_dockerfile_that_it_names(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert made_from(catalog, image("3.13", "bookworm")) == ("debian", "debian/Dockerfile", "shared/profiles/3.13")
    assert made_from(catalog, image("3.15", "noble")) == ("ubuntu", "debian/Dockerfile")
    reference = image("3.13", "noble", RecipeName.REFERENCE)
    assert made_from(catalog, reference) == ("ubuntu", "reference")


def test_a_commit_of_another_familys_data_does_not_change_the_revision(clone: Clone) -> None:
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


@pytest.mark.parametrize("attributes", [".git/info/attributes", ".gitattributes", "shared/.gitattributes"])
def test_other_line_ends_or_encodings_are_changes_although_attributes_hide_them_from_git(
    clone: Clone, attributes: str
) -> None:
    head = clone.commit("shared/minimal.conf", "etc/passwd\n")
    assert (clone.revision(), checkout_of(clone.root)) == (head, head)
    for attribute, encoding in (
        ("text", "utf-8"),
        ("text eol=crlf", "utf-8"),
        ("working-tree-encoding=UTF-16", "utf-16"),
    ):
        clone.write(attributes, f"minimal.conf {attribute}\n")
        text = "etc/passwd\r\n" if "text" in attribute else "etc/passwd\n"
        (clone.root / "shared/minimal.conf").write_bytes(text.encode(encoding))
        assert clone.revision() == f"{head}-dirty", attribute
        assert checkout_of(clone.root) == f"{head}-dirty", attribute


@pytest.mark.parametrize("rules", [".git/info/exclude", "debian/.gitignore"])
def test_a_new_file_that_an_image_is_made_from_is_a_change_although_git_ignores_it(clone: Clone, rules: str) -> None:
    clone.write(rules, "*\n")
    clone.write("debian/hooks/extra", "")
    assert clone.revision() == f"{clone.pinned}-dirty"


def test_what_the_lock_pins_for_an_image_counts_and_is_marked_as_dirty_if_it_is_not_committed(clone: Clone) -> None:
    """Also a release's day, which the image has, and other files: not only the digest of the tarball."""
    tables = [RELEASE, "extras.wheel", "bases.bookworm.digests"]
    lock = f'{PIN}date = "2026-01-01"\n\n[extras.wheel]\nsha256 = "b"\n\n[bases.bookworm.digests]\na = "c"\n'
    head = clone.commit("shared/lock.toml", lock)
    clone.commit("shared/lock.toml", f'[releases."3.13.14"]\n\n{lock}\n[profiles."3.12"]\na = "e"\n')
    assert revision_of(clone.root, ["debian"], tables) == head
    assert revision_of(clone.root, ["debian"], [*tables, 'releases."git 0edaa75"']) == f"{head}-dirty"
    for old, new in (("2026-01-01", "2026-01-02"), ('"b"', '"d"'), ('"c"', '"d"'), ('date = "2026-01-01"\n', "")):
        clone.write("shared/lock.toml", lock.replace(old, new))
        assert revision_of(clone.root, ["debian"], tables).endswith("-dirty")
        assert revision_of(clone.root, ["debian"], tables[:1]).endswith("-dirty") is ("date" in old or "2026" in old)
    clone.write("shared/lock.toml", PIN)  # as in an earlier commit
    assert clone.revision().endswith("-dirty")
    assert clone.commit("shared/lock.toml", lock.replace("2026-01-01", "2026-01-02")) == clone.revision()


def test_an_image_is_pinned_by_its_release_and_by_what_else_it_is_made_from(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    assert pinned_by(catalog, image("3.13"), base=False) == (RELEASE, 'profiles."3.13"')
    assert pinned_by(catalog, image("3.11"), base=True)[1:] == (
        "extras.wheel", 'profiles."3.11"', "bases.bookworm.digests",
    )  # fmt: skip


def test_a_copy_that_is_not_a_clone_has_no_revision(clone: Clone) -> None:
    inside = clone.root / "a" / "copy"
    clone.commit("a/copy/debian/Dockerfile", "FROM base\n")
    for root in (inside, clone.root.parent):  # the commits of another repository around a copy are not its own
        for commit_of in (lambda root: revision_of(root, ["debian"], [RELEASE]), checkout_of):
            with pytest.raises(ValueError, match=r"not the top of a git clone|not a git repository"):
                commit_of(root)


def shallow(clone: Clone, depth: int) -> Clone:
    copy = object.__new__(Clone)
    copy.root = clone.root.with_name(f"shallow-{depth}")
    clone.git("clone", "-q", f"--depth={depth}", f"file://{clone.root}", str(copy.root))
    return copy


def test_a_shallow_clone_has_the_same_revision_or_the_reason_why_it_has_none(clone: Clone) -> None:
    clone.commit("README.md", "words\n")
    changed = clone.commit("debian/Dockerfile", "FROM base AS build\n")
    clone.commit("README.md", "more words\n")
    assert shallow(clone, 3).revision() == clone.revision() == changed
    with pytest.raises(ValueError, match="git fetch --unshallow"):
        shallow(clone, 2).revision()
    assert shallow(clone, 99).revision() == changed


def test_a_clone_whose_shallow_file_is_empty_is_a_full_clone(clone: Clone) -> None:
    copy = shallow(clone, 1)
    copy.git("fetch", "-q", "--unshallow")
    assert copy.revision() == clone.revision() == clone.pinned


def test_the_checkout_is_clean_unless_files_that_git_does_not_ignore_differ(clone: Clone) -> None:
    head = clone.commit(".gitignore", "/build\n")
    clone.write("build/log", "ignored\n")
    assert checkout_of(clone.root) == checkout_of(shallow(clone, 1).root) == head
    clone.write("new", "not ignored\n")
    assert checkout_of(clone.root) == f"{head}-dirty"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_a_clone_of_another_user_has_no_revision_and_the_reason_says_so(clone: Clone) -> None:
    os.chown(clone.root, 4000, 4000)
    os.chown(clone.root / ".git", 4000, 4000)
    with pytest.raises(ValueError, match="detected dubious ownership"):
        clone.revision()


def test_without_git_the_reason_names_it(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone.root))
    with pytest.raises(ValueError, match="git is not installed"):
        clone.revision()


def test_a_git_that_names_another_top_gives_no_revision(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone.root.parent / "git").write_text("#!/bin/sh\necho C:/clone\n")
    (clone.root.parent / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(clone.root.parent))
    with pytest.raises(ValueError, match="is not the top of a git clone"):
        clone.revision()


def test_the_variables_of_a_git_hook_do_not_redirect_to_another_repository(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = clone.revision()
    monkeypatch.setenv("GIT_DIR", str(clone.root.parent / "other" / ".git"))
    assert (clone.revision(), checkout_of(clone.root)) == (before, before)


@pytest.mark.parametrize("count", ["x", "-3", "99999", "1_0"])
def test_a_variable_that_could_drop_settings_is_refused_by_name(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    with pytest.raises(ValueError, match=f"GIT_CONFIG_COUNT={count}: expected a number from 0 to 9999"):
        clone.revision()


@pytest.mark.parametrize("variable", ["GIT_LITERAL_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_TRACE"])
def test_the_variables_of_a_user_do_not_change_the_meaning_of_paths(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    changed = clone.commit("shared/compile.sh", "make\n")
    monkeypatch.setenv(variable, "1")
    assert clone.revision() == changed
    clone.write("shared/compile.sh", "make all\n")
    assert clone.revision() == f"{changed}-dirty"


@pytest.mark.parametrize(
    "setting",
    [
        "status.showUntrackedFiles=no", "core.excludesFile={0}/all", "log.date=x", "i18n.logOutputEncoding=UTF-16",
        "core.fsmonitor={0}/program", "log.showSignature=true",
    ],
)  # fmt: skip
def test_the_configuration_of_a_user_does_not_hide_a_new_input(clone: Clone, tmp_path: Path, setting: str) -> None:
    (tmp_path / "all").write_text("*\n")
    name, _, value = setting.format(tmp_path).partition("=")
    clone.git("config", name, value)
    before = clone.revision()
    clone.write("shared/new.sh", "exit 1\n")
    assert clone.revision() == f"{before}-dirty"


CONFIGURATION = {
    "core.ignoreStat": "true", "core.fileMode": "false", "core.autocrlf": "true", "core.eol": "crlf",
    "core.safecrlf": "true", "core.symlinks": "false", "core.untrackedCache": "true", "core.splitIndex": "true",
    "core.checkStat": "minimal", "core.trustctime": "false", "core.ignoreCase": "true",
    "core.precomposeUnicode": "true", "core.attributesFile": "{0}/attributes", "core.excludesFile": "{0}/all",
    "core.fsmonitor": "{0}/program", "filter.x.clean": "{0}/program", "filter.x.smudge": "tr a-z A-Z",
    "diff.x.textconv": "{0}/program", "diff.orderFile": "{0}/missing", "log.showRoot": "false",
}  # fmt: skip
CHANGES = {
    "content of the same size": lambda folder: (folder / "compile.sh").write_text("MAKE\n"),
    "line ends": lambda folder: (folder / "compile.sh").write_bytes(b"make\r\n"),
    "mode": lambda folder: (folder / "plain.sh").chmod(0o755),
    "a file instead of a link": lambda folder: (
        (folder / "link.sh").unlink(), (folder / "link.sh").write_text("compile.sh"),
    ),
    "a name that differs by case": lambda folder: (folder / "Compile.sh").write_text("make\n"),
}  # fmt: skip


@pytest.mark.parametrize("scope", ["local", "global", "environment"])
def test_the_configuration_of_a_user_neither_makes_nor_hides_a_change_and_runs_no_program(
    root: Path, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    clone.commit(".gitattributes", (root / ".gitattributes").read_text())
    clone.write("shared/plain.sh", "true\n")
    clone.write("shared/compile.sh", "make\n")
    (clone.root / "shared/compile.sh").chmod(0o755)
    for name in ("link.sh", "another.sh"):
        (clone.root / "shared" / name).symlink_to("compile.sh")
    head = clone.commit("shared/compile.sh", "make\n")
    (tmp_path / "all").write_text("*\n")
    (tmp_path / "attributes").write_text("* text eol=crlf ident filter=x diff=x\n")
    (tmp_path / "program").write_text(f"#!/bin/sh\ntouch {tmp_path / 'proof'}; cat\n")
    (tmp_path / "program").chmod(0o755)
    settings = {name: value.format(tmp_path) for name, value in CONFIGURATION.items()}
    if scope == "environment":
        monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
        for number, (key, text) in enumerate(settings.items()):
            monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
            monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", text)
    else:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
        for key, text in settings.items():
            clone.git("config", f"--{scope}", key, text)
    if scope == "local":
        (clone.root / ".git/info/attributes").write_text("* filter=x diff=x\n")
    else:  # a clone that is made with this configuration is the same
        clone.git("clone", "-q", str(clone.root), str(tmp_path / "copy"))
        assert (tmp_path / "copy/shared/compile.sh").read_bytes() == b"make\n"
    file = clone.root / "shared/compile.sh"
    os.utime(file, (1, 1))
    clone.git("update-index", "--refresh", "-q")
    (tmp_path / "proof").unlink(missing_ok=True)
    files = set((clone.root / ".git").iterdir())
    assert (clone.revision(), checkout_of(clone.root)) == (head, head)
    os.utime(file, (2, 2))  # git compares the content if the times differ
    assert (clone.revision(), checkout_of(clone.root)) == (head, head)
    assert set((clone.root / ".git").iterdir()) == files
    for change in CHANGES.values():
        copy = shutil.copytree(clone.root, tmp_path / "changed", symlinks=True)
        change(copy / "shared")
        os.utime(copy / "shared/compile.sh", (1, 1))
        assert revision_of(copy, ("debian",), [RELEASE]) == f"{head}-dirty"
        shutil.rmtree(copy)
    assert not (tmp_path / "proof").exists()


def test_the_pin_in_the_first_commit_is_found_although_the_log_shows_no_diff_of_it(clone: Clone) -> None:
    clone.git("config", "log.showRoot", "false")
    clone.git("checkout", "-q", "--orphan", "all")
    head = clone.commit("new", "")
    assert clone.revision() == head


@pytest.mark.parametrize("cone", [True, False])
def test_files_that_a_sparse_checkout_leaves_out_are_not_changes(clone: Clone, cone: bool) -> None:
    head = clone.commit("other/file", "other\n")
    clone.git(
        "sparse-checkout", "set", *(["--cone", "--sparse-index", "debian"] if cone else ["--no-cone", "/debian/"])
    )
    assert not (clone.root / "other").exists()
    assert checkout_of(clone.root) == head
    clone.write("other/file", "changed\n")
    assert checkout_of(clone.root) == f"{head}-dirty"


def test_a_file_system_without_modes_and_links_does_not_count_as_a_change(clone: Clone) -> None:
    """As git writes a clone on FAT."""
    clone.write("shared/plain.sh", "true\n")
    (clone.root / "debian/Dockerfile").chmod(0o755)
    link = clone.root / "shared/link.sh"
    link.symlink_to("plain.sh")
    head = clone.commit("shared/compile.sh", "make\n")
    clone.git("config", "core.fileMode", "false")
    clone.git("config", "core.symlinks", "false")
    link.unlink()
    link.write_text("plain.sh")
    for file in clone.root.rglob("[!.]*"):
        file.chmod(0o755)
    assert clone.revision() == head


def test_a_partial_clone_is_not_completed_from_its_remote(clone: Clone, tmp_path: Path) -> None:
    clone.git("config", "uploadpack.allowFilter", "true")
    copy = Clone.__new__(Clone)
    copy.root = tmp_path / "partial"
    clone.git("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{clone.root}", str(copy.root))
    with pytest.raises(ValueError, match=r"git (log|show): "):
        copy.revision()
    missing = copy.git("rev-list", "--objects", "--all", "--missing=print")
    assert missing.count("?") == 2
