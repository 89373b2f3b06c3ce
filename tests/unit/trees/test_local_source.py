"""--source: how a user's own tree becomes a tarball, its names, and errors. git and tar are the real ones."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakery.benchmarks.session import pair_of
from bakery.catalog import UNVERIFIED, Catalog, Image, references
from bakery.catalog.selection import select_images
from bakery.errors import InputError
from bakery.plan.bake import Inputs, labels
from bakery.publish.gate import objections
from bakery.trees import from_source, local_source
from tests.archives import make_tar

Read = Callable[..., tuple[Image, dict[str, tarfile.TarInfo]]]
FILES = {
    "Include/patchlevel.h": '#define PY_VERSION "3.14.7"\n',
    "Lib/os.py": "",
    "Makefile.pre.in": "Parser/parser.c: $(srcdir)/Parser/parser.c $(srcdir)/Modules/config.c\n",
    "Modules/makesetup": "#! /bin/sh\n",
    "Parser/parser.c": "",
    "configure": "#! /bin/sh\n",
}
INPUTS = Inputs("source", "extras", "base", "debian", "sha256:0", "registry")


def write(folder: Path, files: Mapping[str, str] = FILES, mode: int = 0o644) -> Path:
    """``files`` in ``folder``, all with the same ``mode`` and a time of 2026-01-02."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        os.utime(file, (1767312000, 1767312000))
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git with a fixed author and time."""
    words = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main", *arguments)
    environment = {**os.environ, "GIT_COMMITTER_DATE": "2025-10-09T08:00:00Z", "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the minimum that counts as CPython's source."""
    return write(tmp_path / "tree")


@pytest.fixture
def checkout(tree: Path) -> Path:
    """The same as a git checkout."""
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message=first")
    return tree


@pytest.fixture
def told() -> list[str]:
    """What was reported to the user."""
    return []


@pytest.fixture
def read(catalog: Catalog, tmp_path: Path, told: list[str]) -> Read:
    """The image of a ``--source``, and the members of its tarball by name."""

    def packed(source: object, version: str = "3.14") -> tuple[Image, dict[str, tarfile.TarInfo]]:
        (image,) = from_source(
            str(source), select_images(catalog, [version]), [version], tmp_path / "home", told.append
        )
        with tarfile.open(tmp_path / "home" / "sources" / image.pin.folder / image.pin.file) as tar:
            return image, {member.name: member for member in tar}

    return packed


def test_a_tree_has_names_that_no_release_has(catalog: Catalog, read: Read, tree: Path) -> None:
    image, _ = read(tree, "3.14t")
    assert image.name == "3.14.7t-local-bookworm"
    names, released = references(catalog, image), select_images(catalog, everything=True)
    assert {"infra7/python:3.14.7t-local-bookworm", "infra7/python:3.14.7t-local"} <= set(names)
    assert all(name.startswith("infra7/python:3.14.7t-local") for name in names)
    assert not set(names) & {name for other in released for name in references(catalog, other)}
    assert image.pin.date == "2026-01-02"
    texts = labels(catalog, image, INPUTS)
    assert texts["io.github.infra7.python.source.signature"] == UNVERIFIED == "local, not verified"
    assert "compiled from local source (a folder)" in texts["org.opencontainers.image.description"]


def test_hints_name_the_options_that_select_a_tree(catalog: Catalog, read: Read, tree: Path, tmp_path: Path) -> None:
    image, _ = read(tree.rename(tmp_path / "a tree"), "3.14t")
    options = f"--version=3.14t '--source={tmp_path}/a tree' --target=bookworm"
    assert pair_of(catalog, image, None, None).reference_hint == f"Build it first: inv reference {options}"
    older = select_images(catalog, ["3.13.5"])[0]
    assert (older.version_option("3.13"), older.version_option("3.13t")) == ("--version=3.13.5", "--version=3.13.5t")


def test_a_tree_is_not_published(catalog: Catalog, read: Read, tree: Path) -> None:
    image, _ = read(tree)
    reasons = objections(None, "sha256:1", labels(catalog, image, INPUTS))
    assert any("--source" in reason for reason, _ in reasons)
    release = replace(image, pin=image.series.default)
    assert not any("--source" in reason for reason, _ in objections(None, "sha256:1", labels(catalog, release, INPUTS)))


