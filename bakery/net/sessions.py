"""HTTP connections that send a login only to its own host, and abandon responses that take too long."""

import io
import re
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from bakery.deadlines import Deadline
from bakery.net.http import PAUSE

GRACE, SLOWEST = 60.0, 10_000
"""Seconds that a response may take, and the bytes that must arrive in each further second."""
NOTICE = 15.0
"""Seconds after which a server that has not answered is named on stderr."""
REDIRECTS = 5
"""Maximum redirects of one request. Only servers that redirect in circles send more."""


class HeaderDeadline:
    """Closes a connection whose headers have not arrived within twice the timeout of a single read.

    A response's ``hang_up`` closes it during the body: http.client reads chunk extensions and trailers without end.
    """

    host: str
    sock: socket.socket
    timeout: float | None

    def getresponse(self) -> Any:
        """The response; raises TimeoutError."""
        if self.timeout is None:
            return super().getresponse()  # type: ignore[misc]
        hang_up = partial(_shut_down, self.sock)  # sock is None once the last response has begun
        notice = f"{self.host} has not answered yet: waiting up to {self.timeout:.0f} s in all"
        with Deadline(partial(print, notice, file=sys.stderr), NOTICE), Deadline(hang_up, 2 * self.timeout) as deadline:
            try:
                response = super().getresponse()  # type: ignore[misc]
            except Exception:
                if deadline.late:  # in the middle of the status line
                    raise TimeoutError("headers took too long") from None
                raise
        if deadline.late:
            response.close()
            self.close()  # type: ignore[attr-defined]
            raise TimeoutError("headers took too long")
        response.hang_up = hang_up
        return response


def _shut_down(connected: socket.socket) -> None:
    """End a read in another thread; urllib3's TLS through a proxy that speaks TLS itself cannot be shut down."""
    with suppress(OSError, AttributeError):
        connected.shutdown(socket.SHUT_RDWR)


class _Plain(HTTPConnectionPool):
    ConnectionCls = type("Connection", (HeaderDeadline, HTTPConnection), {})


class _Secure(HTTPSConnectionPool):
    ConnectionCls = type("Connection", (HeaderDeadline, HTTPSConnection), {})


class Adapter(HTTPAdapter):
    """Requests with this deadline; ``context`` is the one for TLS."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.tls: dict[str, Any] = {"ssl_context": context} if context else {}
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self.tls})
        self.poolmanager.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Discard the body of a redirect, which requests would read as a whole."""
        response = super().build_response(req, resp)
        if response.is_redirect:
            resp.close()
            response.raw = io.BytesIO()
        return response

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **{**kwargs, **self.tls})
        manager.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}
        return manager


class Session(requests.Session):
    """Uses the environment's proxies and CA bundle, but never ~/.netrc; for logins, a request's ``auth`` or its URL."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.auth = _own_login
        self.max_redirects = REDIRECTS
        self.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.mount(scheme, Adapter(context))

    def rebuild_auth(self, prepared_request: Any, response: requests.Response) -> None:
        """Remove the login if the host changes, and add none from ~/.netrc; tell :meth:`send` what to delay or refuse.

        A server that redirects in circles gets a request each second, and a body only twice: a layer has megabytes. The
        pause is before a redirect after the second one, and before any to the same URL again.
        """
        if response.history and prepared_request.body:
            vars(prepared_request)["refused"] = "a body is not sent to a second redirect"
        if str(response.url).startswith("https:") and not str(prepared_request.url).startswith("https:"):
            vars(prepared_request)["refused"] = "a redirect from https to another protocol is not followed"
        elif len(response.history) > 1 or prepared_request.url in (each.url for each in (response, *response.history)):
            vars(prepared_request)["pause"] = PAUSE
        if self.should_strip_auth(response.request.url, prepared_request.url):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Raises TooManyRedirects for a redirect that is refused, InvalidURL for a host that is not a valid name."""
        if refused := vars(request).get("refused"):
            raise requests.TooManyRedirects(refused)
        if pause := vars(request).get("pause"):
            time.sleep(pause)
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+(%\w+)?", urlsplit(str(request.url)).hostname or "", re.ASCII):
            raise requests.exceptions.InvalidURL("not the name of a host")
        return super().send(request, **kwargs)


def _own_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    name, password = get_auth_from_url(str(request.url))
    return HTTPBasicAuth(name.encode(), password.encode())(request) if name or password else request


def chunks_of(response: requests.Response, limit: int) -> Iterator[bytes]:
    """The body without decoding; OverflowError over ``limit`` bytes, requests.Timeout if it is too slow."""
    size = 0
    with Deadline(getattr(response.raw, "hang_up", lambda: None), GRACE) as deadline:
        try:
            while (chunk := response.raw.read1(1 << 16)) and not deadline.late:
                size += len(chunk)
                deadline.end += len(chunk) / SLOWEST
                if size > limit:
                    raise OverflowError(f"sent more than {limit} bytes")
                yield chunk
        except Exception:
            if not deadline.late:
                raise
    if deadline.late:
        raise requests.Timeout("too slow")
