"""Servers for tests, on the loopback interface or on a socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer


class QuietHandler(BaseHTTPRequestHandler):
    """Logs no requests."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class QuietServer(ThreadingHTTPServer):
    """Prints nothing if a client hangs up, as the clients of some tests do."""

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving_requests(server: BaseServer) -> Iterator[None]:
    """Answer requests to ``server`` in a thread; close the server at the end."""
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
