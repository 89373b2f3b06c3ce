"""A registry with faults, which a proxy on the loopback interface injects into its answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import QuietHandler, QuietServer, serving_requests

DROP = "drop"
"""Close the connection in the middle of the request."""
LOSE = "lose"
"""Forward the request and close the connection before the answer."""


@dataclass
class Proxy:
    """A proxy at ``address``; it records the requests that it gets, and their headers.

    ``fault`` gets the number, verb and path of each request and returns the answer; ``None`` forwards the request.
    """

    address: str
    fault: Callable[[int, str, str], Any] = lambda *_: None
    accepts: Callable[[str, bytes], bool] = lambda *_: True
    """Whether a manifest with this media type and content is accepted."""
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answered: int = 0

    def wait(self) -> None:
        """Wait until the registry has answered all requests: it may still work on one whose client was killed."""
        while self.answered < len(self.requests):
            time.sleep(0.01)


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client to acknowledge the headers

    def _answer(self) -> None:
        try:
            self._forward()
        finally:
            with self.server.counting:  # type: ignore[attr-defined]
                self.server.proxy.answered += 1  # type: ignore[attr-defined]

    def _forward(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        registry: str = self.server.registry  # type: ignore[attr-defined]
        with self.server.counting:  # type: ignore[attr-defined]
            proxy.requests.append(f"{self.command} {self.path}")
            proxy.headers.append(dict(self.headers.items()))
            number = len(proxy.requests)
        fault = proxy.fault(number, self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault == DROP:
            self.rfile.read(min(length, 1000))
            self.close_connection = True
            return
        body = self.rfile.read(length)
        manifest = self.command == "PUT" and "/manifests/" in self.path
        if manifest and not proxy.accepts(self.headers.get("Content-Type", ""), body):
            fault = (400, {}, b'{"errors": [{"code": "MANIFEST_INVALID"}]}')
        if isinstance(fault, tuple):
            status, headers, data = fault
            self._send(status, headers, data)
            return
        with closing(http.client.HTTPConnection(registry, timeout=30)) as connection:
            connection.request(self.command, self.path, body=body, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            data = answer.read()
        headers = {key: value for key, value in answer.getheaders() if key.lower() != "transfer-encoding"}
        if fault == LOSE:
            self.close_connection = True
            return
        self._send(answer.status, headers, data)

    def _send(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815


@contextmanager
def faulty(registry: str) -> Iterator[Proxy]:
    """A proxy in front of the registry at this address."""
    server = QuietServer(("127.0.0.1", 0), _Handler)
    proxy = Proxy(f"127.0.0.1:{server.server_port}")
    server.proxy, server.registry, server.counting = proxy, registry, threading.Lock()  # type: ignore[attr-defined]
    with serving_requests(server):
        yield proxy
