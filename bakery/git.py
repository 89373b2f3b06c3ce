"""Runs git."""

import os
import subprocess
from pathlib import Path

FOR_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Variables that git sets for hooks; they would redirect git to another repository."""
SETTINGS = ("-c", "log.showSignature=false", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""What a repository's own configuration must not decide: the output, and programs to run."""


def git(path: Path, *arguments: str, data: bytes = b"") -> bytes:
    """The output of git in the folder ``path``, with ``data`` as its input.

    Raises :exc:`ValueError` if git is not installed or fails.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOR_HOOKS}
    command = ["git", "--no-optional-locks", "-C", str(path), *SETTINGS, *arguments]
    try:
        done = subprocess.run(
            command, env={**environment, "LC_ALL": "C"}, input=data, capture_output=True, check=False
        )  # fmt: skip
    except FileNotFoundError:
        raise ValueError("git is not installed: apt-get install git") from None
    if done.returncode:
        raise ValueError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
