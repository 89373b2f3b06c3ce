"""The packages that benchmarks need, installed once for each interpreter by its own pip, and cached as tars.

pip runs in a container of the image with the host's network and the host's pip settings, because only the interpreter
itself knows which wheels and markers apply to it and can build a source distribution. The same tar is then unpacked in
both containers of a comparison. Byte code is compiled once, here, and never checked against its source afterwards
(PEP 552, unchecked): neither image compiles anything, and both load the same files.
"""

import hashlib
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from bakery.benchmarks.pyperformance import Benchmark, SuiteConfig
from bakery.engine import Container, ContainerOptions, Engine, idle_container
from bakery.errors import BuildError
from bakery.files import Tell, disk_full, require_type, sha256_of, staged_file, write_whole
from bakery.programs import ProgramError, run_program
from bakery.regular_files import SMALL, read_regular

FOLDER = "/bench"
"""The folder in containers to which tars are unpacked."""
TOOLS = "tools"
SITE = "site"
SCRIPT = """\
(while sleep 20 >/dev/null 2>&1; do echo; done) & beat=$!
{install} -r /dev/stdin <<'END'
{requirements}END
code=$?
{compile} >/dev/null 2>&1
kill $beat
exit $code
"""
"""Prints an empty line now and then: Docker's client times out after 120 seconds without output."""
KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy",
        "timeout", "default-timeout", "retries", "constraint")  # fmt: skip
"""pip's settings for indexes, certificates, proxies and timeouts."""
LONGEST_INSTALL = 7200.0
"""Seconds after which an installation has failed; sdists may have to be compiled."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def settings_for(config: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Environment variables and mounts for a container, from the output of ``pip config list`` and the environment.

    Indexes in the host's file system are left out: a container cannot follow their links.
    """
    settings: dict[str, str] = {}
    lines = [line.partition("=") for line in config.splitlines() if "=" in line]
    for prefix in ("global.", "install.", ":env:."):
        for name, _, value in lines:
            key = name.removeprefix(prefix)
            if name.startswith(prefix) and key in KEYS:
                settings[key] = value.strip("'\"").replace("\\n", " ")
    if "cert" not in settings and (bundle := environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")):
        settings["cert"] = bundle
    variables, paths = {}, []
    for key, value in settings.items():
        locations = [location for location in value.split() if not location.startswith("file:")]
        paths += [location for location in locations if location.startswith("/") and Path(location).exists()]
        if locations:
            variables[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(locations)
    for name in (*PROXIES, *(name.upper() for name in PROXIES)):
        if environ.get(name):
            variables[name] = environ[name]
    return variables, paths


def tar_name(name: str, requirements: str) -> str:
    """The file name of the tar with ``requirements``, which contains their digest."""
    return f"{name}-{hashlib.sha256(requirements.encode()).hexdigest()[:12]}.tar"


def is_unchanged(tar: Path, digest: Path) -> bool:
    """Whether ``tar`` has the SHA-256 that was recorded in the file ``digest`` when it was made."""
    if not require_type(digest):
        return False
    recorded = read_regular(digest, SMALL).decode("ascii", "replace")
    return bool(recorded) and recorded == sha256_of(tar)


class Wheelhouse(ExitStack):
    """Installs packages in a container of the image ``reference`` and caches them as tars in ``folder``.

    A tar is checked against its recorded digest at each use, and rebuilt if it is damaged or empty.
    The container is started when a tar is missing, and removed at the end of the ``with`` block.
    """

    def __init__(self, engine: Engine, reference: str, folder: Path, tell: Tell = print) -> None:
        super().__init__()
        self.engine, self.reference, self.folder, self.tell = engine, reference, folder, tell

    def tools(self, config: SuiteConfig) -> Path:
        """A tar with pyperf and pyperformance; :exc:`BuildError` if they cannot be installed."""
        # pyperformance itself needs a newer Python than its benchmarks do, and workers run without psutil.
        options = ["--no-deps", "--require-hashes", "--ignore-requires-python"]
        return self._installed("pyperformance", config.requirements, TOOLS, options)

    def site(self, benchmark: Benchmark) -> Path | None:
        """A tar with the requirements of ``benchmark`` if it has any; :exc:`BuildError` if they cannot be installed."""
        if not benchmark.requirements:
            return None
        return self._installed(benchmark.folder, benchmark.requirements, f"{SITE}/{benchmark.folder}", [])

    def _installed(self, name: str, requirements: str, subfolder: str, options: list[str]) -> Path:
        final = self.folder / tar_name(name, requirements)
        digest = final.with_suffix(".sha256")
        if require_type(final):
            if is_unchanged(final, digest):
                return final
            self.tell(f"{final} does not match its recorded digest: installing it again")
        names = [line.split()[0] for line in requirements.splitlines() if not line.startswith(("#", "--"))]
        self.tell(f"installing {' '.join(names)}")
        target = f"{FOLDER}/{subfolder}"
        pip = ["python3", "-m", "pip", "install", "--no-cache-dir", "--no-compile", "--target", target, *options]
        # Files that do not compile (for another version of Python, or lib2to3's own test data) are never imported.
        compileall = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", target]
        script = SCRIPT.format(install=shlex.join(pip), requirements=requirements, compile=shlex.join(compileall))
        result = self._container.run(["sh", "-c", script], seconds=LONGEST_INSTALL)
        if result.code:
            raise BuildError(f"cannot be installed: {_reason(result.output)}")
        sha256 = hashlib.sha256()
        with disk_full(self.folder):
            with staged_file(final) as stream:
                for chunk in self._container.get(target):
                    sha256.update(chunk)
                    stream.write(chunk)
            write_whole(digest, sha256.hexdigest())
        return final

    @cached_property
    def _container(self) -> Container:
        command = [sys.executable, "-EPm", "pip", "config", "list"]  # fails if this interpreter has no pip
        try:
            done = run_program(command, os.environ)
        except ProgramError as error:
            raise BuildError(f"cannot be installed: {shlex.join(command)} {error}") from None
        variables, paths = settings_for(done.stdout.decode(errors="replace") if done.code == 0 else "", os.environ)
        if not self.engine.host.startswith("unix:"):  # another machine does not have this machine's files
            variables = {name: value for name, value in variables.items() if not value.startswith("/")}
            paths = []
        options = ContainerOptions("host", variables, list(dict.fromkeys(paths)))
        return self.enter_context(idle_container(self.engine, self.reference, options))


def _reason(output: str) -> str:
    """The last of pip's errors that is more specific than that a build failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    specific = [line for line in errors if not line.startswith(("Could not build wheels", "Failed building"))]
    cross = "\N{MULTIPLICATION SIGN} "
    failed = [line.removeprefix(cross) for line in lines if line.startswith(cross)]
    return (specific or errors or failed or lines or ["pip printed nothing"])[-1]
