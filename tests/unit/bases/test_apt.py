"""The host's package archive, as its apt reports it, and private apts."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import apt
from bakery.bases.apt import AptError, Mirror, PrivateApt, host_mirror
from bakery.catalog.distributions import Archive
from bakery.catalog.models import Catalog
from bakery.errors import BakeryError
from tests.unit.sources.forge_openpgp import Key

BOOKWORM = """\
Packages bookworm http://deb.example/debian/
Translations bookworm http://deb.example/debian/
Packages bookworm http://deb.example/debian/
Packages bookworm-updates http://deb.example/debian/
Packages bookworm-security http://security.example/debian-security/
"""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Fakes a host: its codename, and the output of its `apt-get indextargets`.

    ``listing`` has the lists that apt has downloaded, ``configured`` the lists of all its sources, by default the same.
    """

    def fake(codename: str, listing: str, configured: str = "") -> None:
        def fake_run(command: list[str], **_: object) -> str:
            if command[0] == "apt-config":
                return f"lists='{tmp_path}/lists/'\n"
            assert command[:2] == ["apt-get", "indextargets"]
            return configured if configured and "--no-release-info" in command else listing

        monkeypatch.setattr(apt, "run", fake_run)
        monkeypatch.setattr(apt, "host_codename", lambda: codename)
        monkeypatch.setattr(apt, "host_id", lambda: "debian")

    return fake


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt")
def test_a_real_apt_reports_which_lists_were_downloaded_and_their_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, sources, settings = tmp_path / "lists", tmp_path / "sources.list", tmp_path / "apt.conf"
    lists.mkdir()
    sources.write_text(
        "".join(f"deb http://deb.example/debian bookworm{suffix} main\n" for suffix in ("", "-updates", "-security"))
    )
    settings.write_text(
        f'Dir::State::lists "{lists}";\nDir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n'
    )
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout
    packages = gzip.compress(b"Package: hello\nVersion: 1\nArchitecture: all\nFilename: a.deb\nSize: 1\n\n")
    for suite, name in (("bookworm", "InRelease"), ("bookworm-updates", "Release")):
        start = f"{lists}/deb.example_debian_dists_{suite}_"
        Path(f"{start}{name}").write_text(f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\n")
        Path(f"{start}main_binary-{architecture.strip()}_Packages.gz").write_bytes(packages)
    monkeypatch.setenv("APT_CONFIG", str(settings))
    monkeypatch.setattr(apt, "host_codename", lambda: "bookworm")
    uri = "http://deb.example/debian"
    assert apt._index_targets("bookworm", downloaded=True) == [("", uri, "Debian"), ("-updates", uri, "Debian")]
    assert host_mirror() == Mirror("bookworm", dict.fromkeys(("", "-updates", "-security"), uri))
    form = "$(CREATED_BY) $(RELEASE) $(REPO_URI) $(ORIGIN)"
    assert apt.run(["apt-get", "indextargets", "--format", form]).splitlines() == [
        f"Packages bookworm{suffix} {uri}/ Debian" for suffix in ("", "-updates")
    ], "apt reports the same for the real lists"


@pytest.fixture
def archive(catalog: Catalog) -> Archive:
    return dataclasses.replace(catalog.families[0].archive, keyrings=())


def test_mirror_of_the_host_release_is_used(host: Callable[[str, str], None]) -> None:
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


@pytest.mark.parametrize("downloaded", [range(0), range(1), range(3), range(4), range(4, 5), range(5)])
def test_all_suites_are_used_however_many_of_their_lists_were_downloaded(
    host: Callable[..., None], downloaded: range
) -> None:
    host("bookworm", BOOKWORM)
    expected = host_mirror()
    lines = BOOKWORM.splitlines()
    listing = "".join(f"{lines[number]} Debian\n" for number in downloaded)
    vendor = "Packages bookworm https://download.docker.example/linux/debian"
    host("bookworm", listing, f"{vendor} $(ORIGIN)\n" + "".join(f"{line} $(ORIGIN)\n" for line in lines))
    assert host_mirror() == expected
    host("bookworm", f"{vendor} Docker\n{listing}", f"{vendor}\n{BOOKWORM}")
    assert host_mirror() == expected


def test_a_suite_whose_list_another_server_signs_is_used(host: Callable[..., None]) -> None:
    lines = BOOKWORM.splitlines()
    host(
        "bookworm", "".join(f"{line} {'Artifactory' if 'security' in line else 'Debian'}\n" for line in lines), BOOKWORM
    )
    assert set(host_mirror().uris) == {"", "-updates", "-security"}


def test_a_disc_and_a_vendor_are_not_the_mirror_if_only_the_vendors_list_was_downloaded(
    host: Callable[..., None],
) -> None:
    vendor, disc = "Packages bookworm https://download.docker.example", "Packages bookworm cdrom:[Debian"
    configured = f"{disc} $(ORIGIN)\n{vendor} $(ORIGIN)\nPackages bookworm http://deb.example/debian $(ORIGIN)\n"
    host("bookworm", f"{vendor} Docker\n", configured)
    assert host_mirror().uris == {"": "http://deb.example/debian"}


def test_the_login_of_a_repository_that_is_not_used_is_not_stored(
    host: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "LOGINS", {})
    known = "".join(f"{line} Debian\n" for line in BOOKWORM.splitlines())
    host("bookworm", known, f"Packages bookworm https://me:secret@vendor.example/debian $(ORIGIN)\n{known}")
    assert host_mirror().uris[""] == "http://deb.example/debian" and apt.LOGINS == {}


def test_the_hosts_logins_need_not_be_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.conf").write_bytes(b"machine a login b password \xe9\n")
    monkeypatch.setattr(apt, "HOSTS_LOGINS", tmp_path / "hosts.conf")
    monkeypatch.setattr(apt, "LOGINS", {"http://h/x": "http://me:p%C3%A9@h/x"})
    assert apt.write_logins(tmp_path / "auth.conf")
    written = (tmp_path / "auth.conf").read_bytes()
    assert written == "machine http://h/x login me password p\u00e9\n".encode() + b"machine a login b password \xe9\n"


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


def test_sources_cover_every_configured_part_of_a_suite(archive: Archive) -> None:
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


def test_expired_lists_are_accepted_from_a_snapshot_and_from_no_other_archive(archive: Archive) -> None:
    mirror = Mirror("bookworm", {"": "http://a/debian/20250520T000000Z", "-security": "http://b/debian-security"})
    assert mirror.sources("bookworm", archive) == [
        "deb [check-valid-until=no] http://a/debian/20250520T000000Z bookworm main",
        "deb http://b/debian-security bookworm-security main",
    ]


def test_host_is_identified_by_os_release(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_CODENAME="bookworm"\n# ID=x\n'
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert (apt.host_id(), apt.host_codename()) == ("debian", "bookworm")


def test_host_without_os_release_has_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert (apt.host_id(), apt.host_codename()) == ("", "")


def test_missing_tool_is_reported() -> None:
    with pytest.raises(AptError, match="no-such-tool is not installed") as caught:
        apt.run(["no-such-tool"])
    assert "Debian or Ubuntu" in caught.value.hint


def test_failing_tool_is_reported_with_the_end_of_its_output() -> None:
    script = "import sys; print('E: second'); print('W: first\\nE: first', file=sys.stderr); sys.exit(3)"
    with pytest.raises(AptError, match=r"^python\S* failed: E: first E: second$"):
        apt.run([sys.executable, "-c", script])
    with pytest.raises(AptError, match="failed: c d exit code 1"):
        apt.run([sys.executable, "-c", "import sys; sys.stderr.write('a\\nb\\n\\nc\\nd\\n'); sys.exit(1)"])


def test_tools_run_in_english_and_noninteractively() -> None:
    script = (
        "import os, sys; print(os.environ['LC_ALL'], os.environ['DEBIAN_FRONTEND'], os.environ['X'], sys.stdin.read())"
    )
    assert apt.run([sys.executable, "-c", script], env={"X": "y"}) == "C noninteractive y \n"


@pytest.mark.parametrize("mask", [0o077, 0o002])
def test_files_that_tools_write_do_not_depend_on_the_users_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        apt.run(["sh", "-c", "echo x >debian.sources; mkdir lists"], cwd=tmp_path)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("debian.sources", "lists")] == [0o644, 0o755]


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


def test_a_library_that_was_renamed_for_64_bit_times_is_found_by_its_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = list[list[str]]()

    def run(command: list[str], **options: Any) -> str:
        commands.append(command)
        for name in command[2:] if command[1] == "download" else ():
            (options["cwd"] / f"{name}.deb").touch()
        return "x:\n  Candidate: 5.38\n" if command[-1] in ("libperl5.38t64", "mmdebstrap", "mmdebstrapt64") else ""

    monkeypatch.setattr(apt, "run", run)
    PrivateApt(tmp_path, []).unpack(["mmdebstrap", "libperl5.38", "missing"], tmp_path / "into")
    assert ["apt-get", "download", "mmdebstrap", "libperl5.38t64", "missing"] in commands


RELAXED = """\
APT::Get::AllowUnauthenticated "true";
Acquire::AllowInsecureRepositories "true";
Acquire::AllowWeakRepositories "true";
Acquire::AllowDowngradeToInsecureRepositories "true";
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
Acquire::Min-ValidTime "999999999";
APT::Update::Post-Invoke {"touch @HOOK@";};
Acquire::http::Proxy "http://proxy.example:3128";
"""
UPDATE = """
import sys
from pathlib import Path
from bakery.bases.apt import AptError, PrivateApt
private = PrivateApt(Path(sys.argv[1]), [sys.argv[2]])
try:
    private.update()
except AptError as error:
    print(error)
else:
    print("accepted:", private.candidate("hello"))
"""


class FileArchive:
    """A package archive in a folder, as apt reads it from file: addresses, with one key that may sign it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key, self.keyring = folder, Key(), folder / "key.asc"
        self.keyring.parent.mkdir(parents=True)
        self.keyring.write_bytes(self.key.public())

    def publish(self, *, digest: str = "SHA512", days: int = 1, key: Key | None = None, origin: str = "Test") -> None:
        """Write its package list and sign it by ``digest``; the list is valid for ``days`` from now."""
        packages = b"Package: hello\nVersion: 1\nArchitecture: all\nFilename: hello.deb\nSize: 1\nSHA256: 00\n"
        (self.folder / "Packages").write_bytes(packages)
        now = datetime.now(UTC)
        day = "%a, %d %b %Y %H:%M:%S UTC"
        release = (
            f"Origin: {origin}\nSuite: test\nDate: {now - timedelta(days=9):{day}}\n"
            f"Valid-Until: {now + timedelta(days=days):{day}}\n"
            f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
        ).encode()
        (self.folder / "Release").write_bytes(release)
        if digest:
            (self.folder / "Release.gpg").write_bytes((key or self.key).sign(release, digest=digest))

    def update(self, root: Path, host: str, options: str = "") -> str:
        """Output of a private apt's update on a host whose apt.conf.d and $APT_CONFIG have the settings ``host``."""
        settings = self.folder.parent / "apt.conf.d"
        settings.mkdir(exist_ok=True)
        (settings / "99host").write_text(host)
        line = f"deb [signed-by={self.keyring}{options}] file:{self.folder} ./"
        command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
        mount = 'mount --bind "$0" /etc/apt/apt.conf.d && exec "$@"'
        program = [sys.executable, "-c", UPDATE, str(self.folder.parent / "private"), line]
        environment = {**os.environ, "APT_CONFIG": str(settings / "99host"), "PYTHONPATH": str(root)}
        done = subprocess.run(
            [*command, mount, str(settings), *program], env=environment, capture_output=True, text=True, check=False
        )
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"cannot replace the host's settings: {done.stderr}")
        return done.stdout + done.stderr


