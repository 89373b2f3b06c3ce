"""Docker engines: the one in use, the embedded one, and buildx. The only package that imports docker."""

from bakery.engine.buildx import How, Running, default_jobs
from bakery.engine.containers import Finished, archive_of, idle, run
from bakery.engine.embedded import WAY_OUT, Embedded
from bakery.engine.engine import Engine, describe, find_engine
from bakery.engine.scratch import fresh_engine

__all__ = [
    "WAY_OUT", "Embedded", "Engine", "Finished", "How", "Running", "archive_of", "default_jobs", "describe",
    "find_engine", "fresh_engine", "idle", "run",
]  # fmt: skip
