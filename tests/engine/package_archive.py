"""A small package archive on the loopback interface, and a base image whose apt uses it."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bakery.engine.engine import Engine
from bakery.workspace import Workspace
from tests.loopback import QuietHandler, serving_requests

SUITES = ("bookworm", "bookworm-security")
OTHERS = "mv /etc/apt/sources.list.d /etc/apt/others && mkdir /etc/apt/sources.list.d && "


class _Files(QuietHandler, SimpleHTTPRequestHandler):
    """Serves files."""


class PackageArchive:
    """Packages in two suites, as files below ``folder``; ``url`` is where apt finds them while they are served."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stanzas: dict[str, dict[str, str]] = {suite: {} for suite in SUITES}
        self.url = ""

    def add(self, name: str, version: str, suite: str = "bookworm", depends: str = "") -> Path:
        """Build and publish a package with one file, whose content is the version; return the .deb."""
        tree = self.folder / "trees" / f"{name}_{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share").mkdir(parents=True)
        (tree / "usr/share" / name).write_text(version)
        fields = {
            "Package": name, "Version": version, "Architecture": "all", "Maintainer": "A Test <t@example.org>",
            "Description": "test", **({"Depends": depends} if depends else {}),
        }  # fmt: skip
        control = "".join(f"{key}: {value}\n" for key, value in fields.items())
        (tree / "DEBIAN/control").write_text(control)
        file = self.folder / "pool" / f"{name}_{version}_all.deb"
        file.parent.mkdir(exist_ok=True)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(file)], check=True, capture_output=True,
            env={"SOURCE_DATE_EPOCH": "1700000000", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        data = file.read_bytes()
        where = f"Filename: pool/{file.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        self.stanzas[suite][name] = control + where
        self.publish()
        return file

    def publish(self) -> None:
        """Write the lists of both suites."""
        for suite, stanzas in self.stanzas.items():
            folder = self.folder / "dists" / suite
            sums = ""
            for machine in ("amd64", "arm64"):
                text = "\n".join(stanzas.values()).encode()
                name = f"main/binary-{machine}/Packages"
                for path, data in ((name, text), (f"{name}.gz", gzip.compress(text, mtime=0))):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(data)
                    sums += f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n"
            date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
            (folder / "Release").write_text(
                f"Origin: Tests\nSuite: {suite}\nCodename: {suite}\nArchitectures: all amd64 arm64\nComponents: main\n"
                f"Date: {date}\nSHA256:\n{sums}"
            )

    def sources(self) -> str:
        """The sources.list of a base."""
        return "".join(f"deb [trusted=yes] {self.url} {suite} main\n" for suite in SUITES)


@contextmanager
def served(workspace: Workspace, folder: Path) -> Iterator[tuple[PackageArchive, Path]]:
    """An archive below ``folder`` and the OCI layout of this machine's base; without a base the test is skipped."""
    layout = workspace.home / "bases" / "bookworm-amd64"
    if not layout.exists():
        pytest.skip("no base was made on this machine")
    archive = PackageArchive(folder / "archive")
    archive.folder.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(archive.folder.parent)))
    archive.url = f"http://127.0.0.1:{http.server_port}/{archive.folder.name}"
    with serving_requests(http):
        yield archive, layout


def base_of(
    engine: Engine, layout: Path, archive: PackageArchive, debs: list[Path], folder: Path, *, alone: bool = False
) -> Path:
    """An OCI layout: the base in ``layout`` with ``archive`` in addition to its sources, and ``debs`` installed.

    ``alone``: ``archive`` is its only source; the others are in ``/etc/apt/others``.
    """
    folder.mkdir()
    for deb in debs:
        (folder / deb.name).write_bytes(deb.read_bytes())
    (folder / "sources.list").write_text(archive.sources())
    (folder / "Dockerfile").write_text(
        f"FROM base\nRUN --mount=type=bind,target=/mnt {OTHERS if alone else ''}"
        "cp /mnt/sources.list /etc/apt/sources.list.d/tests.list "
        f"{'&& dpkg -i /mnt/*.deb ' if debs else ''}&& rm -f /var/log/dpkg.log\n"
    )
    result = folder.with_name(f"{folder.name}-layout")
    command = [
        *engine.buildx, "build", "--build-context", f"base=oci-layout://{layout}", "--provenance=false",
        f"--output=type=oci,tar=false,dest={result}", *(["--network", engine.network] if engine.network else []),
        str(folder),
    ]  # fmt: skip
    done = subprocess.run(command, env=engine.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return result
