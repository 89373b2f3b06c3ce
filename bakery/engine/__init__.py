"""Docker: finds the engine in use, runs the embedded engine and buildx. The only package that imports docker."""

from bakery.engine.buildx import BuildxOptions, BuildxProcesses, buildx_options, default_jobs
from bakery.engine.containers import (
    LONGEST_START,
    Container,
    ContainerOptions,
    docker_run,
    idle_container,
    run_container,
    tar_of,
)
from bakery.engine.daemons import may_mount, mount_points
from bakery.engine.discovery import engine_status, find_engine, running_engine, shell_settings, status_text
from bakery.engine.embedded import CONTAINER_HINT, ENGINE_HINT, NO_MOUNTS, Embedded
from bakery.engine.engine import Engine, EngineImage
from bakery.engine.scratch import fresh_engine, require_embedded
