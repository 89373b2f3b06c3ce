"""The base made from packages is the published image: the same files as debuerreotype's, and no larger."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bakery.bases import apt
from bakery.bases.base_images import BaseResolver
from bakery.catalog.models import Catalog, Target
from bakery.engine.buildx import BuildxOptions
from bakery.engine.engine import Engine
from bakery.net.build_secrets import users_network
from bakery.oci.layout import layout_digest
from bakery.platforms import host_platform
from bakery.workspace import Workspace

from .fixtures import ROOT, install_step

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent
COMPRESSED, ON_DISK = {"bookworm": 29_000_000, "trixie": 30_500_000}, 78_500_000
"""Limits in bytes. bookworm-slim of 2024-12-02 had 28,231,580 with gzip (docker-debian-artifacts f5527c9)."""
EXCLUDED = """\
/usr/share/doc/* /usr/share/doc/kde/HTML/*/* /usr/share/gnome/help/*/* /usr/share/info/* /usr/share/linda/*
/usr/share/lintian/overrides/* /usr/share/locale/* /usr/share/man/* /usr/share/omf/*/*-*.emf"""
INCLUDED = """\
/usr/share/doc/*/copyright /usr/share/doc/kde/HTML/C/* /usr/share/gnome/help/*/C/* /usr/share/locale/all_languages
/usr/share/locale/currency/* /usr/share/locale/l10n/* /usr/share/locale/languages /usr/share/locale/locale.alias
/usr/share/omf/*/*-C.emf"""

PROGRAMS = {
    "default-jre-headless": "java -version 2>&1 | grep OpenJDK",
    "postgresql-client": "psql --version && test -L /usr/share/man/man1/psql.1.gz",
    "groff": "printf '.TH A 1\\n.SH NAME\\nhello\\n' | groff -man -T ascii | grep hello",
}
"""Packages, and commands that test them. Each failed on a base without folders of manual pages, or without
/usr/share/groff."""


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.extended)])
def target(request: pytest.FixtureRequest, catalog: Catalog) -> Target:
    """A target whose published base is made by debuerreotype."""
    return next(target for target in catalog.targets if target.name == request.param)


@pytest.fixture(scope="module")
def layout(workspace: Workspace, catalog: Catalog, target: Target) -> Path:
    """The OCI layout of the target's base, made here or cached."""
    if os.geteuid() != 0 or apt.host_id() != "debian":
        pytest.skip("making a base needs root on Debian")
    base = BaseResolver(workspace, catalog).resolve(target, host_platform())
    if base.origin != "mmdebstrap":
        pytest.skip("the registry answers: the published base is used")
    return Path(base.context.removeprefix("oci-layout://").partition("@")[0])


@pytest.fixture(scope="module")
def layer(layout: Path) -> Path:
    """The only layer of the base."""
    manifest = json.loads((layout / "blobs" / layout_digest(layout).replace(":", "/")).read_text())
    return layout / "blobs" / manifest["layers"][0]["digest"].replace(":", "/")


