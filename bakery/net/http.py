"""HTTP as this project needs it: no more bytes than expected, no endless waiting, nothing decoded on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bakery.errors import Unavailable

__all__ = ["TIMEOUT", "UntrustedCertificate", "download", "read", "status_of"]

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and between two reads."""
AS_IT_IS = {"Accept-Encoding": "identity"}


class UntrustedCertificate(Unavailable):
    """The server's TLS certificate is not signed by a trusted authority."""


def download(url: str, file: Path, limit: int) -> None:
    """Write what ``url`` answers to ``file``; :exc:`Unavailable` where it does not, or sends over ``limit`` bytes."""
    with file.open("wb") as stream:
        for chunk in _chunks(url, limit):
            stream.write(chunk)


def read(url: str, limit: int) -> bytes:
    """What ``url`` answers, for small things; raises as :func:`download` does."""
    return b"".join(_chunks(url, limit))


def status_of(url: str, *, timeout: float | tuple[float, float] | None = None, follow: bool = True) -> int:
    """The status code of a HEAD request, after redirects if ``follow``; ``timeout`` in seconds replaces TIMEOUT.

    Raises :exc:`Unavailable`, for a TLS certificate that is not trusted :exc:`UntrustedCertificate`.
    """
    import requests

    try:
        with requests.head(url, timeout=timeout or TIMEOUT, allow_redirects=follow) as answer:
            return answer.status_code
    except requests.exceptions.SSLError as error:
        raise UntrustedCertificate(f"has a certificate that is not trusted ({_reason(error)})") from None
    except requests.RequestException as error:
        raise Unavailable(f"cannot be reached ({type(error).__name__})") from None


def _chunks(url: str, limit: int) -> Iterator[bytes]:
    import requests  # 0.1 s that `inv --list` need not pay
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    try:
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=AS_IT_IS) as answer:
            if answer.status_code != 200:
                raise Unavailable(f"answered {answer.status_code} for {url}")
            size = 0
            # raw: a server that calls a .tgz an encoded .tar would have it unpacked on the way
            while chunk := answer.raw.read(1 << 20):
                size += len(chunk)
                if size > limit:
                    raise Unavailable(f"sent more than {limit} bytes for {url}")
                yield chunk
    except (requests.Timeout, ReadTimeoutError):
        raise Unavailable(
            f"did not answer in time ({TIMEOUT[0]:.0f} s to connect, {TIMEOUT[1]:.0f} s to read)"
        ) from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise Unavailable(f"cannot be reached ({_reason(error)})") from None


def _reason(error: BaseException) -> str:
    """The innermost words of a chain of wrapped network errors."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return str(error).rsplit(": ", 1)[-1]
