"""The packages of bakery, each imported when it is first used, so that ``inv --list`` stays fast."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakery import benchmarks, build, engine, machine, plan, publish, records, report, sbom, sizes, sources, testing

__all__ = [
    "benchmarks", "build", "engine", "machine", "plan", "publish", "records", "report", "sbom", "sizes", "sources",
    "testing",
]  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    return import_module(f"bakery.{name}")
