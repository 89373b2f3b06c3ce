"""Base images: caching, every form of --base, and errors with hints."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakery import oci, registry
from bakery.bases import apt, base_images
from bakery.bases.base_images import BaseImage, BaseResolver, users_base
from bakery.catalog.distributions import Target
from bakery.catalog.models import Catalog
from bakery.engine import may_mount
from bakery.errors import BakeryError, BuildError, InputError
from bakery.names import REFERENCE
from bakery.oci import layout
from bakery.platforms import AMD64, Platform
from bakery.workspace import Workspace


@pytest.fixture
def target(catalog: Catalog) -> Target:
    return next(target for target in catalog.targets if target.name == "bookworm")


@pytest.fixture
def make(workspace: Workspace, catalog: Catalog) -> Callable[..., BaseResolver]:
    """Makes resolvers with a temporary cache; ``messages`` lists their messages."""
    messages: list[str] = []

    def resolver(override: str | None = None, refresh: bool = False, at: Workspace = workspace) -> BaseResolver:
        return BaseResolver(at, catalog, override, refresh, messages.append)

    resolver.messages = messages  # type: ignore[attr-defined]
    return resolver


@pytest.fixture
def fake_registry(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A registry that has everything; the list collects the requested references."""
    references: list[str] = []
    monkeypatch.setattr(registry, "require_manifest", lambda reference: references.append(reference) or "")
    return references


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that does not answer."""

    def unreachable(reference: str) -> str:
        raise registry.RegistryError("docker.io cannot be reached")

    monkeypatch.setattr(registry, "require_manifest", unreachable)


@pytest.fixture
def fake_bootstrap(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Root on a Debian host with an mmdebstrap that makes a small tar; the list collects targets and platforms."""
    calls: list[str] = []

    def bootstrap(_: BaseResolver, target: Target, platform: str, archive: object, tar: Path) -> None:
        calls.append(f"{target.name} {platform}")
        os.utime(rootfs(tar), (1_700_000_000, 1_700_000_000))  # its time is the base's, and part of the digest

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    monkeypatch.setattr(BaseResolver, "_bootstrap", bootstrap)
    return calls


def rootfs(file: Path) -> Path:
    """A tar with one small file."""
    with tarfile.open(file, "w") as tar:
        member = tarfile.TarInfo("etc/os-release")
        member.size = 10
        tar.addfile(member, io.BytesIO(b"ID=potato\n"))
    return file


def layout_of(base: BaseImage) -> Path:
    """The folder of an ``oci-layout://`` base, after checking that it is complete."""
    scheme, _, rest = base.context.partition("://")
    folder, _, digest = rest.rpartition("@")
    assert (scheme, digest) == ("oci-layout", base.digest)
    assert oci.layout_digest(Path(folder)) == base.digest
    assert (Path(folder) / "blobs" / base.digest.replace(":", "/")).is_file()
    return Path(folder)


def test_pinned_base_is_the_digest_in_the_lock_without_network_access(
    make: Any, target: Target, no_registry: None
) -> None:
    for platform in (Platform("linux/amd64"), Platform("linux/arm64")):
        digest = target.base.digests[platform]
        assert make().pinned(target, platform) == BaseImage(
            f"docker-image://debian:bookworm-slim@{digest}", "debian:bookworm-slim", digest, "registry"
        )


def test_unpinned_platform_is_planned_by_tag(make: Any, target: Target) -> None:
    base = make().pinned(target, Platform("linux/riscv64"))
    assert base == BaseImage("docker-image://debian:bookworm-slim", "debian:bookworm-slim", "", "registry")


def test_published_base_is_used_by_digest(make: Any, target: Target, fake_registry: list[str]) -> None:
    base = make().resolve(target, AMD64)
    assert base == make().pinned(target, AMD64)
    assert fake_registry == [f"debian:bookworm-slim@{target.base.digests[AMD64]}"]


def test_resolved_base_is_cached(
    make: Any, target: Target, fake_registry: list[str], fake_bootstrap: list[str]
) -> None:
    first = make().resolve(target, AMD64)
    assert make().cached(target, AMD64) == first
    assert make().resolve(target, AMD64) == first
    assert len(fake_registry) == 1 and fake_bootstrap == []
    make(refresh=True).resolve(target, AMD64)
    assert len(fake_registry) == 2


def test_bases_are_cached_by_platform(make: Any, target: Target, fake_registry: list[str]) -> None:
    make().resolve(target, AMD64)
    assert make().cached(target, Platform("linux/arm64")) is None


