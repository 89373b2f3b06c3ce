"""The two images of a comparison: what they are, what their interpreters are, and what machine they ran on."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bakery import __version__
from bakery.catalog import Catalog, Image, RecipeName, references
from bakery.engine import Container, Engine
from bakery.errors import BuildError, InputError
from bakery.files import Tell

__all__ = [
    "SIDES",
    "Pair",
    "Python",
    "chosen_cpu",
    "environment",
    "free_pair",
    "header",
    "identities",
    "pair_of",
    "python_of",
    "same_kind",
]

SIDES = ("ours", "reference")
PROBE = """
import importlib.util, json, os, platform, re, sys, sysconfig
magic = importlib.util.MAGIC_NUMBER.hex()
key = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}-{magic}-{sysconfig.get_platform()}"
series = f"{sys.version_info[0]}.{sys.version_info[1]}" + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
model = re.search(r"(?m)^model name\\s*: (.+)$", open("/proc/cpuinfo").read())
print(json.dumps({"key": key, "series": series, "version": platform.python_version(), "full": sys.version,
                  "cpu_model": model.group(1) if model else platform.machine(), "kernel": os.uname().release}))
"""


@dataclass(frozen=True)
class Pair:
    """Two image references and the name that the result goes by.

    ``build`` and ``make`` say how ours and the reference are made where they are missing; without, they are pulled.
    """

    name: str
    ours: str
    reference: str
    build: str = ""
    make: str = ""


@dataclass(frozen=True)
class Python:
    """An interpreter and its machine: ``key`` is the same where installed packages and byte code can be shared."""

    key: str
    series: str
    version: str
    full: str
    cpu_model: str
    kernel: str


def python_of(container: Container, reference: str) -> Python:
    """Ask the interpreter of an idle container what it is; :exc:`BuildError` where there is none."""
    result = container.run(["python3", "-c", PROBE])
    if result.code:
        raise BuildError(f"{reference}: python3 does not start: {result.output.strip()}")
    return Python(**json.loads(result.stdout))


def pair_of(catalog: Catalog, image: Image, ours: str | None, against: str | None) -> Pair:
    """What ``image`` is compared with: the reference of the same tag, or ``against``; ``ours`` stands in for it."""
    version = image.series.name if image.is_default_release else image.version
    official = references(catalog, replace(image, recipe=RecipeName.REFERENCE))[0]
    words = f"--version={version} --target={image.target.name}"
    return Pair(
        image.slug,
        ours or references(catalog, image)[0],
        against or official,
        "" if ours else f"Build it first: inv build {words}",
        "" if against else f"Make it first: inv reference {words}",
    )


def free_pair(ours: str, reference: str) -> Pair:
    """Two images of any origin."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{ours.partition('@')[0]}-against-{reference.partition('@')[0]}")
    return Pair(name.strip("-"), ours, reference)


def same_kind(pair: Pair, ours: Python, reference: Python, tell: Tell) -> None:
    """Raise :exc:`InputError` where the two interpreters cannot share packages; tell where their releases differ."""
    if ours.key != reference.key:
        raise InputError(
            f"{pair.ours} has {ours.key}, {pair.reference} has {reference.key}",
            hint="Expected two images of the same series and architecture.",
        )
    if ours.version != reference.version:
        tell(f"these are different releases: {ours.version} and {reference.version}")


def chosen_cpu(engine: Engine, cpu: int | None) -> int:
    """The CPU to pin to; :exc:`InputError` for one that the engine's machine does not have."""
    count = engine.info.cpus
    if cpu is None:
        return count - 1
    if not 0 <= cpu < count:
        raise InputError(f"--cpu={cpu}: the engine's machine has CPUs 0 to {count - 1}")
    return cpu


def identities(engine: Engine, pair: Pair, tell: Tell) -> list[dict[str, Any]]:
    """What the two images are, ours first; :exc:`BuildError` where one is missing and cannot be pulled."""
    return [_identity(engine, pair.ours, tell, pair.build), _identity(engine, pair.reference, tell, pair.make)]


def _identity(engine: Engine, reference: str, tell: Tell, remedy: str) -> dict[str, Any]:
    image = engine.require(reference, remedy) if remedy else engine.find(reference)
    if image is None:
        tell(f"pulling {reference}")
        image = engine.pull(reference)
    return {"image": reference, "id": image.id, "created": image.created or None}


def environment(engine: Engine, python: Python, cpu: int) -> dict[str, Any]:
    """The machine and the software that measured, for a result file."""
    info = engine.info
    return {
        "cpu_model": python.cpu_model,
        "cpus": info.cpus,
        "cpu": cpu,
        "memory_bytes": info.memory_bytes,
        "kernel": python.kernel,
        "engine": f"{engine.kind} {info.version}",
        "storage": info.storage,
        "bakery": __version__,
    }


def header(kind: str, pair: Pair, began: float) -> dict[str, Any]:
    """How every result file begins; ``began`` is on the monotonic clock."""
    return {
        "schema": 1,
        "kind": kind,
        "name": pair.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 1),
    }
