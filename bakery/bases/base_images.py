"""Base images: the published one where a registry answers, else the same slim root file system made from packages.

What was chosen for a target stays chosen until it is refreshed, so that a network that comes and goes does not change
what an image stands on; the image's labels say which it was.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tarfile
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bakery import oci, registry
from bakery.bases import apt
from bakery.catalog import Archive, Catalog, Platform, Target
from bakery.errors import BakeryError, BuildError, InputError
from bakery.files import Tell, disk_full, locked, require_space, sha256_of, staged_folder, write_whole
from bakery.workspace import Workspace

__all__ = ["Base", "Bases"]

SPACE = 600_000_000
"""Bytes that making a base takes for a while: package lists, packages, root file system, layer."""
PERL_MODULES = ("File::Find", "Getopt::Long", "Math::BigInt", "Pod::Usage", "Term::ANSIColor", "Time::HiRes")
"""What mmdebstrap uses beyond perl-base, the only perl that a bare Debian has."""


@dataclass(frozen=True)
class Base:
    """A base image: its build context, what it is called, its manifest's digest, and where it came from."""

    context: str
    name: str
    digest: str
    origin: str


@dataclass(frozen=True)
class Bases:
    """Resolves a target to its base. ``choice`` is the user's own: an image, an image layout, a tar or a folder."""

    workspace: Workspace
    catalog: Catalog
    choice: str | None = None
    refresh: bool = False
    tell: Tell = print

    def resolve(self, target: Target, platform: Platform) -> Base:
        """The base of ``target`` for ``platform``; :exc:`BuildError` or :exc:`InputError` where there is none."""
        if self.choice:
            return self._chosen(self.choice, platform)
        folder = self._folder(target, platform)
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the base of {target.name}", self.tell):
            recorded = None if self.refresh else self.recorded(target, platform)
            return recorded or self._published(target, platform) or self._made(target, platform)

    def recorded(self, target: Target, platform: Platform) -> Base | None:
        """What an earlier build chose, if it is still there and the lock has not moved since."""
        base = read_base(self._folder(target, platform))
        if base is not None and base.origin == "registry" and base.digest != target.base.digests.get(platform):
            return None
        return base

    def pinned(self, target: Target, platform: Platform) -> Base:
        """The published base at the lock's digest, whether it can be reached or not."""
        digest = target.base.digests.get(platform, "")
        reference = f"{target.base.image}@{digest}" if digest else target.base.image
        return Base(f"docker-image://{reference}", target.base.image, digest, "registry")

    def _folder(self, target: Target, platform: Platform) -> Path:
        return self.workspace.home / "bases" / f"{target.name}-{platform.architecture}"

    def _published(self, target: Target, platform: Platform) -> Base | None:
        base = self.pinned(target, platform)
        if not base.digest:
            self.tell(f"{target.base.image} is not pinned for {platform}: its registry is not asked")
            return None
        try:
            registry.manifest_digest(f"{target.base.image}@{base.digest}")
        except registry.RegistryUnavailable as reason:
            self.tell(f"{target.base.image}: {reason}; making the same from packages")
            return None
        folder = self._folder(target, platform)
        shutil.rmtree(folder, ignore_errors=True)
        write_whole(folder / "base.json", json.dumps(asdict(base)))
        return base

    def _made(self, target: Target, platform: Platform) -> Base:
        """A root file system by mmdebstrap, as an image layout in the cache."""
        family = self.catalog.family_of(target)
        other = (
            f"Or give another base: --base=IMAGE, --base=ROOTFS.tar or --base=FOLDER, for example {target.base.image}."
        )
        if os.geteuid() != 0:
            raise BuildError(
                f"no registry answers for {target.base.image}, and making a base from packages needs root",
                hint=f"Run the same command as root. {other}",
            )
        if apt.host_id() != family.archive.id:
            raise BuildError(
                f"no registry answers for {target.base.image}, and this host's apt reaches {apt.host_id() or 'no'} "
                f"packages, not those of {family.archive.id} {target.name}",
                hint=f"Build where its registry can be reached, or on a host of {family.archive.id}. {other}",
            )
        folder = self._folder(target, platform)
        require_space(folder, SPACE)
        with staged_folder(folder) as stage:
            tar = stage / "rootfs.tar"
            try:
                self._bootstrap(target, platform, family.archive, tar)
            except apt.AptError as error:
                raise BuildError(f"the base of {target.name} was not made: {error.message}", hint=other) from None
            name = f"{target.base.image} (from packages, mmdebstrap)"
            return self._store(tar, folder, stage, Base("", name, "", "mmdebstrap"), platform)

    def _store(self, tar: Path, folder: Path, stage: Path, base: Base, platform: Platform) -> Base:
        """Turn ``tar`` into the image layout ``stage``, which is going to be ``folder``, with its record."""
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with oci.open_tar(tar) as stream:
            digest = oci.write_layout(stage, stream, architecture=platform.architecture, created=created)
        if tar.parent == stage:
            tar.unlink()
        stored = Base(f"oci-layout://{folder}@{digest}", base.name, digest, base.origin)
        (stage / "base.json").write_text(json.dumps(asdict(stored)), encoding="utf-8")
        return stored

    def _bootstrap(self, target: Target, platform: Platform, archive: Archive, tar: Path) -> None:
        mirror = apt.host_mirror()
        program, env = self._mmdebstrap(mirror, archive)
        script = str(self.workspace.root / "shared" / "base.sh")
        stanzas = tar.with_name(f"{archive.id}.sources")
        components = " ".join(archive.components)
        stanzas.write_text(
            "".join(
                f"Types: deb\nURIs: {mirror.uris[suffix]}\nSuites: {target.name}{suffix}\nComponents: {components}\n\n"
                for suffix in archive.suites
                if suffix in mirror.uris
            ),
            encoding="utf-8",
        )
        hooks = {
            "setup": shlex.join(["sh", script, "setup"]) + ' "$1" ' + shlex.join(archive.exclude),
            "customize": shlex.join(["sh", script, "finish"])
            + ' "$1" '
            + shlex.join([str(stanzas), *archive.keyrings]),
        }
        self.tell(f"making the base of {target.name} from {archive.id}'s packages with mmdebstrap")
        apt.run(
            [
                "perl", str(program / "usr/bin/mmdebstrap"), "--mode=root", "--variant=minbase", "--format=tar",
                f"--architectures={platform.architecture}",
                f"--hook-dir={program / 'usr/share/mmdebstrap/hooks/merged-usr'}",
                f"--include={','.join((*archive.include, archive.keyring_package))}",
                *(f"--{when}-hook={hook}" for when, hook in hooks.items()),
                "--skip=cleanup/apt,chroot/policy-rc.d", target.name, str(tar), *mirror.sources(target.name, archive),
            ],
            env=env,
        )  # fmt: skip
        stanzas.unlink()

    def _mmdebstrap(self, mirror: apt.Mirror, archive: Archive) -> tuple[Path, dict[str, str]]:
        """Where mmdebstrap is unpacked, and the environment that its perl needs; nothing is installed."""
        folder = self.workspace.home / "tools" / f"mmdebstrap-{mirror.codename}"
        version = apt.run(["perl", "-e", 'printf "%vd", $^V']).rpartition(".")[0]
        bare = not _perl_has(PERL_MODULES)
        with locked(folder.with_suffix(".lock"), "mmdebstrap", self.tell):
            if not (folder / "usr/bin/mmdebstrap").exists():
                private = apt.PrivateApt(
                    self.workspace.home / "apt" / mirror.codename, mirror.sources(mirror.codename, archive)
                )
                private.update()
                with staged_folder(folder) as stage:
                    private.unpack(["mmdebstrap", f"perl-modules-{version}", f"libperl{version}"], stage)
        libraries = [str(folder / "usr/share/perl" / version), *map(str, folder.glob(f"usr/lib/*/perl/{version}"))]
        return folder, {"PERL5LIB": ":".join(libraries)} if bare else {}

    def _chosen(self, choice: str, platform: Platform) -> Base:
        path = Path(choice).expanduser().absolute()
        if not path.exists():
            if choice.startswith(("/", ".", "~")) or re.search(r"\.(tar(\.\w+)?|tgz|tbz|txz)$", choice):
                raise InputError(f"--base={choice}: no such file or folder")
            return Base(f"docker-image://{choice}", choice, choice.partition("@")[2], "user")
        if (path / "oci-layout").exists():
            digest = oci.layout_digest(path)
            return Base(f"oci-layout://{path}@{digest}", str(path), digest, "user")
        cache = self.workspace.home / "bases"
        if not path.is_dir():
            return self._imported(path, choice, platform)
        if not (path / "etc").is_dir():
            raise InputError(f"--base={choice}: neither an OCI image layout nor a root file system (it has no etc)")
        with (
            disk_full(cache),
            tempfile.TemporaryDirectory(prefix=".folder.", suffix=".partial", dir=made(cache)) as stage,
        ):
            with tarfile.open(Path(stage) / "rootfs.tar", "w") as tar:
                tar.add(path, arcname=".", filter=lambda member: None if member.isdev() else member)
            return self._imported(Path(stage) / "rootfs.tar", choice, platform)

    def _imported(self, tar: Path, choice: str, platform: Platform) -> Base:
        name = f"{Path(choice).name} (root file system given by the user)"
        folder = self.workspace.home / "bases" / f"user-{sha256_of(tar)[:16]}-{platform.architecture}"
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the base {choice}", self.tell):
            known = read_base(folder)
            if known is not None:
                return known
            oci.check_root_file_system(tar)
            with staged_folder(folder) as stage:
                return self._store(tar, folder, stage, Base("", name, "", "user"), platform)


def read_base(folder: Path) -> Base | None:
    """What ``folder`` records, if it is whole; its context is where the folder is now."""
    try:
        base = Base(**json.loads((folder / "base.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if base.origin == "registry":
        return base
    return replace(base, context=f"oci-layout://{folder}@{base.digest}") if oci.is_whole(folder) else None


def made(folder: Path) -> Path:
    """``folder``, which is there after this."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _perl_has(modules: tuple[str, ...]) -> bool:
    try:
        apt.run(["perl", *(f"-M{module}" for module in modules), "-e", "1"])
    except BakeryError:
        return False
    return True
