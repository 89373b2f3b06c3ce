"""Runs buildx: where and with which caches the user wants it, its messages into a log, several at a time."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bakery.catalog import Image
from bakery.engine.build_log import StatusStream, Tracker
from bakery.errors import BuildError
from bakery.net import Network

__all__ = ["How", "Running", "default_jobs"]

CORES, MEMORY = 2, 4_000_000_000
"""Processors and bytes for one image: its compiler runs on all processors, its training on one, and linking with full
LTO takes 3 GB."""


def default_jobs(cores: int, memory: int) -> int:
    """How many images to build at a time on a machine with so many processors and bytes of memory."""
    return max(1, min(cores // CORES, memory // MEMORY))


@dataclass(frozen=True)
class How:
    """What the user says of the build beyond the image: which builder, which caches, which network.

    A cache is a repository, in which each image has its own tag, or words for buildx
    (https://docs.docker.com/build/cache/backends/), in which ``{image}`` stands for the image and its platform.
    """

    no_cache: bool = False
    builder: str = ""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    network: Network = field(default_factory=Network)

    def arguments(self, image: Image) -> list[str]:
        """The same as arguments of ``docker buildx build``."""
        words = ["--no-cache"] if self.no_cache else []
        words += ["--builder", self.builder] if self.builder else []
        for one in self.cache_from:
            words += ["--cache-from", _cache(one, image)]
        for one in self.cache_to:
            # max: what was compiled lies in a stage that the image does not hold.
            words += ["--cache-to", _cache(one, image, ",mode=max")]
        return words + self.network.arguments


def _cache(text: str, image: Image, more: str = "") -> str:
    if "=" in text:
        return text.replace("{image}", image.slug)
    return f"type=registry,ref={text}:{image.slug}{more}"


@dataclass
class Running:
    """The buildx processes that run now, each in a thread of its own."""

    processes: set[subprocess.Popen[bytes]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], file: Path,
        enter: Callable[[str], None],
    ) -> tuple[Tracker, int]:  # fmt: skip
        """Run ``command`` with its log in ``file``; what was followed, and its exit code. ``enter`` begins a phase."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as log:
            log.write(f"{' '.join(command)}\n")
            tracker, stream = Tracker(log, enter), StatusStream()
            with self._started(command, folder, environment) as process:
                assert process.stderr is not None
                try:
                    while data := os.read(process.stderr.fileno(), 1 << 16):
                        for status in stream.feed(data):
                            tracker.take(status)
                    for status in stream.feed(b"", end=True):
                        tracker.take(status)
                except BaseException:
                    process.terminate()
                    raise
                finally:
                    with self.lock:
                        self.processes.discard(process)
        return tracker, process.returncode

    def _started(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.lock:
            self.check()
            process = subprocess.Popen(
                command, cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            self.processes.add(process)
            return process

    def check(self) -> None:
        """Raise :exc:`BuildError` after :meth:`stop`."""
        if self.stopped:
            raise BuildError("not built: interrupted")

    def stop(self) -> None:
        """End all of them, which ends their builds in the engine, and start no others."""
        with self.lock:
            self.stopped = True
            for process in self.processes:
                process.terminate()
