"""From `docker pull` to the first line of output: pull, unpack and run, at several bandwidths.

Debian's docker-registry serves the images on loopback. A relay limits the total bandwidth of all connections. For each
measurement an engine without images pulls one, starts a container of it, and removes both. Each round measures our
image, the same with gzip layers if the engine has that, and the reference image.
"""

import math
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from bakery.benchmarks.results import FIRST_LINE, BenchmarkResult, times_of
from bakery.benchmarks.session import Session, python_of
from bakery.engine import ContainerOptions, Engine, docker_run, fresh_engine, idle_container
from bakery.errors import BuildError, EngineError

COMMAND = ("python3", "-c", "print('ready')")
FIGURES = "pulled", FIRST_LINE, "CPU time of the engine"
LOOPBACK, MEGABIT = "127.0.0.1", 125_000
BURST = 0.05  # after a pause, this many seconds' worth of bytes may be sent at once
CONFIG = (
    "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{}:{}'}}\nlog: {{level: error}}\n"
)


class Relay(socketserver.ThreadingTCPServer):
    """Forwards connections to a port on loopback; all responses together get ``rate`` bytes per second."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.port, self.rate, self.sent, self._free, self._lock = port, math.inf, 0, 0.0, threading.Lock()

    def take(self, size: int) -> None:
        """Count ``size`` bytes of a response, and wait until they may be sent."""
        with self._lock:
            self.sent += size
            self._free = free = max(self._free, time.monotonic() - BURST) + size / self.rate
        time.sleep(max(0.0, free - time.monotonic()))


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with socket.create_connection((LOOPBACK, self.server.port)) as registry:
            threading.Thread(target=_copy, args=(self.request, registry), daemon=True).start()
            _copy(registry, self.request, self.server.take)


def _copy(source: socket.socket, target: socket.socket, before: Callable[[int], None] | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if before:
                before(len(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def registry(engine: Engine) -> Iterator[int]:
    """The port of an empty registry that runs during the block; :exc:`EngineError` if it cannot be unpacked."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    program = engine.embedded.program("docker-registry")
    with tempfile.TemporaryDirectory(prefix="registry-", dir=engine.embedded.workspace.home) as folder:
        config = Path(folder, "config.yml")
        config.write_text(CONFIG.format(folder, LOOPBACK, port), encoding="utf-8")
        with subprocess.Popen(
            [program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        ) as process:
            try:
                while process.poll() is None:
                    with suppress(ConnectionRefusedError), socket.create_connection((LOOPBACK, port)):
                        break
                    time.sleep(0.05)
                else:
                    raise EngineError(f"{program} does not start: exit code {process.returncode}")
                yield port
            finally:
                process.terminate()


def docker(engine: Engine, *arguments: str) -> float:
    """The seconds that a docker command takes; :exc:`BuildError` if it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        ["docker", *arguments], env=engine.environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        *_, problem = (f"exit code {done.returncode}", *done.stderr.strip().splitlines())
        raise BuildError(f"docker {' '.join(arguments)}: {problem}")
    return time.perf_counter() - began


def run_pull(session: Session) -> BenchmarkResult:
    """Measure each image at each bandwidth of the session's settings.

    Raises :exc:`BuildError` if an image is missing or does not run, :exc:`EngineError` without docker's command or the
    embedded engine, and if an engine pulled less than the whole of an image.
    """
    engine, settings = session.engine, session.settings
    if not shutil.which("docker", path=engine.environment.get("PATH")):
        raise EngineError("no docker command on PATH: `docker pull` cannot be measured", hint="Install docker-cli.")
    images = session.images()
    ours, reference = (image.image for image in images)
    sources = {"ours": ours, "gzip": f"{ours}-gzip", "reference": reference}
    if not engine.find(sources["gzip"]):
        del sources["gzip"]
    measured = []
    for image in images:
        with idle_container(engine, image.id, ContainerOptions(name=image.image)) as container:
            measured.append((image, python_of(container, image.image)))
    with session.measuring(), registry(engine) as port:
        session.phase("pushing the images to a registry on loopback")
        with fresh_engine(engine, list(sources.values())) as first:
            for side, source in sources.items():
                docker(first, "tag", source, f"{LOOPBACK}:{port}/{side}")
                docker(first, "push", "--quiet", f"{LOOPBACK}:{port}/{side}")
        with fresh_engine(engine, (), settings.fresh_engine or "containerd") as second, Relay(port) as relay:
            threading.Thread(target=relay.serve_forever, daemon=True).start()
            try:
                times, sizes = _measure(replace(session, engine=second), relay, tuple(sources))
            finally:
                relay.shutdown()
    benchmarks = [
        times_of(
            f"{side}, {bandwidth}, {figure}",
            ours=[[values[figure]] for values in by_side[side]],
            reference=[[values[figure]] for values in by_side["reference"]],
        )
        for bandwidth, by_side in times.items()
        for side in sources
        if side != "reference"
        for figure in FIGURES
    ]
    result = session.result(measured, benchmarks, {}, {FIRST_LINE: COMMAND})
    return msgspec.structs.replace(result, pulled_bytes=dict(sizes))


def _measure(
    session: Session, relay: Relay, sides: Sequence[str]
) -> tuple[dict[str, dict[str, list[dict[str, float]]]], Mapping[str, int]]:
    """The figures of each round by bandwidth and side, after one round that is not counted; and the bytes pulled."""
    settings, sizes = session.settings, dict[str, int]()
    rates = {f"{rate} Mbit/s" if rate else "no limit": rate * MEGABIT or math.inf for rate in settings.pull or ()}
    times = {name: {side: list[dict[str, float]]() for side in sides} for name in rates}
    for side in sides:
        _pull(session.engine, relay, side)
        sizes[side] = relay.sent
    for number in range(settings.rounds):
        for name, rate in rates.items():
            session.phase(f"round {number + 1} of {settings.rounds}, {name}")
            relay.rate = rate
            for side in sides if number % 2 else reversed(sides):
                times[name][side].append(_pull(session.engine, relay, side))
                if relay.sent < 0.99 * sizes[side]:
                    raise EngineError(f"the engine pulled {relay.sent} bytes of {side}, expected {sizes[side]}")
    return times, sizes


def _pull(engine: Engine, relay: Relay, side: str) -> dict[str, float]:
    """The figures of one image from a registry; the engine has none of its layers before or after."""
    reference, relay.sent, before = f"{LOOPBACK}:{relay.server_address[1]}/{side}", 0, engine.embedded.cpu_seconds()
    pulled = docker(engine, "pull", "--quiet", reference)
    cpu = engine.embedded.cpu_seconds() - before
    try:
        ready, _ = docker_run(engine, reference, COMMAND, first_line=True)
    except BuildError as error:
        raise BuildError(f"does not run in {reference}: {error.message}") from None
    docker(engine, "image", "rm", "--force", reference)
    return dict(zip(FIGURES, (pulled, pulled + ready, cpu), strict=True))