def test_cached_base_is_ignored_if_the_lock_changed(make: Any, target: Target, fake_registry: list[str]) -> None:
    make().resolve(target, AMD64)
    moved = dataclasses.replace(target, base=dataclasses.replace(target.base, digests={AMD64: "sha256:" + "0" * 64}))
    assert make().cached(moved, AMD64) is None
    assert make().resolve(moved, AMD64).digest == "sha256:" + "0" * 64


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"context": "x", "colour": "red"}'])
def test_broken_cache_entry_is_ignored(make: Any, target: Target, workspace: Workspace, text: str) -> None:
    record = workspace.home / "bases" / "bookworm-amd64" / "base.json"
    record.parent.mkdir(parents=True)
    record.write_text(text, encoding="utf-8")
    assert make().cached(target, AMD64) is None


def test_cached_record_cannot_name_another_image(
    make: Any, target: Target, workspace: Workspace, fake_registry: list[str]
) -> None:
    base = make().resolve(target, AMD64)
    record = workspace.home / "bases" / "bookworm-amd64" / "base.json"
    evil = {**json.loads(record.read_text()), "context": "docker-image://evil.example/x", "name": "evil.example/x"}
    record.write_text(json.dumps(evil))
    assert make().cached(target, AMD64) == base == make().pinned(target, AMD64)


@pytest.mark.parametrize("evil", [{"digest": "sha256:" + "1" * 64}, {"digest": 5}, {"origin": "user"}, {"name": "x"}])
def test_record_of_another_base_from_packages_is_not_trusted(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str], evil: dict[str, object]
) -> None:
    base = make().resolve(target, AMD64)
    record = layout_of(base) / "base.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **evil}))
    assert make().resolve(target, AMD64) == base == make().cached(target, AMD64)
    assert len(fake_bootstrap) == 2
    assert any("damaged or swapped: it does not match its record; making it again" in line for line in make.messages)


def _damage(folder: Path, change: str, name: str) -> None:
    """Change one file of a layout, or its type."""
    blobs = sorted((folder / "blobs/sha256").iterdir(), key=lambda blob: blob.stat().st_size)
    digest = json.loads((folder / "index.json").read_text())["manifests"][0]["digest"]
    files = {"layer": next(blob for blob in blobs if blob.read_bytes().startswith(b"\x1f\x8b"))}
    files["manifest"] = folder / "blobs" / digest.replace(":", "/")
    files["config"] = next(blob for blob in blobs if blob not in files.values())
    file, data = files[name], files[name].read_bytes()
    file.unlink()
    if change == "change":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif change == "link":
        (folder.parent / "elsewhere").write_bytes(data)
        file.symlink_to(folder.parent / "elsewhere")
    else:
        os.mkfifo(file)


@pytest.mark.parametrize("name", ["layer", "manifest", "config"])
@pytest.mark.parametrize("change", ["change", "link", "fifo"])
def test_changed_file_of_a_cached_base_is_detected(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str], change: str, name: str
) -> None:
    base = make().resolve(target, AMD64)
    _damage(layout_of(base), change, name)
    assert make().resolve(target, AMD64) == base == make().cached(target, AMD64)
    assert len(fake_bootstrap) == 2
    assert any("damaged or swapped" in line for line in make.messages)


def test_base_from_a_snapshot_says_that_its_lists_may_be_expired(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bootstrap(_: BaseResolver, target: Target, platform: str, archive: object, tar: Path) -> bool:
        rootfs(tar)
        return True

    monkeypatch.setattr(BaseResolver, "_bootstrap", bootstrap)
    base = make().resolve(target, AMD64)
    name = "debian:bookworm-slim (from packages of a snapshot, whose expired lists were accepted, mmdebstrap)"
    assert base.name == name and make().cached(target, AMD64) == base


def test_swapped_bases_of_two_targets_are_detected(
    make: Any, catalog: Catalog, workspace: Workspace, no_registry: None, fake_bootstrap: list[str]
) -> None:
    bookworm, trixie = (next(item for item in catalog.targets if item.name == name) for name in ("bookworm", "trixie"))
    first, second = (make().resolve(target, AMD64) for target in (bookworm, trixie))
    bases = workspace.home / "bases"
    (bases / "bookworm-amd64").rename(bases / "x")
    (bases / "trixie-amd64").rename(bases / "bookworm-amd64")
    (bases / "x").rename(bases / "trixie-amd64")
    assert make().cached(bookworm, AMD64) is None and make().cached(trixie, AMD64) is None
    assert [make().resolve(target, AMD64).name for target in (bookworm, trixie)] == [first.name, second.name]


@pytest.mark.parametrize("name", ["bookworm-amd64", "bookworm-amd64/base.json"])
def test_base_that_is_a_link_is_refused_by_name(
    make: Any, target: Target, workspace: Workspace, fake_registry: list[str], tmp_path: Path, name: str
) -> None:
    make().resolve(target, AMD64)
    path = workspace.home / "bases" / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BakeryError, match=f"{name} is a symbolic link"):
        make().resolve(target, AMD64)


