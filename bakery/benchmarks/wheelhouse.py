"""What benchmarks need, installed once for a kind of interpreter by its own pip, and kept as tars.

pip runs in a container of the image with the host's network and the host's pip settings, because only the interpreter
itself knows which wheels and markers apply to it and can build a source distribution. The same tar is later unpacked on
both sides of a comparison. Byte code is compiled here, once, and never checked against its source afterwards
(PEP 552, unchecked): neither side compiles anything, and both load the same.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bakery.benchmarks.pair import Python
from bakery.benchmarks.pyperformance import Benchmark, Wanted
from bakery.engine import Container, ContainerOptions, Engine, idle_container
from bakery.errors import BuildError
from bakery.files import Tell, disk_full

__all__ = ["HERE", "SITE", "TOOLS", "Pantry", "settings_for", "tar_name"]

HERE = "/bench"
"""The folder in containers that everything is unpacked to."""
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
"""With a sign of life now and then: docker's client gives up on a command that says nothing for two minutes."""
KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy",
        "timeout", "default-timeout", "retries", "constraint")  # fmt: skip
"""pip's settings that say from where and how packages come."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def settings_for(said: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """From the host's ``pip config list`` and environment: variables for a container, and paths to show to it.

    Indexes in the host's own file system are left out: their links lead to where a container does not see.
    """
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in said.splitlines() if "=" in line]
    for prefix in ("global.", "install.", ":env:."):
        for name, _, value in lines:
            key = name.removeprefix(prefix)
            if name.startswith(prefix) and key in KEYS:
                found[key] = value.strip("'\"").replace("\\n", " ")
    if "cert" not in found and (bundle := environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE")):
        found["cert"] = bundle
    variables, paths = {}, []
    for key, value in found.items():
        words = [word for word in value.split() if not word.startswith("file:")]
        paths += [word for word in words if word.startswith("/") and Path(word).exists()]
        if words:
            variables[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(words)
    for name in (*PROXIES, *(name.upper() for name in PROXIES)):
        if environ.get(name):
            variables[name] = environ[name]
    return variables, paths


def _host_settings() -> tuple[dict[str, str], list[str]]:
    """Those of the pip beside the interpreter that runs this; none where it has no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return settings_for(done.stdout if done.returncode == 0 else "", os.environ)


def tar_name(name: str, requirements: str) -> str:
    """What the tar of ``requirements`` is called, so that other ones never take its place."""
    return f"{name}-{hashlib.sha256(requirements.encode()).hexdigest()[:12]}.tar"


class Pantry:
    """Installs with the image ``reference``, whose interpreter is ``python``, and keeps tars below ``folder``.

    A container is started when something has to be installed, and removed when the ``with`` block ends.
    """

    def __init__(
        self, engine: Engine, reference: str, python: Python, folder: Path, wanted: Wanted, tell: Tell = print
    ) -> None:
        self.engine, self.reference, self.python, self.wanted, self.tell = engine, reference, python, wanted, tell
        self.folder = folder / python.key
        self._stack = ExitStack()
        self._started: Container | None = None

    def __enter__(self) -> Pantry:
        return self

    def __exit__(self, *_: object) -> None:
        self._started = None
        self._stack.close()

    def tools(self) -> Path:
        """A tar with pyperf and pyperformance; :exc:`BuildError` where they cannot be had."""
        pins = "".join(f"{one.requirement}\n" for one in (self.wanted.pyperf, self.wanted.pyperformance))
        # pyperformance itself wants a newer Python than its benchmarks do, and psutil is not needed to run a worker.
        return self._installed(
            "pyperformance", pins, TOOLS, ["--no-deps", "--require-hashes", "--ignore-requires-python"]
        )

    def site(self, benchmark: Benchmark) -> Path | None:
        """A tar with what ``benchmark`` imports, or nothing; :exc:`BuildError` where this Python cannot have it."""
        if not benchmark.requirements:
            return None
        return self._installed(benchmark.folder, benchmark.requirements, f"{SITE}/{benchmark.folder}", [])

    def _installed(self, name: str, requirements: str, inner: str, options: list[str]) -> Path:
        final = self.folder / tar_name(name, requirements)
        if final.exists():
            return final
        container = self._container()
        self.tell(f"installing {' '.join(line.partition(' ')[0] for line in requirements.splitlines())}")
        target = f"{HERE}/{inner}"
        pip = ["python3", "-m", "pip", "install", "--no-cache-dir", "--no-compile", "--target", target, *options]
        # A file that does not compile (one for another version of Python, one of lib2to3's own tests) is not imported.
        compileall = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", target]
        script = SCRIPT.format(install=shlex.join(pip), requirements=requirements, compile=shlex.join(compileall))
        result = container.run(["sh", "-c", script])
        if result.code:
            raise BuildError(_reason(result.output))
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = final.with_suffix(".partial")
        with disk_full(self.folder), partial.open("wb") as stream:
            stream.writelines(container.get(target))
        os.replace(partial, final)
        return final

    def _container(self) -> Container:
        if self._started is None:
            variables, paths = _host_settings()
            local = self.engine.host.startswith("unix:")
            mounts = [path for path in dict.fromkeys(paths) if local]
            if not local:  # another machine does not have this one's files
                variables = {name: value for name, value in variables.items() if not value.startswith("/")}
            self._started = self._stack.enter_context(
                idle_container(self.engine, self.reference, ContainerOptions("host", variables, mounts))
            )
        return self._started


def _reason(said: str) -> str:
    """Why pip failed, from its output: the last of its errors that says more than that there was one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    telling = [line for line in errors if not line.startswith(("Could not build wheels", "Failed building"))]
    failed = [
        line.removeprefix("\N{MULTIPLICATION SIGN} ") for line in lines if line.startswith("\N{MULTIPLICATION SIGN} ")
    ]
    return "cannot be installed: " + (telling or errors or failed or lines or ["pip said nothing"])[-1]
