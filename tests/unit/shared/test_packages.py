"""shared/packages.sh with this machine's apt: which lists of a mirror are accepted."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engine.package_archive import PackageArchive

SCRIPT = Path(__file__).resolve().parents[3] / "shared" / "packages.sh"
MOUNTS = 'mount --bind "$0/lists" /var/lib/apt/lists && mount --bind "$0/apt" /etc/apt && exec "$@"'

pytestmark = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb") and os.geteuid() == 0), reason="needs root and apt"
)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", ""),
        ("Codename: bookworm\n", "Codename: trixie\n", ""),
        ("Suite: bookworm\n", "Suite: stable\n", ""),
        (
            "Suite: bookworm\nCodename: bookworm\n",
            "Suite: testing\nCodename: trixie\n",
            "The mirror has another release as bookworm: Suite: testing Codename: trixie.",
        ),
        ("Date: ", "Day: ", "has no date"),
        ("Date: ", "Date: x", "invalid date"),
    ],
    ids=["as asked for", "its suite is", "its codename is", "another release", "no date", "invalid date"],
)
def test_a_list_of_another_release_or_without_a_date_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    for name in ("lists/partial", "apt/sources.list.d", "apt/apt.conf.d", "archive"):
        (tmp_path / name).mkdir(parents=True)
    archive = PackageArchive(tmp_path / "archive")
    archive.url = f"file:{archive.folder}"
    archive.add("hello", "1.0")
    release = archive.folder / "dists/bookworm/Release"
    release.write_text(release.read_text().replace(old, new, 1))
    (tmp_path / "apt/sources.list").write_text(archive.sources())
    (tmp_path / "apt/apt.conf.d/root").write_text('APT::Sandbox::User "root";\n')
    command = ["unshare", "--mount", "sh", "-c", MOUNTS, str(tmp_path), "sh", str(SCRIPT)]
    done = subprocess.run(
        [*command, "resolve", str(tmp_path / "out"), "", "hello"], capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"cannot replace the host's sources: {done.stderr}")
    assert bool(done.returncode) == bool(problem) and problem in done.stderr
    if not problem:
        assert (tmp_path / "out/packages").read_text().startswith("runtime hello=1.0 all ")
