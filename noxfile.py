"""Nox sessions: checks of this repository, and sessions that build, test and measure each image of the catalog.

``nox`` runs the checks. ``nox -s test-3.13-bookworm`` tests that image and builds it first if it is missing;
``nox -t py313``, ``nox -t jammy`` and ``nox -t minimal`` select by series, target, family or variant. Arguments after
``--`` are passed on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

import bakery

bakery.prefer_libraries(str(ROOT))

from bakery.catalog import Variant, load_catalog
from bakery.errors import BakeryError
from bakery.process import report_errors
from bakery.redaction import redact

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

# Tests start hundreds of processes, which would compile the project again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
report_errors()
try:
    CATALOG = load_catalog(ROOT)
except BakeryError as error:
    sys.exit(f"{type(error).__name__}: {error}")
PYTHON_FILES = ("bakery", "benchmarks", "commands", "tests", "tasks.py", "noxfile.py")
SCRIPTS = ("shared", "reference", "benchmarks", "tests/engine", "ubuntu/merged-usr")
# At least 4 workers: engine tests mostly wait for the engine or for a network. At most 8: they share one engine.
# A worker runs a whole file, whose tests share expensive fixtures; tests/engine/conftest.py sorts the files.
WORKERS = str(min(8, max(4, os.cpu_count() or 1)))
PYTEST = ("pytest", "-n", WORKERS, "--dist", "loadscope", "--no-loadscope-reorder", "-m")
COMMANDS = ("inv", ".ci/run", ".ci/stock", ".github/containerd-store", ".github/repository")


def install(session: nox.Session) -> None:
    """Install this project and what the checks need, unless the environment has them for this pyproject.toml.

    Even if nothing is missing, pip takes seconds.
    """
    stamp, project = session.env_dir / "installed-for", (ROOT / "pyproject.toml").read_text()
    if not stamp.is_file() or stamp.read_text() != project:
        session.install("-q", "-e", ".[dev]")
        stamp.write_text(project)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, imports, shell scripts, workflows, Dockerfiles, and that README.md matches its data."""
    install(session)
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)
    session.run("lint-imports")
    session.run("mypy")
    scripts = [ROOT / "bakery/engine/cli/docker", *(file for folder in SCRIPTS for file in ROOT.glob(f"{folder}/*.sh"))]
    session.run("shellcheck", *map(str, sorted(scripts)), *COMMANDS)
    session.run("zizmor", "--offline", "--strict-collection", "--quiet", "--persona=pedantic", ".github")
    if shutil.which("actionlint"):  # not available from PyPI for every platform
        session.run("actionlint", external=True)
    session.run("python", "tasks.py", "readme", "--check")
    session.run("hadolint", *map(str, sorted(ROOT.glob("*/Dockerfile"))))


@nox.session
def tests(session: nox.Session) -> None:
    """Run unit, golden and engine tests in parallel; with arguments, pytest runs with only those.

    Engine tests with the marker `extended` or `slow` are left out, and listed.
    """
    install(session)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run(*PYTEST, "not extended and not slow")
    session.log("Left out, by file: engine tests marked `extended`, which `nox -s extended` runs,")
    session.log("and those marked `slow`: `nox -s tests -- -m slow tests/engine/test_dev.py`, many minutes.")
    session.run("pytest", "--collect-only", "-qq", "-m", "extended or slow", "tests/engine")


@nox.session
def extended(session: nox.Session) -> None:
    """Run the engine tests that `tests` leaves out: long ones, third-party programs on images, and further cases.

    Arguments, if any, select among them: files, -k.
    """
    install(session)
    session.run(*PYTEST, "extended", *(session.posargs or ["tests/engine"]))


def invoke(session: nox.Session, verb: str, series: str, target: str, variant: Variant) -> None:
    """Run an Invoke task for one image, with the interpreter that runs nox, which has what it needs."""
    variants = [f"--variant={variant.name}"] if variant.infix else []
    arguments = [verb, f"--version={series}", f"--target={target}", *variants, *session.posargs]
    # session.run() would print a login in an argument, and again if the command fails.
    session.log(redact(f"inv {' '.join(arguments)}"))
    command = [sys.executable, "tasks.py", *arguments]
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        session.error(f"exit code {code}")


def register(verb: str, action: str, variants: Sequence[Variant] = CATALOG.variants) -> None:
    """Register a session for each image of ``variants``, and one that runs them all."""

    def session_for(series: str, target: str, variant: Variant) -> Callable[[nox.Session], None]:
        return lambda session: invoke(session, verb, series, target, variant)

    names = []
    for series, target, variant in product(CATALOG.series, CATALOG.targets, variants):
        infix = [variant.infix] if variant.infix else []
        name = "-".join([verb, series.name, *infix, target.name])
        body = session_for(series.name, target.name, variant)
        body.__doc__ = f"{action} Python {series.name} on {' '.join([target.family, target.name, *infix])}."
        tags = [f"py{series.name.replace('.', '')}", target.name, target.family, f"{verb}s", *infix]
        nox.session(name=name, python=False, tags=tags)(body)
        names.append(name)

    def run_all(session: nox.Session) -> None:
        for name in names:
            session.notify(name, session.posargs)

    run_all.__doc__ = f"{action} every image of the catalog."
    nox.session(name=verb, python=False)(run_all)


register("build", "Build")
register("test", "Test")
register("compare", "Compare the size of")
register("differences", "Compare what users can observe in")
register("regrtest", "Run CPython's own test suite in", [CATALOG.default_variant])
register("bench", "Measure the speed of", [CATALOG.default_variant])
register("startup", "Measure cold starts of", [CATALOG.default_variant])