def test_the_same_tree_makes_the_same_tarball_whatever_holds_it(read: Read, checkout: Path, tmp_path: Path) -> None:
    commit, _ = read(f"{checkout}@main")
    work_tree, members = read(checkout)
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), "bare")
    bare, _ = read(tmp_path / "bare")
    tarball = tmp_path / "source.tgz"
    with tarfile.open(tarball, "w:gz") as tar:  # with .git
        for file in checkout.rglob("*"):
            os.utime(file, (1759996800, 1759996800))
        tar.add(checkout, "cpython-1f2e3d")
    packed, _ = read(tarball)
    git(checkout, "archive", f"--output={tmp_path}/archive.tar", "--prefix=cpython/", "main")
    archive, _ = read(tmp_path / "archive.tar")
    assert packed.pin.local == "source.tgz"
    assert packed.pin.sha256 == commit.pin.sha256 == work_tree.pin.sha256 == bare.pin.sha256 == archive.pin.sha256
    assert commit.pin.local == f"git {git(checkout, 'rev-parse', 'HEAD')}"
    assert commit.pin.date == "2025-10-09"
    assert list(members) == sorted(f"Python-3.14.7/{name}" for name in FILES)
    assert {(member.mtime, member.uid, member.uname) for member in members.values()} == {(1759996800, 0, "")}


def test_lost_executable_bits_are_restored_and_reported(read: Read, tree: Path, told: list[str]) -> None:
    _, members = read(tree)
    modes = {name.partition("/")[2]: member.mode for name, member in members.items()}
    assert [name for name, mode in modes.items() if mode == 0o755] == ["Modules/makesetup", "configure"]
    assert "executable bits were lost; restored for all 2 files that begin with #!" in told


def test_names_in_a_checkout_need_not_be_utf_8(read: Read, checkout: Path) -> None:
    name = os.fsdecode(b"Misc/\xff")
    (checkout / "Misc").mkdir(exist_ok=True)
    (checkout / name).write_text("")
    assert f"Python-3.14.7/{name}" in read(checkout)[1]
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message=second")
    assert f"Python-3.14.7/{name}" in read(f"{checkout}@HEAD")[1]


def test_changed_and_new_files_belong_to_a_checkout_but_not_to_its_commit(
    read: Read, checkout: Path, told: list[str]
) -> None:
    write(checkout, {".gitignore": "*.log\n", "Lib/os.py": "patched\n", "build.log": "ignored"})
    (checkout / "Lib/new.py").write_text("")
    _, members = read(checkout)
    assert "with 3 changed files" in told[-1]
    assert "Python-3.14.7/Lib/new.py" in members
    assert members["Python-3.14.7/Lib/os.py"].size == len("patched\n")
    assert "Python-3.14.7/build.log" not in members
    _, members = read(f"{checkout}@HEAD")
    assert "Python-3.14.7/Lib/new.py" not in members
    assert members["Python-3.14.7/Lib/os.py"].size == 0
    assert any("changed files that are not in HEAD: 3" in line for line in told)


def test_a_commit_has_its_own_files_and_not_those_that_git_shows_in_their_place(read: Read, checkout: Path) -> None:
    _, own = read(f"{checkout}@HEAD")
    (checkout / "configure").write_text("#!/bin/false\n")
    git(checkout, "replace", "HEAD:configure", git(checkout, "hash-object", "-w", "configure"))
    assert git(checkout, "show", "HEAD:configure") == "#!/bin/false"
    _, members = read(f"{checkout}@HEAD")
    assert members["Python-3.14.7/configure"].size == own["Python-3.14.7/configure"].size


