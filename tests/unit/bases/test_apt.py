"""The host's own package archive, read from what its apt says."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.bases import apt
from bakery.bases.apt import AptError, Mirror, PrivateApt, host_mirror
from bakery.catalog.distributions import Archive
from bakery.catalog.models import Catalog

BOOKWORM = """\
Packages bookworm http://deb.example/debian/
Translations bookworm http://deb.example/debian/
Packages bookworm http://deb.example/debian/
Packages bookworm-updates http://deb.example/debian/
Packages bookworm-security http://security.example/debian-security/
"""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a fake host in place: its codename, and what its `apt-get indextargets` prints."""

    def put(codename: str, listing: str) -> None:
        def fake_run(command: list[str], **_: object) -> str:
            assert command[:2] == ["apt-get", "indextargets"]
            return listing

        monkeypatch.setattr(apt, "run", fake_run)
        monkeypatch.setattr(apt, "host_codename", lambda: codename)

    return put


@pytest.fixture
def archive(catalog: Catalog) -> Archive:
    return dataclasses.replace(catalog.families[0].archive, keyrings=())


def test_the_mirror_is_the_one_of_the_hosts_own_release(host: Callable[[str, str], None]) -> None:
    host("bookworm", BOOKWORM)
    assert host_mirror() == Mirror(
        "bookworm",
        {
            "": "http://deb.example/debian",
            "-updates": "http://deb.example/debian",
            "-security": "http://security.example/debian-security",
        },
    )


@pytest.mark.parametrize("alias", ["stable", "oldstable", "testing", "unstable"])
def test_a_release_may_be_named_by_its_alias(host: Callable[[str, str], None], alias: str) -> None:
    host("bookworm", BOOKWORM.replace("bookworm", alias))
    assert set(host_mirror().uris) == {"", "-updates", "-security"}
    assert host_mirror().codename == "bookworm"


def test_an_archive_without_security_is_enough(host: Callable[[str, str], None]) -> None:
    host("forky", "Packages forky http://deb.example/debian\n")
    assert host_mirror().uris == {"": "http://deb.example/debian"}


@pytest.mark.parametrize(
    "line",
    [
        "Packages bookworm-pgdg http://apt.postgresql.example/pub",
        "Packages jammy http://other.example/ubuntu",
        "Packages nodistro https://deb.node.example",
        "Packages bookworm-backports http://backports.example/debian",
        "Packages / http://flat.example",
        "Sources bookworm http://sources.example/debian",
        "",
    ],
)
def test_what_others_serve_is_ignored(host: Callable[[str, str], None], line: str) -> None:
    host("bookworm", BOOKWORM)
    expected = host_mirror()
    host("bookworm", f"{line}\n{BOOKWORM}")
    assert host_mirror() == expected


def test_the_first_of_several_mirrors_is_taken(host: Callable[[str, str], None]) -> None:
    known = "".join(f"{line} Debian\n" for line in BOOKWORM.splitlines())
    host("bookworm", f"Packages bookworm http://near.example/debian Debian\n{known}")
    assert host_mirror().uris[""] == "http://near.example/debian"


@pytest.mark.parametrize(
    ("codename", "listing"),
    [
        ("bookworm", ""),
        ("bookworm", "Packages bookworm-security http://security.example\n"),
        ("bookworm", "Packages noble http://other.example\n"),
        ("", BOOKWORM),
        ("", "Packages / http://flat.example\nPackages\n"),
    ],
)
def test_without_an_archive_of_the_hosts_release_it_says_where_one_is_expected(
    host: Callable[[str, str], None], codename: str, listing: str
) -> None:
    host(codename, listing)
    with pytest.raises(AptError, match="apt's sources name no archive") as caught:
        host_mirror()
    assert (codename or "unknown") in caught.value.message
    assert "/etc/apt/sources.list" in caught.value.hint


