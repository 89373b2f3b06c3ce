"""Checks what building and publishing need, and says what to type if something is missing. Starts nothing."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bakery.bases import apt, registry_hosts
from bakery.catalog import Catalog
from bakery.engine import CONTAINER_HINT, ENGINE_HINT, NO_MOUNTS, Embedded, Engine, may_mount, running_engine
from bakery.errors import BakeryError, BuildError, Unavailable
from bakery.files import existing, free_space
from bakery.net import archive_url, http, secret_bundle, users_bundle, users_proxy
from bakery.options import Building, options_of, parse
from bakery.platforms import host_platform
from bakery.programs import ProgramError, run_program
from bakery.redaction import redact
from bakery.urls import PYTHON_ORG, folder_of
from bakery.workspace import Workspace

SPACE = (8_000_000_000, 3_000_000_000)
"""Free bytes that a full build needs in addition to its caches, and the minimum for any build."""
MEMORY = (4_000_000_000, 1_500_000_000)
"""Free bytes of memory that linking with full LTO needs, and the minimum for any build."""
MEMINFO = Path("/proc/meminfo")
TIMEOUT = (4.0, 4.0)
"""Seconds to connect and to wait for an answer: `inv doctor` has to be quick even if no server can be reached."""
NATIVE = "docker buildx create --append --name=BUILDER ssh://HOST, then inv build --builder=BUILDER"
"""How to build on another architecture without emulation."""


class State(StrEnum):
    """``missing``: builds fail without it. ``warning``: some features need it, or builds are slower without it."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


class Finding(NamedTuple):
    """The result of one check: its subject, its state, and what to type or do if that is not enough."""

    check: str
    state: State
    details: str
    advice: str = ""


def failure_of(findings: Sequence[Finding]) -> BuildError | None:
    """The error to raise after the report, if a build would fail."""
    missing = [finding.check for finding in findings if finding.state is State.MISSING]
    return BuildError(f"a build would fail: {', '.join(missing)}") if missing else None


def examine_machine(workspace: Workspace, catalog: Catalog, building: Building) -> list[Finding]:
    """Examine this machine, and the buildx builder and the CA bundle in the user's options ``building``."""
    engine, findings = _engine(workspace)
    if engine is not None:
        findings += _builder(catalog, engine, building.builder)
    bundle = _bundle(building.ca_bundle)
    findings += [*_disk(workspace), _memory(), *_proxies(), bundle, _host_archive(catalog), _cosign()]
    with ThreadPoolExecutor() as pool:
        findings += pool.map(lambda check: check(), _server_checks(catalog))
    return findings


def _engine(workspace: Workspace) -> tuple[Engine | None, list[Finding]]:
    try:
        may_unpack = os.geteuid() == 0 and Embedded(workspace).fits_host
        engine = running_engine(workspace)
        if engine is None and os.geteuid() == 0 and not may_mount():
            return None, [Finding("engine", State.MISSING, f"none is running, and {NO_MOUNTS}", CONTAINER_HINT)]
        if engine is None and may_unpack:
            text = "none is running; the embedded engine will be started"
            return None, [Finding("engine", State.OK, text, "inv engine.up")]
        if engine is None:
            text = "none is running, and the embedded engine needs root on Debian or Ubuntu"
            return None, [Finding("engine", State.MISSING, text, ENGINE_HINT)]
        findings = [Finding("engine", State.OK, f"Docker {engine.info.version} ({engine.kind}) at {engine.host}")]
    except BakeryError as error:
        return None, [Finding("engine", State.MISSING, error.message, error.hint)]
    if not engine.keeps_layers:
        advice = 'Set "features": {"containerd-snapshotter": true} in /etc/docker/daemon.json.'
        text = "does not keep compressed layers; they are compressed again for a push"
        findings.append(Finding("image store", State.WARNING, text, advice))
    try:
        findings.append(Finding("buildx", State.OK, " ".join(engine.find_buildx(unpack=False))))
    except BakeryError as error:
        if may_unpack:
            text = "none is new enough; a build will unpack one from the distribution's packages"
            return None, [*findings, Finding("buildx", State.OK, text)]
        findings.append(Finding("buildx", State.MISSING, error.message, error.hint))
        return None, findings
    return engine, findings


