"""Which Docker engine is used, and how to talk to it.

A user's DOCKER_HOST, DOCKER_CONTEXT or current docker context always wins; then the machine's own Docker; then the
embedded engine, which is started where nothing else answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakery.catalog import Catalog
from bakery.engine.daemons import SYSTEM_SOCKET, answers, may_open, minimums, version_of
from bakery.engine.embedded import Embedded
from bakery.errors import EngineError, InputError
from bakery.files import Tell
from bakery.workspace import Workspace

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Engine", "describe", "find_engine"]

PROVENANCE = {"BUILDX_GIT_CHECK_DIRTY": "1"}
"""buildx marks the commit in a provenance where what is built is not what was committed."""


@dataclass(frozen=True)
class Engine:
    """An engine: its kind (``embedded``, ``system``, ``DOCKER_HOST``, ``context NAME``) and its address."""

    kind: str
    host: str
    embedded: Embedded
    tls: Any = None

    @cached_property
    def network(self) -> str | None:
        """Network mode of build steps: ``host`` for an engine without a bridge, as the embedded one is."""
        if self.kind == "embedded":
            return "host"
        return None if self.client.networks.list(names=["bridge"]) else "host"

    @cached_property
    def capacity(self) -> tuple[int, int]:
        """Processors and bytes of memory of its machine."""
        with self.talking():
            told = self.client.info()
        return int(told.get("NCPU") or 1), int(told.get("MemTotal") or 0)

    @cached_property
    def keeps_layers(self) -> bool:
        """Whether it keeps layers as they are packed (containerd's image store); others unpack and forget that."""
        status = dict(entry[:2] for entry in self.client.info().get("DriverStatus") or [])
        return str(status.get("driver-type", "")).startswith("io.containerd.")

    def load(self, archive: Path) -> None:
        """Take over the images in a tar; :exc:`EngineError` where the engine refuses it."""
        with archive.open("rb") as stream:
            for line in self.client.api.load_image(stream, quiet=True):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise EngineError(f"the Docker engine at {self.host} cannot load the image: {line['error']}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment for docker and buildx."""
        if self.kind != "embedded":
            return {**os.environ, **PROVENANCE}
        path = f"{self.embedded.path}:{os.environ.get('PATH', '')}"
        return {**os.environ, **PROVENANCE, "DOCKER_HOST": self.host, "PATH": path}

    @cached_property
    def client(self) -> DockerClient:
        """The engine's API. Raises :exc:`EngineError` where it stopped answering."""
        import docker

        try:
            return docker.DockerClient(base_url=self.host, tls=self.tls or False, timeout=120, version="auto")
        except (docker.errors.DockerException, OSError) as error:
            raise EngineError(
                f"the Docker engine at {self.host} ({self.kind}) does not answer: {error}",
                hint="Start it; or unset DOCKER_HOST and use docker's default context: then others are looked for.",
            ) from None

    @cached_property
    def buildx(self) -> list[str]:
        """The command that starts buildx. Raises :exc:`EngineError` where there is none that is new enough."""
        _, minimum = minimums(self.embedded.workspace)
        found = []
        candidates = [[str(self.embedded.buildx)]] if self.embedded.buildx.exists() else []
        if self.kind != "embedded" and shutil.which("docker"):
            candidates.insert(0, ["docker", "buildx"])
        for command in candidates:
            done = subprocess.run(
                [*command, "version"], capture_output=True, text=True, env=self.environment, check=False
            )
            if done.returncode == 0:
                version = version_of(done.stdout)
                if version >= minimum:
                    return command
                found.append(f"{' '.join(command)} is {version}")
        if not self.embedded.buildx.exists() and os.geteuid() == 0:
            self.embedded.prepare()
            return [str(self.embedded.buildx)]
        raise EngineError(
            f"no buildx that is new enough: expected {minimum} or newer{', ' + '; '.join(found) if found else ''}",
            hint="Install the docker-buildx-plugin (or docker-buildx) package, or run as root to have one unpacked.",
        )

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Turn what the API raises in the block into :exc:`EngineError`: the engine may die at any moment."""
        from docker.errors import DockerException
        from requests import RequestException

        try:
            yield
        except (DockerException, RequestException) as error:
            raise EngineError(
                f"the Docker engine at {self.host} ({self.kind}) failed or stopped answering: {error}",
                hint="Run the same command again: what is finished is kept. `inv engine.status` shows the engine.",
            ) from None

    def check(self) -> Engine:
        """The same engine, known to be new enough; :exc:`EngineError` where it is not."""
        minimum, _ = minimums(self.embedded.workspace)
        with self.talking():
            text = str(self.client.version()["Version"])
        if version_of(text) < minimum:
            raise EngineError(
                f"the Docker engine at {self.host} ({self.kind}) is {text}: too old, expected {minimum} or newer "
                "(named contexts and heredocs need its BuildKit)",
                hint="Upgrade it; or stop it (systemctl stop docker docker.socket), and the embedded engine is used.",
            )
        return self


def find_engine(workspace: Workspace, catalog: Catalog, tell: Tell = print, *, start: bool = True) -> Engine | None:
    """The engine to use, checked; with ``start`` the embedded one is started where nothing else answers.

    Raises :exc:`EngineError` where the user's choice does not answer or is too old, or no engine can be had.
    """
    embedded = Embedded(workspace, catalog, tell)
    chosen = _users_choice(embedded)
    if chosen:
        return chosen.check()
    if SYSTEM_SOCKET.exists() and not may_open(SYSTEM_SOCKET):
        raise EngineError(
            f"no permission to use the Docker engine at {SYSTEM_SOCKET}",
            hint="Run as root or as a member of the group docker (sudo usermod -aG docker $USER, then log in again).",
        )
    if answers(SYSTEM_SOCKET):
        return Engine("system", f"unix://{SYSTEM_SOCKET}", embedded).check()
    if not embedded.running():
        if not start:
            return None
        tell("no Docker engine answers: using the embedded one")
        embedded.up()
    return Engine("embedded", embedded.host, embedded)


def _users_choice(embedded: Embedded) -> Engine | None:
    """What DOCKER_HOST, DOCKER_CONTEXT or docker's configuration say, in docker's own order of precedence."""
    if os.environ.get("DOCKER_HOST"):
        host = os.environ["DOCKER_HOST"]
        if host == embedded.host:
            return Engine("embedded", host, embedded)
        return Engine("DOCKER_HOST", host, embedded, _tls_from_environment())
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT") or _current_context(folder)
    if name in ("", "default"):
        return None
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_context(name)
    except (DockerException, OSError, ValueError) as error:
        raise InputError(f"docker context {name!r} cannot be read: {error}") from None
    if context is None:
        raise InputError(f"docker context {name!r} does not exist", hint="`docker context ls` lists them.")
    return Engine(f"context {name}", str(context.Host), embedded, context.TLSConfig)


def _current_context(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("currentContext", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _tls_from_environment() -> Any:
    """What docker's own client does with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    try:
        return kwargs_from_env().get("tls")
    except DockerException as error:
        raise InputError(f"DOCKER_TLS_VERIFY and DOCKER_CERT_PATH do not go together: {error}") from None


def describe(workspace: Workspace, catalog: Catalog) -> dict[str, Any]:
    """What ``inv engine.status`` shows; nothing is started. Sizes in bytes."""
    embedded = Embedded(workspace, catalog, lambda _: None)
    engine = find_engine(workspace, catalog, start=False)
    status: dict[str, Any] = {
        "kind": engine.kind if engine else None,
        "host": engine.host if engine else None,
        "embedded": {
            "unpacked": embedded.buildx.exists(),
            "pid": embedded.pid(),
            "folder": str(embedded.folder),
            "log": str(embedded.log),
        },
    }
    if engine is None:
        return status
    with engine.talking():
        version, info, usage = engine.client.version(), engine.client.info(), engine.client.df()
        status |= {
            "engine": version["Version"],
            "api": version["ApiVersion"],
            "platform": f"{version['Os']}/{version['Arch']}",
            "storage": info["Driver"],
            "images": len(engine.client.images.list()),
            "build_cache_bytes": sum(one["Size"] for one in usage.get("BuildCache") or []),
        }
    return status