def test_a_file_of_a_commit_that_is_damaged_in_the_checkout_is_an_error(read: Read, checkout: Path) -> None:
    blob = git(checkout, "rev-parse", "HEAD:configure")
    file = checkout / ".git" / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob 12\0#!/bin/false"))
    assert git(checkout, "show", "HEAD:configure") == "#!/bin/false"
    with pytest.raises(InputError, match=r"the file \S+ of HEAD is damaged in"):
        read(f"{checkout}@HEAD")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_was_asked_to_ignore_are_reported(
    read: Read, checkout: Path, told: list[str], flag: str
) -> None:
    git(checkout, "update-index", flag, "configure")
    (checkout / "configure").write_text("#!/bin/false\n")
    assert git(checkout, "status", "--porcelain") == ""
    read(checkout)
    assert "with 1 changed file:" in told[-1]


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.attributesFile={0}"])
def test_the_users_configuration_of_line_ends_neither_makes_nor_hides_a_change(
    read: Read, checkout: Path, told: list[str], tmp_path: Path, setting: str
) -> None:
    (tmp_path / "attributes").write_text("* text eol=crlf\n")
    name, _, value = setting.format(tmp_path / "attributes").partition("=")
    git(checkout, "config", name, value)
    header = (checkout / "Include/patchlevel.h").read_bytes()
    (checkout / "Include/patchlevel.h").write_bytes(header)
    read(checkout)
    assert "changed" not in told[-1]
    (checkout / "Include/patchlevel.h").write_bytes(header.replace(b"\n", b"\r\n"))
    read(checkout)
    assert "with 1 changed file:" in told[-1]


def test_a_commit_without_some_of_its_blobs_is_packed_without_them(read: Read, checkout: Path, told: list[str]) -> None:
    write(checkout, {"Misc/svnmap.txt": "large\n"})
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message=second")
    blob = git(checkout, "rev-parse", "HEAD:Misc/svnmap.txt")
    (checkout / ".git/objects" / blob[:2] / blob[2:]).unlink()
    _, members = read(f"{checkout}@HEAD")
    assert len(members) == len(FILES)
    assert f"{checkout} lacks these files of HEAD; they are left out: Misc/svnmap.txt" in told


def test_a_branch_after_a_release_keeps_its_plus_but_not_in_tags(read: Read, tree: Path) -> None:
    write(tree, {"Include/patchlevel.h": '#define PY_VERSION    "3.15.0a2+"\n'})
    image, members = read(tree, "3.15")
    assert image.pin.release == "3.15.0a2+", "what PYTHON_VERSION has to say"
    assert image.version == "3.15.0a2-local"
    assert image.pin.version.is_prerelease
    assert "Python-3.15.0a2+/configure" in members


def test_generated_files_that_are_missing_are_reported(read: Read, tree: Path, told: list[str]) -> None:
    (tree / "Parser/parser.c").unlink()
    read(tree)
    assert any("regen-all" in line and line.endswith("Parser/parser.c") for line in told)


def test_a_tree_of_another_series_is_an_error(read: Read, tree: Path) -> None:
    with pytest.raises(InputError, match=r"is Python 3\.14\.7, not 3\.13"):
        read(tree, "3.13")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"configure": None}, "it lacks configure (Tools/build/regen-configure.sh generates it)"),
        ({"Include/patchlevel.h": None}, "it lacks Include/patchlevel.h"),
        ({"Include/patchlevel.h": "#define PY_VERSION 2\n"}, "defines no PY_VERSION"),
        ({"Makefile": "", "Python/ceval.o": ""}, "build output (Makefile, Python/ceval.o)"),
    ],
)
def test_a_folder_that_cannot_be_built_is_an_error(
    read: Read, tree: Path, files: Mapping[str, str | None], message: str
) -> None:
    for name, text in files.items():
        (tree / name).unlink(missing_ok=True)
        write(tree, {} if text is None else {name: text})
    with pytest.raises(InputError) as caught:
        read(tree)
    assert message in str(caught.value)
    assert str(tree) in str(caught.value)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "../.."])
def test_links_that_leave_the_tree_and_pipes_are_errors(read: Read, tree: Path, target: str) -> None:
    (tree / "Lib/inside").symlink_to("../configure")
    _, members = read(tree)
    assert members["Python-3.14.7/Lib/inside"].linkname == "../configure"
    (tree / "Lib/link").symlink_to(target)
    with pytest.raises(InputError, match=f"points outside the tree: Lib/link -> {target}"):
        read(tree)
    (tree / "Lib/link").unlink()
    os.mkfifo(tree / "Lib/pipe")
    with pytest.raises(InputError, match="pipe is neither a file"):
        read(tree)


