"""HTTP downloads with limits of size and time; bytes are kept as the server sends them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bakery.errors import Unavailable

if TYPE_CHECKING:
    import requests

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and between two reads."""
HEADERS = {"Accept-Encoding": "identity"}


class UntrustedCertificate(Unavailable):
    """The server's TLS certificate is not signed by a trusted authority."""


def stays_secure(response: "requests.Response", **_: object) -> None:
    """A hook of requests that ends a redirect from https to anything else, where anyone could change the answer."""
    import requests

    target = urljoin(response.url, response.headers.get("Location", ""))
    if response.is_redirect and urlsplit(response.url).scheme == "https" != urlsplit(target).scheme:
        raise requests.TooManyRedirects("a redirect from https to another protocol is not followed")


SECURE = {"response": stays_secure}


def download(url: str, file: Path, limit: int) -> None:
    """Write the content of ``url`` to ``file``; :exc:`Unavailable` without it, or if it has over ``limit`` bytes."""
    with file.open("wb") as stream:
        for chunk in _chunks(url, limit):
            stream.write(chunk)


def read(url: str, limit: int) -> bytes:
    """The content of ``url``, for small files; raises as :func:`download` does."""
    return b"".join(_chunks(url, limit))


def status_of(url: str, *, timeout: tuple[float, float] = TIMEOUT, follow: bool = True) -> int:
    """A HEAD request's status, after redirects if ``follow``; :exc:`Unavailable` or :exc:`UntrustedCertificate`."""
    import requests  # takes 0.1 s, which `inv --list` must not spend

    hooks = SECURE if follow else None
    with _errors(timeout), requests.head(url, timeout=timeout, allow_redirects=follow, hooks=hooks) as response:
        return response.status_code


def _chunks(url: str, limit: int) -> Iterator[bytes]:
    import requests

    with _errors(TIMEOUT), requests.get(url, stream=True, timeout=TIMEOUT, headers=HEADERS, hooks=SECURE) as response:
        if response.status_code != 200:
            raise Unavailable(f"answered {response.status_code} for {url}")
        size = 0
        # raw: if a server declares a .tgz an encoded .tar, requests would decompress it
        while chunk := response.raw.read(1 << 20):
            size += len(chunk)
            if size > limit:
                raise Unavailable(f"sent more than {limit} bytes for {url}")
            yield chunk


@contextmanager
def _errors(timeout: tuple[float, float]) -> Iterator[None]:
    """Turn what requests and urllib3 raise into :exc:`Unavailable`."""
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise UntrustedCertificate(f"cannot be reached ({_reason(error)})") from None
    except (requests.Timeout, ReadTimeoutError):
        connect, read = timeout
        raise Unavailable(f"did not answer in time ({connect:.0f} s to connect, {read:.0f} s to read)") from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise Unavailable(f"cannot be reached ({_reason(error)})") from None


def _reason(error: BaseException) -> str:
    """The innermost message of a chain of wrapped network errors."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return str(error).rsplit(": ", 1)[-1]
