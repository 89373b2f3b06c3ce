"""Selects benchmarks with benchmarks/benchmarks.toml and the metadata of suites in pyperformance's layout.

A suite is pyperformance's own, in ``pyperformance/data-files/benchmarks`` of its wheel, or benchmarks/applications. It
has a MANIFEST that lists its benchmarks, and a folder ``bm_NAME`` for each, with a script, a pyproject.toml and the
pinned requirements. Several benchmarks can share a folder: then a file ``bm_OTHER.toml`` next to the pyproject.toml has
the script's options for another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
from packaging.specifiers import SpecifierSet

from bakery.errors import InputError
from bakery.tar import open_compressed_tar
from bakery.toml import Rule, Sha256, read_toml

DATA = "pyperformance/data-files/benchmarks/"
SCRIPT = "run_benchmark.py"
APPLICATIONS = "applications"
METADATA = (".toml", "/requirements.txt")


@dataclass(frozen=True)
class PinnedPackage:
    """A release of a package and the SHA-256 of its wheel."""

    version: Annotated[str, Rule("a release", r"[0-9][0-9a-z.]*")]
    sha256: Sha256


@dataclass(frozen=True)
class SuiteConfig:
    """The contents of benchmarks/benchmarks.toml; ``unsuitable`` and ``series`` have reasons by benchmark name.

    ``subset`` lists the pyperformance benchmarks that run by default; ``applications``, ``memory``, ``operations`` and
    ``threads`` list those that run with the options of these names.
    """

    pyperformance: PinnedPackage
    pyperf: PinnedPackage
    subset: tuple[str, ...]
    applications: tuple[str, ...]
    memory: tuple[str, ...]
    operations: tuple[str, ...]
    threads: tuple[str, ...]
    imports: Mapping[str, tuple[str, ...]]
    unsuitable: Mapping[str, str]
    series: Mapping[str, Mapping[str, str]]

    @property
    def requirements(self) -> str:
        """The two pinned packages as a requirements file with the digests that pip checks."""
        pins = {"pyperf": self.pyperf, "pyperformance": self.pyperformance}
        return "".join(f"{name}=={pin.version} --hash=sha256:{pin.sha256}\n" for name, pin in pins.items())


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its folder in its suite, its script's options, and the requirements to install."""

    name: str
    folder: str
    options: tuple[str, ...]
    requirements: str
    python: str
    """The Python versions that it supports, as a PEP 440 specifier."""


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()


class _Tool(msgspec.Struct, frozen=True):
    extra_opts: tuple[str, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    """The fields of a pyproject.toml or bm_OTHER.toml that are used."""

    project: _Project = _Project()
    tool: dict[str, _Tool] = {}


def read_config(root: Path) -> SuiteConfig:
    """Read benchmarks/benchmarks.toml; :exc:`bakery.errors.ConfigError` if it is not valid."""
    return read_toml(root / "benchmarks" / "benchmarks.toml").read(SuiteConfig)


def read_suite(archive: Path) -> dict[str, Benchmark]:
    """The benchmarks by name, from a tar with an installed pyperformance."""
    texts = {}
    with open_compressed_tar(archive.open("rb")) as tar:
        for member in tar:
            path = member.name.partition(DATA)[2]
            is_metadata = path.count("/") == 1 and path.endswith(METADATA)
            if (path == "MANIFEST" or is_metadata) and (stream := tar.extractfile(member)) is not None:
                texts[path] = stream.read().decode("utf-8")
    return parse_suite(texts)


def read_applications(root: Path) -> dict[str, Benchmark]:
    """The benchmarks of benchmarks/applications by name."""
    folder = root / "benchmarks" / APPLICATIONS
    files = [file for file in folder.rglob("*") if file.name == "MANIFEST" or str(file).endswith(METADATA)]
    return parse_suite({str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in files})


def parse_suite(texts: Mapping[str, str]) -> dict[str, Benchmark]:
    """The benchmarks from the texts of MANIFEST, ``*.toml`` and ``requirements.txt`` by their paths in ``DATA``."""
    suite = {}
    for line in texts["MANIFEST"].splitlines():
        name, _, kind = line.partition("\t")
        if line.startswith("#") or not kind.startswith("<local"):
            continue
        folder = f"bm_{kind.strip('<>').partition(':')[2] or name}"
        shared = msgspec.toml.decode(texts[f"{folder}/pyproject.toml"], type=_Metadata)
        variant = texts.get(f"{folder}/bm_{name}.toml")
        metadata = msgspec.toml.decode(variant, type=_Metadata) if variant is not None else shared
        # Pinned requirements take precedence over the project's; pyperf is installed for all benchmarks.
        requirements = texts.get(f"{folder}/requirements.txt", "").splitlines() or shared.project.dependencies
        suite[name] = Benchmark(
            name,
            folder,
            metadata.tool.get("pyperformance", _Tool()).extra_opts,
            "".join(f"{entry.strip()}\n" for entry in requirements if entry.strip() not in ("", "pyperf")),
            metadata.project.requires_python or shared.project.requires_python,
        )
    return suite


def select_benchmarks(
    suite: Mapping[str, Benchmark],
    config: SuiteConfig,
    series: str,
    *,
    full: bool = False,
    only: Sequence[str] = (),
    names: Sequence[str] = (),
) -> tuple[list[Benchmark], dict[str, str]]:
    """The benchmarks to run on ``series`` (``3.13t``), and reasons by name for those that are left out.

    These are ``only``, to which the exceptions in benchmarks.toml do not apply; otherwise all with ``full``, else
    ``names``, else the subset. :exc:`InputError` if the suite lacks a benchmark in ``only``.
    """
    unknown = [name for name in only if name not in suite]
    if unknown:
        raise InputError(f"unknown benchmark: {', '.join(unknown)}", hint=f"Available: {', '.join(sorted(suite))}.")
    names = only or (sorted(suite) if full else names or config.subset)
    reasons = {} if only else {**config.unsuitable, **config.series.get(series, {})}
    number = series.rstrip("t")
    selected, left_out = [], {}
    for name in names:
        if name in reasons:
            left_out[name] = reasons[name]
        elif name not in suite:
            left_out[name] = f"pyperformance {config.pyperformance.version} does not have it"
        elif not SpecifierSet(suite[name].python).contains(number):
            left_out[name] = f"needs Python {suite[name].python}"
        else:
            extra = "".join(f"{line}\n" for line in config.imports.get(name, ()))
            selected.append(replace(suite[name], requirements=suite[name].requirements + extra))
    return selected, left_out
