"""The host's own package archive, used through apt without changing anything on the host.

apt knows the mirror, its proxy and its keys; so no package host is named here. A private state folder gives suites
that the host does not use itself (Debian 12 has no new enough Docker, trixie has), with signatures checked as usual.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bakery.catalog import Archive
from bakery.errors import BakeryError
from bakery.files import staged_folder

__all__ = [
    "AptError",
    "Mirror",
    "PrivateApt",
    "download",
    "host_codename",
    "host_id",
    "host_mirror",
    "keyring_of",
    "older",
    "run",
]

TIMEOUT = 1800
"""Seconds for one tool; making a base by emulation takes minutes."""
ALIASES = ("stable", "oldstable", "testing", "unstable")


class AptError(BakeryError):
    """apt or a package tool failed; the message carries what it said last."""


@dataclass(frozen=True)
class Mirror:
    """Where the host's apt gets its packages: URIs by suite suffix (``""``, ``-updates``, ``-security``)."""

    codename: str
    uris: dict[str, str]

    def sources(self, suite: str, archive: Archive) -> list[str]:
        """Lines of a sources.list for ``suite``, with the keyring that verifies it where the host has one."""
        keyring = keyring_of(archive)
        option = f"[signed-by={keyring}] " if keyring else ""
        components = " ".join(archive.components)
        return [
            f"deb {option}{self.uris[suffix]} {suite}{suffix} {components}"
            for suffix in archive.suites
            if suffix in self.uris
        ]


def keyring_of(archive: Archive) -> str | None:
    """The first of the archive's keyrings that this host has."""
    return next((name for name in archive.keyrings if os.path.exists(name)), None)


def host_release() -> dict[str, str]:
    """The fields of /etc/os-release (freedesktop.org's os-release), empty where there is none."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {key: value.strip("\"'") for key, value in re.findall(r"(?m)^([A-Z_]+)=(.*)$", text)}


def host_id() -> str:
    """``debian``, ``ubuntu``, or whatever else this host calls itself."""
    return host_release().get("ID", "")


def host_codename() -> str:
    """The host's release name such as ``bookworm``, empty where it has none."""
    return host_release().get("VERSION_CODENAME", "")


def run(command: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a tool to its end and return its output; :exc:`AptError` with its last lines where it fails.

    A full disk is raised as the :exc:`OSError` that it was in the tool.
    """
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    try:
        done = subprocess.run(
            command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AptError(f"{Path(command[0]).name} did not end in {TIMEOUT} s and was stopped") from None
    except FileNotFoundError:
        raise AptError(
            f"{command[0]} is not on this machine", hint="This step needs a Debian or Ubuntu host with apt and dpkg."
        ) from None
    if done.returncode:
        if "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("E:")] or lines
        raise AptError(f"{os.path.basename(command[0])} failed: " + " ".join(said[-3:]))
    return done.stdout


def host_mirror() -> Mirror:
    """The mirror of the host's distribution, as its apt is set up; :exc:`AptError` where it has none.

    Other vendors' repositories may use the same suite names: apt knows the origin of lists that it has; where it has
    none yet, the archive is the place that serves more of the release's suites than any other.
    """
    codename = host_codename()
    entries = _index_targets(codename) or _index_targets(codename, "--no-release-info")
    own = [entry for entry in entries if entry[2].lower() == host_id()]
    if not own:
        suites = Counter(uri for _, uri in {entry[:2] for entry in entries})
        own = sorted(entries, key=lambda entry: -suites[entry[1]])
    uris: dict[str, str] = {}
    for suffix, uri, _ in own:
        uris.setdefault(suffix, uri)
    if not codename or "" not in uris:
        raise AptError(
            f"apt's sources name no archive for this host's own release ({codename or 'unknown'})",
            hint="Expected an entry for it in /etc/apt/sources.list or /etc/apt/sources.list.d/.",
        )
    return Mirror(codename, uris)


def _index_targets(codename: str, *options: str) -> list[tuple[str, str, str]]:
    """Suite suffix, URI and origin of each list of packages that apt is set up for, of the host's release only."""
    form = "$(CREATED_BY) $(RELEASE) $(REPO_URI) $(ORIGIN)"
    names = rf"(?:{re.escape(codename)}|{'|'.join(ALIASES)})(-updates|-security|)/?(?:updates)?$"
    entries = []
    for line in run(["apt-get", "indextargets", *options, "--format", form]).splitlines():
        created_by, suite, uri, origin = [*line.split(), "", "", "", ""][:4]
        name = re.match(names, suite)
        if created_by == "Packages" and name:
            entries.append((name[1], uri.rstrip("/"), origin))
    return entries


def older(one: str, other: str) -> bool:
    """Whether the version ``one`` is older than ``other``, by dpkg's order."""
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def download(uri: str, file: Path, sha256: str) -> None:
    """Fetch ``uri`` with apt's own method (its proxy, its certificates); :exc:`AptError` unless the digest matches."""
    user = ["-o", "APT::Sandbox::User=root"]
    times = ["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]
    run(["/usr/lib/apt/apt-helper", *user, *times, "download-file", uri, str(file), f"SHA256:{sha256}"])


class PrivateApt:
    """An apt of its own below ``folder``: other suites than the host's, nothing of the host's state touched.

    ``machine`` is the architecture to look for (amd64, arm64), without it the host's.
    """

    def __init__(self, folder: Path, sources: Sequence[str], machine: str = "") -> None:
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("".join(f"{line}\n" for line in sources), encoding="utf-8")
        settings = {
            "Dir::State": folder,
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        if machine:
            settings |= {"APT::Architecture": machine, "APT::Architectures": machine}
        (folder / "apt.conf").write_text("".join(f'{k} "{v}";\n' for k, v in settings.items()), encoding="utf-8")
        self.env = {"APT_CONFIG": str(folder / "apt.conf")}

    def update(self) -> None:
        """Fetch the lists and check their signatures."""
        run(["apt-get", "update", "--error-on=any"], env=self.env)

    def candidate(self, package: str) -> str:
        """The version that would be installed, empty where the suites have no such package."""
        found = re.search(r"Candidate: (\S+)", run(["apt-cache", "policy", package], env=self.env))
        return "" if found is None or found[1] == "(none)" else found[1]

    def candidates(self, packages: Sequence[str]) -> dict[str, str]:
        """The versions that would be installed of ``packages``, as far as the suites have them."""
        text = run(["apt-cache", "policy", *packages], env=self.env)
        found = re.findall(r"(?m)^(\S+?)(?::\w+)?:\n  Installed: .*\n  Candidate: (\S+)", text)
        return {name: version for name, version in found if version != "(none)"}

    def sources(self, package: str) -> str:
        """The stanzas of the source package ``package`` in the lists, empty where there is none."""
        return run(["apt-cache", "showsrc", "--only-source", package], env=self.env)

    def unpack(self, packages: Sequence[str], into: Path) -> None:
        """Download ``packages`` and unpack their files below ``into``; nothing is installed, no script runs."""
        with staged_folder(self.folder / "debs") as debs:
            run(["apt-get", "download", *packages], env=self.env, cwd=debs)
            for deb in sorted(debs.glob("*.deb")):
                run(["dpkg-deb", "--extract", str(deb), str(into)])
        shutil.rmtree(self.folder / "debs")
