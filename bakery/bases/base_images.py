"""Base images: the published image if its registry answers, else an equivalent root file system made from packages.

The base of a target is cached until it is refreshed, so that an unreliable network does not change what images are
built on. An image's labels say which base it has.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bakery import oci, registry
from bakery.bases import apt
from bakery.catalog import Archive, Catalog, Target
from bakery.errors import BuildError, InputError
from bakery.files import Tell, disk_full, locked, require_space, require_type, sha256_of, staged_folder, write_whole
from bakery.names import REFERENCE, reference
from bakery.platforms import Platform
from bakery.regular_files import SMALL, hint_of, open_regular, read_regular
from bakery.tar import decompressed
from bakery.urls import is_snapshot
from bakery.workspace import Workspace

SPACE = 600_000_000
"""Bytes that making a base needs temporarily: package lists, packages, root file system, layer."""
FOREVER = 253402300800
"""The end of the year 9999, in seconds since 1970: some file systems can have later times, images cannot."""
APT_LOGINS = "etc/apt/auth.conf"
PERL_MODULES = ("File::Find", "Getopt::Long", "Math::BigInt", "Pod::Usage", "Term::ANSIColor", "Time::HiRes")
"""What mmdebstrap needs in addition to perl-base, the only perl in a minimal Debian."""
EXPIRED = " of a snapshot, whose expired lists were accepted"
SCRIPT = Path("shared", "base.sh")


@dataclass(frozen=True)
class BaseImage:
    """A base image: its build context for buildx, its name, its manifest's digest, and its origin.

    ``origin`` is ``registry``, ``mmdebstrap`` or ``user``. ``recipe`` identifies how a base from packages was made.
    """

    context: str
    name: str
    digest: str
    origin: str
    recipe: str = ""

    @property
    def reference(self) -> str:
        """The base's reference with its registry, ``localhost`` if it comes from none, and without a digest.

        https://specs.opencontainers.org/image-spec/annotations/#pre-defined-annotation-keys
        """
        if not self.context.startswith("docker-image://"):
            name = self.name.partition(" ")[0] if self.origin == "mmdebstrap" else Path(self.name).name.lower()
            return f"localhost/{name if re.fullmatch(REFERENCE, name) else re.sub('[^a-z0-9]+', '-', name).strip('-')}"
        name, _, digest = self.name.partition("@")
        host, path, tag = registry.split_reference(name)
        host = "docker.io" if host == registry.HUB else host
        return f"{host}/{path}" if digest and tag == "latest" else f"{host}/{path}:{tag}"


@dataclass(frozen=True)
class BaseResolver:
    """Resolves targets to their bases.

    ``override`` is the user's ``--base`` for all targets: an image reference, an OCI image layout, or a root file
    system as a tar or a folder. ``refresh`` ignores cached bases.
    """

    workspace: Workspace
    catalog: Catalog
    override: str | None = None
    refresh: bool = False
    tell: Tell = print

    def resolve(self, target: Target, platform: Platform) -> BaseImage:
        """The base of ``target``, made if necessary. Raises :exc:`BuildError` and :exc:`InputError`."""
        if self.override:
            return self._override(self.override, platform)
        with self._locked(target, platform):
            return self._cached_or_published(target, platform) or self._bootstrapped(target, platform)

    def available(self, target: Target, platform: Platform) -> BaseImage | None:
        """The base of ``target``; ``None`` if it would have to be made from packages. Raises :exc:`InputError`."""
        if self.override:
            return self._override(self.override, platform)
        with self._locked(target, platform):
            return self._cached_or_published(target, platform)

    @contextmanager
    def _locked(self, target: Target, platform: Platform) -> Iterator[None]:
        folder = self._folder(target, platform)
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the base of {target.name}", self.tell):
            yield

    def _cached_or_published(self, target: Target, platform: Platform) -> BaseImage | None:
        cached = None if self.refresh else self.cached(target, platform)
        return cached or self._published(target, platform)

    def archives(self, base: BaseImage, target: Target) -> dict[str, str]:
        """The host's mirror, as in :meth:`apt.Mirror.archives`, if ``base`` was made from it; else empty.

        Such a base has the public sources, which this host may be unable to reach.
        """
        if base.origin != "mmdebstrap":
            return {}
        try:
            return apt.host_mirror().archives(self.catalog.family_of(target).archive)
        except apt.AptError:
            return {}

    def preview(self, target: Target, platform: Platform) -> BaseImage:
        """The base that a build would probably use, without network access: cached, else pinned."""
        if self.override:
            return self.resolve(target, platform)
        return self.cached(target, platform) or self.pinned(target, platform)

    def cached(self, target: Target, platform: Platform) -> BaseImage | None:
        """The base of an earlier build, if it is intact and neither the lock nor the recipe has changed since.

        The cache only says which of two bases was used: the published one, whose digest is in the lock, or one from
        packages, which is identified by the digest of its layout.
        """
        folder, pinned = self._folder(target, platform), self.pinned(target, platform)
        base = _read(folder)
        if base is None and (folder / "base.json").exists():
            self.tell(f"{folder}: damaged: its base.json is not a valid record of a base; making it again")
        if base is not None and base.origin == "registry":
            return pinned if base.digest == pinned.digest else None
        if base is None or base.recipe != self._recipe(target):
            return None
        return self._intact(folder, base, self._from_packages(target, expired=EXPIRED in str(base.name)), platform)

    def _intact(self, folder: Path, base: BaseImage, expected: BaseImage, platform: Platform) -> BaseImage | None:
        """The layout in ``folder`` if it matches ``expected`` and its record ``base``; otherwise reports the damage."""
        digest = oci.verified(folder, platform.architecture)
        if digest and replace(expected, context=base.context, digest=digest) == base:
            return replace(base, context=f"oci-layout://{folder}@{digest}")
        self.tell(f"{folder}: damaged or swapped: it does not match its record; making it again")
        return None

    def _from_packages(self, target: Target, *, expired: bool) -> BaseImage:
        """The base of ``target`` from packages, not made yet; its name says whether lists may be ``expired``."""
        name = f"{target.base.image} (from packages{EXPIRED if expired else ''}, mmdebstrap)"
        return BaseImage("", name, "", "mmdebstrap", self._recipe(target))

    def pinned(self, target: Target, platform: Platform) -> BaseImage:
        """The published base at the digest in the lock, whether it can be reached or not."""
        digest = target.base.digests.get(platform, "")
        reference = f"{target.base.image}@{digest}" if digest else target.base.image
        return BaseImage(f"docker-image://{reference}", target.base.image, digest, "registry")

    def _folder(self, target: Target, platform: Platform) -> Path:
        return self.workspace.home / "bases" / f"{target.name}-{platform.architecture}"

    def _published(self, target: Target, platform: Platform) -> BaseImage | None:
        base = self.pinned(target, platform)
        if not base.digest:
            self.tell(f"{target.base.image} is not pinned for {platform}: its registry is not used")
            return None
        try:
            registry.require_manifest(f"{target.base.image}@{base.digest}")
        except registry.RegistryError as error:
            self.tell(f"{target.base.image}: {error.message}; making an equivalent base from packages")
            return None
        folder = self._folder(target, platform)
        if require_type(folder, stat.S_IFDIR):
            shutil.rmtree(folder)
        write_whole(folder / "base.json", json.dumps(asdict(base)))
        return base

    def _bootstrapped(self, target: Target, platform: Platform) -> BaseImage:
        """A root file system made by mmdebstrap, as an image layout in the cache."""
        family = self.catalog.family_of(target)
        alternatives = (
            f"Or use another base: --base=IMAGE (for example {target.base.image}), --base=ROOTFS.tar or --base=FOLDER."
        )
        problem = f"no registry answers for {target.base.image}, and"
        if os.geteuid() != 0:
            hint = f"Run the same command as root. {alternatives}"
            raise BuildError(f"{problem} making a base from packages needs root", hint=hint)
        try:
            apt.require_host(family.archive.id)
        except apt.AptError as error:
            hint = (
                f"Build where its registry can be reached, or on a host that runs {family.archive.id}. {alternatives}"
            )
            raise BuildError(f"{problem} {error.message}", hint=hint) from None
        folder = self._folder(target, platform)
        require_space(folder, SPACE)
        with staged_folder(folder) as stage:
            tar = stage / "rootfs.tar"
            try:
                expired = self._bootstrap(target, platform, family.archive, tar)
            except apt.AptError as error:
                raise BuildError(
                    f"the base of {target.name} could not be made: {error.message}", hint=alternatives
                ) from None
            return self._store(tar, folder, stage, self._from_packages(target, expired=expired), platform)

    def _store(self, tar: Path, folder: Path, stage: Path, base: BaseImage, platform: Platform) -> BaseImage:
        """Turn ``tar`` into an image layout with its record in ``stage``, which becomes ``folder`` later."""
        seconds = tar.stat().st_mtime
        if not 0 <= seconds < FOREVER:
            problem = f"{tar} has the time {seconds:.0f}: expected seconds since 1970, before the year 10000"
            raise InputError(problem, hint=f"Set another one: touch {shlex.quote(str(tar))}")
        created = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with decompressed(open_regular(tar)) as stream:
            digest = oci.write_layout(stage, stream, architecture=platform.architecture, created=created)
        if tar.parent == stage:
            tar.unlink()
        stored = replace(base, context=f"oci-layout://{folder}@{digest}", digest=digest)
        (stage / "base.json").write_text(json.dumps(asdict(stored)), encoding="utf-8")
        return stored

    def _bootstrap(self, target: Target, platform: Platform, archive: Archive, tar: Path) -> bool:
        """Make the root file system ``tar``; returns whether the mirror is a snapshot, whose lists may be expired."""
        mirror = apt.host_mirror()
        if missing := mirror.missing(target.name, archive):
            self.tell(f"apt's sources on this host have no {', '.join(missing)}: the base lacks their fixes")
        tools, env = self._tools(mirror, archive)
        script, rootfs = str(self.workspace.root / SCRIPT), str(tar.with_suffix(""))
        self.tell(f"making the base of {target.name} from {archive.id} packages with mmdebstrap")
        logins, login_hooks = tar.with_name("auth.conf"), list[str]()
        if apt.write_logins(logins):
            login_hooks = [f'--setup-hook={shlex.join(["install", "-D", "-m600", str(logins)])} "$1/{APT_LOGINS}"']
        # In a separate mount namespace: mmdebstrap's mounts end with it, even if it is killed.
        apt.run(
            [
                "unshare", "--mount", "perl", str(tools / "usr/bin/mmdebstrap"),
                "--mode=root", "--variant=minbase", "--format=directory", f"--architectures={platform.architecture}",
                *(f"--hook-dir={folder}" for folder in self._hooks(target, tools)),
                f"--include={','.join(archive.include)}",
                f"--setup-hook={shlex.join(['bash', script, 'pin'])} \"$1\" {shlex.join(archive.exclude)}",
                *login_hooks, "--skip=cleanup/apt", target.name, rootfs, *mirror.sources(target.name, archive),
            ],
            env=env,
        )  # fmt: skip
        for file in (logins, Path(rootfs, APT_LOGINS)):
            file.unlink(missing_ok=True)
        apt.require_suites(Path(rootfs, "var/lib/apt/lists"))
        apt.run(["bash", script, "finish", archive.settings, str(tools), rootfs, str(tar), *archive.keyrings], env=env)
        shutil.rmtree(rootfs)
        return any(map(is_snapshot, mirror.uris.values()))

    def _hooks(self, target: Target, tools: Path) -> list[Path]:
        """The folders with hooks for ``target``: in the repository if a name has a slash, else mmdebstrap's own."""
        own = tools / "usr/share/mmdebstrap/hooks"
        return [(self.workspace.root if "/" in hook else own) / hook for hook in target.hooks]

    def _recipe(self, target: Target) -> str:
        """A digest of the script and the settings that make a base of ``target`` from packages."""
        archive, root = self.catalog.family_of(target).archive, self.workspace.root
        folders = [root / archive.settings, *(root / hook for hook in target.hooks if "/" in hook)]
        files = [root / SCRIPT]
        for folder in folders:
            files += sorted(file for file in folder.rglob("*") if not file.is_dir())
        parts = [repr((archive, target.hooks)).encode(), *map(read_regular, files)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def _tools(self, mirror: apt.Mirror, archive: Archive) -> tuple[Path, dict[str, str]]:
        """The folder with the tools, unpacked but not installed, and the environment that mmdebstrap's perl needs."""
        folder = self.workspace.home / "tools" / f"bases-{mirror.codename}"
        version = apt.run(["perl", "-e", 'printf "%vd", $^V']).rpartition(".")[0]
        program = [] if "/" in archive.settings else [archive.settings]
        packages = ["mmdebstrap", f"perl-modules-{version}", f"libperl{version}", *program]
        state, sources = self.workspace.home / "apt" / mirror.codename, mirror.sources(mirror.codename, archive)
        with locked(folder.with_suffix(".lock"), "mmdebstrap", self.tell):
            apt.unpack_checked(folder, packages, lambda: apt.PrivateApt(state, sources), self.tell)
        libraries = [str(folder / "usr/share/perl" / version), *map(str, folder.glob(f"usr/lib/*/perl/{version}"))]
        return folder, {} if _perl_has(PERL_MODULES) else {"PERL5LIB": ":".join(libraries)}

    def _override(self, override: str, platform: Platform) -> BaseImage:
        path = users_base(override)
        if path is None:
            return BaseImage(f"docker-image://{override}", override, override.partition("@")[2], "user")
        if (path / "oci-layout").exists():
            digest = oci.layout_digest(path, platform)
            return BaseImage(f"oci-layout://{path}@{digest}", str(path), digest, "user")
        cache = self.workspace.home / "bases"
        if not path.is_dir():
            return self._imported(path, override, platform)
        path = path.resolve()  # tarfile would pack a link to a folder as a link
        with disk_full(cache):
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".folder.", suffix=".partial", dir=cache) as stage:
                file, device = Path(stage) / "rootfs.tar", path.stat().st_dev
                self.tell(f"packing {override}, without file systems that are mounted in it")
                with tarfile.open(file, "w") as tar:

                    def bounded(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
                        oci.require_size(tar.offset + member.size, f"--base={override}")
                        source = path / member.name
                        mounted = source.lstat().st_dev != device and not source.is_mount()
                        return None if member.isdev() or mounted else member

                    with _readable(override, path):
                        tar.add(path, arcname=".", filter=bounded)
                return self._imported(file, override, platform)

    def _imported(self, tar: Path, override: str, platform: Platform) -> BaseImage:
        oci.require_size(tar.stat().st_size, f"--base={override}")
        name = f"{Path(override).name} (root file system given by the user)"
        folder = self.workspace.home / "bases" / f"user-{sha256_of(tar)[:16]}-{platform.architecture}"
        with disk_full(folder), locked(folder.with_suffix(".lock"), f"the base {override}", self.tell):
            record, base = _read(folder), BaseImage("", name, "", "user")
            # The name of the file may have changed since.
            cached = self._intact(folder, record, replace(base, name=record.name), platform) if record else None
            if cached is not None:
                return replace(cached, name=name)
            oci.check_root_file_system(tar)
            with staged_folder(folder) as stage:
                return self._store(tar, folder, stage, base, platform)


def users_base(override: str) -> Path | None:
    """The file or folder that ``--base`` names, ``None`` for an image's reference; :exc:`InputError` for anything else.

    The root file system itself is checked when it is read.
    """
    path = Path(override).absolute()
    if not os.path.exists(path):  # Path.exists fails for a name that is too long
        if override.startswith(("/", ".", "~")) or re.search(r"\.(tar(\.\w+)?|tgz|tbz|txz)$", override):
            raise InputError(f"--base={override}: no such file or folder")
        reference(override)
        return None
    if not path.is_dir() and not path.is_file():
        raise InputError(f"--base={override}: expected a file or a folder, not a FIFO, a socket or a device")
    layout = path.is_dir() and (path / "oci-layout").exists()
    if path.is_dir() and not layout and not (path / "etc").is_dir():
        raise InputError(f"--base={override}: neither an OCI image layout nor a root file system (it has no etc)")
    if re.search("[:@]", str(path)) and layout:  # buildx: oci-layout://FOLDER:TAG@DIGEST
        raise InputError(f"--base={override}: expected an OCI image layout in a folder without : and @ in its path")
    with _readable(override, path):
        for file in path.rglob("*") if layout else [path]:
            if not file.is_dir():  # buildx would wait for the writer of a FIFO
                open_regular(file).close()
    return path


@contextmanager
def _readable(override: str, path: Path) -> Iterator[None]:
    """Turn an error about a file of the base at ``path`` into :exc:`InputError`."""
    try:
        yield
    except OSError as error:
        # An error about the tar that is being written is not about the base.
        if error.filename is None or not Path(error.filename).is_relative_to(path):
            raise
        problem = f"--base={override}: {error.filename} cannot be read: {error.strerror}"
        as_owner = "Run as the user that owns it, or give the root file system as a tar."
        raise InputError(problem, hint=as_owner if isinstance(error, PermissionError) else hint_of(error)) from None


def _read(folder: Path) -> BaseImage | None:
    """The record of the base in ``folder``, which is not checked; :exc:`BakeryError` if it is a link or a FIFO."""
    require_type(folder, stat.S_IFDIR)
    require_type(folder / "base.json")
    try:
        return BaseImage(**json.loads(read_regular(folder / "base.json", SMALL)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _perl_has(modules: tuple[str, ...]) -> bool:
    try:
        apt.run(["perl", *(f"-M{module}" for module in modules), "-e", "1"])
    except apt.AptError:
        return False
    return True


def registry_hosts(catalog: Catalog) -> tuple[str, ...]:
    """The hosts of the registries that the base images of ``catalog`` come from."""
    return tuple(dict.fromkeys(registry.split_reference(target.base.image)[0] for target in catalog.targets))
