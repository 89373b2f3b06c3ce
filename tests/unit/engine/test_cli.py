"""bakery/engine/cli/docker with fakes of docker and buildx, which print their arguments; the rest needs an engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKER = """#!/bin/sh
case "$*" in
    *"buildx version") exit 1 ;;
    *"context inspect"*) echo unix:///run/infra7-python/docker.sock ;;
    *"context show") echo default ;;
    *) echo "docker $*" ;;
esac
"""
BUILDX = '#!/bin/sh\necho "$* by ${BUILDX_BUILDER:-the selected builder}, ${BUILDX_CONFIG:-its own state}"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with docker's configuration of a user who ran `docker buildx install`, and both programs."""
    config = tmp_path / "settings" / "config.json"
    config.parent.mkdir()
    config.write_text('{"aliases": {"builder": "buildx"}}')
    plugins = tmp_path / "libexec" / "docker" / "cli-plugins"
    for file, text in ((tmp_path / "bin" / "docker", DOCKER), (plugins / "docker-buildx", BUILDX)):
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker build .", "buildx build --network=host . by default, its own state"),
        ("docker --config {} build .", "--config {} buildx build . by the selected builder, its own state"),
        ("docker --config={} build .", "--config={} buildx build . by the selected builder, its own state"),
        ("DOCKER_CONFIG={} docker build .", "buildx build . by the selected builder, its own state"),
        ("docker --config=/proc/x build .", "--config=/proc/x buildx build --network=host . by default, /run/infra7"),
        ("docker ps", "docker ps"),
    ],
)
def test_the_configuration_folder_of_the_command_line_or_the_environment_is_used(
    home: Path, command: str, expected: str
) -> None:
    path = f"{ROOT / 'bakery/engine/cli'}:{home / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-c", command.format(home / "settings")], env={"HOME": str(home), "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(expected.format(home / "settings")), done.stdout + done.stderr
