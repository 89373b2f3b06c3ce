"""What a registry means by an answer that is not the wanted one, in one message."""

from __future__ import annotations

import email.utils
import re
import time

from bakery.errors import PublishError

__all__ = ["AGAIN", "Passing", "failure", "is_passing", "no_login", "retry_after"]

PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes that may be others the next time."""
FULL = re.compile(rb"no space left|disk quota|insufficient storage|quota exceeded", re.IGNORECASE)
AGAIN = "The same command again goes on where this one ended."
HINTS = {
    401: "The login is known there but may not push: ask for the right to, or name another --repository.",
    403: "The login may not push there: ask for the right to, or name another --repository.",
    404: "Some registries want a repository to be made first.",
    405: "The registry may be read-only, or a mirror.",
    413: "Something before the registry limits the size of uploads.",
}


class Passing(Exception):
    """Something that may be over at the next try: ``reason`` for those who wait, ``error`` for when patience ends."""

    def __init__(self, reason: str, error: PublishError, wait: str = "") -> None:
        super().__init__(reason)
        self.reason, self.error, self.wait = reason, error, wait


def is_passing(status: int, body: bytes) -> bool:
    """Whether the same request may be answered otherwise later; a full disk answers 500 and stays full."""
    return status in PASSING and not FULL.search(body)


def no_login(host: str, known: bool) -> PublishError:
    """A 401: without a login in docker's configuration, or with one (``known``) that is not accepted."""
    if known:
        return PublishError(
            f"{host} does not accept the login that docker's configuration has for it",
            hint=f"Log in again: docker login {host}",
        )
    return PublishError(f"{host} wants a login", hint=f"Log in first: docker login {host}")


def failure(host: str, path: str, what: str, status: int, body: bytes) -> PublishError:
    """The error for ``status`` in answer to ``what`` (``manifests/3.13``) of the repository ``path``."""
    if status == 507 or FULL.search(body):
        return PublishError(
            f"{host} has no space left for {path} (it answered {status})",
            hint="Make room there, then run the same again: what has arrived is kept.",
        )
    part = "" if "://" in what else f" for {what.partition('?')[0]}"
    return PublishError(
        f"{host}/{path}: the registry answered {status}{part}{_code(body)}",
        hint=HINTS.get(status, AGAIN if status in PASSING else ""),
    )


def _code(body: bytes) -> str:
    """The error code of an answer (https://distribution.github.io/distribution/spec/api/#errors)."""
    found = re.search(rb'"code"\s*:\s*"([A-Z_]{3,40})"', body)
    return f" ({found[1].decode()})" if found else ""


def retry_after(text: str, otherwise: float) -> float:
    """Seconds of a Retry-After, a number or a date (RFC 9110 10.2.3); ``otherwise`` where there is none."""
    if re.fullmatch(r"\d{1,6}", text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return otherwise
