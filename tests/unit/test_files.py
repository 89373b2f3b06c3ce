"""Files that several processes share: locks, atomic writes, and errors of a full disk."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakery import files
from bakery.errors import BakeryError, DiskFullError
from bakery.files import (
    disk_full,
    holder_of,
    interruptible,
    locked,
    no_space,
    sha256_of,
    staged_file,
    staged_folder,
    write_whole,
)
from bakery.process import describe
from bakery.regular_files import read_regular, read_text

HOLDER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from bakery.files import locked
with locked(Path(sys.argv[1]), "x", print):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(file: Path, root: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_waits_for_another_process_and_reports_it_once(tmp_path: Path, root: Path) -> None:
    file, messages, entered = tmp_path / "new" / "a.lock", list[str](), threading.Event()

    def wait() -> None:
        with locked(file, "the source of 3.13.5", messages.append):
            entered.set()

    with holder(file, root) as other:
        thread = threading.Thread(target=wait)
        thread.start()
        while not messages:
            assert thread.is_alive()
        assert not entered.wait(0.05)
        assert messages == [f"waiting: another process (pid {other.pid}) is busy with the source of 3.13.5"]
        other.communicate("\n", timeout=10)
        thread.join(10)
    assert entered.is_set()
    assert len(messages) == 1


def test_lock_is_released_when_its_process_dies(tmp_path: Path, root: Path) -> None:
    messages: list[str] = []
    with holder(tmp_path / "a.lock", root) as other:
        other.kill()
        other.wait(10)
    with locked(tmp_path / "a.lock", "x", messages.append):
        pass
    assert messages == []


def test_free_lock_is_silent_and_records_its_holder(tmp_path: Path) -> None:
    messages: list[str] = []
    for _ in range(2):
        with locked(tmp_path / "a.lock", "x", messages.append):
            assert (tmp_path / "a.lock").read_text() == f"pid {os.getpid()}"
    assert messages == []


def test_lock_is_released_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a.lock", "x", print):
        raise ZeroDivisionError
    with locked(tmp_path / "a.lock", "x", lambda _: pytest.fail("still held")):
        pass


def test_lock_file_that_is_removed_during_the_wait_is_created_and_locked_again(tmp_path: Path, root: Path) -> None:
    """Otherwise two processes hold it: one the removed file, one the new file."""
    file, messages, entered = tmp_path / "a.lock", list[str](), list[str]()

    def wait() -> None:
        with locked(file, "x", messages.append):
            entered.append(file.read_text())

    with holder(file, root) as other:
        thread = threading.Thread(target=wait)
        thread.start()
        while not messages:
            assert thread.is_alive()
        file.unlink()
        other.communicate("\n", timeout=10)
        thread.join(10)
    assert entered == [f"pid {os.getpid()}"] and len(messages) == 1


def test_holder_of_a_lock_is_named(tmp_path: Path, root: Path) -> None:
    file = tmp_path / "a.lock"
    assert holder_of(file) == ""
    with holder(file, root) as other:
        assert holder_of(file) == f"process {other.pid}"
        other.communicate("\n", timeout=10)
    assert holder_of(file) == ""


def test_staged_folder_replaces_the_old_one_atomically(tmp_path: Path) -> None:
    final = tmp_path / "new" / "final"
    for number in range(2):
        with staged_folder(final) as stage:
            (stage / f"file{number}").touch()
            assert stage.parent == final.parent
            assert not (final / f"file{number}").exists()
        assert [path.name for path in final.iterdir()] == [f"file{number}"]
    assert [path.name for path in final.parent.iterdir()] == ["final"]
    assert final.stat().st_mode & 0o777 == 0o755


def test_failed_staging_keeps_the_old_folder(tmp_path: Path) -> None:
    final = tmp_path / "final"
    with staged_folder(final) as stage:
        (stage / "old").touch()
    with pytest.raises(KeyboardInterrupt), staged_folder(final) as stage:
        (stage / "half").touch()
        raise KeyboardInterrupt
    assert [path.name for path in final.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_staging_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".final.abc.partial", ".final2.abc.partial", ".final.lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with staged_folder(tmp_path / "final"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".final.lock", ".final2.abc.partial", "final"]


def test_written_file_is_complete_and_world_readable(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.json"
    write_whole(file, "one\n")
    write_whole(file, "zwö\n")
    assert file.read_text(encoding="utf-8") == "zwö\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.json"
    write_whole(file, "old\n")
    with pytest.raises(UnicodeEncodeError), staged_file(file) as stream:
        stream.write(b"new " + "\udcff".encode())
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        write_whole(file, "new\n")
    assert file.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_error_names_the_file_system_and_a_remedy(tmp_path: Path, number: int) -> None:
    with pytest.raises(DiskFullError) as caught, disk_full(tmp_path / "not" / "yet" / "there"):
        raise OSError(number, "x")
    assert caught.value.exit_code == 1
    assert f"no space left on the file system of {tmp_path} (" in caught.value.message
    assert "inv clean --cache" in caught.value.hint


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), PermissionError(errno.EACCES, "x"), ValueError("x")])
def test_other_errors_propagate(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, disk_full(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("cache", "Caches are in"), ("cache/bases/x/y", "Caches are in"), ("cache/bases/x.lock", "Caches are in"),
        ("users/etc/shadow", "Check the path and its permissions"),
    ],
)  # fmt: skip
def test_the_advice_is_about_the_cache_only_for_a_file_of_the_cache(tmp_path: Path, file: str, advice: str) -> None:
    with pytest.raises(BakeryError, match="Permission denied") as caught, disk_full(tmp_path / "cache" / "bases" / "x"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / file))
    assert caught.value.hint.startswith(advice)


@pytest.mark.parametrize("kind", ["a FIFO", "a regular file", "a symbolic link"])
@pytest.mark.parametrize("below", ["", "logs/x"])
def test_what_is_in_the_way_of_a_folder_is_named(tmp_path: Path, kind: str, below: str) -> None:
    obstacle = tmp_path / "build"
    if kind == "a FIFO":
        os.mkfifo(obstacle)
    elif kind == "a symbolic link":
        obstacle.symlink_to("nowhere/x")
    else:
        obstacle.touch()
    with pytest.raises(BakeryError) as caught, disk_full(obstacle):
        (obstacle / below).mkdir(parents=True, exist_ok=True)
    assert caught.value.hint.startswith(f"{obstacle} is {kind}: expected a folder.")
    with pytest.raises(OSError, match=r"exists|directory") as error:
        (obstacle / below).mkdir(parents=True, exist_ok=True)
    assert caught.value.hint in str(describe(error.value))


@pytest.mark.parametrize("kind", ["a FIFO", "too large", "not UTF-8"])
@pytest.mark.parametrize("folder", ["cache/bases", "users"])
def test_an_error_about_content_does_not_blame_the_path_or_its_permissions(
    tmp_path: Path, kind: str, folder: str
) -> None:
    file = tmp_path / folder / "file"
    file.parent.mkdir(parents=True)
    if kind == "a FIFO":
        os.mkfifo(file)
    else:
        file.write_bytes(b"\xff" * 9)
    with pytest.raises(BakeryError) as caught, disk_full(tmp_path / "cache" / "bases" / "x"):
        read_regular(file, 8) if kind == "too large" else read_text(file)
    assert str(file) in caught.value.message and "replace it" in caught.value.hint
    assert not re.search("permissions|writable", caught.value.hint)
    with pytest.raises(OSError, match="expected") as error:
        read_regular(file, 8) if kind == "too large" else read_text(file)
    assert caught.value.hint in str(describe(error.value))


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EIO, "disk"), (errno.EMFILE, "ulimit -n"), (errno.ENOENT, "path")]
)
def test_an_error_of_the_operating_system_has_advice_for_its_number(number: int, advice: str) -> None:
    assert advice in str(describe(OSError(number, os.strerror(number), "/x"))).partition("\n")[2]


def test_relative_path_has_a_file_system_too() -> None:
    assert "of . (" in no_space(Path("not/there")).message


@pytest.mark.parametrize(
    ("files", "free", "expected"),
    [(40, 0, "(4.0 GB and no inodes free)"), (40, 1, "(4.0 GB free)"), (0, 0, "(4.0 GB free)")],
)
def test_a_file_system_without_free_inodes_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, free: int, expected: str
) -> None:
    size = {"f_blocks": 4_000_000, "f_bfree": 4_000_000, "f_bavail": 4_000_000, "f_frsize": 1000}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**size, f_files=files, f_favail=free))
    assert expected in no_space(tmp_path).message


def test_digest_covers_all_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("make", [staged_folder, staged_file])
def test_content_is_on_the_disk_before_and_after_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Records the calls, because a test cannot cut the power."""
    calls = list[str]()

    def record(module: Any, name: str) -> None:
        real = getattr(module, name)

        def recorded(target: Any, *more: Any) -> Any:
            path = Path(os.readlink(f"/dev/fd/{target}")) if isinstance(target, int) else Path(target)
            calls.append(f"{name} {'stage' if path.name.startswith('.') else path.name}")
            return real(target, *more)

        monkeypatch.setattr(module, name, recorded)

    for name in ("fsync", "replace", "rename"):
        record(os, name)
    with make(tmp_path / "cache" / "final") as stage:
        if isinstance(stage, Path):
            (stage / "file").write_text("content")
            (stage / "dangling").symlink_to("nowhere")
    before = ["fsync stage", "fsync file"] if make is staged_folder else ["fsync stage"]
    assert calls == [*before, "rename stage" if make is staged_folder else "replace stage", "fsync cache"]


