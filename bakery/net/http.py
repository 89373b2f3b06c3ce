"""HTTP downloads with limits of size and time; content is not decoded."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bakery.errors import InputError, Unavailable, reason_of
from bakery.redaction import shorten
from bakery.regular_files import read_regular

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and between two reads."""
PAUSE = 1.0
"""Seconds from an error of a host, or a redirect in a circle, to the next request to it."""
FILE_STATUSES = (200, 403, 404, 410)
"""Answers that are not errors of the host. Some servers answer 403 for a file that they do not have."""
LAST_ERRORS = dict[str, float]()
"""The time of each host's last error, by :func:`time.monotonic`."""


class UntrustedCertificate(Unavailable):
    """The server's TLS certificate is not signed by a trusted authority."""


def download(url: str, file: Path, limit: int) -> None:
    """Write the content of ``url`` to ``file``; :exc:`Unavailable` if it is not served, or is over ``limit`` bytes."""
    with file.open("wb") as stream:
        for chunk in _chunks(url, limit):
            stream.write(chunk)


def read(url: str, limit: int) -> bytes:
    """The content of ``url``, for small files; raises as :func:`download` does."""
    with io.BytesIO() as content:  # unlike join(), it holds the content only once
        content.writelines(_chunks(url, limit))
        return content.getvalue()


def read_location(location: str, limit: int) -> bytes:
    """The content of a file or a URL that the user names; :exc:`InputError` if it cannot be read."""
    try:
        if location.startswith(("https://", "http://")):
            return read(location, limit)
        if "://" in location:
            raise InputError(f"{location}: expected a file, or a URL that begins with https:// or http://")
        return read_regular(Path(location), limit)
    except Unavailable as error:
        raise InputError(f"{location} {error}") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{location} cannot be read: {reason_of(error)}") from None


def status_of(url: str, *, timeout: tuple[float, float] = TIMEOUT, follow: bool = True) -> int:
    """The status of a HEAD request, after redirects if ``follow``; :exc:`Unavailable` without an answer."""
    from bakery.net.sessions import Session  # takes 0.1 s, which `inv --list` must not spend

    with _paced(url), _errors(timeout), Session() as session:
        status = session.head(url, timeout=timeout, allow_redirects=follow).status_code
        if status not in FILE_STATUSES:
            LAST_ERRORS[_host_of(url)] = time.monotonic()
        return status


def _chunks(url: str, limit: int) -> Iterator[bytes]:
    from bakery.net.sessions import Session, chunks_of

    with (
        _paced(url), _errors(TIMEOUT), Session() as session,
        session.get(url, stream=True, timeout=TIMEOUT) as response,
    ):  # fmt: skip
        if response.status_code != 200:
            kind = _Missing if response.status_code in FILE_STATUSES else Unavailable
            raise kind(f"answered {response.status_code} for {url}")
        try:
            # Some servers declare a .tgz to be an encoded .tar.
            yield from chunks_of(response, limit)
        except OverflowError as error:
            raise Unavailable(f"{error} for {url}") from None


class _Missing(Unavailable):
    """The host answers, but does not have the file."""


def _host_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


@contextmanager
def _paced(url: str) -> Iterator[None]:
    """Wait until :data:`PAUSE` is over since the last error of the host of ``url``; note its errors in the block."""
    host = _host_of(url)
    if (wait := LAST_ERRORS.get(host, -PAUSE) + PAUSE - time.monotonic()) > 0:
        time.sleep(wait)
    try:
        yield
    except Unavailable as error:
        if not isinstance(error, _Missing):
            LAST_ERRORS[host] = time.monotonic()
        raise


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
    except ValueError:  # its text may quote a part of a login
        raise Unavailable("cannot be reached (expected http://HOST or https://HOST, for a proxy too)") from None
    except (requests.RequestException, HTTPError) as error:
        raise Unavailable(f"cannot be reached ({_reason(error)})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        # From requests itself: $REQUESTS_CA_BUNDLE or $CURL_CA_BUNDLE names a file that does not exist.
        raise Unavailable(f"cannot be reached ({shorten(str(error), 300)})") from None


def _reason(error: BaseException) -> str:
    """The innermost message of a chain of wrapped network errors; it may quote what the server sent."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _reason(reason)
    return shorten(str(error).rsplit(": ", 1)[-1], 300)