def test_unreachable_registry_falls_back_to_packages_and_the_result_is_cached(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str]
) -> None:
    base = make().resolve(target, AMD64)
    assert base.origin == "mmdebstrap"
    assert base.name == "debian:bookworm-slim (from packages, mmdebstrap)"
    folder = layout_of(base)
    assert {file.name for file in folder.iterdir()} == {"base.json", "blobs", "index.json", "oci-layout"}
    assert any("cannot be reached; making an equivalent base from packages" in line for line in make.messages)
    assert make().resolve(target, AMD64) == base
    assert fake_bootstrap == ["bookworm linux/amd64"]


def test_base_from_packages_is_used_until_refresh(
    make: Any, target: Target, fake_bootstrap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: str) -> str:
        raise registry.RegistryError("x")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "require_manifest", unreachable)
        base = make().resolve(target, AMD64)
    monkeypatch.setattr(registry, "require_manifest", lambda _: "")
    assert make().resolve(target, AMD64) == base
    assert make(refresh=True).resolve(target, AMD64).origin == "registry"
    assert not layout_of_exists(base)


def layout_of_exists(base: BaseImage) -> bool:
    return (Path(base.context.removeprefix("oci-layout://").rpartition("@")[0]) / "oci-layout").exists()


@pytest.mark.parametrize("missing", ["oci-layout", "blobs"])
def test_cached_base_is_ignored_if_its_blobs_are_missing(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str], missing: str
) -> None:
    folder = layout_of(make().resolve(target, AMD64))
    if missing == "blobs":
        shutil.rmtree(folder / missing)
    else:
        (folder / missing).unlink()
    assert make().cached(target, AMD64) is None
    layout_of(make().resolve(target, AMD64))
    assert len(fake_bootstrap) == 2


def test_unpinned_platform_is_made_from_packages(
    make: Any, target: Target, fake_registry: list[str], fake_bootstrap: list[str]
) -> None:
    assert make().resolve(target, Platform("linux/riscv64")).origin == "mmdebstrap"
    assert fake_registry == []
    assert "is not pinned for linux/riscv64" in make.messages[0]


def test_failed_bootstrap_is_reported_and_leaves_no_files(
    make: Any, target: Target, workspace: Workspace, no_registry: None, fake_bootstrap: list[str], monkeypatch: Any
) -> None:
    def fails(*_: object) -> None:
        raise apt.AptError("mmdebstrap failed: E: no space")

    monkeypatch.setattr(BaseResolver, "_bootstrap", fails)
    with pytest.raises(
        BuildError, match="the base of bookworm could not be made: mmdebstrap failed: E: no space"
    ) as caught:
        make().resolve(target, AMD64)
    assert "--base=" in caught.value.hint
    assert [file.name for file in (workspace.home / "bases").iterdir()] == ["bookworm-amd64.lock"]


def test_base_from_packages_needs_root(
    make: Any, target: Target, no_registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BuildError, match=r"no registry answers for debian:bookworm-slim, .* needs root") as caught:
        make().resolve(target, AMD64)
    assert "Run the same command as root" in caught.value.hint
    assert "--base=IMAGE" in caught.value.hint