@pytest.mark.parametrize("file", ["config", "index", "packed-refs", "refs/heads/other"])
@pytest.mark.parametrize("commit", ["", "@HEAD"])
def test_pipes_and_devices_among_files_of_git_are_errors(read: Read, checkout: Path, file: str, commit: str) -> None:
    """git would wait for a writer."""
    (path := checkout / ".git" / file).unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(InputError, match=f"{path} is a FIFO: expected a regular file"):
        read(f"{checkout}{commit}")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=f"{path} is a device"):
        read(f"{checkout}{commit}")


def test_paths_that_are_not_source_trees_are_errors(read: Read, tree: Path, tmp_path: Path, checkout: Path) -> None:
    (tmp_path / "empty").mkdir()
    text, new = tmp_path / "text", tmp_path / "new"
    text.write_text("no archive")
    git(new.parent, "init", "--quiet", str(new))
    for source, message in (
        (tmp_path / "nothing", "does not exist"),
        ("~no-such-user/cpython", "does not exist"),
        ("~no-such-user/cpython@main", "does not exist"),
        (tmp_path / "empty", "it has no files"),
        (f"{checkout}@", f"expected a commit after {checkout}@"),
        (f"{checkout}@feature/a@b", f"feature/a@b does not name a commit in {checkout}"),
        (new, f"HEAD does not name a commit in {new}"),
        (text, "expected gzip, bzip2, xz, zstd or an uncompressed tar"),
        (f"{text}@main", "expected a git checkout"),
        (f"{checkout}@nowhere", f"nowhere does not name a commit in {checkout}"),
        (f"{checkout}@HEAD..HEAD", f"HEAD..HEAD does not name a commit in {checkout}"),
        (tmp_path, "it lacks Include/patchlevel.h"),
    ):
        with pytest.raises(InputError) as caught:
            read(source)
        assert message in str(caught.value), source


@pytest.mark.parametrize("name", ["configure", "Modules/makesetup", "Makefile.pre.in"])
def test_scripts_with_the_line_ends_of_windows_are_an_error(read: Read, tree: Path, name: str) -> None:
    (tree / name).write_bytes(FILES[name].replace("\n", "\r\n").encode())
    with pytest.raises(InputError, match=rf"line ends of Windows .*: {name}"):
        read(tree)


def test_a_version_that_the_tree_is_not_is_an_error_even_if_another_one_fits(
    catalog: Catalog, tree: Path, tmp_path: Path
) -> None:
    for versions in (["3.14", "3.13"], ["3.14.4"]):
        with pytest.raises(InputError, match=rf"is Python 3\.14\.7, not {versions[-1]}"):
            from_source(str(tree), select_images(catalog, versions), versions, tmp_path, print)
    versions = ["3.14", "3.14t"]
    assert len(from_source(str(tree), select_images(catalog, versions), versions, tmp_path, print)) == 2


def test_a_version_with_leading_zeros_is_no_version(read: Read, tree: Path) -> None:
    write(tree, {"Include/patchlevel.h": '#define PY_VERSION "3.014.7"\n'})
    with pytest.raises(InputError, match="defines no PY_VERSION"):
        read(tree)


def tree_tar(more: dict[str, bytes | str], **header: int) -> bytes:
    """A tarball of a whole tree with ``more`` members."""
    files = {name: text.encode() for name, text in FILES.items()} | more
    return make_tar({f"a/{name}": data for name, data in files.items()}, **header)


