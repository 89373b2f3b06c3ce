"""shared/base.sh: sources as in published images, and settings that are copied from a folder."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DEBIAN = """\
Types: deb
URIs: http://deb.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/new.pgp

Types: deb
URIs: http://deb.example/debian-security
Suites: trixie-security
Components: main contrib
Signed-By: /usr/share/keyrings/new.pgp
"""


def run(*command: str, before: str = "", **env: str) -> None:
    """Run shared/base.sh; ``before`` is shell code whose exported functions it sees."""
    script = f'{before}\nexec bash {ROOT}/shared/base.sh "$@"'
    subprocess.run(["bash", "-c", script, "sh", *command], check=True, env={"PATH": "/usr/sbin:/usr/bin:/bin"} | env)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system as mmdebstrap leaves it, reduced to the files that the script uses."""
    files = {
        "etc/apt/sources.list": "deb [signed-by=/host/key.gpg] http://deb.example/debian trixie main contrib\n"
        "deb [signed-by=/host/key.gpg] http://deb.example/debian trixie-updates main contrib\n"
        "deb [signed-by=/host/key.gpg] http://deb.example/debian-security trixie-security main contrib\n",
        "etc/apt/sources.list.d/x": "", "etc/apt/preferences.d/x": "", "etc/hostname": "host\n", "sbin/x": "",
        "usr/share/keyrings/new.pgp": "", "usr/share/keyrings/old.gpg": "",
        "usr/share/doc/a/copyright": "licence", "usr/share/doc/a/README": "", "usr/share/doc/a/changelog.gz": "",
        "usr/share/man/man1/a.1": "", "usr/share/locale/de/LC_MESSAGES/a.mo": "", "usr/share/locale/de/data": "",
        "dev/null": "", "var/lib/apt/lists/x": "", "var/cache/apt/x": "", "var/log/x": "",
        "var/lib/dpkg/status-old": "",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    return tmp_path / "root"


def test_sources_have_a_stanza_for_each_archive_and_the_first_keyring_of_the_base(root: Path) -> None:
    keyrings = [f"/usr/share/keyrings/{name}" for name in ("missing.pgp", "new.pgp", "old.gpg")]
    run("write_sources", str(root), "debian", *keyrings)
    assert (root / "etc/apt/sources.list.d/debian.sources").read_text() == DEBIAN
    assert not (root / "etc/apt/sources.list").exists()


def test_sources_are_not_signed_by_a_keyring_that_the_base_does_not_have(root: Path) -> None:
    run("write_sources", str(root), "debian", "/usr/share/keyrings/missing.pgp")
    text = (root / "etc/apt/sources.list.d/debian.sources").read_text()
    assert "Signed-By" not in text and text.count("Types: deb") == 2


def programs(folder: Path, **scripts: str) -> str:
    """A PATH whose first folder has fake programs debuerreotype-NAME with these scripts."""
    folder.mkdir()
    for name, script in scripts.items():
        (folder / f"debuerreotype-{name.replace('_', '-')}").write_text(f"#!/bin/bash -e\n{script}\n")
        (folder / f"debuerreotype-{name.replace('_', '-')}").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_debuerreotypes_public_sources_are_used(root: Path, tmp_path: Path) -> None:
    public = "deb http://public.example/debian $2 main\ndeb http://public.example/debian-security $2-security main"
    sources = f'wget asked && echo "# comment\n{public}" >"$2/etc/apt/sources.list"'.replace("$2 ", "trixie ")
    path = programs(
        tmp_path / "bin", init='mv "$MADE" "${@: -3:1}"', minimizing_config="", slimify="", tar='echo >"${@: -1}"',
        debian_sources_list=sources.replace("$2-", "trixie-"),
    )  # fmt: skip
    keyring = "/usr/share/keyrings/new.pgp"
    run("by_debuerreotype", str(root), str(tmp_path / "tar"), "trixie", keyring, PATH=path, SOURCE_DATE_EPOCH="1")
    text = (root / "etc/apt/sources.list.d/debian.sources").read_text()
    assert "deb.example" not in text and "comment" not in text
    assert text.count("URIs: http://public.example/debian") == 2 and text.count(f"Signed-By: {keyring}") == 2
    assert not (root / "etc/apt/sources.list").exists()


def test_mmdebstraps_public_sources_are_used_even_for_a_suite_that_it_does_not_know(root: Path, tmp_path: Path) -> None:
    (tmp_path / "tools/usr/bin").mkdir(parents=True)
    (tmp_path / "tools/usr/bin/mmdebstrap").write_text(
        "sub get_sourceslist_by_suite { my ($suite, $arch, $signed, $parts, $known) = @_;\n"
        '  return "deb$signed http://$arch.example/@{[keys %{$known->{ubuntu}}]} $suite $parts\\n"; }\n'
        "sub main { die }\nmain();\n\n__END__\n"
    )
    (root / "var/lib/dpkg/status").write_text("Package: a\nArchitecture: all\n\nPackage: dpkg\nArchitecture: arm64\n")
    run("sources_of_mmdebstrap", str(root), "trixie", "ubuntu", str(tmp_path / "tools"))
    text = (root / "etc/apt/sources.list").read_text()
    assert text == "deb http://arm64.example/trixie trixie main contrib\n"


def test_excluded_packages_get_a_negative_pin(root: Path) -> None:
    run("pin", str(root), "first", "second")
    text = (root / "etc/apt/preferences.d/bootstrap").read_text()
    assert text.count("Pin: release *\nPin-Priority: -1\n") == 2 and "Package: second\n" in text


def test_settings_of_a_folder_are_applied_and_the_tar_is_reproducible(root: Path, tmp_path: Path) -> None:
    # The fake chroot replaces dpkg-divert, which needs a whole system and root.
    settings, tars = tmp_path / "rootfs", [tmp_path / "1.tar", tmp_path / "2.tar"]
    shutil.copytree(ROOT / "ubuntu" / "rootfs", settings)
    for tar, mode in zip(tars, ("u=rwX,go=", "u=rwX,go=rX"), strict=True):
        subprocess.run(["chmod", "-R", mode, str(settings)], check=True)  # clones made under different umasks
        fake = f'chroot() {{ echo "$@" >{tmp_path}/diverted; }}; export -f chroot'
        run("by_folder", str(settings), str(root), str(tar), before=fake, SOURCE_DATE_EPOCH="1700000000")
    assert tars[0].read_bytes() == tars[1].read_bytes()
    assert (tmp_path / "diverted").read_text().endswith("dpkg-divert --quiet --local --rename --add /sbin/initctl\n")
    assert tars[0].stat().st_mtime == 1_700_000_000
    with tarfile.open(tars[0]) as tar:
        members = {member.name.removeprefix("./"): member for member in tar}
    for file in (path for path in settings.rglob("*") if path.is_file()):
        member = members[str(file.relative_to(settings))]
        assert member.size == file.stat().st_size and member.mode & 0o444 == 0o444
    assert members["usr/sbin/policy-rc.d"].mode & 0o111 and members["sbin/initctl"].mode & 0o111
    retained = {
        "usr/share/doc/a/copyright",
        "usr/share/doc/a/changelog.gz",
        "usr/share/locale/de/data",
        "usr/share/man/man1",
    }
    assert retained <= set(members)
    removed = {
        "usr/share/doc/a/README",
        "usr/share/man/man1/a.1",
        "usr/share/locale/de/LC_MESSAGES/a.mo",
        "etc/hostname",
    }
    caches = {"var/lib/apt/lists/x", "var/cache/apt/x", "var/log/x", "var/lib/dpkg/status-old", "dev/null"}
    assert not (removed | caches) & set(members)