@pytest.mark.parametrize(("host", "named"), [("ubuntu", "has ubuntu packages"), ("", "has no packages")])
def test_base_from_packages_needs_a_matching_host(
    make: Any, target: Target, no_registry: None, monkeypatch: pytest.MonkeyPatch, host: str, named: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(apt, "host_id", lambda: host)
    with pytest.raises(BuildError, match=named) as caught:
        make().resolve(target, AMD64)
    assert "not debian packages" in caught.value.message
    assert "on a host that runs debian" in caught.value.hint
    assert "--base=ROOTFS.tar" in caught.value.hint


def test_mmdebstrap_gets_target_platform_packages_and_hooks(
    make: Any, target: Target, workspace: Workspace, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def fake_run(command: list[str], **_: Any) -> str:
        (tmp_path / "rootfs").mkdir(exist_ok=True)
        commands.append(command)
        return ""

    mirror = apt.Mirror("trixie", {"": "http://deb.example/debian", "-security": "http://deb.example/security"})
    monkeypatch.setattr(apt, "host_mirror", lambda: mirror)
    monkeypatch.setattr(apt, "run", fake_run)
    monkeypatch.setattr(BaseResolver, "_tools", lambda *_: (Path("/tools"), {}))
    archive = catalog.family_of(target).archive
    assert not make()._bootstrap(target, Platform("linux/arm64"), archive, tmp_path / "rootfs.tar")
    command, finish = commands
    assert "--architectures=arm64" in command
    assert "--include=debian-archive-keyring" in command
    assert command[command.index("bookworm") + 1] == str(tmp_path / "rootfs")
    assert [line.split("]")[-1].split()[-3:] for line in command[-2:]] == [
        ["http://deb.example/debian", "bookworm", "main"],
        ["http://deb.example/security", "bookworm-security", "main"],
    ]
    script = workspace.root / "shared" / "base.sh"
    assert script.exists()
    assert [word for word in command if "hook" in word] == [
        "--hook-dir=/tools/usr/share/mmdebstrap/hooks/merged-usr",
        f'--setup-hook=bash {script} pin "$1" usrmerge',
    ]
    places = ["/tools", str(tmp_path / "rootfs"), str(tmp_path / "rootfs.tar")]
    assert finish == ["bash", str(script), "finish", "debuerreotype", *places, *archive.keyrings]
    assert not (tmp_path / "rootfs").exists()


def test_a_hook_with_a_slash_in_its_name_is_in_the_repository_and_part_of_the_recipe(
    make: Any, target: Target, workspace: Workspace, tmp_path: Path
) -> None:
    resolver = make()
    own, other = dataclasses.replace(target, hooks=("ubuntu/merged-usr",)), dataclasses.replace(target, hooks=())
    assert resolver._hooks(own, tmp_path) == [workspace.root / "ubuntu/merged-usr"]
    assert all(os.access(file, os.X_OK) for file in (workspace.root / "ubuntu/merged-usr").iterdir())
    copied = tmp_path / "repository"
    for folder in ("shared", "debian", "ubuntu"):
        shutil.copytree(workspace.root / folder, copied / folder, ignore=shutil.ignore_patterns("profiles"))
    resolver = dataclasses.replace(resolver, workspace=dataclasses.replace(workspace, root=copied))
    before = resolver._recipe(own)
    assert before != resolver._recipe(other)
    hook = copied / "ubuntu/merged-usr/setup00.sh"
    hook.write_text(hook.read_text() + "# changed\n")
    assert resolver._recipe(own) != before


def test_a_base_with_packages_of_another_release_is_refused(
    make: Any, target: Target, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_run(command: list[str], **_: Any) -> str:
        release = tmp_path / "rootfs/var/lib/apt/lists/deb.example_security_dists_bookworm-security_InRelease"
        release.parent.mkdir(parents=True)
        release.write_text("Suite: stable-security\nCodename: trixie-security\n")
        return ""

    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("bookworm", {"": "http://deb.example/debian"}))
    monkeypatch.setattr(apt, "run", fake_run)
    monkeypatch.setattr(BaseResolver, "_tools", lambda *_: (Path("/tools"), {}))
    with pytest.raises(apt.AptError, match="another release as bookworm-security"):
        make()._bootstrap(target, AMD64, catalog.family_of(target).archive, tmp_path / "rootfs.tar")


def test_sources_are_written_even_if_perl_reads_less_of_mmdebstrap_than_a_pipe_holds(
    workspace: Workspace, tmp_path: Path
) -> None:
    program = tmp_path / "usr/bin/mmdebstrap"
    program.parent.mkdir(parents=True)
    program.write_text(
        'sub get_sourceslist_by_suite { "deb http://a.example $_[0] $_[3]\\n" }\nmain();\n\n__END__\n'
        + "=pod\n\nDocumentation.\n" * 40_000
    )
    for name, text in (
        ("etc/apt/sources.list", "deb http://b.example noble main universe\n"),
        ("var/lib/dpkg/status", "Package: dpkg\nArchitecture: amd64\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    script = 'source "$0" true && sources_of_mmdebstrap "$@"'
    base = workspace.root / "shared/base.sh"
    subprocess.run(["bash", "-c", script, base, tmp_path, "noble", "ubuntu", tmp_path], check=True)
    assert (tmp_path / "etc/apt/sources.list").read_text() == "deb http://a.example noble main universe\n"


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        (
            {"": "http://deb.example/debian", "-security": "http://deb.example/security"},
            {"debian": "http://me:pass@deb.example/debian", "debian-security": "http://deb.example/security"},
        ),
        ({"": "http://deb.example/debian"}, {}),
        ({"": "file:/srv/debian", "-security": "http://deb.example/security"}, {}),
        ({}, {}),
    ],
)
def test_steps_on_a_base_from_packages_use_the_hosts_mirror_if_they_can_reach_it(
    make: Any, target: Target, uris: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def host_mirror() -> apt.Mirror:
        if not uris:
            raise apt.AptError("no archive")
        return apt.Mirror("bookworm", uris)

    monkeypatch.setattr(apt, "host_mirror", host_mirror)
    monkeypatch.setattr(apt, "LOGINS", {"http://deb.example/debian": "http://me:pass@deb.example/debian"})
    base = BaseImage("", "debian:bookworm-slim", "", "mmdebstrap")
    assert make().archives(base, target) == expected
    assert make().archives(dataclasses.replace(base, origin="registry"), target) == {}


def test_a_change_of_the_recipe_rebuilds_the_base(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str], tmp_path: Path
) -> None:
    base = make().resolve(target, AMD64)
    changed = dataclasses.replace(target, hooks=())
    assert make().cached(changed, AMD64) is None
    moved = Workspace(root=tmp_path / "clone", home=layout_of(base).parents[1])
    (moved.root / "shared").mkdir(parents=True)
    (moved.root / "shared" / "base.sh").write_text("# another script\n")
    assert make(at=moved).cached(target, AMD64) is None
    assert make().cached(target, AMD64) == base
    record = layout_of(base) / "base.json"
    older = {key: value for key, value in json.loads(record.read_text()).items() if key != "recipe"}
    record.write_text(json.dumps(older))
    assert make().cached(target, AMD64) is None
    assert make().resolve(target, AMD64) == base
    assert len(fake_bootstrap) == 2


def test_the_recipe_includes_the_files_of_its_settings(
    make: Any, catalog: Catalog, workspace: Workspace, tmp_path: Path
) -> None:
    noble = next(target for target in catalog.targets if target.name == "noble")
    clone = Workspace(root=tmp_path, home=workspace.home)
    for folder in ("shared", "ubuntu"):
        shutil.copytree(workspace.root / folder, tmp_path / folder)
    recipe = make(at=clone)._recipe(noble)
    assert recipe == make()._recipe(noble)
    (tmp_path / "ubuntu/rootfs/etc/apt/apt.conf.d/docker-clean").unlink()
    assert make(at=clone)._recipe(noble) != recipe


def test_the_same_root_file_system_gives_the_same_base(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str]
) -> None:
    first = make().resolve(target, AMD64)
    assert make(refresh=True).resolve(target, AMD64).digest == first.digest
    manifest = json.loads((layout_of(first) / "blobs" / first.digest.replace(":", "/")).read_text())
    config = layout_of(first) / "blobs" / manifest["config"]["digest"].replace(":", "/")
    assert json.loads(config.read_text())["created"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("choice", "digest"),
    [("debian:sid-slim", ""), (f"reg.example:5000/x@sha256:{'1' * 64}", f"sha256:{'1' * 64}"), ("busybox", "")],
)
def test_image_reference_is_used_unchanged(make: Any, target: Target, choice: str, digest: str) -> None:
    assert make(choice).resolve(target, AMD64) == BaseImage(f"docker-image://{choice}", choice, digest, "user")


def test_image_layout_is_used_in_place(make: Any, target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "lay out"
    with rootfs(tmp_path / "x.tar").open("rb") as tar:
        digest = oci.write_layout(folder, tar, architecture="amd64", created="2020-01-01T00:00:00Z")
    base = make(str(folder)).resolve(target, AMD64)
    assert base == BaseImage(f"oci-layout://{folder}@{digest}", str(folder), digest, "user")


@pytest.mark.parametrize("name", ["a:b", "a@b"])
def test_image_layout_in_a_folder_with_a_colon_or_an_at_sign_in_its_name_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "oci-layout").touch()
    with pytest.raises(InputError, match="expected an OCI image layout in a folder without : and @"):
        users_base(str(tmp_path / name))


@pytest.mark.parametrize(
    ("make_blob", "problem"),
    [(os.mkfifo, "not a FIFO"), (lambda blob: os.symlink("/dev/zero", blob), "not a device")],
    ids=["a FIFO", "a link to a device"],
)
def test_image_layout_with_a_fifo_or_a_device_among_its_blobs_is_rejected(
    make: Any, target: Target, tmp_path: Path, make_blob: Callable[[Path], None], problem: str
) -> None:
    with rootfs(tmp_path / "x.tar").open("rb") as tar:
        digest = oci.write_layout(tmp_path, tar, architecture="amd64", created="2020-01-01T00:00:00Z")
    blob = tmp_path / "blobs/sha256" / digest.removeprefix("sha256:")
    blob.unlink()
    make_blob(blob)
    with pytest.raises(InputError, match=rf"--base=.*{blob.name} cannot be read: expected a regular file, {problem}"):
        make(str(tmp_path)).resolve(target, AMD64)


def test_empty_image_layout_is_rejected(make: Any, target: Target, tmp_path: Path) -> None:
    (tmp_path / "oci-layout").touch()
    with pytest.raises(InputError, match="is not an OCI image layout"):
        make(str(tmp_path)).resolve(target, AMD64)


@pytest.mark.parametrize("name", ["r.tar", "r.tar.gz", "r.tar.bz2", "r.tar.xz", "no suffix"])
def test_root_file_system_may_be_a_tar_with_any_compression(
    make: Any, target: Target, workspace: Workspace, tmp_path: Path, name: str
) -> None:
    data = rootfs(tmp_path / "plain").read_bytes()
    pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.get(name.rpartition(".")[2], bytes)
    (tmp_path / name).write_bytes(pack(data))
    base = make(str(tmp_path / name)).resolve(target, AMD64)
    folder = layout_of(base)
    assert folder.parent == workspace.home / "bases"
    assert (base.name, base.origin) == (f"{name} (root file system given by the user)", "user")
    assert sum(file.is_file() for file in (folder / "blobs" / "sha256").iterdir()) == 3
    assert (tmp_path / name).exists()


def test_same_tar_is_imported_once(make: Any, target: Target, tmp_path: Path, monkeypatch: Any) -> None:
    tar = rootfs(tmp_path / "r.tar")
    first = make(str(tar)).resolve(target, AMD64)
    monkeypatch.setattr(oci, "write_layout", lambda *_, **__: pytest.fail("imported again"))
    assert make(str(tar)).resolve(target, AMD64) == first


@pytest.mark.parametrize("seconds", [-1, 253402300800])
def test_a_tar_with_a_time_that_images_cannot_have_is_refused(
    make: Any, target: Target, tmp_path: Path, seconds: int
) -> None:
    tar = rootfs(tmp_path / "r.tar")
    os.utime(tar, (seconds, seconds))
    if tar.stat().st_mtime != seconds:
        pytest.skip("this file system has no such time")
    with pytest.raises(InputError, match=rf"has the time {seconds}: expected seconds since 1970") as caught:
        make(str(tar)).resolve(target, AMD64)
    assert caught.value.hint.endswith(f"touch {tar}")


def test_tar_is_imported_once_per_platform(make: Any, target: Target, tmp_path: Path) -> None:
    tar = rootfs(tmp_path / "r.tar")
    amd64, arm64 = (
        make(str(tar)).resolve(target, platform) for platform in (Platform("linux/amd64"), Platform("linux/arm64"))
    )
    assert amd64.digest != arm64.digest


def test_relative_path_is_resolved_against_the_current_folder(
    make: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rootfs(tmp_path / "r.tar")
    monkeypatch.chdir(tmp_path)
    layout_of(make("r.tar").resolve(target, AMD64))


def test_root_file_system_may_be_a_folder(make: Any, target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "root fs"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "os-release").write_text("ID=potato\n", encoding="utf-8")
    (folder / "bin").symlink_to("usr/bin")
    (folder / "name\nwith line").touch()
    base = make(str(folder)).resolve(target, AMD64)
    blobs = list((layout_of(base) / "blobs" / "sha256").iterdir())
    packed = [blob for blob in blobs if blob.read_bytes().startswith(b"\x1f\x8b")]
    with tarfile.open(packed[0], "r:gz") as tar:
        names = set(tar.getnames())
    assert {"./etc/os-release", "./bin", "./name\nwith line"} <= names
    assert (base.name, base.origin) == ("root fs (root file system given by the user)", "user")


def test_root_file_system_may_be_a_link_to_a_folder(make: Any, target: Target, tmp_path: Path) -> None:
    (tmp_path / "build-7" / "etc").mkdir(parents=True)
    (tmp_path / "latest").symlink_to("build-7")
    linked, real = (make(str(tmp_path / name)).resolve(target, AMD64) for name in ("latest", "build-7"))
    assert (linked.digest, linked.name) == (real.digest, "latest (root file system given by the user)")


@pytest.mark.parametrize("kind", ["tar", "folder", "member of a packed tar"])
def test_a_root_file_system_of_a_terabyte_is_rejected_without_reading_it(
    make: Any, target: Target, tmp_path: Path, kind: str
) -> None:
    base, huge, terabyte = tmp_path / "base", tmp_path / "base" / "etc" / "huge", 1 << 40
    if kind == "folder":
        huge.parent.mkdir(parents=True)
        huge.touch()
        os.truncate(huge, terabyte)  # sparse
    elif kind == "tar":
        base.touch()
        os.truncate(base, terabyte)
    else:
        member = tarfile.TarInfo("etc/huge")
        member.size = terabyte
        base.write_bytes(gzip.compress(member.tobuf() + bytes(100_000)))
    with pytest.raises(InputError, match=r"expected a root file system of at most 10,000,000,000|too much data"):
        make(str(base)).resolve(target, AMD64)
    assert not list(tmp_path.glob("**/*.partial"))


def test_a_root_file_system_that_unpacks_to_too_much_is_rejected(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(layout, "ROOT_BYTES", 1_000_000)
    with pytest.raises(InputError, match="at most 1,000,000"):
        oci.write_layout(tmp_path, io.BytesIO(bytes(1_000_001)), architecture="amd64", created="2020-01-01T00:00:00Z")


@pytest.mark.skipif(os.geteuid() != 0 or not may_mount(), reason="mounts a file system")
def test_other_file_systems_below_a_folder_are_left_out(make: Any, target: Target, tmp_path: Path) -> None:
    """Such as /proc, or a disk with data, for `--base=/`."""
    folder = tmp_path / "root"
    for name in ("etc/os-release", "mnt/hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder / "mnt")], check=True)
    try:
        (folder / "mnt" / "data").write_text("x")
        base = make(str(folder)).resolve(target, AMD64)
    finally:
        subprocess.run(["umount", str(folder / "mnt")], check=True)
    blobs = (layout_of(base) / "blobs" / "sha256").iterdir()
    (packed,) = (blob for blob in blobs if blob.read_bytes().startswith(b"\x1f\x8b"))
    with tarfile.open(packed, "r:gz") as tar:
        assert {name for name in tar.getnames() if "mnt" in name} == {"./mnt"}


def test_folder_without_etc_is_rejected(make: Any, target: Target, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither an OCI image layout nor a root file system") as caught:
        make(str(tmp_path)).resolve(target, AMD64)
    assert caught.value.exit_code == 2


PATHS = "/nowhere/rootfs ./rootfs ../r.tar ~/r ~no-such-user/r r.tar sub/r.tar r.tar.gz r.tar.xz r.tgz sub/r.tar.gz"


@pytest.mark.parametrize("choice", PATHS.split())
def test_missing_path_is_not_mistaken_for_an_image(make: Any, target: Target, choice: str) -> None:
    with pytest.raises(InputError, match="no such file or folder") as caught:
        make(choice).resolve(target, AMD64)
    assert f"--base={choice}" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"no tar at all", gzip.compress(b"no tar"), b"PK\x03\x04" + bytes(600)],
    ids=["empty", "text", "gzip of text", "zip"],
)
def test_file_that_is_not_a_tar_is_rejected(
    make: Any, target: Target, workspace: Workspace, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match="is not a tar file") as caught:
        make(str(tmp_path / "file")).resolve(target, AMD64)
    assert ".tar.xz" in caught.value.hint
    assert [file.suffix for file in (workspace.home / "bases").iterdir()] == [".lock"]


def test_host_perl_is_used_unless_it_lacks_modules() -> None:
    if shutil.which("perl"):
        assert base_images._perl_has(("strict",))
        assert not base_images._perl_has(("No::Such::Module",))


def test_a_file_of_the_users_base_that_cannot_be_read_is_named(
    make: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fs" / "etc").mkdir(parents=True)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "fs" / "etc" / "shadow"))

    monkeypatch.setattr(tarfile.TarFile, "add", denied)
    with pytest.raises(InputError, match=f"--base={tmp_path}/fs: {tmp_path}/fs/etc/shadow cannot be read: Permission"):
        make(str(tmp_path / "fs")).resolve(target, AMD64)


def test_a_tar_of_the_user_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    (tmp_path / "r.tar").touch()
    monkeypatch.setattr(base_images, "open_regular", denied)
    with pytest.raises(InputError, match=r"r\.tar: .*/r\.tar cannot be read: Permission denied"):
        base_images.users_base(str(tmp_path / "r.tar"))


def test_folder_import_leaves_no_tar_behind(make: Any, target: Target, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "fs" / "etc").mkdir(parents=True)
    make(str(tmp_path / "fs")).resolve(target, AMD64)
    assert list((workspace.home / "bases").rglob("*.tar")) == []


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_truncated_compressed_tar_is_reported(
    make: Any, target: Target, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    with tarfile.open(tmp_path / "r", "w") as tar:
        for number in range(20):
            (tmp_path / "random").write_bytes(os.urandom(10_000))
            tar.add(tmp_path / "random", f"etc/{number}")
    data = pack((tmp_path / "r").read_bytes())
    (tmp_path / "r.tar.packed").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError):
        make(str(tmp_path / "r.tar.packed")).resolve(target, AMD64)


def test_tar_is_imported_again_if_its_blobs_are_missing(make: Any, target: Target, tmp_path: Path) -> None:
    tar = rootfs(tmp_path / "r.tar")
    shutil.rmtree(layout_of(make(str(tar)).resolve(target, AMD64)) / "blobs")
    layout_of(make(str(tar)).resolve(target, AMD64))


def test_cached_base_moves_with_its_cache_folder(
    make: Any, target: Target, workspace: Workspace, no_registry: None, fake_bootstrap: list[str]
) -> None:
    make().resolve(target, AMD64)
    moved = Workspace(root=workspace.root, home=workspace.home.with_name("moved"))
    workspace.home.rename(moved.home)
    base = make(at=moved).cached(target, AMD64)
    assert base is not None and layout_of(base).is_relative_to(moved.home)


def test_cached_base_is_ignored_if_its_layer_is_missing(
    make: Any, target: Target, no_registry: None, fake_bootstrap: list[str]
) -> None:
    folder = layout_of(make().resolve(target, AMD64))
    (layer,) = (blob for blob in (folder / "blobs/sha256").iterdir() if blob.read_bytes().startswith(b"\x1f\x8b"))
    layer.unlink()
    assert make().cached(target, AMD64) is None


def test_saved_image_is_not_mistaken_for_a_root_file_system(make: Any, target: Target, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps([{"Config": "x"}]), encoding="utf-8")
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        tar.add(tmp_path / "manifest.json", "manifest.json")
    with pytest.raises(InputError, match="is not a root file system: it has no etc"):
        make(str(tmp_path / "saved.tar")).resolve(target, AMD64)


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b", b"\x1f\x8b\x08no gzip", gzip.compress(bytes(600))[:20]], ids=["two bytes", "text", "cut off"]
)
def test_file_with_only_a_gzip_header_is_reported(make: Any, target: Target, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match="is not a tar file"):
        make(str(tmp_path / "file")).resolve(target, AMD64)


def test_a_login_of_the_hosts_sources_is_neither_in_an_argument_nor_in_the_image(
    make: Any, target: Target, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, rootfs = "http://deb.example/debian", tmp_path / "rootfs"
    commands: list[list[str]] = []

    def fake_run(command: list[str], **_: Any) -> str:
        commands.append(command)
        for hook in (word.removeprefix("--setup-hook=") for word in command if word.startswith("--setup-hook=install")):
            subprocess.run(["sh", "-c", hook, "sh", str(rootfs)], check=True)
            assert "S3cr" in (rootfs / "etc/apt/auth.conf").read_text()
        if "finish" in command:
            assert not [file for file in rootfs.rglob("*") if file.is_file()]
        return ""

    monkeypatch.setattr(apt, "LOGINS", {uri: uri.replace("//", "//name:S3cret@")})
    monkeypatch.setattr(apt, "host_mirror", lambda: apt.Mirror("trixie", {"": uri}))
    monkeypatch.setattr(apt, "run", fake_run)
    monkeypatch.setattr(BaseResolver, "_tools", lambda *_: (Path("/tools"), {}))
    make()._bootstrap(target, AMD64, catalog.family_of(target).archive, tmp_path / "rootfs.tar")
    assert len(commands) == 2
    assert "S3cr" not in str(commands)
    assert not (tmp_path / "auth.conf").exists()


@pytest.mark.parametrize("base", ["name:S3cret@host.example/image", "image:../x", "Image/x y", "a/../b"])
def test_a_base_that_is_not_a_reference_is_refused(make: Any, target: Target, base: str) -> None:
    with pytest.raises(InputError, match="not an image reference") as caught:
        make(override=base).resolve(target, AMD64)
    assert "S3cret" not in str(caught.value)


FROM_PACKAGES = "debian:bookworm-slim (from packages, mmdebstrap)"
ROOT = "root fs.tar (root file system given by the user)"


@pytest.mark.parametrize(
    ("context", "name", "origin", "expected"),
    [
        ("docker-image://", "debian:bookworm-slim", "registry", "docker.io/library/debian:bookworm-slim"),
        ("docker-image://", "r.example/a/b", "user", "r.example/a/b:latest"),
        ("docker-image://", f"r.example/a/b@sha256:{'a' * 64}", "user", "r.example/a/b"),
        ("oci-layout://", FROM_PACKAGES, "mmdebstrap", "localhost/debian:bookworm-slim"),
        ("oci-layout://", "/home/Someone/My Layout", "user", "localhost/my-layout"),
        ("oci-layout://", ROOT, "user", "localhost/root-fs-tar-root-file-system-given-by-the-user"),
    ],
)
def test_the_reference_of_a_base_begins_with_its_registry_or_with_localhost(
    context: str, name: str, origin: str, expected: str
) -> None:
    reference = BaseImage(f"{context}x", name, "sha256:1", origin).reference
    assert reference == expected
    assert re.fullmatch(REFERENCE, reference)
