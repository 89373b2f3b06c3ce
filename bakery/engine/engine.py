"""A Docker engine: its images, its build cache, and the environment and buildx that builds in it use."""

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bakery import registry
from bakery.engine.daemons import version_of
from bakery.engine.embedded import Embedded
from bakery.errors import BakeryError, BuildError, EngineError, InputError
from bakery.files import Tell
from bakery.names import is_digest
from bakery.platforms import AMD64, Platform
from bakery.programs import ProgramError, run_program
from bakery.redaction import shorten

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as DockerImage
    from docker.tls import TLSConfig

FIRST_ANSWER, ANSWER = 60, 120
"""Seconds to wait for an engine's version, and for the first byte of any other answer."""
PROVENANCE = {"BUILDX_GIT_CHECK_DIRTY": "1"}
"""buildx marks the commit in a provenance if the working tree is dirty."""
SSH_HINT = "Forward its socket instead: ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST, then DOCKER_HOST=unix:///tmp/docker.sock."
NOT_INHERITED = re.compile(
    r"SOURCE_DATE_EPOCH|BUILDX_(GIT|METADATA|NO_DEFAULT|BAKE)_\w+|BUILDKIT_(?!HOST)\w+|EXPERIMENTAL_\w+"
    r"|DOCKER_(BUILDKIT|DEFAULT_PLATFORM|CONTENT_TRUST|HIDE_LEGACY_COMMANDS)|GIT_(?!SSL)\w+"
)
"""Variables that would change an image, its labels or its provenance: buildx and docker do not inherit them."""


def _short(value: object) -> str:
    """A text from an engine for a message: redacted, and cut to 1,000 characters."""
    return shorten(str(value), 1000)


@dataclass(frozen=True)
class EngineImage:
    """An image in an engine.

    ``id`` is the digest of its index, its manifest or its configuration, depending on the engine's image store;
    ``layers`` are the digests of its unpacked layers, which are the same in every store. ``created`` is ISO 8601 or
    empty.
    """

    id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = AMD64
    created: str = ""
    layers: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, image: "DockerImage") -> "EngineImage":
        """The image that docker's client returned; :exc:`EngineError` if its ID, which names files, is not a digest."""
        attributes, identity = image.attrs, str(image.id)
        if not is_digest(identity):
            raise EngineError(
                f"the engine gives an image the ID {_short(identity)!r}: expected a digest, sha256: and 64 digits",
                hint="Is it a Docker engine? `docker version` shows what answers there.",
            )
        config, files = attributes.get("Config") or {}, attributes.get("RootFS") or {}
        platform = Platform(f"{attributes.get('Os')}/{attributes.get('Architecture')}")
        labels = {str(name): str(text) for name, text in (config.get("Labels") or {}).items()}
        layers, created = tuple(map(str, files.get("Layers") or ())), str(attributes.get("Created") or "")
        return cls(identity, tuple(map(str, image.tags)), labels, platform, created, layers)


@dataclass(frozen=True)
class EngineInfo:
    """An engine's version, its storage driver, and its machine's processors and bytes of memory.

    ``keeps_layers``: whether it keeps the compressed layers (containerd's image store); other engines unpack them and
    discard the archives.
    """

    version: str
    storage: str
    cpus: int
    memory_bytes: int
    keeps_layers: bool

    @classmethod
    def from_api(cls, info: Mapping[str, Any]) -> "EngineInfo":
        """What ``GET /info`` returned (https://docs.docker.com/reference/api/engine/version/v1.47/#tag/System)."""
        status = dict(entry[:2] for entry in info.get("DriverStatus") or [])
        return cls(
            _short(info.get("ServerVersion") or ""), _short(info.get("Driver") or ""), int(info.get("NCPU") or 1),
            int(info.get("MemTotal") or 0), str(status.get("driver-type", "")).startswith("io.containerd."),
        )  # fmt: skip