@pytest.fixture
def published(tmp_path: Path) -> FileArchive:
    if not (shutil.which("apt-get") and shutil.which("unshare")):
        pytest.skip("needs apt and unshare")
    return FileArchive(tmp_path / "archive")


def test_signed_archive_is_accepted_by_a_real_apt(published: FileArchive, root: Path) -> None:
    published.publish()
    assert published.update(root, "") == "accepted: 1\n"


@pytest.mark.parametrize(
    ("release", "problem"),
    [
        ({"digest": ""}, "is not signed"),
        ({"key": Key()}, "is not signed"),
        ({"digest": "SHA1"}, "is not signed"),
        ({"days": -2}, "is expired"),
    ],
    ids=["unsigned", "another key", "weak digest", "expired"],
)
def test_host_policy_does_not_relax_verification(
    published: FileArchive, root: Path, tmp_path: Path, release: dict[str, Any], problem: str
) -> None:
    published.publish(**release)
    assert problem in published.update(root, RELAXED.replace("@HOOK@", str(tmp_path / "hook")))
    assert not (tmp_path / "hook").exists()
    conf = (tmp_path / "private" / "apt.conf").read_text()
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in conf


def test_a_mirror_that_another_one_has_replaced_is_accepted_whatever_was_downloaded_before(
    published: FileArchive, root: Path
) -> None:
    for origin in ("Test", "Other"):
        published.publish(origin=origin)
        assert published.update(root, "") == "accepted: 1\n"


