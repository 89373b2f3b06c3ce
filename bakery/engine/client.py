"""Docker's client for Python, with limits on the size and time of answers: the engine may be on another machine."""

import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from docker import APIClient, DockerClient
from docker.errors import DockerException
from docker.transport import unixconn

from bakery.net import sessions
from bakery.urls import is_loopback

# Docker's client has no other way to choose the class of its connections.
vars(unixconn)["UnixHTTPConnection"] = type("Connection", (sessions.HeaderDeadline, unixconn.UnixHTTPConnection), {})

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer that is read as a whole; a list of 23 images has 40 KB."""


class Connection(sessions.HeaderDeadline, HTTPConnection):
    """A connection on which the header of an answer may take twice the timeout."""


class _Api(APIClient):
    def _retrieve_server_version(self) -> str:
        """The version of the API, which becomes a part of each URL; DockerException if it is not one."""
        version = super()._retrieve_server_version()  # type: ignore[misc]
        if not isinstance(version, str) or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}", version):
            raise DockerException(f"its API has the version {version!r}, expected two numbers such as 1.47")
        return version

    def mount(self, prefix: Any, adapter: Any) -> None:
        """Use connections with a deadline for tcp://HOST, too."""
        super().mount(prefix, sessions.Adapter(None) if prefix in ("http://", "https://") else adapter)

    def prepare_request(self, request: Any) -> Any:
        """Keep requests from sending a login of ~/.netrc to an engine at tcp://HOST: engines have no logins.

        An engine on this machine is reached without the user's proxies, as by docker
        (https://pkg.go.dev/net/http#ProxyFromEnvironment).
        """
        self.auth = lambda prepared: prepared
        self.trust_env = not is_loopback(urlsplit(str(request.url)).netloc)
        return super().prepare_request(request)

    def send(self, request: Any, **options: Any) -> Any:
        """The answer; OverflowError before more than :data:`LARGEST_ANSWER` bytes of it are in memory.

        Raises :exc:`requests.Timeout` for an answer that arrives too slowly, if it is read as a whole.
        """
        buffered = not options.get("stream")
        response = super().send(request, **{**options, "stream": True})
        if buffered:  # as reading response.content would
            response._content = b"".join(sessions.chunks_of(response, LARGEST_ANSWER))
        return response


class Client(DockerClient):
    """Docker's client with this limit; ``options`` are passed to :class:`docker.APIClient`."""

    def __init__(self, **options: Any) -> None:
        self.api = _Api(**options)