@dataclass(frozen=True)
class Engine:
    """An engine: its kind (``embedded``, ``system``, ``DOCKER_HOST``, ``context NAME``) and its address."""

    kind: str
    host: str
    embedded: Embedded
    tls: "TLSConfig | None" = None

    @cached_property
    def network(self) -> str | None:
        """Network mode of build steps: ``host`` for an engine without a bridge network, such as the embedded one."""
        if self.kind == "embedded":
            return "host"
        with self.api_errors():
            return None if self.client.networks.list(names=["bridge"]) else "host"

    @cached_property
    def info(self) -> EngineInfo:
        """Its version, storage and machine."""
        with self.api_errors():
            return EngineInfo.from_api(self.client.info())

    @property
    def keeps_layers(self) -> bool:
        """Whether it keeps the compressed layers (:class:`EngineInfo`)."""
        return self.info.keeps_layers

    def find(self, reference: str) -> EngineImage | None:
        """The image with this name or ID, ``None`` if the engine does not have it."""
        from docker.errors import NotFound

        with self.api_errors():
            try:
                return EngineImage.from_api(self.client.images.get(reference))
            except NotFound:
                return None

    def require(self, reference: str, hint: str = "Build it first, with `inv build`.") -> EngineImage:
        """The image with this name or ID; :exc:`BuildError` with ``hint`` if the engine does not have it."""
        image = self.find(reference)
        if image is None:
            raise BuildError(f"{reference} is not in the engine", hint=hint)
        return image

    def configuration(self, reference: str) -> Mapping[str, Any]:
        """The image's configuration as in OCI's specification: ``Env``, ``Cmd``, ``Labels`` and others."""
        with self.api_errors():
            return dict(self.client.images.get(reference).attrs["Config"])

    def images(self, *, name: str | None = None, label: str | None = None) -> list[EngineImage]:
        """The images with this name (a repository, with or without a tag) and this label; all images by default."""
        with self.api_errors():
            images = self.client.images.list(name=name, filters={"label": label} if label else None)
            return [EngineImage.from_api(image) for image in images]

    def pull(self, reference: str, tell: Tell) -> EngineImage:
        """Pull an image from its registry, reporting progress every 10 seconds; :exc:`BuildError` if that fails."""
        from docker.errors import APIError
        from docker.utils import parse_repository_tag

        name, tag = parse_repository_tag(reference)
        reported, layers = time.monotonic(), dict[str, int]()
        tell(f"pulling {reference}")
        host, path, _ = registry.split_reference(reference)
        login = registry.Transport(host, path, registry.PULL).login  # docker's client has no limits for helpers
        auth = {"username": login.name, "password": login.password, "identitytoken": login.token}
        auth["serveraddress"] = registry.server_address(host)
        with self.api_errors():
            try:
                for event in self.client.api.pull(
                    name, tag or "latest", stream=True, decode=True, auth_config=auth if login else {}
                ):
                    if "error" in event:
                        raise BuildError(f"{reference} cannot be pulled: {event['error']}")
                    if event.get("status") == "Downloading":
                        layers[event["id"]] = event["progressDetail"].get("current", 0)
                    if time.monotonic() >= reported + 10:
                        reported = time.monotonic()
                        tell(f"pulling {reference}: {sum(layers.values()) / 1e6:.1f} MB")
            except APIError as error:
                raise BuildError(f"{reference} is missing and cannot be pulled: {error.explanation}") from None
        return self.require(reference)

    def save(self, reference: str) -> Iterator[bytes]:
        """The image as chunks of the tar that ``docker save`` writes."""
        with self.api_errors():
            yield from self.client.api.get_image(reference)

    def load(self, archive: Iterable[bytes]) -> None:
        """Load the images in a tar, a file or chunks of one; :exc:`EngineError` if the engine rejects it."""
        with self.api_errors():
            for line in self.client.api.load_image(archive, quiet=True):  # type: ignore[no-untyped-call]
                if "error" in line:
                    raise EngineError(f"the Docker engine at {self.host} cannot load the image: {line['error']}")

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last tag."""
        with self.api_errors():
            self.client.images.remove(reference, force=True)

    def prune(self) -> None:
        """Remove the whole build cache."""
        with self.api_errors():
            self.client.api.prune_builds(all=True)

    def details(self) -> dict[str, object]:
        """Versions, platform, storage, number of images, and bytes of the build cache, for ``inv engine.status``."""
        with self.api_errors():
            version, usage = self.client.version(), self.client.df()
            engine, api, system, machine = (_short(version[key]) for key in ("Version", "ApiVersion", "Os", "Arch"))
            cache = sum(int(entry["Size"]) for entry in usage.get("BuildCache") or [])
        return {
            "engine": engine, "api": api, "platform": f"{system}/{machine}", "storage": self.info.storage,
            "images": len(self.images()), "build_cache_bytes": cache,
        }  # fmt: skip

    def close(self) -> None:
        """Close the connections to it."""
        if "client" in self.__dict__:
            self.client.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment for docker and buildx."""
        inherited = {name: value for name, value in os.environ.items() if not NOT_INHERITED.fullmatch(name)}
        if self.kind != "embedded":
            return inherited | PROVENANCE
        path = f"{self.embedded.path}:{os.environ.get('PATH', '')}"
        return {**inherited, **PROVENANCE, "DOCKER_HOST": self.host, "PATH": path}

    @cached_property
    def client(self) -> "DockerClient":
        """The engine's API, for modules of this package only. Raises :exc:`EngineError` if it does not answer.

        :exc:`InputError` if its address or docker's configuration cannot be used.
        """
        from docker.errors import DockerException, InvalidConfigFile
        from docker.utils import parse_host

        from bakery.engine.client import Client

        try:
            parse_host(self.host)
        except (DockerException, ValueError):
            hint = "Expected an address such as unix:///var/run/docker.sock or tcp://HOST:2376."
            raise InputError(f"{self.host!r} ({self.kind}) is not the address of an engine", hint=hint) from None
        try:
            client = Client(base_url=self.host, tls=self.tls or False, timeout=FIRST_ANSWER, version="auto")
            client.api.timeout = ANSWER
            return client
        except Exception as error:
            if isinstance(error, InvalidConfigFile) or not isinstance(error, DockerException):
                problem = f"docker's configuration cannot be used: {_short(error)}"
                hint = "Correct config.json in $DOCKER_CONFIG or ~/.docker; `docker info` reads it, too."
                raise InputError(problem, hint=hint) from None
            hint = "Start it; or unset DOCKER_HOST and use docker's default context to have another engine found."
            problem = f"the Docker engine at {self.host} ({self.kind}) does not answer: {_short(error)}"
            raise EngineError(problem, hint=SSH_HINT if self.host.startswith("ssh://") else hint) from None

    @cached_property
    def buildx(self) -> list[str]:
        """The command that starts buildx, unpacked if necessary. Raises :exc:`EngineError` if none is new enough."""
        return self.find_buildx(unpack=os.geteuid() == 0)

    def find_buildx(self, *, unpack: bool) -> list[str]:
        """As :attr:`buildx`; without ``unpack``, nothing on this machine is changed."""
        _, minimum = self.embedded.minimums
        own, candidates, versions = [str(self.embedded.buildx)], list[list[str]](), []
        if self.kind != "embedded" and shutil.which("docker"):
            candidates.append(["docker", "buildx"])
        if unpack or self.embedded.buildx.exists():
            candidates.append(own)
        for command in candidates:
            if command == own and unpack:
                self.embedded.prepare()
            try:
                done = run_program([*command, "version"], self.environment)
            except ProgramError as error:
                versions.append(f"{' '.join(command)} {error}")
                continue
            if done.code:
                lines = done.stderr.decode(errors="replace").splitlines() or ["no output"]
                versions.append(f"{' '.join(command)} failed with exit code {done.code}: {shorten(lines[0], 200)}")
                continue
            version = version_of(done.stdout.decode(errors="replace"))
            if version >= minimum:
                return command
            versions.append(f"{' '.join(command)} is {version}")
        raise EngineError(
            f"no buildx is new enough: expected {minimum} or newer{', ' + '; '.join(versions) if versions else ''}",
            hint="Install the docker-buildx-plugin (or docker-buildx) package, or run as root to have one unpacked.",
        )

    @contextmanager
    def api_errors(self) -> Iterator[None]:
        """Turn errors of the API in the block into :exc:`EngineError`: the engine may die at any moment.

        For an unexpected answer, docker's client raises any exception, including Exception itself.
        """
        try:
            yield
        except BakeryError:
            raise
        except Exception as error:
            unexpected = isinstance(error, (LookupError, TypeError, AttributeError))
            cause = f"unexpected answer: {_short(repr(error))}" if unexpected else _short(error)
            raise EngineError(
                f"the Docker engine at {self.host} ({self.kind}) failed or stopped answering: {cause}",
                hint="Run the same command again; it skips finished steps. `inv engine.status` shows the engine.",
            ) from None

    def check(self) -> "Engine":
        """The same engine; :exc:`EngineError` if it is too old."""
        minimum, _ = self.embedded.minimums
        with self.api_errors():
            text = _short(self.client.version()["Version"])
        if version_of(text) < minimum:
            raise EngineError(
                f"the Docker engine at {self.host} ({self.kind}) is {text}: too old, expected {minimum} or newer "
                "(named contexts and heredocs need its BuildKit)",
                hint="Upgrade it; or stop it (systemctl stop docker docker.socket) to use the embedded engine instead.",
            )
        return self
