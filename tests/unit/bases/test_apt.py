"""The package archive of the host, as its apt reports it."""

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
    """Fakes a host: its codename, and the output of its `apt-get indextargets`."""

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


def test_mirror_is_that_of_the_host_release(host: Callable[[str, str], None]) -> None:
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
def test_release_may_be_configured_by_its_alias(host: Callable[[str, str], None], alias: str) -> None:
    host("bookworm", BOOKWORM.replace("bookworm", alias))
    assert set(host_mirror().uris) == {"", "-updates", "-security"}
    assert host_mirror().codename == "bookworm"


def test_archive_without_security_suite_is_enough(host: Callable[[str, str], None]) -> None:
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
def test_third_party_repositories_are_ignored(host: Callable[[str, str], None], line: str) -> None:
    host("bookworm", BOOKWORM)
    expected = host_mirror()
    host("bookworm", f"{line}\n{BOOKWORM}")
    assert host_mirror() == expected


def test_first_of_several_mirrors_is_used(host: Callable[[str, str], None]) -> None:
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
def test_missing_archive_error_says_where_to_configure_it(
    host: Callable[[str, str], None], codename: str, listing: str
) -> None:
    host(codename, listing)
    with pytest.raises(AptError, match="apt's sources have no archive") as caught:
        host_mirror()
    assert (codename or "unknown") in caught.value.message
    assert "/etc/apt/sources.list" in caught.value.hint


@pytest.mark.parametrize("origin", ["", " Debian"])
@pytest.mark.parametrize(
    "line", ["Packages bookworm https://download.docker.example/linux/debian", "Packages stable https://brave.example"]
)
def test_vendor_repository_with_the_same_suite_name_is_ignored(
    host: Callable[[str, str], None], line: str, origin: str
) -> None:
    known = "".join(f"{entry}{origin}\n" for entry in BOOKWORM.splitlines())
    host("bookworm", f"{line}{' Vendor' if origin else ''}\n{known}")
    assert host_mirror().uris[""] == "http://deb.example/debian"


def test_sources_cover_every_configured_part_of_a_suite(archive: Archive, tmp_path: Path) -> None:
    mirror = Mirror("bookworm", {"": "http://a/debian", "-security": "http://b/sec"})
    assert mirror.sources("trixie", archive) == [
        "deb http://a/debian trixie main", "deb http://b/sec trixie-security main",
    ]  # fmt: skip


def test_sources_use_the_first_keyring_on_the_host(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "there.gpg").touch()
    keyrings = (str(tmp_path / "missing.pgp"), str(tmp_path / "there.gpg"))
    signed = dataclasses.replace(archive, keyrings=keyrings, components=("main", "universe"))
    assert Mirror("x", {"": "http://a"}).sources("noble", signed) == [
        f"deb [signed-by={tmp_path}/there.gpg] http://a noble main universe"
    ]


def test_host_is_identified_by_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_CODENAME="bookworm"\n# ID=x\n'
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert (apt.host_id(), apt.host_codename()) == ("debian", "bookworm")


def test_host_without_os_release_has_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert (apt.host_id(), apt.host_codename()) == ("", "")


def test_missing_tool_is_reported(tmp_path: Path) -> None:
    with pytest.raises(AptError, match="no-such-tool is not installed") as caught:
        apt.run(["no-such-tool"])
    assert "Debian or Ubuntu" in caught.value.hint


def test_failing_tool_is_reported_with_the_end_of_its_output() -> None:
    script = "import sys; print('E: second'); print('W: first\\nE: first', file=sys.stderr); sys.exit(3)"
    with pytest.raises(AptError, match=r"^python\S* failed: E: first E: second$"):
        apt.run([sys.executable, "-c", script])
    with pytest.raises(AptError, match="failed: b c d"):
        apt.run([sys.executable, "-c", "import sys; sys.stderr.write('a\\nb\\n\\nc\\nd\\n'); sys.exit(1)"])


def test_tools_run_in_english_and_noninteractively() -> None:
    script = (
        "import os, sys; print(os.environ['LC_ALL'], os.environ['DEBIAN_FRONTEND'], os.environ['X'], sys.stdin.read())"
    )
    assert apt.run([sys.executable, "-c", script], env={"X": "y"}) == "C noninteractive y \n"


def test_private_apt_writes_only_into_its_folder(tmp_path: Path) -> None:
    private = PrivateApt(tmp_path / "apt", ["deb http://a trixie main"])
    text = (tmp_path / "apt" / "apt.conf").read_text()
    assert private.env == {"APT_CONFIG": str(tmp_path / "apt" / "apt.conf")}
    for key in ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourcelist"):
        assert f'{key} "{tmp_path}/apt' in text
    assert 'Dir::Etc::sourceparts "/dev/null"' in text
    assert (tmp_path / "apt" / "sources.list").read_text() == "deb http://a trixie main\n"


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("docker.io:\n  Installed: (none)\n  Candidate: 26.1.5+dfsg1-9\n  Version table:\n", "26.1.5+dfsg1-9"),
        ("docker.io:\n  Installed: (none)\n  Candidate: (none)\n", ""),
        ("", ""),
    ],
)
def test_candidate_is_the_version_that_apt_would_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, version: str
) -> None:
    monkeypatch.setattr(apt, "run", lambda *_, **__: output)
    assert PrivateApt(tmp_path, []).candidate("docker.io") == version
