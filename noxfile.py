"""Nox sessions: checks of this repository, and one build and one test session for each image of the catalog.

``nox`` runs the checks. ``nox -s test-3.13-bookworm`` builds that image where it is missing and tests it;
``nox -t py313``, ``nox -t jammy`` and ``nox -t minimal`` select by series, target, family or variant. What follows
``--`` is passed through.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from bakery.catalog import Variant, load_catalog  # noqa: E402

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = True

CATALOG = load_catalog(ROOT)
PYTHON_FILES = ("bakery", "benchmarks", "commands", "tests", "tasks.py", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, shell scripts, Dockerfiles, and that README says what the data say."""
    session.install("-q", "-e", ".[dev]")
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)
    session.run("lint-imports")
    session.run("mypy")
    scripts = [*ROOT.glob("shared/*.sh"), *ROOT.glob("reference/*.sh")]
    session.run("shellcheck", *map(str, sorted(scripts)), "inv", ".ci/run", ".ci/stock", ".github/containerd-store")
    session.run("zizmor", "--offline", "--quiet", "--persona=pedantic", ".github/workflows")
    if shutil.which("actionlint"):  # no package index has it for every machine
        session.run("actionlint", external=True)
    session.run("python", "-m", "invoke", "readme", "--check")
    session.run("hadolint", *map(str, sorted(ROOT.glob("*/Dockerfile"))))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the unit, golden and engine tests; arguments go to pytest."""
    session.install("-q", "-e", ".[dev]")
    session.run("pytest", *session.posargs)


def invoke(session: nox.Session, verb: str, series: str, target: str, variant: Variant) -> None:
    """Run an Invoke task for one image with the interpreter that runs nox, where this project is installed."""
    chosen = [f"--variant={variant.name}"] if variant.infix else []
    arguments = [verb, f"--version={series}", f"--target={target}", *chosen, *session.posargs]
    session.run(sys.executable, "-m", "invoke", *arguments, external=True)


def register(verb: str, what: str, variants: Sequence[Variant] = CATALOG.variants) -> None:
    """Make one session for each image of ``variants``, and one that runs them all."""

    def one(series: str, target: str, variant: Variant) -> Callable[[nox.Session], None]:
        return lambda session: invoke(session, verb, series, target, variant)

    names = []
    for series, target, variant in product(CATALOG.series, CATALOG.targets, variants):
        infix = [variant.infix] if variant.infix else []
        name = "-".join([verb, series.name, *infix, target.name])
        body = one(series.name, target.name, variant)
        body.__doc__ = f"{what} Python {series.name} on {' '.join([target.family, target.name, *infix])}."
        tags = [f"py{series.name.replace('.', '')}", target.name, target.family, f"{verb}s", *infix]
        nox.session(name=name, python=False, tags=tags)(body)
        names.append(name)

    def every(session: nox.Session) -> None:
        for name in names:
            session.notify(name, session.posargs)

    every.__doc__ = f"{what} every image of the catalog."
    nox.session(name=verb, python=False)(every)


register("build", "Build")
register("test", "Test")
register("compare", "Compare with the official image the sizes of")
register("regrtest", "Run CPython's own test suite in", [CATALOG.default_variant])
register("bench", "Compare with the official recipe the speed of", [CATALOG.default_variant])
register("startup", "Compare with the official recipe cold starts of", [CATALOG.default_variant])
