"""What this machine has of what building and publishing need, what is missing, and what to type. Starts nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from bakery.bases import apt
from bakery.catalog import Catalog, host_platform
from bakery.engine import WAY_OUT, Engine, running_engine
from bakery.errors import BakeryError, BuildError
from bakery.net import users_bundle
from bakery.registry import split_reference
from bakery.sources import PYTHON_ORG
from bakery.workspace import Workspace

__all__ = ["Diagnosis", "Finding", "State", "examine_machine", "platforms_in"]

SPACE, LITTLE_SPACE = 8_000_000_000, 3_000_000_000
"""Bytes that a full build takes beside its caches, and those without which none ends well."""
MEMORY, LITTLE_MEMORY = 4_000_000_000, 1_500_000_000
"""Bytes that linking with full LTO wants free, and those without which no build ends well."""
TIMEOUT = 4.0
"""Seconds to wait for an address: this must not take longer than reading what it says."""
ELSEWHERE = "docker buildx create --append --name=BUILDER ssh://HOST, then inv build --builder=BUILDER"


class State(StrEnum):
    """``missing`` is what building fails without; ``warning`` what some of it needs, or what makes it slower."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to type or do where that is not enough."""

    about: str
    state: State
    found: str
    todo: str = ""

    @property
    def row(self) -> dict[str, str]:
        """The same for a report."""
        return {key: str(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was looked at, the engine first."""

    findings: tuple[Finding, ...]

    @property
    def rows(self) -> list[dict[str, str]]:
        """The findings for a report; the keys, in order, are its columns."""
        return [finding.row for finding in self.findings]

    @property
    def failure(self) -> BuildError | None:
        """The error to raise after the report, if a build would fail."""
        missing = [finding.about for finding in self.findings if finding.state is State.MISSING]
        return BuildError(f"A build would fail: {', '.join(missing)}.") if missing else None


def examine_machine(workspace: Workspace, catalog: Catalog, builder: str, bundle: str | None) -> Diagnosis:
    """Examine this machine, the buildx ``builder`` (empty: the default one) and the CA ``bundle`` that the user named.

    Hosts are asked concurrently. Nothing is started.
    """
    engine, found = _engine(workspace, catalog)
    if engine is not None:
        found += _builder(catalog, engine, builder)
    found += [*_disk(workspace), _memory(), *_proxies(), _bundle(bundle), _host_archive(), _cosign()]
    with ThreadPoolExecutor() as pool:
        found += pool.map(lambda ask: ask(), _addresses(catalog))
    return Diagnosis(tuple(found))


def _engine(workspace: Workspace, catalog: Catalog) -> tuple[Engine | None, list[Finding]]:
    try:
        engine = running_engine(workspace, catalog)
        if engine is None:
            return None, [_no_engine()]
        version = engine.info.version
    except BakeryError as error:
        return None, [Finding("engine", State.MISSING, error.message, error.hint)]
    found = [Finding("engine", State.OK, f"Docker {version} ({engine.kind}) at {engine.host}")]
    if not engine.keeps_layers:
        todo = 'Set "features": {"containerd-snapshotter": true} in /etc/docker/daemon.json to keep layers as packed.'
        found.append(Finding("image store", State.WARNING, "unpacks layers; they are packed anew for a push", todo))
    try:
        found.append(Finding("buildx", State.OK, " ".join(engine.buildx)))
    except BakeryError as error:
        found.append(Finding("buildx", State.MISSING, error.message, error.hint))
        return None, found
    return engine, found


def _no_engine() -> Finding:
    """No engine answers; where the embedded one could be started it is not missed."""
    if os.geteuid() == 0 and apt.host_id() in ("debian", "ubuntu"):
        return Finding("engine", State.OK, "none answers; the embedded one will be started", "inv engine.up")
    return Finding(
        "engine", State.MISSING, "none answers, and the embedded one needs root on Debian or Ubuntu", WAY_OUT
    )


def platforms_in(text: str) -> tuple[str, ...]:
    """The platforms that ``docker buildx inspect`` names, of all nodes, without microarchitectures (``amd64/v3``)."""
    words = (
        word.strip(" *") for line in re.findall(r"^Platforms:(.*)$", text, re.MULTILINE) for word in line.split(",")
    )
    return tuple(dict.fromkeys(re.sub(r"/v\d+$", "", word) if "amd64" in word else word for word in words if word))


def _builder(catalog: Catalog, engine: Engine, name: str) -> Iterator[Finding]:
    done = subprocess.run(
        [*engine.buildx, "inspect", *([name] if name else [])], capture_output=True, text=True, env=engine.environment,
        errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        yield Finding("builder", State.MISSING, f"{name or 'the default one'}: {said}", "docker buildx ls")
        return
    fields = dict(re.findall(r"^(Name|Driver):\s+(\S+)", done.stdout, re.MULTILINE)[:2])
    nodes = len(re.findall(r"^Endpoint:", done.stdout, re.MULTILINE))
    yield Finding("builder", State.OK, f"{fields.get('Name')}, driver {fields.get('Driver')}, {nodes} node(s)")
    there = platforms_in(done.stdout)
    native = {host_platform()} if not name else set()
    for platform in dict.fromkeys(one for family in catalog.families for one in family.platforms):
        short = platform.architecture
        if platform not in there:
            todo = (
                f"Emulated, many times slower: apt-get install qemu-user-static binfmt-support. Natively: {ELSEWHERE}."
            )
            yield Finding(short, State.WARNING, "the builder does not have it", todo)
        elif not native or platform in native:
            yield Finding(short, State.OK, "the builder has it")
        else:
            yield Finding(short, State.OK, "emulated on this machine, many times slower", f"Natively: {ELSEWHERE}")


def _disk(workspace: Workspace) -> Iterator[Finding]:
    for what, folder in (("cache", workspace.home), ("clone", workspace.build)):
        where = folder
        while not where.exists():
            where = where.parent
        free = shutil.disk_usage(where).free
        state = State.OK if free >= SPACE else State.WARNING if free >= LITTLE_SPACE else State.MISSING
        todo = (
            "" if state is State.OK else "A full build takes about 8 GB: make room, for example by inv clean --cache."
        )
        yield Finding(f"disk, {what}", state, f"{free / 1e9:.1f} GB free below {folder}", todo)


def _memory() -> Finding:
    fields = dict(line.split()[:2] for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    free = int(fields["MemAvailable:"]) * 1024
    state = State.OK if free >= MEMORY else State.WARNING if free >= LITTLE_MEMORY else State.MISSING
    todo = (
        ""
        if state is State.OK
        else "Linking with full LTO wants 4 GB: inv build --jobs=1, or --quick while developing."
    )
    return Finding("memory", state, f"{free / 1e9:.1f} GB available, {os.cpu_count()} processors", todo)


def _proxies() -> Iterator[Finding]:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            # Never the login that may stand in it.
            yield Finding(name, State.OK, re.sub(r"//[^/@]*@", "//...@", value))


def _bundle(given: str | None) -> Finding:
    try:
        file = users_bundle(given)
    except BakeryError as error:
        return Finding("CA bundle", State.MISSING, error.message, error.hint)
    return Finding(
        "CA bundle", State.OK, str(file) if file else "none of your own; the public authorities are believed"
    )


def _host_archive() -> Finding:
    if apt.host_id() not in ("debian", "ubuntu"):
        return Finding(
            "apt mirror", State.WARNING, "this host has no apt", "Bases come from their registry only, then."
        )
    try:
        mirror = apt.host_mirror()
    except apt.AptError as error:
        return Finding("apt mirror", State.WARNING, error.message, error.hint)
    return Finding("apt mirror", State.OK, f"{mirror.codename} at {urlsplit(mirror.uris['']).hostname or 'a folder'}")


def _cosign() -> Finding:
    program = shutil.which("cosign")
    if program:
        return Finding("cosign", State.OK, program)
    todo = "Only inv push --sign needs it: https://docs.sigstore.dev/cosign/system_config/installation/"
    return Finding("cosign", State.WARNING, "not installed", todo)


def _addresses(catalog: Catalog) -> Iterator[Callable[[], Finding]]:
    """A question to each place that bases and tarballs come from."""
    hosts = dict.fromkeys(split_reference(target.base.image)[0] for target in catalog.targets)
    instead = "Bases are made from packages instead, or given: inv build --base=IMAGE."
    for host in hosts:
        yield lambda host=host: _ask("registry", f"https://{host}/v2/", instead)  # type: ignore[misc]
    mirror = os.environ.get("BAKERY_MIRROR", "")
    instead = "Tarballs come from the host's Debian mirror as far as it has them, or from --mirror."
    yield lambda: _ask("python.org", PYTHON_ORG, instead)
    if "://" in mirror:
        yield lambda: _ask("mirror", mirror, "It is named by $BAKERY_MIRROR.")
    elif mirror:
        there = Path(mirror).is_dir()
        yield lambda: Finding(
            "mirror", State.OK if there else State.WARNING, mirror, "" if there else "No such folder."
        )


def _ask(about: str, url: str, instead: str) -> Finding:
    """Whether anybody answers at ``url``, whatever the answer is."""
    import requests

    host = urlsplit(url).hostname
    try:
        requests.head(url, timeout=TIMEOUT).close()
    except requests.exceptions.SSLError:
        return Finding(
            about, State.WARNING, f"{host}: its certificate is not trusted", "Name its authority: --ca-bundle=FILE."
        )
    except requests.RequestException as error:
        return Finding(about, State.WARNING, f"{host} cannot be reached ({type(error).__name__})", instead)
    return Finding(about, State.OK, f"{host} answers")
