"""Which host gets which login, and how long and how large an answer may be."""

from __future__ import annotations

import gzip
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from bakery.errors import Unavailable
from bakery.net import http, sessions

LIMIT = 1 << 20


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login for this machine in ~/.netrc, which must never be sent."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login netrc password netrc\nmachine localhost login netrc password netrc\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


def logins(server: Any) -> list[str | None]:
    return [headers.get("authorization") for headers in server.headers]


@pytest.mark.usefixtures("netrc")
def test_netrc_is_never_sent_not_even_after_a_redirect(serve: Any) -> None:
    server, other = serve(default=b"data"), serve(default=b"data")
    server.routes["/moved"] = (302, b"", {"Location": f"{other.url.replace('127.0.0.1', 'localhost')}/x"})
    assert http.read(f"{server.url}/x", LIMIT) == b"data"
    assert http.read(f"{server.url}/moved", LIMIT) == b"data"
    assert http.status_of(f"{server.url}/moved") == 200
    assert logins(server) == [None] * 3
    assert logins(other) == [None] * 2


@pytest.mark.usefixtures("netrc")
def test_a_mirrors_login_is_sent_to_the_mirror_and_not_to_where_it_redirects(serve: Any) -> None:
    server, other = serve(default=b"data"), serve(default=b"data")
    server.routes["/moved"] = (307, b"", {"Location": f"{other.url}/x"})
    server.routes["/near"] = (307, b"", {"Location": "/x"})
    mirror = server.url.replace("://", "://name:p%40ss@")
    for path in ("x", "moved", "near"):
        assert http.read(f"{mirror}/{path}", LIMIT) == b"data"
    assert logins(server) == ["Basic bmFtZTpwQHNz"] * 4
    assert logins(other) == [None]


@pytest.mark.parametrize("login", ["name:S3cret@", "name:S3cr/et@", "S3cret@", "name:S3cr%2Fet@", "na/me:S3cret@"])
def test_a_mirrors_login_appears_in_no_message(serve: Any, nowhere: str, login: str) -> None:
    server = serve(default=404)
    for url in (server.url, nowhere, "https://[::1"):
        with pytest.raises(Unavailable) as caught:
            http.read(url.replace("://", f"://{login}") + "/file", LIMIT)
        assert "S3cr" not in str(caught.value)
        assert "et@" not in str(caught.value)


