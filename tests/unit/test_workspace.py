"""Root uses no cache that another user could have put programs into."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bakery.errors import InputError
from bakery.process import prepare
from bakery.workspace import find_workspace, require_own_cache

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cache of root's in a folder like /tmp."""
    (tmp_path / "tmp" / "home" / "tools").mkdir(parents=True)
    (tmp_path / "tmp").chmod(0o1777)
    return tmp_path / "tmp" / "home"


FAULTS = {
    "another user's": (lambda home: os.chown(home, 1000, 1000), "home belongs to user 1000"),
    "a subfolder of another user": (lambda home: os.chown(home / "tools", 1000, 0), "tools belongs to user 1000"),
    "a link of another user": (
        lambda home: ((home / "engine").symlink_to("x"), os.lchown(home / "engine", 1000, 0)),
        "engine belongs to user 1000",
    ),
    "for all": (lambda home: home.chmod(0o777), r"home may be changed by other users \(mode 777\)"),
    "for all, like /tmp": (lambda home: home.chmod(0o1777), r"may be changed by other users \(mode 1777\)"),
    "for a group": (lambda home: (os.chown(home, 0, 1000), home.chmod(0o775)), r"other users \(mode 775\)"),
    "a subfolder for all": (lambda home: (home / "tools").chmod(0o777), r"tools may be changed by other users"),
    "replaceable": (lambda home: home.parent.chmod(0o777), r"tmp may be changed by other users \(mode 777\)"),
}


def test_a_tilde_in_the_name_of_the_cache_is_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_workspace(tmp_path, {"BAKERY_HOME": "~/x"}).home == tmp_path / "x"
    assert find_workspace(tmp_path, {"XDG_CACHE_HOME": "~/c"}).home == tmp_path / "c" / "infra7-python"


@pytest.mark.parametrize(("mask", "mode"), [(0o000, 0o755), (0o002, 0o755), (0o077, 0o700), (0o777, 0o700)])
def test_the_cache_is_made_for_one_user_whatever_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before, home = os.umask(mask), tmp_path / "home"
    try:
        prepare()
        (home / "engine").mkdir(parents=True)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "engine")] == [mode] * 2


@pytest.mark.parametrize("character", ['"', ":", ",", "@", "\\", "\n", "\udcff"])
def test_cache_whose_name_has_a_character_that_programs_would_interpret_is_refused(
    tmp_path: Path, character: str
) -> None:
    folder, link = tmp_path / f"a{character}b", tmp_path / "link"
    link.symlink_to(folder)
    for home in (folder, folder / "infra7-python", link):
        with pytest.raises(InputError, match="the name of the cache") as raised:
            require_own_cache(home)
        assert repr(character) in raised.value.message and "BAKERY_HOME" in raised.value.hint
    require_own_cache(tmp_path / "a b=c;d'é")


def test_a_file_is_not_used_as_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is not a folder"):
        require_own_cache(tmp_path / "file")


@root_only
def test_cache_of_root_alone_is_used(home: Path) -> None:
    (home / "link").symlink_to("tools")
    require_own_cache(home)
    require_own_cache(home / "missing")


@root_only
@pytest.mark.parametrize("fault", FAULTS)
def test_cache_that_others_may_change_is_refused_for_root(home: Path, fault: str) -> None:
    spoil, problem = FAULTS[fault]
    spoil(home)
    with pytest.raises(InputError, match=problem) as caught:
        require_own_cache(home)
    assert "BAKERY_HOME=FOLDER" in caught.value.hint and f"chown -R root:root {home}" in caught.value.hint


@root_only
@pytest.mark.parametrize("other", ["", "photos", ".ssh"])
def test_the_hint_names_chown_only_for_a_folder_without_other_files(root: Path, home: Path, other: str) -> None:
    home.chmod(0o777)
    own = "apt bases bench engine environments layers published python python.apt sources tests tools authorities.pem"
    for name in (*own.split(), "environments.lock", ".authorities.pem.x.partial", *filter(None, [other])):
        (home / name).mkdir(exist_ok=True)
    with pytest.raises(InputError) as caught:
        require_own_cache(home)
    inv, environment = [str(root / "inv"), "--list"], {**os.environ, "BAKERY_HOME": str(home)}
    done = subprocess.run(inv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for hint in (caught.value.hint, done.stderr):
        assert "Use another cache: BAKERY_HOME=FOLDER." in hint
        assert ("chown -R root:root" in hint) == (not other)


def test_an_ordinary_users_cache_is_not_checked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home.chmod(0o777)
    require_own_cache(home)


@root_only
@pytest.mark.parametrize("fault", ["another user's", "for all", "for a group"])
def test_script_that_makes_the_environment_refuses_it_too(root: Path, home: Path, fault: str) -> None:
    FAULTS[fault][0](home)
    (home / "environments").mkdir()
    done = subprocess.run(
        [str(root / "inv"), "--list"], env={**os.environ, "BAKERY_HOME": str(home)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2 and f"another user may change {home}" in done.stderr
    assert list((home / "environments").iterdir()) == []


@root_only
def test_a_temporary_file_of_another_command_may_disappear_during_the_check(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([path / ".authorities.pem.x1y2z3"]))
    require_own_cache(home)
