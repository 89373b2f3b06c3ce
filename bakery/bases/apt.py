"""The package archive of the host's distribution, used through apt without changing anything on the host.

apt knows the mirror, its proxy and its keys, so no package host is named here. A private state folder gives access to
suites that the host does not use itself (Docker in Debian 12 is too old, in trixie it is not), with signatures checked
as usual.
"""

import errno
import os
import platform
import re
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from bakery.catalog import Archive, load_catalog
from bakery.checksums import checked_folder, is_intact
from bakery.errors import QuotingError
from bakery.files import Tell, require_type, sha256_of, staged_folder, write_whole
from bakery.programs import Limits, ProgramError, run_program
from bakery.regular_files import read_regular
from bakery.urls import is_snapshot

LIMITS = Limits(seconds=1800, output=64 << 20, grace=5)
"""For one tool: an emulated mmdebstrap takes minutes, and removes its temporary folders when it is stopped."""
INHERITED = re.compile(
    r"(?im)^(?:Acquire::(?:https?|ftp|tor)::\S+|Acquire::(?:Retries|ForceIPv[46])|Dir|Dir::Bin::methods"
    r'|Dir::Etc(?:::(?:netrc|trusted)(?:parts)?)?) "[^"]*";$'
)
"""The host's settings that a private apt uses: how to reach the mirror and which keys are trusted, but no policy."""
POLICY = {
    "APT::Get::AllowUnauthenticated": "false", "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false", "Acquire::AllowDowngradeToInsecureRepositories": "false",
    "Acquire::Check-Valid-Until": "true", "Acquire::Check-Date": "true",
}  # fmt: skip
"""What verification needs (apt.conf(5), apt-secure(8)). A line of sources.list can still accept expired lists."""
HOSTS_LOGINS = Path("/etc/apt/auth.conf")
ALIASES = ("stable", "oldstable", "testing", "unstable")
LOGINS: dict[str, str] = {}
"""URIs with a login, from the host's sources, by the same URI without it. apt reads logins from auth.conf: lists
of sources can end up in images, and other users can list the arguments of processes."""


class AptError(QuotingError):
    """apt or a package tool failed; the message ends with the last lines of its output."""


@dataclass(frozen=True)
class Mirror:
    """The mirror that the host's apt uses: URIs, without logins, by suffix of a suite: ``""``, ``-security``."""

    codename: str
    uris: dict[str, str]

    def missing(self, suite: str, archive: Archive) -> list[str]:
        """The suites of a release of ``archive`` that the host's sources do not have."""
        return [suite + suffix for suffix in archive.suites if suffix not in self.uris]

    def sources(self, suite: str, archive: Archive) -> list[str]:
        """Lines of a sources.list for ``suite``, with the keyring that verifies it if the host has one.

        A snapshot's package lists may have expired; a user who chooses a snapshot accepts that.
        """
        keyring, lines = keyring_of(archive), list[str]()
        for suffix in (suffix for suffix in archive.suites if suffix in self.uris):
            options = [f"signed-by={keyring}"] if keyring else []
            options += ["check-valid-until=no"] if is_snapshot(self.uris[suffix]) else []
            option = f"[{' '.join(options)}] " if options else ""
            lines.append(f"deb {option}{self.uris[suffix]} {suite}{suffix} {' '.join(archive.components)}")
        return lines

    def archives(self, archive: Archive) -> dict[str, str]:
        """The mirror's URLs, with logins, by the names of the archives in public sources, such as ``debian-security``.

        Empty if it does not have all of them, or if build steps cannot reach it.
        """
        uris = {archive.id + suffix: with_login(self.uris.get(suffix, "")) for suffix in ("", "-security")}
        return uris if all(uri.startswith(("http://", "https://")) for uri in uris.values()) else {}


def keyring_of(archive: Archive) -> str | None:
    """The first of the archive's keyrings that this host has."""
    return next((name for name in archive.keyrings if os.path.exists(name)), None)


def host_release() -> dict[str, str]:
    """The fields of os-release(5); empty without that file."""
    try:
        return platform.freedesktop_os_release()
    except (OSError, ValueError):
        return {}


def host_id() -> str:
    """``ID`` of os-release, such as ``debian`` or ``ubuntu``; empty if unknown."""
    return host_release().get("ID", "")


def require_host(distribution: str) -> None:
    """Raise :exc:`AptError` unless this host is of ``distribution`` (:func:`host_id`)."""
    if host_id() != distribution:
        raise AptError(f"this host's apt has {host_id() or 'no'} packages, not {distribution} packages")


def host_archive(root: Path) -> Archive:
    """The archive of the host's distribution in the catalog of the clone ``root``."""
    return next(family.archive for family in load_catalog(root).families if family.archive.id == host_id())


def host_codename() -> str:
    """The host's release name such as ``bookworm``; empty if unknown."""
    return host_release().get("VERSION_CODENAME", "")


