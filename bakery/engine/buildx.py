"""Runs buildx with the user's builder and caches, and follows several builds at a time."""

import csv
import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bakery.engine.build_log import Tracker, status_messages
from bakery.engine.embedded import Embedded
from bakery.errors import BuildError, EngineError, InputError
from bakery.files import in_use
from bakery.names import REPOSITORY
from bakery.net import Network, trust_bundle, users_bundle, users_network
from bakery.options import Building
from bakery.redaction import redact, shorten
from bakery.workspace import Workspace

CORES, MEMORY = 2, 4_000_000_000
"""Processors and bytes of memory for one image: the compiler uses all processors, the training one, and linking with
full LTO takes 3 GB."""

ATTEMPTS, LOST_TRACK = 3, "inconsistent graph state"
"""How often a build is tried, and BuildKit's message when its scheduler has lost a step that several builds share
(https://github.com/moby/buildkit/issues/2303). The build is not the cause: another attempt works."""


def default_jobs(cores: int, memory: int) -> int:
    """How many images to build at a time on a machine with ``cores`` processors and ``memory`` bytes of memory."""
    return max(1, min(cores // CORES, memory // MEMORY))


@dataclass(frozen=True)
class BuildxOptions:
    """The builder, the caches and the network settings that the user chose.

    A cache is a repository with a tag for each image, or options of a cache backend
    (https://docs.docker.com/build/cache/backends/), in which ``{image}`` is replaced by the image and its platform.
    """

    no_cache: bool = False
    builder: str = ""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    network: Network = field(default_factory=Network)
    uncached: tuple[str, ...] = ()
    """Stages for which the cache is ignored."""

    def reaching(self, archives: Mapping[str, str]) -> "BuildxOptions":
        """The same options, for steps that use these ``archives`` of packages (:meth:`bakery.net.Network.reaching`)."""
        return replace(self, network=self.network.reaching(archives))

    def arguments(self, slug: str) -> list[str]:
        """The arguments of ``docker buildx build`` for these options; ``slug`` names the image and its platform."""
        arguments = ["--no-cache"] if self.no_cache else []
        arguments += [f"--no-cache-filter={stage}" for stage in self.uncached if not self.no_cache]
        arguments += ["--builder", self.builder] if self.builder else []
        for cache in self.cache_from:
            arguments += ["--cache-from", _cache(cache, slug)]
        for cache in self.cache_to:
            # max: the compiled files are in a stage that is not part of the image.
            arguments += ["--cache-to", _cache(cache, slug, ",mode=max")]
        return arguments + self.network.arguments


def buildx_options(building: Building, workspace: Workspace | None = None) -> BuildxOptions:
    """The user's options; :exc:`bakery.errors.InputError` if one is not valid.

    With a ``workspace``, this process trusts the user's CAs too, which are written to a file in its cache.
    """
    if workspace:
        trust_bundle(users_bundle(building.ca_bundle), workspace.home)
    network = users_network(building.ca_bundle, building.apt_mirror)
    options = BuildxOptions(building.no_cache, building.builder or "", building.cache_from, building.cache_to, network)
    options.arguments("")  # reports invalid ones before anything is downloaded
    return options


def _cache(text: str, slug: str, more: str = "") -> str:
    if not _is_public(text):
        raise InputError(
            "--cache-to and --cache-from must not contain keys, logins or queries: other users can list a process's "
            "arguments",
            hint="buildx reads $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY and $AWS_SESSION_TOKEN for type=s3, "
            "$ACTIONS_RUNTIME_TOKEN for type=gha, and `docker login` for a registry; BuildKit's own environment has "
            "the login for type=azblob.",
        )
    if "=" in text:
        return text.replace("{image}", slug)
    if not re.fullmatch(REPOSITORY, text):
        problem = f"--cache-to and --cache-from: {shorten(text, 300)!r} is not a repository without a tag"
        raise InputError(problem, hint="Or give options of a cache backend, such as type=local,dest=FOLDER.")
    return f"type=registry,ref={text}:{slug}{more}"


def _is_public(cache: str) -> bool:
    """Whether each option is NAME=VALUE without login, query and white space; a folder may have any name."""
    option = r"(?:src|dest)=.*|[\w-]+=[^\s@?]*(?:@sha256:[0-9a-f]{64})?"
    if not cache.isprintable():
        return False
    options = next(csv.reader([cache])) if "=" in cache else [f"ref={cache}"]
    return redact(cache) == cache and all(re.fullmatch(option, text) for text in options)


@dataclass
class BuildxProcesses:
    """The running buildx processes, each started by its own thread; ``embedded`` is set if that engine builds.

    They hold the lock of the cache ``home``, because they read it even after this process is killed.
    """

    home: Path
    embedded: Embedded | None = None
    processes: set[subprocess.Popen[bytes]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], file: Path,
        enter: Callable[[str], None],
    ) -> tuple[Tracker, int]:  # fmt: skip
        """Run ``command``, append to the log ``file``, call ``enter`` at each phase.

        Returns the last attempt's tracker and exit code. A build that BuildKit lost track of, or whose embedded engine
        crashed, is repeated: the steps that it finished are in the cache.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        compiled = False
        with file.open("a", encoding="utf-8") as log:
            file.chmod(0o600)
            for attempt in range(ATTEMPTS):
                tracker = Tracker(log, enter)
                tracker.write(" ".join(command))
                daemon = self.embedded.pid() if self.embedded else None
                code = self._follow(command, folder, environment, tracker)
                tracker.compiled = compiled = tracker.compiled or compiled
                if not code or self.stopped:
                    break
                if any(LOST_TRACK in line for line in tracker.text):
                    problem = "BuildKit lost track of the build"
                elif self.embedded and self._recovered(self.embedded, daemon, tracker):
                    problem = "the engine crashed"
                else:
                    break
                tracker.write(f"{problem}: attempt {attempt + 1} of {ATTEMPTS}")
        return tracker, code

    def _recovered(self, embedded: Embedded, daemon: int | None, tracker: Tracker) -> bool:
        """As :meth:`Embedded.recover`; its error also has the message of the build."""
        try:
            return embedded.recover(daemon)
        except EngineError as error:
            tail = "".join(f"\n    {line}" for line in tracker.failure())
            raise EngineError(f"{error.message}\n  The build ended with:{tail}", hint=error.hint) from None

    def _follow(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], tracker: Tracker) -> int:
        with self._started(command, folder, environment) as process:
            assert process.stderr is not None
            read = partial(os.read, process.stderr.fileno(), 1 << 16)
            try:
                for message in status_messages(iter(read, b"")):
                    tracker.take(message)
            except BaseException:
                process.terminate()
                raise
            finally:
                with self.lock:
                    self.processes.discard(process)
        return process.returncode

    def _started(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.lock, in_use(self.home, lambda _: None) as lock:
            self.check()
            process = subprocess.Popen(
                command, cwd=folder, env=environment, pass_fds=[lock],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            self.processes.add(process)
            return process

    def check(self) -> None:
        """Raise :exc:`BuildError` after :meth:`stop`."""
        if self.stopped:
            raise BuildError("not built: interrupted")

    def stop(self) -> None:
        """Terminate all of them, which cancels their builds in the engine, and start no more."""
        with self.lock:
            self.stopped = True
            for process in self.processes:
                process.terminate()