def test_a_long_answer_ends_at_its_limit(serve: Any) -> None:
    sent: list[int] = []

    def endless(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        sent.extend(request.wfile.write(bytes(1 << 20)) for _ in range(1000))

    server = serve(default=endless)
    with pytest.raises(Unavailable, match=f"sent more than {LIMIT} bytes"):
        http.read(f"{server.url}/x", LIMIT)
    assert len(sent) < 100


def test_a_compressed_answer_is_not_decompressed(serve: Any) -> None:
    data = gzip.compress(bytes(LIMIT * 50))
    server = serve(default=(200, data, {"Content-Encoding": "gzip"}))
    assert http.read(f"{server.url}/x", LIMIT) == data
    assert server.headers[0]["accept-encoding"] == "identity"


def drip(request: Any, *, head: bool) -> None:
    """Send a byte at a time, each soon enough for a single read, until the client hangs up."""
    if not head:
        request.send_response(200)
        request.end_headers()
    for number in range(10_000):
        if request.server.state.released.wait(0.02):
            break
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX: "[number : number + 1] or b"x")
        request.wfile.flush()


@pytest.mark.parametrize("head", [False, True])
def test_a_server_that_sends_a_byte_at_a_time_is_abandoned(
    serve: Any, monkeypatch: pytest.MonkeyPatch, head: bool
) -> None:
    monkeypatch.setattr(sessions, "GRACE", 0.3)
    monkeypatch.setattr(http, "TIMEOUT", (0.3, 0.3))
    server = serve(default=lambda request: drip(request, head=head))
    with pytest.raises(Unavailable, match="did not answer in time"):
        http.read(f"{server.url}/x", LIMIT)


def test_a_server_that_does_not_answer_is_named_while_the_user_waits(
    serve: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def late(request: Any) -> None:
        time.sleep(0.5)
        request.send_response(200)
        request.end_headers()

    monkeypatch.setattr(sessions, "NOTICE", 0.1)
    url = serve({"/soon": b"soon"}, default=late).url
    assert (http.read(f"{url}/soon", LIMIT), capsys.readouterr().err) == (b"soon", "")
    assert http.read(f"{url}/late", LIMIT) == b""
    assert capsys.readouterr().err == "127.0.0.1 has not answered yet: waiting up to 30 s in all\n"


def test_a_slow_but_steady_answer_is_read(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "GRACE", 0.05)

    def steady(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(10):
            time.sleep(0.02)
            request.wfile.write(bytes(50_000))

    assert len(http.read(f"{serve(default=steady).url}/x", LIMIT)) == 500_000


CHUNKED = "Transfer-Encoding: chunked\r\n"
ENDED = f"{CHUNKED}\r\n2\r\n{{}}\r\n0\r\n"
ENDLESS: dict[str, tuple[str, str, float]] = {
    "a chunk extension": (f"{CHUNKED}\r\n5;", "a", 0.02), "trailers": (ENDED, "x: y\r\n", 0.02),
    "fast trailers": (ENDED, "x: y\r\n" * 1000, 0),
    "fast trailers of a last answer": (f"Connection: close\r\n{ENDED}", "x: y\r\n" * 1000, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_body_that_never_ends_is_abandoned(serve: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(sessions, "GRACE", 0.3)
    start, part, pause = ENDLESS[kind]

    def send(request: Any) -> None:
        request.connection.settimeout(1)  # a socket that was shut down takes no more bytes, without an error
        request.wfile.write(f"HTTP/1.1 200 OK\r\n{start}".encode())
        end = time.monotonic() + 10
        while time.monotonic() < end and not request.server.state.released.wait(pause):
            request.wfile.write(part.encode())

    begin = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer in time"):
        http.read(f"{serve(default=send).url}/x", LIMIT)
    assert time.monotonic() - begin < 5


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between requests, which take no time."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    for module in (http, sessions):
        monkeypatch.setattr(module, "PAUSE", 1.0)
    return seconds


def again(request: Any) -> Any:
    return 307, b"", {"Location": request.path}


def further(request: Any) -> Any:
    return 307, b"", {"Location": f"{request.path}x"}


@pytest.mark.parametrize(("answer", "pauses"), [(again, 5), (further, 3)])
def test_a_server_that_redirects_in_circles_is_asked_once_a_second(
    serve: Any, waits: list[float], answer: Any, pauses: int
) -> None:
    server = serve(default=answer)
    with pytest.raises(Unavailable, match="Exceeded 5 redirects"):
        http.read(f"{server.url}/x", LIMIT)
    assert (waits, len(server.requests)) == ([1.0] * pauses, 6)


@pytest.mark.usefixtures("waits")
def test_a_body_is_sent_again_to_the_first_redirect_only(serve: Any) -> None:
    """A layer has megabytes: a registry that redirects an upload to itself got it six times in 0.7 s."""
    uploads: list[bytes] = []

    def answer(request: Any) -> Any:
        uploads.append(request.rfile.read(int(request.headers["Content-Length"])))
        return again(request)

    server = serve(default=answer)
    with sessions.Session() as session, pytest.raises(requests.TooManyRedirects, match="a second redirect"):
        session.put(f"{server.url}/x", data=b"layer")
    assert uploads == [b"layer"] * 2


@pytest.mark.parametrize(("answer", "pauses"), [(404, 0), (403, 0), (b"data", 0), (503, 2), (429, 2)])
def test_a_host_in_error_is_asked_again_after_a_second(
    serve: Any, waits: list[float], answer: Any, pauses: int
) -> None:
    server = serve(default=answer)
    for path in ("a", "b"):
        with suppress(Unavailable):
            http.read(f"{server.url}/{path}", LIMIT)
    http.status_of(f"{server.url}/c")
    assert len(server.requests) == 3 and len(waits) == pauses
    assert all(0.5 < wait <= 1 for wait in waits)
