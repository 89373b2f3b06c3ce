"""Throw-away containers: for one command, or idle ones in which several commands run."""

import codecs
import io
import secrets
import struct
import tarfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakery.deadlines import Deadline
from bakery.engine.engine import Engine
from bakery.errors import BuildError
from bakery.programs import Limits, ProgramError, run_program

if TYPE_CHECKING:
    from docker import APIClient
    from docker.models.containers import Container as DockerContainer

STDOUT, STDERR = 1, 2
"""Numbers of the streams in the output of a command."""
LARGEST_OUTPUT = 64 << 20
"""Bytes that a command may write; the largest expected output, the facts of an image, has 1.4 MB."""
LARGEST_TREE = 4 << 30
"""Bytes of files that are copied from a container; pandas with its dependencies has 0.2 GB."""
LONGEST_START = 120.0
"""Seconds after which a ``docker run`` that is measured, or a short command in a container, has failed."""
LONGEST_SILENCE = 1800.0
"""Seconds without output after which a program has failed; CPython's tests, the most silent, may take 1,200 each."""
IDLE = ["python3", "-c", "import signal; signal.pause()"]


@dataclass(frozen=True)
class CommandResult:
    """A command's exit code and output; without ``stderr``, both streams are in ``stdout``."""

    code: int
    stdout: str
    stderr: str = ""

    @property
    def output(self) -> str:
        """Both streams, standard error last."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class ContainerOptions:
    """How a container is started.

    ``network`` is ``none`` or ``host``, ``mounts`` are paths of the engine's machine that it sees read-only under the
    same name, and ``cpu`` is the number of the CPU that it is pinned to. :func:`run_container` ends it after
    ``silence`` seconds without output. Errors call the image ``name`` if its reference is a digest.
    """

    network: str = "none"
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: int | None = None
    silence: float = LONGEST_SILENCE
    name: str = ""


def cpu_limits(cpu: int | None) -> dict[str, str | int]:
    """Options of ``docker run`` that pin a container to ``cpu`` and give it precedence over builds in the engine.

    >>> cpu_limits(3)
    {'cpuset_cpus': '3', 'cpu_shares': 262144}
    """
    # The largest weight that the kernel accepts.
    return {} if cpu is None else {"cpuset_cpus": str(cpu), "cpu_shares": 1 << 18}


@contextmanager
def _limited(container: "DockerContainer", seconds: float, problem: str) -> Iterator[Deadline]:
    """End ``container`` after ``seconds`` in the block, which then raises :exc:`BuildError` with ``problem``."""

    def kill() -> None:
        with suppress(Exception):  # an engine that does not answer: the request in the block fails, too
            container.kill()

    with Deadline(kill, seconds) as deadline:
        try:
            yield deadline
        except Exception:
            if not deadline.late:
                raise
    if deadline.late:
        raise BuildError(f"{problem} and was ended")


def execute(api: "APIClient", container: str, command: Sequence[str], **options: Any) -> CommandResult:
    """Run ``command`` in the container with this ID; ``options`` are passed to ``exec_create`` of Docker's client.

    The output is read through the HTTP response. ``exec_run`` of Docker's client reads the socket below it, and loses
    data that arrived together with the headers (https://github.com/docker/docker-py/issues/3332). :exc:`BuildError`
    if the container has ended, and for more than :data:`LARGEST_OUTPUT`: the image may come from an untrusted source.
    """
    from docker.errors import NotFound

    ended = f"{command[0]} cannot be run: its container is not running"
    process = api.exec_create(container, list(command), **options)["Id"]
    url = f"{api.base_url}/v{api.api_version}/exec/{process}/start"
    streams = {STDOUT: bytearray(), STDERR: bytearray()}
    # Only the headers have a time limit: a command may be silent for long.
    with api.post(url, json={"Detach": False, "Tty": False}, stream=True, timeout=(api.timeout, None)) as response:
        if response.status_code == 409:
            raise BuildError(ended)
        response.raise_for_status()
        for stream, data in _frames(response.raw, f"{command[0]} in the container"):
            streams[stream] += data
    try:
        while (state := api.exec_inspect(process))["Running"]:  # it may close its output before it ends
            time.sleep(0.02)
    except NotFound:  # the engine forgets a command together with its container
        raise BuildError(ended) from None
    return CommandResult(int(state["ExitCode"]), *(text.decode("utf-8", "replace") for text in streams.values()))


def _frames(body: Any, program: str) -> Iterator[tuple[int, bytes]]:
    """The frames of Docker's API in the body of a response: the number of a stream, and bytes written to it."""
    size = 0
    while header := body.read(8):
        stream, length = struct.unpack(">BxxxL", header)
        size += length
        if size > LARGEST_OUTPUT:
            raise BuildError(f"{program} wrote more than {LARGEST_OUTPUT >> 20} MiB")
        yield stream, body.read(length)


class Container:
    """A container of ``reference``. Methods raise :exc:`bakery.errors.EngineError` if the engine stops answering."""

    def __init__(self, engine: Engine, container: "DockerContainer", reference: str) -> None:
        self._engine, self._container, self._reference = engine, container, reference

    def run(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: str | None = None,
        seconds: float = LONGEST_START,
    ) -> CommandResult:  # fmt: skip
        """Run ``command`` in it (``docker exec``) until it ends.

        :exc:`BuildError` if the container has ended, or the command takes more than ``seconds``, which ends it.
        """
        problem = f"{self._reference}: {command[0]} took more than {seconds:.0f} s"
        with _limited(self._container, seconds, problem), _refusals(self._engine, self._reference):
            api, identity = self._engine.client.api, str(self._container.id)
            return execute(api, identity, command, environment=dict(environment or {}), workdir=folder)

    def put(self, folder: str, tar: bytes) -> None:
        """Unpack ``tar`` in ``folder``."""
        with self._engine.api_errors():
            self._container.put_archive(folder, tar)

    def get(self, path: str) -> Iterator[bytes]:
        """The file or folder ``path`` as chunks of a tar; :exc:`BuildError` over :data:`LARGEST_TREE` bytes."""
        with self._engine.api_errors():
            chunks, _ = self._container.get_archive(path)
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > LARGEST_TREE:
                    raise BuildError(f"{path} in the container has more than {LARGEST_TREE >> 20} MiB")
                yield chunk


@contextmanager
def _refusals(engine: Engine, reference: str) -> Iterator[None]:
    """Turn the engine's refusal of a request in the block into :exc:`BuildError`."""
    from docker.errors import APIError

    with engine.api_errors():
        try:
            yield
        except APIError as error:
            raise BuildError(f"{reference} cannot be run: {error.explanation or error}") from None


@contextmanager
def _created(
    engine: Engine, reference: str, command: Sequence[str], options: ContainerOptions, **settings: Any
) -> "Iterator[DockerContainer]":
    from docker.types import Mount

    engine.require(reference)
    settings |= {
        "network_mode": options.network,
        # Without a network, the proxies of docker's configuration would only be a login among the variables of a test.
        "use_config_proxy": options.network != "none",
        "environment": dict(options.environment),
        "mounts": [Mount(path, path, type="bind", read_only=True) for path in options.mounts],
        "labels": dict(options.labels),
        **cpu_limits(options.cpu),
    }
    with _refusals(engine, options.name or reference):
        container = engine.client.containers.create(reference, list(command), **settings)
    try:
        yield container
    finally:
        with engine.api_errors():
            container.remove(force=True)


def run_container(
    engine: Engine, reference: str, command: Sequence[str], *, write: Callable[[str], object],
    files: tuple[str, bytes] | None = None, options: ContainerOptions | None = None,
) -> CommandResult:  # fmt: skip
    """Run ``command`` in a container of ``reference``, which is always removed.

    Its output goes to ``write`` line by line while it runs. ``files`` is a folder in the container and a tar that is
    unpacked there, which works with a remote engine too. Raises :exc:`BuildError` if the image is missing, its
    container cannot be created, or it writes more than :data:`LARGEST_OUTPUT` or is silent for too long.
    """
    options = options or ContainerOptions()
    name = options.name or reference
    problem = f"{command[0]} in {name} wrote nothing for {options.silence:.0f} s"
    with (
        _created(engine, reference, command, options) as container,
        _limited(container, options.silence, problem) as deadline,
    ):
        if files:
            with engine.api_errors():
                container.put_archive(*files)
        lines, parts = [], [""]
        with closing(_output(engine, container, name, command[0])) as output:
            for text in codecs.iterdecode(output, "utf-8", "replace"):
                deadline.end = time.monotonic() + options.silence
                first, *others = text.split("\n")
                parts.append(first)
                for part in others:
                    write(line := "".join(parts))
                    lines.append(line)
                    parts = [part]
        with engine.api_errors():
            return CommandResult(int(container.wait()["StatusCode"]), "\n".join((*lines, "".join(parts))))


def _output(engine: Engine, container: "DockerContainer", name: str, program: str) -> Generator[bytes]:
    """Start ``container`` of the image ``name`` and yield what ``program`` in it writes to both streams, while it runs.

    It attaches before the start, as ``docker run`` does. Reading the log after the start, as ``containers.run`` of
    Docker's client does, can miss a command that ends at once (https://github.com/docker/docker-py/issues/3247).
    """
    api, options = engine.client.api, {"stream": 1, "stdout": 1, "stderr": 1}
    url = f"{api.base_url}/v{api.api_version}/containers/{container.id}/attach"
    with engine.api_errors(), api.post(url, params=options, stream=True, timeout=(api.timeout, None)) as response:
        response.raise_for_status()
        with _refusals(engine, name):
            container.start()
        for _, data in _frames(response.raw, f"{program} in {name}"):
            yield data


def docker_run(
    engine: Engine, reference: str, command: Sequence[str], options: Sequence[str] = (), *, cpu: int | None = None,
    first_line: bool = False,
) -> tuple[float, str]:  # fmt: skip
    """The seconds that ``docker run`` takes for ``command``, without a network and on ``cpu``; the command's output.

    With ``first_line``, the seconds until it has printed a line. Raises :exc:`BuildError` with the reason if it fails,
    takes longer than :data:`LONGEST_START` or prints more than :data:`LARGEST_OUTPUT`; the container is then removed.
    """
    program, *arguments = command
    name = f"bakery-{secrets.token_hex(8)}"
    limits = [f"--{key.replace('_', '-')}={value}" for key, value in cpu_limits(cpu).items()]
    options = ("--rm", "--network=none", f"--name={name}", *limits, *options, f"--entrypoint={program}")
    run = ["docker", "run", *options, reference, *arguments]
    try:
        done = run_program(run, engine.environment, Limits(LONGEST_START, LARGEST_OUTPUT, notice=LONGEST_START))
    except BaseException as error:
        with suppress(OSError, ProgramError):
            run_program(["docker", "rm", "--force", name], engine.environment)
        if isinstance(error, ProgramError):
            raise BuildError(str(error)) from None
        raise
    output, errors = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    seconds = done.first_line if first_line else done.seconds
    if done.code or seconds is None:
        reason = (errors or output).strip().splitlines() or [f"printed nothing, exit code {done.code}"]
        raise BuildError(reason[-1])
    return seconds, output


@contextmanager
def idle_container(engine: Engine, reference: str, options: ContainerOptions | None = None) -> Iterator[Container]:
    """A container of ``reference`` to run commands in, then removed; :exc:`BuildError` if it cannot be started."""
    options = options or ContainerOptions()
    settings, name = {"entrypoint": [], "user": "0:0", "init": True}, options.name or reference
    with _created(engine, reference, IDLE, options, **settings) as container:
        with _refusals(engine, name):
            container.start()
        yield Container(engine, container, name)


def tar_of(path: Path, name: str) -> bytes:
    """A tar of the file or folder ``path`` as ``name``, owned by root, without byte code."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(path, arcname=name, filter=_owned_by_root)
    return buffer.getvalue()


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in member.name:
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member