def run(command: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a tool and return its stdout; :exc:`AptError` with its last lines if it fails.

    The user's umask does not count: with 077, only root could read the apt sources of a base.
    A full disk is raised as :exc:`OSError` with ``ENOSPC``.
    """
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    try:
        done = run_program(command, environment, LIMITS, cwd=cwd, umask=0o022)
    except ProgramError as error:
        raise AptError(f"{Path(command[0]).name} {error}") from None
    except FileNotFoundError:
        hint = "This step needs a Debian or Ubuntu host with apt and dpkg."
        raise AptError(f"{command[0]} is not installed", hint=hint) from None
    stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.code:
        if "No space left on device" in stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = [line for line in (stderr + stdout).splitlines() if line.strip()]
        # apt reports as a warning why it refuses a signature; a program that crashes prints neither.
        errors = [line for line in lines if line.startswith(("E:", "W: GPG error", "FATAL"))]
        errors = errors or [*lines[-2:], f"exit code {done.code}"]
        raise AptError(f"{os.path.basename(command[0])} failed: " + " ".join(errors[-3:]))
    return stdout


def host_mirror() -> Mirror:
    """The mirror of the host's distribution that its apt is set up for; :exc:`AptError` without one.

    Third-party repositories may use the same suite names, but apt knows the origin of the lists that it has downloaded.
    A suite may have no list of the distribution's own origin: after an update that failed halfway, in an image that
    keeps some lists, or with a mirror that signs its own. Then the URI that serves most suites of the release is
    assumed to be the mirror. Signatures are checked, so a wrong assumption fails.
    """
    codename = host_codename()
    downloaded, entries = (_index_targets(codename, downloaded=only) for only in (True, False))
    known = {entry[:2] for entry in downloaded}
    official = [entry for entry in downloaded if entry[2].lower() == host_id()]
    suites = Counter(uri for _, uri in {entry[:2] for entry in entries})

    def rank(entry: tuple[str, str, str]) -> tuple[bool, int, bool]:
        unofficial = entry[:2] in known  # downloaded official lists come first in any case
        return bool(official) and unofficial, -suites[entry[1]], unofficial

    uris: dict[str, str] = {}
    for suffix, uri, _ in [*official, *sorted(entries, key=rank)]:
        public = re.sub("//.*@", "//", uri)
        if suffix not in uris and not uri.startswith("cdrom:"):
            uris[suffix] = public
            if public != uri:
                LOGINS[public] = uri
    if not codename or "" not in uris:
        hint = "Expected an entry for it in /etc/apt/sources.list or /etc/apt/sources.list.d/."
        raise AptError(f"apt's sources have no archive for this host's release ({codename or 'unknown'})", hint=hint)
    return Mirror(codename, uris)


def with_login(uri: str) -> str:
    """``uri`` with the login that the host's sources have for it, if any."""
    logins = (pair for pair in LOGINS.items() if f"{uri}/".startswith(f"{pair[0]}/"))
    return next((f"{full}{uri.removeprefix(bare)}" for bare, full in logins), uri)


def write_logins(file: Path) -> bool:
    """Write the logins of the host's sources and its auth.conf for apt (apt_auth.conf(5)); ``False`` without any."""
    file.unlink(missing_ok=True)
    lines: list[bytes] = []
    for bare, full in LOGINS.items():
        name, _, password = full.partition("//")[2].rpartition("@")[0].partition(":")
        line = f"machine {bare} login {unquote(name)} password {unquote(password)}\n"
        lines.append(line.encode("utf-8", "surrogateescape"))
    with suppress(OSError):
        lines += [HOSTS_LOGINS.read_bytes()] if lines else []
    if lines:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.writelines(lines)
    return bool(lines)


def _index_targets(codename: str, *, downloaded: bool) -> list[tuple[str, str, str]]:
    """Suite suffix, URI and origin of each package list of the host's release that apt is set up for.

    With ``downloaded``, only lists that it has downloaded; without, the origin is unknown. apt would read all lists
    first, which takes 0.7 s if it has no cache of them, so it gets empty ones of the same names, and the Release files.
    """
    form = "$(CREATED_BY) $(RELEASE) $(REPO_URI) $(ORIGIN)"
    names = rf"(?:{re.escape(codename)}|{'|'.join(ALIASES)})(-updates|-security|)/?(?:updates)?$"
    with tempfile.TemporaryDirectory() as folder:
        if downloaded:
            _, _, lists = shlex.split(run(["apt-config", "shell", "lists", "Dir::State::lists/d"]))[0].partition("=")
            for path in Path(lists).glob("*_*"):
                if path.name.endswith("Release"):
                    (Path(folder) / path.name).symlink_to(path)
                elif packages := re.match(r".*_Packages(?=$|\.)", path.name):  # it may be compressed
                    (Path(folder) / packages[0]).touch()
        options = [] if downloaded else ["--no-release-info"]
        options += ["-o", f"Dir::State::lists={folder}"]
        output = run(["apt-get", "indextargets", *options, "--format", form])
    entries = []
    for line in output.splitlines():
        created_by, suite, uri, origin = [*line.split(), "", "", "", ""][:4]
        name = re.match(names, suite)
        if created_by == "Packages" and name:
            entries.append((name[1], uri.rstrip("/"), origin))
    return entries


def require_suites(lists: Path) -> None:
    """Raise :exc:`AptError` if a list that apt has downloaded to ``lists`` is not of the suite that it requested.

    apt only warns, because its signature is valid: the keys of a distribution sign all of its releases.
    """
    for file in lists.glob("*_dists_*Release"):
        suite = file.name.rpartition("_dists_")[2].rpartition("_")[0]
        names = re.findall(r"(?m)^(?:Suite|Codename): *(\S+)", read_regular(file).decode(errors="replace"))
        if names and suite not in names:
            problem = f"the mirror has another release as {suite}: its Release file says {' '.join(names[:2])}"
            raise AptError(problem, hint="Use another mirror, or correct this mirror.")


def download(uri: str, file: Path, sha256: str) -> None:
    """Download ``uri`` with apt's settings (proxy, certificates); :exc:`AptError` unless the digest matches."""
    logins = file.with_name(f".{file.name}.auth.conf")
    user = ["-o", "APT::Sandbox::User=root", *(["-o", f"Dir::Etc::netrc={logins}"] if write_logins(logins) else [])]
    times = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]
    try:
        run(["/usr/lib/apt/apt-helper", *user, *times, "download-file", uri, str(file), f"SHA256:{sha256}"])
    finally:
        logins.unlink(missing_ok=True)


