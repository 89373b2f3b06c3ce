"""Fixtures of the unit tests: an environment that is the same everywhere, and servers on the loopback interface."""

from __future__ import annotations

import hashlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bakery import process
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog, Image, Series
from bakery.catalog.pins import Pin
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.platforms import AMD64, Platform
from tests.loopback import QuietHandler, QuietServer, serving_requests


@pytest.fixture(autouse=True, scope="session")
def _process_of_pytest() -> Iterator[None]:
    """Keep tasks.py and noxfile.py, which some tests load, from changing how this process handles errors."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("guard", "report_errors"):
            patch.setattr(process, name, lambda: None)
        yield


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own settings out of tests, and tests out of the user's cache."""
    for name in (
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
        "BAKERY_MIRROR",
        "FORCE_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    monkeypatch.setenv("BAKERY_HOME", str(tmp_path / "home"))
    for module in ("http", "sessions"):  # servers that fail are asked again at once
        monkeypatch.setattr(f"bakery.net.{module}.PAUSE", 0.0)


@pytest.fixture
def image(catalog: Catalog) -> Callable[..., Image]:
    """Selects an image by version and target, for linux/amd64 unless another platform is given."""

    def select(
        version: str, target: str = "", recipe: RecipeName = RecipeName.FULL, platform: Platform = AMD64
    ) -> Image:
        (selected,) = select_images(catalog, [version], [target] if target else [], platform=platform)
        return replace(selected, recipe=recipe)

    return select


def make_pin(release: str, data: bytes, **extra: Any) -> Pin:
    """A pin of ``data`` as the tarball of ``release``."""
    return Pin(
        release=release,
        file=f"Python-{release}.tar.xz",
        sha256=hashlib.sha256(data).hexdigest(),
        recorded_by="a test",
        **extra,
    )


@pytest.fixture
def pin() -> Callable[..., Pin]:
    """Makes a pin of the given bytes."""
    return make_pin


@dataclass
class Server:
    """A web server on the loopback interface: ``routes`` maps paths to answers, ``requests`` lists those it got."""

    url: str
    routes: dict[str, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    default: Any = 404
    headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")


class _Handler(QuietHandler):
    def _answer(self) -> None:
        server: Server = self.server.state  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        server.requests.append(f"{self.command} {self.path}")
        server.headers.append({key.lower(): value for key, value in self.headers.items()})
        answer = server.routes.get(path, server.default)
        if callable(answer):
            answer = answer(self)
        if answer is None:
            return
        status, body, headers = (answer, b"", {}) if isinstance(answer, int) else (200, answer, {})
        if isinstance(body, tuple):
            status, body, headers = body
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers. An answer is bytes, a status, ``(status, bytes, headers)``, or a function that returns one.

    A function that sends its answer itself returns ``None``. To hang, it waits for ``released``, set after the test.
    """
    with ExitStack() as stack:

        def start(routes: dict[str, Any] | None = None, default: Any = 404) -> Server:
            http = QuietServer(("127.0.0.1", 0), _Handler)
            http.daemon_threads = False  # server_close() waits for them: no socket outlives its test
            state = Server(f"http://127.0.0.1:{http.server_port}", routes or {}, default=default)
            http.state = state  # type: ignore[attr-defined]
            stack.enter_context(serving_requests(http))
            stack.callback(state.released.set)
            return state

        yield start


@pytest.fixture
def nowhere() -> str:
    """A loopback URL that no server listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def fake_series(catalog: Catalog) -> Callable[..., Series]:
    """The real 3.13 with other pins."""
    real = next(series for series in catalog.series if series.name == "3.13")
    return lambda *pins: replace(real, pins=pins)


@pytest.fixture
def data_tree(root: Path, tmp_path: Path) -> Path:
    """A copy of the data files, which tests may damage."""
    tree = tmp_path / "tree"
    names = ("catalog.toml", "lock.toml", "budgets.toml")
    for file in (*(root / "shared" / name for name in names), *root.glob("*/family.toml")):
        copy = tree / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    load_catalog(tree)
    return tree