def platforms_in(text: str) -> tuple[str, ...]:
    """The platforms of all nodes in the output of ``docker buildx inspect``, without variants such as ``amd64/v3``."""
    lines = re.findall(r"^Platforms:(.*)$", text, re.MULTILINE)
    names = (name.strip(" *") for line in lines for name in line.split(","))
    return tuple(dict.fromkeys(re.sub(r"/v\d+$", "", name) if "amd64" in name else name for name in names if name))


def _builder(catalog: Catalog, engine: Engine, name: str | None) -> Iterator[Finding]:
    try:
        done = run_program([*engine.buildx, "inspect", *([name] if name else [])], engine.environment)
        error = (done.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1] if done.code else ""
    except ProgramError as problem:
        error = f"buildx {problem}"
    if error:
        yield Finding("builder", State.MISSING, f"{name or 'default'}: {error}", f"{shlex.join(engine.buildx)} ls")
        return
    text = done.stdout.decode(errors="replace")
    fields = dict(re.findall(r"^(Name|Driver):\s+(\S+)", text, re.MULTILINE)[:2])
    nodes, errors = len(re.findall(r"(?m)^Endpoint:", text)), re.findall(r"(?m)^Error:\s+(.*)$", text)
    details = f"{fields.get('Name')}, driver {fields.get('Driver')}, {nodes} node{'s' * (nodes != 1)}"
    if errors:
        state = State.WARNING if len(errors) < nodes else State.MISSING
        yield Finding("builder", state, f"{details}: {errors[0]}", f"{shlex.join(engine.buildx)} ls")
        if state is State.MISSING:
            return
    else:
        yield Finding("builder", State.OK, details)
    available = platforms_in(text)
    native = {host_platform()} if not name else set()
    for platform in catalog.platforms:
        short = platform.architecture
        if platform not in available:
            advice = f"Emulated (many times slower): apt-get install qemu-user-static binfmt-support. Native: {NATIVE}."
            yield Finding(short, State.WARNING, "not supported by the builder", advice)
        elif not native or platform in native:
            yield Finding(short, State.OK, "supported by the builder")
        else:
            yield Finding(short, State.OK, "emulated on this machine, many times slower", f"Native: {NATIVE}")


def _disk(workspace: Workspace) -> Iterator[Finding]:
    for name, folder, advice in (
        ("cache", workspace.home, "Use another cache: BAKERY_HOME=FOLDER."),
        ("clone", workspace.build, "Use a clone that you may write to."),
    ):
        try:
            tempfile.TemporaryFile(dir=existing(folder)).close()
        except OSError as error:
            yield Finding(f"disk, {name}", State.MISSING, f"{folder} cannot be written: {error.strerror}", advice)
            continue
        more = "A full build needs about 8 GB: free some space, for example with inv clean --cache."
        yield _resource(f"disk, {name}", free_space(folder), SPACE, f"free in {folder}", more)


