"""The errors of this tool, each with the exit code that shell scripts may rely on.

0: success. 1: a build or test failed, or a check found a difference. 2: bad input or configuration, or a check could
not be completed. 3: nothing selected. 128 plus a signal's number: the signal ended the program, as in the shell (130:
Ctrl-C).
"""

from collections.abc import Iterable

from bakery.redaction import redact, shorten


class BakeryError(Exception):
    """A failure that the user sees as one message: what is wrong, what was expected, and (``hint``) what to do.

    Secrets in both are redacted.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = redact(message), redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class QuotingError(BakeryError):
    """An error that may quote megabytes of a document or response: cut to 1,000 characters. Exit code 1."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(shorten(message, 1000), hint=hint)


class ConfigError(BakeryError):
    """A data file of the repository is invalid: names the file, the key, and what was expected. Exit code 2."""

    exit_code = 2


class InputError(BakeryError):
    """An argument is invalid or names something that does not exist. Exit code 2."""

    exit_code = 2


class NothingSelected(BakeryError):
    """The arguments are valid but select no image. Exit code 3."""

    exit_code = 3


class UnknownResult(BakeryError):
    """A check could not be completed. Exit code 2."""

    exit_code = 2


class SourceError(BakeryError):
    """No provider has the pinned tarball, or one sent different bytes. Exit code 1."""


class EngineError(BakeryError):
    """No Docker engine is available, or it lacks what is needed. Exit code 1."""


class BuildError(BakeryError):
    """A build, a test or a check failed. Exit code 1."""


class PublishError(BakeryError):
    """A registry rejected an image, or the image must not be pushed. Exit code 1."""


class DiskFullError(BakeryError):
    """There is no space left to write to. Exit code 1."""


class Unavailable(Exception):
    """A server or file is unavailable: callers fall back. The message continues a sentence that begins with a name."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


def reason_of(error: BaseException) -> str:
    """The message of ``error``, without the number and the path that ``str`` adds for an :exc:`OSError`."""
    return getattr(error, "strerror", None) or str(error)


def listed(names: Iterable[str]) -> str:
    """The names as a sentence lists alternatives: ``table, markdown or json``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def unknown_value(kind: str, value: str, names: Iterable[str]) -> InputError:
    """The error for an option whose ``value`` is not one of ``names``; ``kind`` is what it should name."""
    return InputError(f"unknown {kind} {value!r}", hint=f"Expected {listed(names)}.")