def test_expired_list_is_accepted_if_its_line_allows_it(published: FileArchive, root: Path) -> None:
    published.publish(days=-2)
    assert published.update(root, "", " check-valid-until=no") == "accepted: 1\n"


PRIVATE = "".join(
    f"Packages bookworm{suffix} http://n%40me:S3cr%2Fet@deb.example:8080/debian\n" for suffix in ("", "-updates")
)


@pytest.fixture
def private(host: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """The mirror of a host whose apt sources contain a login, and that has another one in auth.conf."""
    (tmp_path / "hosts.conf").write_text("machine other.example login a password b\n")
    monkeypatch.setattr(apt, "HOSTS_LOGINS", tmp_path / "hosts.conf")
    monkeypatch.setattr(apt, "LOGINS", {})
    host("bookworm", PRIVATE)
    return host_mirror()


def test_packages_that_apt_did_not_download_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = PrivateApt(tmp_path / "apt", [])
    monkeypatch.setattr(apt, "run", lambda *_, **__: "")
    with pytest.raises(AptError, match=r"apt-get downloaded 0 of 1 packages"):
        private.unpack(["docker.io"], tmp_path)


@pytest.mark.parametrize("name", ["sources.list", "apt.conf", "status", "lists/x_InRelease", "cache/pkgcache.bin"])
def test_a_fifo_in_the_state_of_a_private_apt_is_refused_by_name(tmp_path: Path, name: str) -> None:
    PrivateApt(tmp_path, [])
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(BakeryError, match=f"{name} is a FIFO: expected a regular file"):
        PrivateApt(tmp_path, [])


@pytest.mark.parametrize("name", ["sources.list", "apt.conf", "status"])
def test_a_link_in_the_state_of_a_private_apt_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt" / name).symlink_to(tmp_path / "victim")
    with pytest.raises(BakeryError, match=f"{name} is a symbolic link"):
        PrivateApt(tmp_path / "apt", ["deb http://a trixie main"])
    assert (tmp_path / "victim").read_text() == "precious"


def test_logins_of_the_hosts_sources_are_in_no_list_of_sources(private: Mirror, archive: Archive) -> None:
    assert private.uris == dict.fromkeys(("", "-updates"), "http://deb.example:8080/debian")
    assert "S3cr" not in repr(private)
    assert private.sources("trixie", archive)[0] == "deb http://deb.example:8080/debian trixie main"
    assert apt.with_login(f"{private.uris['']}/pool/x") == "http://n%40me:S3cr%2Fet@deb.example:8080/debian/pool/x"
    assert apt.with_login("http://other.example/debian") == "http://other.example/debian"


@pytest.mark.usefixtures("private")
def test_a_private_apt_reads_logins_from_a_file_that_only_its_owner_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "run", lambda _: 'Acquire::http::Proxy "http://name:password@proxy.example";')
    private = PrivateApt(tmp_path / "apt", [])
    logins = tmp_path / "apt/auth.conf"
    assert logins.read_text().splitlines() == [
        "machine http://deb.example:8080/debian login n@me password S3cr/et",
        "machine other.example login a password b",
    ]
    assert [file.stat().st_mode & 0o777 for file in (logins, tmp_path / "apt/apt.conf")] == [0o600, 0o600]
    assert f'Dir::Etc::netrc "{logins}";' in Path(private.env["APT_CONFIG"]).read_text()
    apt.LOGINS.clear()
    PrivateApt(tmp_path / "apt", [])
    assert not logins.exists()