def _memory() -> Finding:
    try:
        available = re.search(r"(?m)^MemAvailable: +(\d+) kB$", MEMINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        available = None
    advice = "Linking with full LTO needs 4 GB: inv build --jobs=1, or --quick during development."
    processors = f"{os.cpu_count()} processors"
    if available is None:  # Linux 3.14 introduced the field; sandboxes and containers may hide it
        text = f"{processors}; {MEMINFO} does not report how much memory is available"
        return Finding("memory", State.WARNING, text, advice)
    return _resource("memory", int(available[1]) * 1024, MEMORY, f"available, {processors}", advice)


def _resource(check: str, free: int, limits: tuple[int, int], text: str, advice: str) -> Finding:
    """The finding for ``free`` bytes; ``limits`` are enough for everything, and the minimum."""
    enough, minimum = limits
    state = State.OK if free >= enough else State.WARNING if free >= minimum else State.MISSING
    return Finding(check, state, f"{free / 1e9:.1f} GB {text}", "" if state is State.OK else advice)


def _proxies() -> Iterator[Finding]:
    checks: dict[str, Callable[[], str]] = {
        "http_proxy": partial(users_proxy, "http"), "https_proxy": partial(users_proxy, "https"),
        "$BAKERY_APT_MIRROR": archive_url,
    }  # fmt: skip
    for name, check in checks.items():
        try:
            if value := check():
                yield Finding(name, State.OK, redact(value))
        except BakeryError as error:
            yield Finding(name, State.MISSING, error.message, error.hint)
    if value := os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "":
        yield Finding("no_proxy", State.OK, redact(value))


def _bundle(option: str | None) -> Finding:
    try:
        file, in_builds = users_bundle(option), secret_bundle(option)
    except BakeryError as error:
        return Finding("CA bundle", State.MISSING, error.message, error.hint)
    if file and not in_builds:
        advice = "Build steps need a file of at most 500 KiB: pass your own authorities with --ca-bundle=FILE."
        return Finding("CA bundle", State.WARNING, f"{file}, for this tool only", advice)
    return Finding("CA bundle", State.OK, str(file) if file else "none; public certificate authorities are trusted")


def _host_archive(catalog: Catalog) -> Finding:
    if apt.host_id() not in {family.archive.id for family in catalog.families}:
        return Finding("apt mirror", State.WARNING, "no apt on this host", "Base images need their registry.")
    try:
        mirror = apt.host_mirror()
        details = f"{mirror.codename} at {urlsplit(mirror.uris['']).hostname or 'a folder'}"
    except apt.AptError as error:
        return Finding("apt mirror", State.WARNING, error.message, error.hint)
    except ValueError:
        return Finding("apt mirror", State.WARNING, "not a valid URI", "Correct it in apt's sources.")
    if "-security" not in mirror.uris:
        advice = "Bases that are made from packages get no fixes. Add the suite to apt's sources."
        return Finding("apt mirror", State.WARNING, f"{details}, without {mirror.codename}-security", advice)
    return Finding("apt mirror", State.OK, details)


def _cosign() -> Finding:
    if program := shutil.which("cosign"):
        return Finding("cosign", State.OK, program)
    advice = "Only inv push --sign needs it: https://docs.sigstore.dev/cosign/system_config/installation/"
    return Finding("cosign", State.WARNING, "not installed", advice)


def _server_checks(catalog: Catalog) -> Iterator[Callable[[], Finding]]:
    """A check of each server that bases and tarballs come from."""
    advice = "Bases are made from packages instead. To use another base: inv build --base=IMAGE."
    for host in registry_hosts(catalog):
        yield partial(_check_server, "registry", f"https://{host}/v2/", advice)
    advice = "Tarballs come from the host's Debian or Ubuntu mirror if it has them, or from --mirror."
    yield partial(_check_server, "python.org", PYTHON_ORG, advice)
    try:
        mirror = parse("mirror", None, options_of([Building], "mirror", {})["mirror"].metadata) or ""
    except BakeryError as error:
        yield partial(Finding, "mirror", State.MISSING, error.message, "Unset $BAKERY_MIRROR, or correct it.")
        return
    if mirror.lower().startswith(("http://", "https://")):
        yield partial(_check_server, "mirror", mirror, "It is set by $BAKERY_MIRROR.")
    elif mirror and folder_of(mirror).is_dir():
        yield partial(Finding, "mirror", State.OK, mirror)
    elif mirror:
        yield partial(Finding, "mirror", State.WARNING, mirror, "No such folder: check $BAKERY_MIRROR.")


def _check_server(check: str, url: str, advice: str) -> Finding:
    """The finding of whether a server answers at ``url``, with any status."""
    try:
        host = urlsplit(url).hostname
        http.status_of(url, timeout=TIMEOUT, follow=False)
    except ValueError:
        return Finding(check, State.WARNING, "not a valid URL", advice)
    except http.UntrustedCertificate:
        advice = "Pass its authority's certificate: --ca-bundle=FILE."
        return Finding(check, State.WARNING, f"{host}: untrusted certificate", advice)
    except Unavailable as reason:
        return Finding(check, State.WARNING, f"{host} {reason}", advice)
    return Finding(check, State.OK, f"{host} answers")