@pytest.fixture(scope="module")
def published(
    workspace: Workspace, catalog: Catalog, target: Target, layer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tar that debuerreotype and debootstrap make from the same archive, cached for each base that is made here."""
    script = HERE / "published_base.sh"
    key = hashlib.sha256(layer.name.encode() + script.read_bytes()).hexdigest()[:16]
    tar = workspace.home / "published" / f"{target.name}-{key}.tar"
    if tar.exists():
        return tar
    if not shutil.which("wget"):
        pytest.skip("debootstrap needs wget")
    archive, mirror = catalog.family_of(target).archive, apt.host_mirror()
    keyring = apt.keyring_of(archive)
    assert keyring is not None
    folder = tmp_path_factory.mktemp("published")
    private = apt.PrivateApt(folder / "apt", mirror.sources(mirror.codename, archive))
    try:
        private.update()
        private.unpack(["debuerreotype", "debootstrap"], folder / "tools")
    except apt.AptError as error:
        pytest.skip(f"debuerreotype cannot be downloaded: {error.message}")
    names = [str(folder / name) for name in ("tools", "root", "rootfs.tar")]
    apt.run(["bash", str(script), *names, target.name, mirror.uris[""], keyring])
    tar.parent.mkdir(exist_ok=True)
    for old in tar.parent.glob(f"{target.name}-*"):
        old.unlink()
    shutil.move(folder / "rootfs.tar", tar)
    shutil.rmtree(folder)
    return tar


@functools.cache
def entries(tar: Path) -> dict[str, tuple[dict[str, Any], bytes]]:
    """The members of a tar by name: the properties that must be equal, and the content of files."""
    members = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            content = stream.read() if stream else b""
            owner = f"{member.uid}:{member.gid}"
            facts = {"type": member.type, "mode": oct(member.mode), "owner": owner, "link": member.linkname}
            members[member.name] = facts | {"sha256": hashlib.sha256(content).hexdigest()}, content
    return members


def paragraphs(content: bytes, ignored: str) -> list[str]:
    """The paragraphs of a file in a fixed order, without the lines that match ``ignored``."""
    lines = [line for line in content.decode().splitlines() if not re.fullmatch(ignored, line)]
    return sorted("\n".join(lines).split("\n\n"))


def excused(exception: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether the exception explains the whole difference of its file."""
    path = exception["path"]
    if exception["kind"] == "missing":
        return path not in ours and (path in theirs or exception.get("optional", False))
    if path not in ours or path not in theirs:
        return False
    (facts, content), (their_facts, their_content) = ours[path], theirs[path]
    ignored = exception.get("ignored", "(?!)")
    return (
        facts | {"sha256": ""} == their_facts | {"sha256": ""}
        and facts != their_facts
        and paragraphs(content, ignored) == paragraphs(their_content, ignored)
    )


@pytest.mark.extended
def test_base_is_what_debuerreotype_makes(target: Target, layer: Path, published: Path) -> None:
    ours, theirs = entries(layer), entries(published)
    assert len(theirs) > 3000
    exceptions = tomllib.loads((HERE / "base_exceptions.toml").read_text())["exceptions"]
    applying = [each for each in exceptions if target.name in each.get("targets", [target.name])]
    assert [each["path"] for each in applying if not excused(each, ours, theirs)] == []
    paths = {each["path"] for each in applying}
    names = sorted({*ours, *theirs} - paths)
    different = {name: (ours.get(name, ({},))[0], theirs.get(name, ({},))[0]) for name in names}
    assert {name: facts for name, facts in different.items() if facts[0] != facts[1]} == {}


def test_base_is_not_larger_than_the_published_image(target: Target, layer: Path) -> None:
    assert layer.stat().st_size <= COMPRESSED[target.name]
    assert sum(len(content) for _, content in entries(layer).values()) <= ON_DISK


def test_base_has_the_settings_of_slim_images(layer: Path) -> None:
    files = {name: content.decode() for name, (facts, content) in entries(layer).items() if "docker" in name}
    filters = files["etc/dpkg/dpkg.cfg.d/docker"]
    assert re.findall(r"(?m)^path-exclude (.*)", filters) == EXCLUDED.split()
    assert re.findall(r"(?m)^path-include (.*)", filters) == INCLUDED.split()
    assert "\nforce-unsafe-io\n" in files["etc/dpkg/dpkg.cfg.d/docker-apt-speedup"]
    settings = "".join(text for name, text in files.items() if name.startswith("etc/apt/apt.conf.d/"))
    for line in (
        'Apt::AutoRemove::SuggestsImportant "false";', 'Acquire::GzipIndexes "true";', 'Acquire::Languages "none";',
        'Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";',
    ):  # fmt: skip
        assert f"\n{line}\n" in settings
    assert len(re.findall(r"(?m)^(DPkg|APT::Update)::Post-Invoke \{ \"rm -f /var/cache/apt/archives/", settings)) == 2


def test_services_are_not_started_while_packages_are_installed(layer: Path) -> None:
    facts, content = entries(layer)["usr/sbin/policy-rc.d"]
    assert facts["mode"] == "0o755" and content.endswith(b"\nexit 101\n")


def test_base_has_folders_for_manual_pages_but_no_docs_caches_logs_or_host_data(layer: Path) -> None:
    members = entries(layer)
    # update-alternatives links manual pages of Java and PostgreSQL into them.
    assert {f"usr/share/man/man{number}" for number in (1, 5, 7, 8)} <= set(members)
    files = {name: content for name, (facts, content) in members.items() if facts["type"] != tarfile.DIRTYPE}
    unwanted = ("usr/share/man/", "usr/share/info/", "usr/share/locale/", "var/cache/apt/", "var/lib/apt/lists/")
    assert [name for name in files if name.startswith(unwanted)] == []
    docs = [name for name in files if name.startswith("usr/share/doc/")]
    links = {name for name in docs if members[name][0]["type"] == tarfile.SYMTYPE}
    assert {Path(name).name for name in set(docs) - links} == {"copyright"}
    assert [name for name, content in files.items() if name.startswith("var/log/") and content] == []
    assert files["etc/hostname"] == b"debuerreotype\n"
    assert not {"etc/machine-id", "etc/apt/preferences.d/bootstrap", "etc/apt/sources.list"} & set(files)
    assert not any(name.startswith(("dev/", "proc/", "sys/")) for name in members)


def test_apt_uses_signed_sources(target: Target, layer: Path) -> None:
    files = entries(layer)
    text = files["etc/apt/sources.list.d/debian.sources"][1].decode()
    assert re.findall("Suites: (.*)", text) == [f"{target.name} {target.name}-updates", f"{target.name}-security"]
    assert text.count("Signed-By: /usr/share/keyrings/debian-archive-keyring.") == text.count("Types: deb")
    keyring = text.split("Signed-By: ")[1].split()[0]
    assert keyring.removeprefix("/") in files


@pytest.mark.extended
def test_packages_with_manual_pages_and_macros_can_be_installed(engine: Engine, layout: Path, tmp_path: Path) -> None:
    packages = f'ARG BUILD_PACKAGES="{" ".join(PROGRAMS)}"'
    lines = ["FROM base", packages, install_step(), *(f"RUN {program}" for program in PROGRAMS.values())]
    (tmp_path / "Dockerfile").write_text("\n".join(lines) + "\n")
    options = BuildxOptions(network=users_network())
    command = [
        *engine.buildx, "build", "--progress=plain", "--network=host", *options.arguments("base"),
        "--build-context", f"base=oci-layout://{layout}", "--build-context", f"shared={ROOT / 'shared'}",
        "--output=type=cacheonly", str(tmp_path),
    ]  # fmt: skip
    environment = {**engine.environment, **options.network.environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
