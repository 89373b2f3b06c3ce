"""Errors for the unexpected answers of registries."""

import email.utils
import re
import time

from bakery.errors import QuotingError

FULL = re.compile(rb"no space left|disk quota|insufficient storage|quota exceeded", re.IGNORECASE)
RESUME = "Run the same command again: it continues where it stopped."
PUSH_HINTS = {
    401: "The login is valid but may not push there: request access, or pass another --repository.",
    403: "The login may not push there: request access, or pass another --repository.",
    404: "Some registries require that a repository is created first.",
    405: "The registry may be read-only, or a mirror.",
    413: "A proxy in front of the registry limits the size of uploads.",
}


class RegistryError(QuotingError):
    """A request to a registry failed. Exit code 1.

    ``status`` is the HTTP status of the answer, 0 without one. If another attempt may succeed, ``transient`` says what
    happened and ``wait`` has the value of Retry-After.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0, transient: str = "", wait: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status, self.transient, self.wait = status, transient, wait


class ContentError(RegistryError):
    """The registry works, and what it has is not what was expected there. Exit code 1."""


class Unreachable(RegistryError):
    """The registry did not answer at all. Exit code 1."""


def is_full(body: bytes) -> bool:
    """Whether the registry's disk is full: it then answers 500 and will again."""
    return bool(FULL.search(body))


def login_error(host: str, path: str, known: bool, token: bool = False) -> RegistryError:
    """A 401: docker's configuration has no login, or one (``known``) or a ``token`` that the host does not accept."""
    if token:
        message = f"{host} accepts a name with a password only; docker's configuration has an identity token for it"
        return RegistryError(message, hint=f"Log in with a name: docker login --username=NAME {host}", status=401)
    if known:
        message, verb = f"{host} does not accept the login that docker's configuration has for it", "again"
    else:
        message, verb = f"{host} requires a login for {path}, or has no such repository", "first"
    return RegistryError(message, hint=f"Log in {verb}: docker login {host}", status=401)


def status_error(host: str, resource: str, status: int, body: bytes, pushes: bool) -> RegistryError:
    """The error for ``status`` in answer to a request for ``resource`` (``library/debian/manifests/12``)."""
    if status == 507 or is_full(body):
        return RegistryError(
            f"{host} has no space left for {resource} (it answered {status})",
            hint="Free space there, then run the same command again: uploaded layers stay.",
            status=status,
        )
    # https://distribution.github.io/distribution/spec/api/#errors
    why = ""
    if code := re.search(rb'"code"\s*:\s*"([A-Z_]{3,40})"', body):
        why = f" ({code[1].decode()})"
    elif status == 429:
        why = ": too many requests from this address"
    may_succeed_later = status in (408, 425, 429) or status >= 500
    hint = PUSH_HINTS.get(status, RESUME if may_succeed_later else "") if pushes else ""
    return RegistryError(f"{host} answered {status} for {resource}{why}", hint=hint, status=status)


def retry_after(text: str, default: float) -> float:
    """Seconds of a Retry-After header, a number or a date (RFC 9110 10.2.3); ``default`` if it is neither.

    It may be 0 or in the past: callers wait at least as long as without it.
    """
    if re.fullmatch(r"\d{1,6}", text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, LookupError):
        return default