def unpack_checked(folder: Path, packages: Sequence[str], archive: Callable[[], "PrivateApt"], tell: Tell) -> None:
    """Unpack ``packages`` of ``archive`` in ``folder``, unless they are there and intact (:mod:`bakery.checksums`)."""
    if not is_intact(folder, tell):
        private = archive()
        private.update()
        with checked_folder(folder) as stage:
            private.unpack(packages, stage)


class PrivateApt:
    """An apt with its own sources, state and policy in ``folder``; the host's are neither used nor changed."""

    def __init__(self, folder: Path, sources: Sequence[str]) -> None:
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for path in folder.rglob("*"):
            if not path.is_dir() and not path.is_symlink():  # apt links to the lists of a mirror that is a folder
                require_type(path)
        write_whole(folder / "status", "")
        write_whole(folder / "sources.list", "".join(f"{line}\n" for line in sources))
        settings = {
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            # Without these, the host's configuration files, which apt reads later, would override this one.
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            # A new state accepts any origin and label, too; require_suites() compares what matters.
            "Acquire::AllowReleaseInfoChange": "true",
            **POLICY,
        }
        if write_logins(folder / "auth.conf"):
            settings["Dir::Etc::netrc"] = folder / "auth.conf"
        lines = [
            *INHERITED.findall(run(["apt-config", "dump"])),
            *(f'{key} "{value}";' for key, value in settings.items()),
        ]
        # The host's proxies can have passwords.
        write_whole(folder / "apt.conf", "".join(f"{line}\n" for line in lines), 0o600)
        self.env = {"APT_CONFIG": str(folder / "apt.conf")}

    def update(self) -> None:
        """Download the package lists and verify their signatures.

        Lists that a power cut truncated are removed first: apt would not verify them until the archive has newer ones.
        """
        for release in self.folder.glob("lists/*_InRelease"):
            text = read_regular(release).decode(errors="replace")
            for sha256, path in re.findall(r"(?m)^ ([0-9a-f]{64}) +[0-9]+ (\S+)$", text):
                file = release.with_name(release.name.removesuffix("InRelease") + path.replace("/", "_"))
                if file.exists() and sha256_of(file) != sha256:
                    file.unlink()
        run(["apt-get", "update", "--error-on=any"], env=self.env)
        require_suites(self.folder / "lists")

    def candidate(self, package: str) -> str:
        """The version that would be installed; empty if the suites do not have the package."""
        text = run(["apt-cache", "policy", package], env=self.env)
        match = re.search(r"(?m)^  Candidate: (\S+)", text)
        return match[1] if match and match[1] != "(none)" else ""

    def _renamed(self, package: str) -> str:
        """``package``, or its new name if it was renamed for 64-bit times (libperl5.38t64 in Ubuntu 24.04)."""
        renamed = f"{package}t64"
        return renamed if not self.candidate(package) and self.candidate(renamed) else package

    def sources(self, package: str) -> str:
        """The stanzas of the source package ``package`` in the lists; empty if they do not have it."""
        return run(["apt-cache", "showsrc", "--only-source", package], env=self.env)

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Download ``packages`` and unpack them into a folder; nothing is installed, no maintainer script runs."""
        with staged_folder(self.folder / "debs") as debs:
            run(["apt-get", "download", *map(self._renamed, packages)], env=self.env, cwd=debs)
            downloaded = sorted(debs.glob("*.deb"))
            if len(downloaded) < len(set(packages)):  # the unpacked folder would count as complete from now on
                raise AptError(f"apt-get downloaded {len(downloaded)} of {len(set(packages))} packages")
            for deb in downloaded:
                run(["dpkg-deb", "--extract", str(deb), str(into)])
        shutil.rmtree(self.folder / "debs")
