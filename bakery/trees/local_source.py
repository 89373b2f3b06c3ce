"""A folder, a git checkout, one of its commits or a tarball, packed as upstream packs a release: ``--source``.

Everything is in ``Python-VERSION/``, sorted, with one time and owner: the same tree makes the same bytes. From there on
it is built, tested and recorded like a verified tarball, under names that no release has.
"""

import hashlib
import io
import lzma
import os
import re
import shlex
import stat
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from os.path import dirname, join, normpath
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bakery.catalog import RELEASE, UNVERIFIED, Image, Pin
from bakery.errors import InputError
from bakery.files import Tell, disk_full, locked, staged_folder
from bakery.git import LIMIT, changes, git, object_id, require_clone, require_files
from bakery.regular_files import open_regular
from bakery.tar import open_compressed_tar, read_errors

MAX_BYTES, LARGEST_FILE = 250_000_000, 64_000_000
"""Upper limits for a tree and for each of its files; CPython's are below 150 MB and 5 MB."""
LONGEST_NAME, MOST_FILES = 400, 50_000
"""Upper limits for a file's path and a link's target, and for the number of files; 120 and 6,000 in CPython."""
DAY = 86400
SCRIPTS = ("configure", "install-sh", "Makefile.pre.in", "Modules/makesetup")
"""Files that a build runs first. CRLF in them fails; in others, such as tests of line ends, it is meant."""
GIT = re.compile(r"([^/]+/)?\.git(/|\Z)")
"""Files of git itself in a tarball of a checkout: hundreds of MB, or of a worktree: a path of that machine."""
MADE_BY_BUILD = re.compile(r"Modules/config\.c|.*/frozen_modules/.*|.*\.new\.[ch]")
"""Files that Makefile.pre.in lists and the build generates."""


class Entry(NamedTuple):
    """A file of the tree, or a symbolic link, whose ``data`` is its target."""

    data: bytes
    executable: bool = False
    link: bool = False


class Tree(NamedTuple):
    """Files by name, their origin, and the time that all of them get, in seconds since 1970."""

    files: dict[str, Entry]
    origin: str
    time: int


def from_source(source: str, images: Sequence[Image], versions: Sequence[str], home: Path, tell: Tell) -> list[Image]:
    """The ``images`` of the series that the tree ``source`` belongs to, to be built from it instead of a release.

    ``versions`` are those that the user named. The tree is packed into the cache ``home``. Raises :exc:`InputError` if
    it is not a source tree of CPython that can be built, or if a version or all of ``images`` are of another one.
    """
    try:
        tree = _read(source, tell)
        if not 0 <= tree.time <= time.time() + DAY:
            raise ValueError(
                f"its newest file has the time {tree.time}: expected seconds since 1970, not in the future"
            )
        release, files = _check(tree.files, tell)
        day = f"{datetime.fromtimestamp(tree.time, UTC):%Y-%m-%d}"
    except read_errors() as error:
        raise InputError(f"--source={source}: {error}") from None
    series = ".".join(release.split(".")[:2])
    fitting = [image for image in images if image.series.number == series]
    if not fitting:
        problem = f"--source={source} is Python {release}, not {images[0].series.name}"
        raise InputError(problem, hint=f"Use --version={series}, if `inv images` lists it.")
    if other := [name for name in versions if name.rstrip("t") not in (series, release.rstrip("+"))]:
        problem = f"--source={source} is Python {release}, not {', '.join(other)}"
        raise InputError(problem, hint=f"Leave out {', '.join(other)}: a tree is built for its own series only.")
    data, file = _pack(f"Python-{release}", files, tree.time), f"Python-{release}.tar.xz"
    sha256 = hashlib.sha256(data).hexdigest()
    option = shlex.join([f"--source={source}"])
    pin = Pin(release, file, sha256, option, UNVERIFIED, day, len(data), local=tree.origin)
    folder = home / "sources" / pin.folder
    with disk_full(folder), locked(folder.with_name(f"{folder.name}.lock"), file, tell), staged_folder(folder) as stage:
        (stage / file).write_bytes(data)
    tell(f"Python {release} from {tree.origin}: {len(files)} files, sha256 {sha256}, {UNVERIFIED}")
    return [replace(image, pin=pin) for image in fitting]


