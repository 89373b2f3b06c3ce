"""The whole `inv update` command, in its own process, against a fake python.org."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.sources.fake_upstream import FakePythonOrg


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A copy of the repository's code and data that a command may change."""
    tree = tmp_path / "clone"
    for name in ("bakery", "commands", "shared", "debian", "ubuntu"):
        shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "tasks.py", tree)
    return tree


def test_command_prints_diff_and_messages_and_writes_only_the_lock(org: FakePythonOrg, clone: Path) -> None:
    trust = clone / "shared" / "upstream.toml"
    text = trust.read_text(encoding="utf-8").replace(
        "7169605F62C751356D054A26A821E680E5FA6305", org.manager.fingerprint
    )
    trust.write_text(text, encoding="utf-8")
    shutil.copy(org.keys / f"{org.manager.fingerprint}.asc", clone / "shared" / "keys")
    org.publish("3.13.99")
    for file, name, value in (
        ("urls", "PYTHON_ORG", org.server.url),
        ("sources/published", "API", f"{org.server.url}/api"),
    ):
        module = clone / "bakery" / f"{file}.py"
        code = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', module.read_text(encoding="utf-8"))
        module.write_text(code, encoding="utf-8")
    before = {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()}

    def inv(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-m", "invoke", "update", "--version=3.13", *options]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)

    checked = inv("--check")
    assert checked.returncode == 1, checked.stderr
    assert '+[releases."3.13.99"]' in checked.stdout
    assert "shared/lock.toml is not up to date\n  Bring it up to date: inv update" in checked.stderr
    assert {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()} == before
    written = inv()
    assert written.returncode == 0, written.stderr
    assert "--- commit message\nPin Python 3.13.99\n" in written.stdout
    after = {file: file.read_bytes() for file in clone.rglob("*") if file.is_file()}
    changed = {file.name for file in after if before.get(file) != after[file]}
    assert changed == {"lock.toml", "lock.toml.lock"}, "and a lock in build/"
    assert inv("--check").returncode == 0
    assert "shared/lock.toml is up to date" in inv().stdout
    newer = org.publish("3.13.100")
    del org.server.routes[org.path(newer)]
    unknown = inv("--check")
    assert unknown.returncode == 2
    assert unknown.stdout == "shared/lock.toml is up to date with what could be read and verified\n"
    assert "some of what is new could not be read:\n  Python 3.13.100 is listed, but its tarball" in unknown.stderr
