"""Docker's client for Python, with a limit on the size of answers: the engine may be on another machine."""

from typing import Any
from urllib.parse import urlsplit

from docker import APIClient, DockerClient

from bakery.urls import is_loopback

LARGEST_ANSWER = 64 << 20
"""Bytes of an answer that is read as a whole; a list of 23 images has 40 KB."""


class _Api(APIClient):
    def prepare_request(self, request: Any) -> Any:
        """Keep requests from sending a login of ~/.netrc to an engine at tcp://HOST: engines have no logins.

        An engine on this machine is reached without the user's proxies, as by docker
        (https://pkg.go.dev/net/http#ProxyFromEnvironment).
        """
        self.auth = lambda prepared: prepared
        self.trust_env = not is_loopback(urlsplit(str(request.url)).netloc)
        return super().prepare_request(request)

    def send(self, request: Any, **options: Any) -> Any:
        """The answer; OverflowError before more than :data:`LARGEST_ANSWER` bytes of it are in memory."""
        buffered = not options.get("stream")
        response = super().send(request, **{**options, "stream": True})
        if buffered:
            content = b""
            for chunk in response.iter_content(1 << 20):
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    response.close()
                    raise OverflowError(f"sent more than {LARGEST_ANSWER >> 20} MiB")
            response._content = content  # as reading response.content would
        return response


class Client(DockerClient):
    """Docker's client with this limit; ``options`` are passed to :class:`docker.APIClient`."""

    def __init__(self, **options: Any) -> None:
        self.api = _Api(**options)
