"""What can be run: benchmarks/benchmarks.toml (which ones are wanted) and pyperformance's own metadata (what they are).

pyperformance's wheel holds its benchmarks in ``pyperformance/data-files/benchmarks``: a MANIFEST that names them, and a
folder ``bm_NAME`` for each, with a script, a pyproject.toml and the pinned requirements. Several benchmarks may share a
folder; then a file ``bm_OTHER.toml`` beside the pyproject.toml says with which options the script becomes that one.
"""

from __future__ import annotations

import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from bakery.catalog import Table, read_toml
from bakery.errors import InputError

__all__ = [
    "DATA",
    "SCRIPT",
    "Benchmark",
    "Pinned",
    "Selection",
    "Wanted",
    "choose",
    "parse_suite",
    "read_suite",
    "read_wanted",
]

DATA = "pyperformance/data-files/benchmarks/"
SCRIPT = "run_benchmark.py"


@dataclass(frozen=True)
class Pinned:
    """A release of a package and the SHA-256 of its wheel."""

    name: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """A line of a requirements file that pip checks against the digest."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True)
class Wanted:
    """The contents of benchmarks/benchmarks.toml: names by reason where one is left out."""

    pyperformance: Pinned
    pyperf: Pinned
    subset: tuple[str, ...]
    imports: Mapping[str, tuple[str, ...]]
    unsuitable: Mapping[str, str]
    series: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of pyperformance: the folder below ``DATA``, its script's options, and what must be installed."""

    name: str
    folder: str
    options: tuple[str, ...]
    requirements: str
    python: str
    """The Python versions that it runs on, as PEP 440 specifies them."""


@dataclass(frozen=True)
class Selection:
    """Benchmarks to run, and the others by name with the reason why they are left out."""

    chosen: tuple[Benchmark, ...]
    left_out: Mapping[str, str]


def read_wanted(root: Path) -> Wanted:
    """Read benchmarks/benchmarks.toml; :exc:`bakery.errors.ConfigError` for the first thing that is wrong with it."""
    top = read_toml(root / "benchmarks" / "benchmarks.toml")
    imports, unsuitable = top.table("imports"), top.table("unsuitable")
    wanted = Wanted(
        pyperformance=_pinned(top, "pyperformance"),
        pyperf=_pinned(top, "pyperf"),
        subset=top.words("subset"),
        imports={name: imports.words(name) for name in imports.data},
        unsuitable={name: unsuitable.text(name) for name in unsuitable.data},
        series={name: {key: one.text(key) for key in one.data} for name, one in top.tables("series").items()},
    )
    top.done()
    return wanted


def _pinned(top: Table, name: str) -> Pinned:
    table = top.table(name)
    pinned = Pinned(
        name,
        version=table.text("version", "a release", r"[0-9][0-9a-z.]*"),
        sha256=table.text("sha256", "64 lower-case hexadecimal digits", "[0-9a-f]{64}"),
    )
    table.done()
    return pinned


def read_suite(archive: Path) -> dict[str, Benchmark]:
    """Pyperformance's benchmarks by name, from a tar in which it is installed."""
    texts = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            _, found, inner = member.name.partition(DATA)
            wanted = inner == "MANIFEST" or (inner.count("/") == 1 and inner.endswith((".toml", "/requirements.txt")))
            stream = tar.extractfile(member) if found and wanted else None
            if stream is not None:
                texts[inner] = stream.read().decode("utf-8")
    return parse_suite(texts)


def parse_suite(texts: Mapping[str, str]) -> dict[str, Benchmark]:
    """The same from the texts of MANIFEST, ``*.toml`` and ``requirements.txt`` by their paths below ``DATA``."""
    found = {}
    for line in texts["MANIFEST"].splitlines():
        name, _, kind = line.partition("\t")
        if line.startswith("#") or not kind.startswith("<local"):
            continue
        folder = f"bm_{kind.strip('<>').partition(':')[2] or name}"
        base = tomllib.loads(texts[f"{folder}/pyproject.toml"])
        own = tomllib.loads(texts[f"{folder}/bm_{name}.toml"]) if f"{folder}/bm_{name}.toml" in texts else base
        found[name] = Benchmark(
            name,
            folder,
            tuple(own.get("tool", {}).get("pyperformance", {}).get("extra_opts", ())),
            _requirements(texts.get(f"{folder}/requirements.txt"), base),
            {**base["project"], **own.get("project", {})}.get("requires-python", ""),
        )
    return found


def _requirements(text: str | None, project: Mapping[str, Any]) -> str:
    """The pinned ones where there are some, else the project's own; pyperf is provided for all."""
    lines = text.split("\n") if text else project["project"].get("dependencies", ())
    return "".join(f"{line.strip()}\n" for line in lines if line.strip() and line.strip() != "pyperf")


def choose(
    suite: Mapping[str, Benchmark], wanted: Wanted, series: str, *, full: bool = False, only: Sequence[str] = ()
) -> Selection:
    """What to run on ``series`` (``3.13t``): the subset, with ``full`` everything, or ``only`` what is named.

    Raises :exc:`InputError` for a name that pyperformance does not have. What is named is tried even where the data
    file leaves it out.
    """
    unknown = [name for name in only if name not in suite]
    if unknown:
        raise InputError(
            f"no benchmark is called {', '.join(unknown)}",
            hint=f"pyperformance {wanted.pyperformance.version} has: {', '.join(sorted(suite))}.",
        )
    names = only or (sorted(suite) if full else wanted.subset)
    reasons = {} if only else {**wanted.unsuitable, **wanted.series.get(series, {})}
    number = series.rstrip("t")
    chosen, left_out = [], {}
    for name in names:
        if name in reasons:
            left_out[name] = reasons[name]
        elif name not in suite:
            left_out[name] = f"pyperformance {wanted.pyperformance.version} does not have it"
        elif not SpecifierSet(suite[name].python).contains(number):
            left_out[name] = f"needs Python {suite[name].python}"
        else:
            more = "".join(f"{line}\n" for line in wanted.imports.get(name, ()))
            chosen.append(replace(suite[name], requirements=suite[name].requirements + more))
    return Selection(tuple(chosen), left_out)