@pytest.mark.usefixtures("private")
def test_a_download_by_apt_has_no_login_among_its_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def fake_run(command: list[str]) -> str:
        (option,) = [word for word in command if "netrc" in word]
        seen.append(Path(option.partition("=")[2]).read_text())
        assert "S3cr" not in " ".join(command)
        return ""

    monkeypatch.setattr(apt, "run", fake_run)
    apt.download("http://deb.example:8080/debian/pool/x", tmp_path / "x", "0" * 64)
    assert "password S3cr/et" in seen[0]
    assert not [file for file in tmp_path.iterdir() if "auth" in file.name]


def test_a_login_is_not_for_a_host_whose_name_begins_like_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "LOGINS", {"http://deb.example": "http://me:secret@deb.example"})
    assert apt.with_login("http://deb.example/pool/x") == "http://me:secret@deb.example/pool/x"
    for other in ("http://deb.example.org/pool/x", "http://deb.example:8080/x"):
        assert apt.with_login(other) == other


@pytest.mark.parametrize(
    ("suite", "release", "accepted"),
    [
        ("bookworm", "Suite: oldstable\nCodename: bookworm\n", True),
        ("noble-security", "Suite: noble-security\nCodename: noble\n", True),
        ("nodistro", "Origin: a vendor that names no suite\n", True),
        ("bookworm", "Suite: testing\nCodename: trixie\n", False),
        ("bookworm-security", "Suite: stable-security\nCodename: trixie-security\n", False),
    ],
)
@pytest.mark.parametrize("name", ["InRelease", "Release"])
def test_a_list_of_another_release_is_refused_although_its_signature_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, release: str, accepted: bool, name: str
) -> None:
    monkeypatch.setattr(apt, "run", lambda *_, **__: "")
    private = PrivateApt(tmp_path, [])
    (tmp_path / "lists" / f"deb.example_debian_dists_{suite}_{name}").write_text(release)
    problem = pytest.raises(AptError, match=f"the mirror has another release as {suite}: .* trixie")
    with nullcontext() if accepted else problem:
        private.update()