def hard_link(target: str) -> bytes:
    """A tarball with a hard link to a file that is not in it before."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("a/l")
        member.type, member.linkname = tarfile.LNKTYPE, target
        tar.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("tar", "message"),
    [
        (make_tar({"a/configure": b"", "b/configure": b""}), "expected one folder at the top, found a, b"),
        (make_tar({}), "expected one folder at the top, found nothing"),
        (make_tar({"../configure": b""}), "../configure is outside the tree"),
        (make_tar({"/etc/configure": b""}), "/etc/configure is outside the tree"),
        (make_tar({"a/configure": b"x" * 20000})[:9000], "unexpected end of data"),
        (tree_tar({"a/l": "..", "m": "a/l/../../etc"}), "a link points outside the tree: m -> a/l/../../etc"),
        (tree_tar({"l": "Include", "l/x": b""}), "l/x is in l, which is not a folder"),
        (tree_tar({"configure/x": b""}), "configure/x is in configure, which is not a folder"),
        (tree_tar({"d/" * 20_000 + "x": b""}), "such a path or such a target: 'd/d/"),  # it took 10 s
        (tree_tar({"x" * 401: b""}), "such a path or such a target: 'xxx"),
        (tree_tar({".": b""}), "such a path or such a target: ''"),
        (tree_tar({"l": ""}), "such a path or such a target: 'l' -> ''"),
        (tree_tar({"l": "x/" * 201}), "such a path or such a target: 'l' -> 'x/x/"),
        (tree_tar({}, mtime=253402300799), "not in the future"),
        (gzip.compress(make_tar({f"a/{at}": b"" for at in range(9)} | {"a/" + "x" * 200_000: b""})), "too long names"),
        (hard_link("/etc/passwd"), "a/l is a hard link to /etc/passwd, which is not in the tree"),
        (hard_link("a/l"), "a/l is a hard link to a/l, which is not in the tree before it"),
    ],
)
def test_a_tarball_that_is_not_one_tree_is_an_error(read: Read, tmp_path: Path, tar: bytes, message: str) -> None:
    file = tmp_path / "source.tar"
    file.write_bytes(tar)
    with pytest.raises(InputError) as caught:
        read(file)
    assert message in str(caught.value)


def test_a_tarball_of_very_many_files_is_an_error(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "source.tar"
    file.write_bytes(tree_tar({f"x{at}": b"" for at in range(50_001)}))
    with pytest.raises(InputError, match="with at most 50,000 files: found 50,00"):
        read(file)


def test_hard_links_and_names_that_are_not_utf8_are_kept(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "source.tar"
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"a/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, kind, target in (("a/h", tarfile.LNKTYPE, "a/configure"), ("a/\udcff", tarfile.SYMTYPE, "h\udcff")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    _, members = read(file)
    assert members["Python-3.14.7/h"].size == members["Python-3.14.7/configure"].size > 0
    assert members["Python-3.14.7/\udcff"].linkname == "h\udcff"


def test_a_tree_larger_than_any_of_cpython_is_an_error(
    read: Read, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "source.tar"
    monkeypatch.setattr("bakery.trees.local_source.LARGEST_FILE", 1000)
    monkeypatch.setattr("bakery.trees.local_source.MAX_BYTES", 3000)
    for more in ({"x": b"x" * 1001}, {f"x{at}": b"x" * 999 for at in range(3)}):
        file.write_bytes(tree_tar(dict(more)))
        with pytest.raises(InputError, match="at most 1,000 bytes in a file and 3,000 in all: too large at a/x"):
            read(file)
    (tree / "x").write_bytes(b"x" * 1001)
    with pytest.raises(InputError, match=r"too large at .*/x"):
        read(tree)


def test_a_commit_is_not_read_if_it_is_larger_than_any_of_cpython(
    read: Read, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    real = local_source.git

    def ask(path: Path, *words: str, **more: Any) -> bytes:
        asked.append(words)
        return real(path, *words, **more)

    monkeypatch.setattr(local_source, "git", ask)
    monkeypatch.setattr(local_source, "LARGEST_FILE", 1000)
    monkeypatch.setattr(local_source, "MAX_BYTES", 3000)
    assert read(f"{checkout}@main")
    for more in ({"x": "x" * 1001}, {f"x{at}": "x" * 999 for at in range(3)}):
        asked.clear()
        write(checkout, more)
        git(checkout, "add", ".")
        git(checkout, "commit", "--quiet", "--message=large")
        with pytest.raises(InputError, match="at most 1,000 bytes in a file and 3,000 in all: too large at x"):
            read(f"{checkout}@main")
        assert asked[-1] == ("cat-file", "--batch-check")
        git(checkout, "reset", "--quiet", "--hard", "HEAD~")


def test_a_checkout_whose_configuration_names_another_folder_is_refused(
    read: Read, checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    git(checkout, "config", "core.worktree", str(tmp_path / "other"))
    with pytest.raises(InputError, match="is not the top of a git clone"):
        read(checkout)


def test_a_commit_of_few_objects_that_lists_a_million_files_is_an_error(read: Read, checkout: Path) -> None:
    kind, entry = "100644 blob", git(checkout, "rev-parse", "HEAD:Lib/os.py")
    for _ in range(3):
        listing = "".join(f"{kind} {entry}\t{at}\n" for at in range(100))
        command = ["git", "-C", str(checkout), "mktree"]
        done = subprocess.run(command, input=listing, text=True, check=True, capture_output=True)
        kind, entry = "040000 tree", done.stdout.strip()
    commit = git(checkout, "commit-tree", "-m", "many", entry)
    with pytest.raises(InputError, match="git ls-tree wrote more than 32 MiB"):
        read(f"{checkout}@{commit}")


def test_each_hard_link_counts_as_much_as_its_file(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakery.trees.local_source.MAX_BYTES", 3000)
    file = tmp_path / "source.tar"
    file.write_bytes(tree_tar({"x": b"x" * 999}))
    with tarfile.open(file, "a") as tar:
        for at in range(3):
            member = tarfile.TarInfo(f"a/link{at}")
            member.type, member.linkname = tarfile.LNKTYPE, "a/x"
            tar.addfile(member)
    with pytest.raises(InputError, match="too large at a/link1"):
        read(file)


def test_files_of_git_in_a_tarball_are_neither_packed_nor_counted(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakery.trees.local_source.LARGEST_FILE", 1000)
    file = tmp_path / "source.tar"
    file.write_bytes(tree_tar({".git/objects/pack/x": b"x" * 5000}))
    assert len(read(file)[1]) == len(FILES)


def test_a_tarball_without_a_folder_at_the_top_is_a_tree(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "source.tar"
    file.write_bytes(make_tar({f"./{name}": text.encode() for name, text in FILES.items()}, mtime=86400))
    image, members = read(file)
    assert image.pin.date == "1970-01-02"
    assert len(members) == len(FILES)


@pytest.mark.parametrize("time", ["1e15", "inf", "nan"])
def test_an_impossible_time_is_an_error(read: Read, tmp_path: Path, time: str) -> None:
    file = tmp_path / "source.tar"
    with tarfile.open(file, "w") as tar:
        for name, text in FILES.items():
            member = tarfile.TarInfo(f"cpython/{name}")
            member.size, member.pax_headers = len(text), {"mtime": time}
            tar.addfile(member, io.BytesIO(text.encode()))
    with pytest.raises(InputError, match=r"--source=.*source\.tar: "):
        read(file)


def test_a_pipe_in_a_tarball_is_an_error(read: Read, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("a/pipe")
        member.type = tarfile.FIFOTYPE
        tar.addfile(member)
    file = tmp_path / "source.tar"
    file.write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="a/pipe is neither a file, a folder nor a link"):
        read(file)


@pytest.mark.parametrize("kind", ["clean", "process", "submodule", "upload-pack", "ext"])
def test_no_program_that_a_checkout_names_is_run(read: Read, checkout: Path, tmp_path: Path, kind: str) -> None:
    proof, source = tmp_path / "proof", str(checkout)
    inner = checkout
    if kind == "submodule":
        inner = checkout / "inner"
        inner.mkdir()
        git(inner, "init", "--quiet")
    (inner / ".gitattributes").write_text("* filter=x.y=z\n")
    (inner / "Makefile.pre.in").write_text("all:\n")
    for folder in dict.fromkeys((inner, checkout)):
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message=filtered")
    name = "process" if kind == "process" else "clean"
    with (inner / ".git" / "config").open("a") as config:
        config.write(f'[filter "x.y=z"]\n{name} = touch {proof}; cat\nrequired = true\n')
    (inner / "Makefile.pre.in").write_text("any:\n")
    if kind in ("upload-pack", "ext"):
        blob = git(checkout, "rev-parse", "HEAD:Include")
        (checkout / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        for key, value in {
            "extensions.partialClone": "origin", "remote.origin.promisor": "true", "core.repositoryFormatVersion": "1",
            "remote.origin.url": str(tmp_path) if kind == "upload-pack" else f"ext::touch {proof}",
            "remote.origin.uploadpack": f"touch {proof}; false", "protocol.ext.allow": "always",
            "protocol.file.allow": "always",
        }.items():  # fmt: skip
            git(checkout, "config", key, value)
        source += "@HEAD"
    with suppress(InputError):
        read(source)
    assert not proof.exists()
    with suppress(subprocess.CalledProcessError):
        git(inner, "status", "--porcelain")
        git(inner, "ls-tree", "-r", "HEAD")
    assert proof.exists(), "git itself does not run the program: this test shows nothing"
