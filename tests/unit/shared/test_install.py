"""shared/install.sh, as far as it runs without a build: it also verifies the files that come with the tarball."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

FILE = "python3-wheel-whl.deb"
DATA = b"a package"
LINE = f"{hashlib.sha256(DATA).hexdigest()}  {FILE}"


def install(root: Path, folder: Path, digests: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh with these extras; after they are verified, it stops because there is no tree to install."""
    environment = {
        "EXTRAS": str(folder), "EXTRAS_SHA256": digests, "TREE": "/no/tree", "PATH": os.environ["PATH"],
        "INSTALL_OPTIONS": "prune=\nsource_only=",
    }  # fmt: skip
    command = ["bash", str(root / "shared" / "install.sh")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_verified_extras_are_installed(root: Path, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(DATA)
    done = install(root, tmp_path, LINE)
    assert f"{tmp_path / FILE}: OK" in done.stdout and "/no/tree" in done.stderr


def test_series_without_extras_verifies_nothing(root: Path, tmp_path: Path) -> None:
    done = install(root, tmp_path, "")
    assert "OK" not in done.stdout and "/no/tree" in done.stderr


@pytest.mark.parametrize(
    ("files", "digests", "problem"),
    [
        ({FILE: b"another package"}, LINE, "checksum did NOT match"),
        ({FILE: b""}, LINE, "checksum did NOT match"),
        ({FILE: DATA}, "", "expected 0 files in"),
        ({}, LINE, "expected 1 files in"),
        ({FILE: DATA, "b.deb": b"unpinned"}, LINE, "expected 1 files in"),
        ({"b.deb": b"unpinned"}, LINE, "No such file"),
    ],
)
def test_other_extras_end_the_build(
    root: Path, tmp_path: Path, files: dict[str, bytes], digests: str, problem: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = install(root, tmp_path, digests)
    assert done.returncode != 0 and problem in done.stderr + done.stdout
    assert "/no/tree" not in done.stderr