def test_the_error_says_why_a_signature_was_refused_or_how_a_tool_crashed() -> None:
    with pytest.raises(AptError, match=r"failed: W: GPG error: expired E: not signed$"):
        apt.run(["sh", "-c", "echo W: other >&2; echo W: GPG error: expired >&2; echo E: not signed >&2; exit 100"])
    with pytest.raises(AptError, match=r"failed: FATAL -> Failed to fork\.$"):
        apt.run(["sh", "-c", "echo Get:1; echo 'FATAL -> Failed to fork.' >&2; exit 100"])
    with pytest.raises(AptError, match=r"failed: Reading package lists\.\.\. exit code -6$"):
        apt.run(["sh", "-c", "echo Reading package lists...; kill -ABRT $$"])


def test_a_list_that_is_damaged_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    digest = hashlib.sha256(b"whole").hexdigest()
    text = "".join(f" {digest} 5 main/{name}\n" for name in ("a/Packages", "b/Packages", "source/Sources"))
    (lists / "host_dists_x_InRelease").write_text(f"SHA256:\n{text}")
    for name, data in (("main_a_Packages", b"who"), ("main_b_Packages", b"whole"), ("other", b"")):
        (lists / f"host_dists_x_{name}").write_bytes(data)
    private = object.__new__(apt.PrivateApt)
    private.folder, private.env = tmp_path, {}
    monkeypatch.setattr(apt, "run", lambda *_, **__: "")
    private.update()
    names = {file.name.removeprefix("host_dists_x_") for file in lists.iterdir()}
    assert names == {"InRelease", "main_b_Packages", "other"}
