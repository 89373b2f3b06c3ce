"""What can go wrong, each with the exit code that a shell script may rely on.

0 done; 1 a build or test failed, or a check found drift; 2 bad input or configuration; 3 nothing selected.
130 is the shell's own code for an interrupted command.
"""

from __future__ import annotations

__all__ = [
    "BakeryError",
    "BuildError",
    "ConfigError",
    "DiskFullError",
    "EngineError",
    "InputError",
    "NothingSelected",
    "PublishError",
    "SourceError",
]


class BakeryError(Exception):
    """A failure that is told to the user in one message: what was wrong, what was expected, what to do next.

    ``hint`` is the last of the three; it is printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(BakeryError):
    """A data file of the repository is wrong: names file, key and what was expected. Exit code 2."""

    exit_code = 2


class InputError(BakeryError):
    """An argument names something that does not exist or cannot be. Exit code 2."""

    exit_code = 2


class NothingSelected(BakeryError):
    """The arguments are sound but select no image. Exit code 3."""

    exit_code = 3


class SourceError(BakeryError):
    """No provider had the pinned tarball, or one sent other bytes. Exit code 1."""


class EngineError(BakeryError):
    """No Docker engine can be had, or the one there is does not suit. Exit code 1."""


class BuildError(BakeryError):
    """An image was not built, or its tests failed. Exit code 1."""


class PublishError(BakeryError):
    """A registry did not take an image, or the image is none that may be pushed. Exit code 1."""


class DiskFullError(BakeryError):
    """There is no space left where something had to be written. Exit code 1."""
