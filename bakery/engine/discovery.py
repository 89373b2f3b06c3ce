"""Chooses the Docker engine.

A user's DOCKER_HOST, DOCKER_CONTEXT or current docker context always wins; then the machine's own Docker; then the
embedded engine, which is started if no other engine answers.
"""

import json
import os
import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bakery.engine.daemons import SYSTEM_SOCKET, answers
from bakery.engine.embedded import SLOW, Embedded
from bakery.engine.engine import Engine
from bakery.errors import EngineError, InputError
from bakery.files import Tell, existing
from bakery.redaction import redact, redacted
from bakery.regular_files import SMALL
from bakery.workspace import Workspace, docker_folder

if TYPE_CHECKING:
    from docker.tls import TLSConfig


def find_engine(workspace: Workspace, tell: Tell = print) -> Engine:
    """The engine in use, else the embedded one, which is started; :exc:`EngineError` if it is not usable."""
    engine = running_engine(workspace, tell)
    if engine:
        return engine
    tell("no Docker engine answers: trying the embedded one")
    embedded = Embedded(workspace, tell)
    embedded.up()
    return Engine("embedded", embedded.host, embedded)


def running_engine(workspace: Workspace, tell: Tell = print) -> Engine | None:
    """The engine that answers, if any; starts nothing. :exc:`EngineError` if it is too old or may not be used."""
    embedded = Embedded(workspace, tell)
    for name in ("DOCKER_CONFIG", "BUILDX_CONFIG"):
        if not existing(Path(os.environ.get(name, ""))).is_dir():  # buildx: "mkdir ...: not a directory"
            hint = f"Unset it, or set it to a folder: unset {name}"
            raise InputError(f"{name}={os.environ[name]}: expected a folder, not a file", hint=hint)
    folder = docker_folder()
    for file in (folder / "config.json", *folder.glob("contexts/meta/*/meta.json")):
        # docker's client would wait for the writer of a FIFO, and take 25 times the memory of a file's size.
        if os.path.exists(file) and not (file.is_file() and file.stat().st_size <= SMALL):
            raise InputError(f"{file}: expected docker's configuration, a regular file of at most {SMALL >> 20} MiB")
    chosen = _users_choice(embedded)
    if chosen:
        notice = threading.Timer(SLOW, tell, [f"waiting for the Docker engine at {redact(chosen.host)}"])
        notice.daemon = True
        notice.start()
        try:
            return chosen.check()
        finally:
            notice.cancel()
    try:
        if answers(SYSTEM_SOCKET):
            return Engine("system", f"unix://{SYSTEM_SOCKET}", embedded).check()
        return Engine("embedded", embedded.host, embedded) if embedded.running() else None
    except PermissionError:
        raise EngineError(
            f"no permission to use the Docker engine at {SYSTEM_SOCKET}",
            hint="Run as root or as a member of the group docker (sudo usermod -aG docker $USER, then log in again).",
        ) from None


def _users_choice(embedded: Embedded) -> Engine | None:
    """The engine that DOCKER_HOST, DOCKER_CONTEXT or docker's configuration name, in docker's order of precedence."""
    if os.environ.get("DOCKER_HOST"):
        host = os.environ["DOCKER_HOST"]
        if host == embedded.host:
            return Engine("embedded", host, embedded)
        return Engine("DOCKER_HOST", host, embedded, _tls_from_environment())
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name

    name = os.environ.get("DOCKER_CONTEXT", "")
    try:
        name = name or get_current_context_name()
        if name in ("", "default", None):
            return None
        context = ContextAPI.get_context(name)
    except Exception as error:
        raise InputError(f"docker context {name!r} cannot be read: {error}") from None
    if context is None:
        raise InputError(f"docker context {name!r} does not exist", hint="`docker context ls` lists them.")
    return Engine(f"context {name}", str(context.Host), embedded, context.TLSConfig)


def _tls_from_environment() -> "TLSConfig | None":
    """The TLS settings that docker's client derives from DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    from docker.utils import kwargs_from_env

    try:
        tls: TLSConfig | None = kwargs_from_env().get("tls")
        return tls
    except Exception as error:
        folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
        hint = f"Expected ca.pem, cert.pem and key.pem in {folder}; without TLS, unset both."
        raise InputError(f"DOCKER_TLS_VERIFY and DOCKER_CERT_PATH cannot be used: {error}", hint=hint) from None


def shell_settings(engine: Engine, root: Path) -> str:
    """Shell commands that point docker at ``engine``; the embedded one comes with its own docker and buildx."""
    context = engine.kind.removeprefix("context ")
    # For a context, export its name, because it has TLS settings as well.
    name, value = ("DOCKER_HOST", engine.host) if context == engine.kind else ("DOCKER_CONTEXT", context)
    lines = [f"export {name}={shlex.quote(value)}"]
    if engine.host == engine.embedded.host:
        folders = f"{root / 'bakery/engine/cli'}:{engine.embedded.path}"
        lines.append(f'export PATH={shlex.quote(folders)}:"$PATH"')
    return "\n".join(lines)


def engine_status(workspace: Workspace) -> dict[str, object]:
    """What ``inv engine.status`` prints; ``kind`` and ``host`` are ``None`` if no engine answers. Starts nothing."""
    embedded = Embedded(workspace, lambda _: None)
    engine = running_engine(workspace)
    return {
        "kind": engine.kind if engine else None,
        "host": engine.host if engine else None,
        **(engine.details() if engine else {}),
        "embedded": {
            "unpacked": embedded.buildx.exists(),
            "pid": embedded.pid(),
            "folder": str(embedded.folder),
            "log": str(embedded.log),
        },
    }


def status_text(status: Mapping[str, object], form: str) -> str:
    """The result of :func:`engine_status` as JSON, or as text with a line for each value."""
    if form == "json":
        return json.dumps(redacted(status), indent=1)
    lines = []
    for key, value in status.items():
        for inner, text in (value if isinstance(value, dict) else {"": value}).items():
            lines.append(f"{f'{key} {inner}'.strip():18} {'-' if text is None else text}")
    return redact("\n".join(lines))
