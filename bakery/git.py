"""Runs git."""

import os
from pathlib import Path

from bakery.programs import OverLimit, run_program

SETTINGS = (
    "log.showSignature=false", "log.date=default", "log.mailmap=false", "i18n.logOutputEncoding=UTF-8",
    "status.relativePaths=true", "status.branch=false", "core.fsmonitor=false", "core.hooksPath=/dev/null",
    "protocol.allow=never",
)  # fmt: skip
"""What the user's or a repository's configuration must not decide: the output, programs to run, and to fetch what a
partial clone lacks."""
SECONDS, LIMIT = 600.0, 1 << 30
"""A release of CPython has 0.2 GB."""


def git(path: Path, *arguments: str, data: bytes = b"") -> bytes:
    """The output of git in the folder ``path``, with ``data`` as its input.

    Variables of git, which would redirect it to another repository or give paths another meaning, do not reach it,
    except its configuration, which may have safe.directory. Raises :exc:`ValueError` if git is not installed, fails,
    takes longer than :data:`SECONDS` or prints more than :data:`LIMIT` bytes.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or "_CONFIG" in name}
    verb = next(word for word in arguments if word[0] != "-" and "=" not in word)
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    command = ["git", "--no-optional-locks", "-C", str(path), *settings, *arguments]
    try:
        done = run_program(
            command, {**kept, "LC_ALL": "C", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"},
            seconds=SECONDS, limit=LIMIT, data=data,
        )  # fmt: skip
    except FileNotFoundError:
        raise ValueError("git is not installed: apt-get install git") from None
    except OverLimit as error:
        raise ValueError(f"git {verb} {error}") from None
    if done.code:
        raise ValueError(f"git {verb}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