def _check(files: dict[str, Entry], tell: Tell) -> tuple[str, dict[str, Entry]]:
    """The release that a tree says it is, and its files with the executable bits that they need.

    The release is such as ``3.14.7``, or ``3.15.0a2+`` after one. Raises :exc:`ValueError` if it cannot be built.
    """
    needed = ("Include/patchlevel.h", "Makefile.pre.in", "configure")
    if absent := [name for name in needed if name not in files]:
        hint = " (Tools/build/regen-configure.sh generates it)" if absent == ["configure"] else ""
        empty = "it has no files, or none are checked out"
        raise ValueError(f"not CPython's source: it lacks {', '.join(absent)}{hint}" if files else empty)
    header, makefile = (files[name].data.decode(errors="replace") for name in needed[:2])
    release = re.search(rf'(?m)^#define PY_VERSION\s+"({RELEASE}\+?)"', header)
    if not release:
        raise ValueError("not CPython 3's source: Include/patchlevel.h defines no PY_VERSION")
    built = [name for name in files if name in ("Makefile", "config.status") or name.endswith((".o", ".so"))]
    if built:
        raise ValueError(f"it contains build output ({', '.join(built[:3])}): run `make distclean` in it first")
    _require_paths(files)
    if crlf := [name for name in SCRIPTS if b"\r\n" in files.get(name, Entry(b"")).data]:
        raise ValueError(f"its scripts have the line ends of Windows (CRLF; git's core.autocrlf?): {', '.join(crlf)}")
    named = set(re.findall(r"\$\(srcdir\)/([\w./-]+\.[ch])\b", makefile))
    missing = sorted(name for name in named - files.keys() if not MADE_BY_BUILD.fullmatch(name))
    if missing:
        tell(f"missing, although Makefile.pre.in lists them (`make regen-all` generates some): {', '.join(missing)}")
    lost = [name for name, entry in files.items() if entry.data.startswith(b"#!") and not entry.executable]
    if "configure" in lost:
        tell(f"executable bits were lost; restored for all {len(lost)} files that begin with #!")
    return release[1], files | {name: files[name]._replace(executable=True) for name in lost}


def _require_paths(files: dict[str, Entry]) -> None:
    """:exc:`ValueError` if ``files`` cannot be in one tree, or are more or deeper than can be checked in a minute."""
    if len(files) > MOST_FILES:
        raise ValueError(f"expected CPython's source, with at most {MOST_FILES:,} files: found {len(files):,}")
    for name, entry in files.items():
        target = os.fsdecode(entry.data) if entry.link else ""
        impossible = {"", ".", ".."} & {*name.split("/")} or (entry.link and not target) or "\0" in name + target
        if impossible or max(len(name), len(target)) > LONGEST_NAME:
            shown = f"{name[:99]!r}{f' -> {target[:99]!r}' if entry.link else ''}"
            raise ValueError(f"no file of CPython's source has such a path or such a target: {shown}")
        if entry.link and _leaves(files, join(dirname(name), target)):
            raise ValueError(f"a link points outside the tree: {name} -> {target}")
        if parent := next((str(parent) for parent in PurePosixPath(name).parents if str(parent) in files), ""):
            raise ValueError(f"{name} is in {parent}, which is not a folder")


def _leaves(files: dict[str, Entry], path: str) -> bool:
    """Whether ``path`` leads out of the tree: from the target of another link, ``..`` may lead anywhere."""
    parts = path.split("/")
    for at in range(1, len(parts)):
        if (entry := files.get(normpath("/".join(parts[:at])))) and entry.link and ".." in parts[at:]:
            return True
    return f"{normpath(path)}/".startswith(("/", "../"))


def _pack(top: str, files: dict[str, Entry], seconds: int) -> bytes:
    packed = io.BytesIO()
    with lzma.open(packed, "wb", preset=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, entry in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.mode, member.mtime = 0o755 if entry.executable else 0o644, seconds
            if entry.link:
                member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(entry.data)
            else:
                member.size = len(entry.data)
            tar.addfile(member, io.BytesIO(entry.data))
    return packed.getvalue()


def _read(source: str, tell: Tell) -> Tree:
    """The tree at ``source``: a path, even with an ``@`` in it if it exists, else a path, an ``@`` and a commit."""
    if "://" in source:  # its parts may be a login
        raise ValueError("expected a path, not a URL: clone it first")
    path, commit = Path(source), ""
    if not path.exists() and "@" in source:
        places = [match.start() for match in re.finditer("@", source)]
        at = next((place for place in reversed(places) if Path(source[:place]).exists()), places[-1])
        path, commit = Path(source[:at]), source[at + 1 :]
        if not commit:
            raise ValueError(f"expected a commit after {path}@")
    if path.is_file() and not commit:
        return _read_tarball(path)
    if not path.is_dir():
        kind = "a git checkout" if commit else "a file or a folder"
        raise ValueError(f"expected {kind}{'' if path.exists() else f'; {path} does not exist'}")
    if commit or (path / "HEAD").is_file():
        return _read_commit(path, commit or "HEAD", tell)
    if (path / ".git").exists():
        require_clone(path)
        head, time = _resolve(path, "HEAD")
        changed = len(changes(path))
        names = os.fsdecode(git(path, "ls-files", "-z", "--cached", "--others", "--exclude-standard")).split("\0")
        files, _ = _read_files(path, (path / name for name in names if name and os.path.lexists(path / name)))
        suffix = f" with {changed} changed file{'s' * (changed > 1)}" if changed else ""
        return Tree(files, f"git {head}{suffix}", time)
    if any(path.iterdir()) and not (path / "Include").is_dir():  # it may be any folder: do not read it all
        raise ValueError("not CPython's source: it lacks Include/patchlevel.h")
    files, newest = _read_files(path, (file for file in path.rglob("*") if "__pycache__" not in file.parts))
    return Tree(files, "a folder", newest)


def _read_files(top: Path, paths: Iterable[Path]) -> tuple[dict[str, Entry], int]:
    """The files by name, and the newest one's time."""
    files, size, newest = {}, 0, 0
    for path in paths:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):  # or a submodule
            continue
        link, size = stat.S_ISLNK(status.st_mode), size + status.st_size
        if not (link or stat.S_ISREG(status.st_mode)):
            raise ValueError(f"{path} is neither a file, a folder nor a symbolic link")
        _require_size(str(path), status.st_size, size)
        data = os.fsencode(os.readlink(path)) if link else path.read_bytes()
        files[str(path.relative_to(top))] = Entry(data, bool(status.st_mode & 0o100) and not link, link)
        newest = max(newest, int(status.st_mtime))
    return files, newest