def plant(kind: str, file: Path, elsewhere: Path) -> None:
    """Create something at ``file`` that is not a regular file."""
    makers = {
        "a symbolic link": lambda: file.symlink_to(elsewhere), "a FIFO": lambda: os.mkfifo(file),
        "a folder": file.mkdir, "a socket": lambda: os.mknod(file, stat.S_IFSOCK),
    }  # fmt: skip
    makers[kind]()


@pytest.mark.parametrize("kind", ["a symbolic link", "a FIFO", "a folder", "a socket"])
def test_lock_that_is_not_a_regular_file_is_refused_and_not_followed(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    plant(kind, tmp_path / "a.lock", victim)
    with pytest.raises(BakeryError, match=rf"a\.lock is {kind}: expected a regular file"):
        locked(tmp_path / "a.lock", "x", print).__enter__()
    assert victim.read_text() == "precious"


def test_link_created_at_the_last_moment_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "victim")
    monkeypatch.setattr(files, "require_type", lambda _: True)
    with pytest.raises(OSError, match="symbolic links"):
        locked(tmp_path / "a.lock", "x", print).__enter__()
    assert not (tmp_path / "victim").exists()


def test_folder_is_not_staged_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "final").symlink_to(tmp_path / "precious")
    with (
        pytest.raises(BakeryError, match="final is a symbolic link: expected a folder"),
        staged_folder(tmp_path / "final"),
    ):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["final", "precious"]


def test_a_thread_that_waits_for_a_lock_gives_up_when_the_process_is_interrupted(tmp_path: Path) -> None:
    with locked(tmp_path / "a.lock", "x", print), interruptible() as give_up, ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: locked(tmp_path / "a.lock", "x", lambda _: give_up()).__enter__())
        with pytest.raises(BakeryError, match="interrupted while another process was busy with x"):
            waiting.result(30)
    with locked(tmp_path / "a.lock", "x", lambda _: pytest.fail("still held")):
        pass


def test_a_sparse_file_is_not_read_for_its_digest(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as stream:
        stream.truncate(1 << 42)
    assert sha256_of(tmp_path / "x") == ""
    assert sha256_of(tmp_path / "x", largest=10) == ""