@pytest.mark.parametrize("origin", ["", " Debian"])
@pytest.mark.parametrize(
    "line", ["Packages bookworm https://download.docker.example/linux/debian", "Packages stable https://brave.example"]
)
def test_a_vendors_repository_of_the_same_name_is_not_the_hosts_archive(
    host: Callable[[str, str], None], line: str, origin: str
) -> None:
    known = "".join(f"{entry}{origin}\n" for entry in BOOKWORM.splitlines())
    host("bookworm", f"{line}{' Vendor' if origin else ''}\n{known}")
    assert host_mirror().uris[""] == "http://deb.example/debian"


def test_the_sources_of_a_suite_are_all_that_the_host_has_of_it(archive: Archive, tmp_path: Path) -> None:
    mirror = Mirror("bookworm", {"": "http://a/debian", "-security": "http://b/sec"})
    assert mirror.sources("trixie", archive) == [
        "deb http://a/debian trixie main", "deb http://b/sec trixie-security main",
    ]  # fmt: skip


def test_the_sources_are_verified_by_the_first_keyring_that_the_host_has(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "there.gpg").touch()
    keyrings = (str(tmp_path / "missing.pgp"), str(tmp_path / "there.gpg"))
    signed = dataclasses.replace(archive, keyrings=keyrings, components=("main", "universe"))
    assert Mirror("x", {"": "http://a"}).sources("noble", signed) == [
        f"deb [signed-by={tmp_path}/there.gpg] http://a noble main universe"
    ]


def test_a_host_is_known_by_its_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_CODENAME="bookworm"\n# ID=x\n'
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert (apt.host_id(), apt.host_codename()) == ("debian", "bookworm")


def test_a_host_without_os_release_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert (apt.host_id(), apt.host_codename()) == ("", "")


def test_a_tool_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AptError, match="no-such-tool is not on this machine") as caught:
        apt.run(["no-such-tool"])
    assert "Debian or Ubuntu" in caught.value.hint


def test_a_tool_that_fails_is_told_with_its_last_words() -> None:
    script = "import sys; print('E: second'); print('W: first\\nE: first', file=sys.stderr); sys.exit(3)"
    with pytest.raises(AptError, match=r"^python\S* failed: E: first E: second$"):
        apt.run([sys.executable, "-c", script])
    with pytest.raises(AptError, match="failed: b c d"):
        apt.run([sys.executable, "-c", "import sys; sys.stderr.write('a\\nb\\n\\nc\\nd\\n'); sys.exit(1)"])


def test_a_tool_runs_in_english_and_without_questions() -> None:
    script = (
        "import os, sys; print(os.environ['LC_ALL'], os.environ['DEBIAN_FRONTEND'], os.environ['X'], sys.stdin.read())"
    )
    assert apt.run([sys.executable, "-c", script], env={"X": "y"}) == "C noninteractive y \n"


def test_a_private_apt_touches_nothing_outside_its_folder(tmp_path: Path) -> None:
    private = PrivateApt(tmp_path / "apt", ["deb http://a trixie main"])
    text = (tmp_path / "apt" / "apt.conf").read_text()
    assert private.env == {"APT_CONFIG": str(tmp_path / "apt" / "apt.conf")}
    for key in ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourcelist"):
        assert f'{key} "{tmp_path}/apt' in text
    assert 'Dir::Etc::sourceparts "/dev/null"' in text
    assert (tmp_path / "apt" / "sources.list").read_text() == "deb http://a trixie main\n"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("docker.io:\n  Installed: (none)\n  Candidate: 26.1.5+dfsg1-9\n  Version table:\n", "26.1.5+dfsg1-9"),
        ("docker.io:\n  Installed: (none)\n  Candidate: (none)\n", ""),
        ("", ""),
    ],
)
def test_the_candidate_is_what_apt_would_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, version: str
) -> None:
    monkeypatch.setattr(apt, "run", lambda *_, **__: said)
    assert PrivateApt(tmp_path, []).candidate("docker.io") == version