def _require_size(name: str, size: int, total: int) -> None:
    """:exc:`ValueError` if the file ``name``, or the tree so far, is larger than any of CPython's."""
    if size > LARGEST_FILE or total > MAX_BYTES:
        limits = f"{LARGEST_FILE:,} bytes in a file and {MAX_BYTES:,} in all"
        raise ValueError(f"expected CPython's source, with at most {limits}: too large at {name}")


def _read_commit(path: Path, commit: str, tell: Tell) -> Tree:
    """The files of a commit. ``git archive`` would stop at the first file that a partial clone lacks."""
    require_files(path)
    revision, time = _resolve(path, commit)
    if (path / ".git").exists() and (changed := len(changes(path))):
        tell(f"{path}: changed files that are not in {commit}: {changed}; --source={path} would include them")
    listing = re.findall(r"(\d+) (\w+) (\w+)\t([^\0]+)\0", os.fsdecode(git(path, "ls-tree", "-r", "-z", revision)))
    objects = os.fsdecode(git(path, "rev-list", "--objects", "--missing=print", "--no-walk", revision)).split("\n")
    lacking = {line[1:] for line in objects if line.startswith("?")}
    present = [entry for entry in listing if entry[1] == "blob" and entry[2] not in lacking]  # others are submodules
    identities, total = "".join(f"{identity}\n" for _, _, identity, _ in present).encode(), 0
    heads = git(path, "cat-file", "--batch-check", data=identities).splitlines()
    for (*_, name), head in zip(present, heads, strict=True):
        size = int(head.split()[2])
        total += size
        _require_size(name, size, total)
    blobs, files = io.BytesIO(git(path, "cat-file", "--batch", data=identities, limit=MAX_BYTES + LIMIT)), {}
    for mode, _, identity, name in present:
        data = blobs.read(int(blobs.readline().split()[2]))
        if identity != object_id(data, identity):  # git does not check what it reads
            raise ValueError(f"the file {name} of {commit} is damaged in {path}: run `git fsck` there")
        files[name] = Entry(data, mode == "100755", mode == "120000")
        blobs.read(1)
    if missing := [name for *_, name in listing if name not in files]:
        more = f" and {len(missing) - 9} more" if len(missing) > 9 else ""
        tell(f"{path} lacks these files of {commit}; they are left out: {', '.join(missing[:9])}{more}")
    return Tree(files, f"git {revision}", time)


def _resolve(path: Path, commit: str) -> tuple[str, int]:
    """The ID of ``commit`` and its time, in seconds since 1970.

    Raises :exc:`ValueError` if it names no commit: an unknown name, a range, HEAD of a new repository.
    """
    try:
        revision = git(path, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}").decode().strip()
    except ValueError as error:
        if "Needed a single revision" in str(error):
            raise ValueError(f"{commit} does not name a commit in {path}") from None
        raise
    return revision, int(git(path, "log", "-1", "--format=%ct", revision, "--"))


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.issym():
        return Entry(os.fsencode(member.linkname), link=True)
    if member.islnk():
        raise ValueError(f"{member.name} is a hard link to {member.linkname}, which is not in the tree before it")
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise ValueError(f"{member.name} is neither a file, a folder nor a link")
    return Entry(content.read(), bool(member.mode & 0o100))


def _read_tarball(file: Path) -> Tree:
    files, size, newest = dict[str, Entry](), 0, 0
    with open_regular(file) as stream, open_compressed_tar(stream, whole=True) as tar:
        for member in tar:
            name = normpath(member.name)
            if name.startswith(("/", "../")):
                raise ValueError(f"{member.name} is outside the tree")
            if GIT.match(name):
                continue
            linked = files.get(normpath(member.linkname)) if member.islnk() else None
            own = len(linked.data) if linked else member.size
            size += own
            _require_size(member.name, own, size)
            if not member.isdir():
                files[name] = linked or _entry(tar, member)
                newest = max(newest, int(member.mtime))
    tops = sorted({name.partition("/")[0] for name in files})
    if len(tops) != 1 and "configure" not in files:
        raise ValueError(f"expected one folder at the top, found {', '.join(tops[:5]) or 'nothing'}")
    if len(tops) == 1:
        files = {name.partition("/")[2]: entry for name, entry in files.items()}
    return Tree(files, file.name, newest)
