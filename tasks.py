"""The collection of Invoke tasks; ``inv --list`` shows them, ``inv TASK --help`` explains one.

``inv`` and ``python -m invoke`` import this file. ./inv runs it, so that Invoke's own errors are reported, too.
"""

import os
import sys

ROOT = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, ROOT)

import bakery
import commands  # noqa: F401 # this clone's, not those of another clone that is installed

bakery.begin(ROOT)

from typing import Any

from bakery.process import guard

guard()  # before the other imports, which take time

from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit
from invoke.main import program
from invoke.parser.parser import ParseMachine

from commands.building import build, plan, profile, reference, regrtest, test, verify
from commands.comparing import bench, compare, differences, images, outdated, sbom, startup, tags, vulnerabilities
from commands.upkeep import clean, doctor, down, env, push, readme, site, status, up, update

engine = Collection("engine", up, down, status, env)
namespace = Collection(
    build, profile, reference, test, verify, regrtest, compare, differences, bench, startup, sbom, outdated,
    vulnerabilities, plan, tags, images, readme, site, update, push, doctor, clean, engine,
)  # fmt: skip


def begin_option(parser: Any, flag: str, inverse: bool = False, *, begin: Any = ParseMachine.switch_to_flag) -> None:
    """Make repeatable options need a value each time: Invoke ignores one at the end of the line without a value.

    With an empty variable in a script, ``--platform $PLATFORM`` would build for the default platform.
    """
    begin(parser, flag, inverse)
    if parser.flag.kind is list:
        parser.flag.raw_value = None


ParseMachine.switch_to_flag = begin_option  # type: ignore[assignment,method-assign]


class Configuration(Config):
    """Invoke's configuration without files and variables: no task uses them, and they may be broken."""

    def load_base_conf_files(self) -> None:
        """Read no files of the user and the system: ~/.invoke.yaml and the like."""

    def load_project(self, merge: bool = True) -> None:
        """Read no file of the clone: invoke.yaml and the like."""

    def load_shell_env(self) -> None:
        """Read no INVOKE_* variables."""

    def set_runtime_path(self, path: os.PathLike[str] | None) -> None:
        """Refuse the file of --config or $INVOKE_RUNTIME_CONFIG."""
        if path:
            raise Exit(f"Error: --config={path} has no effect: leave it out, and unset INVOKE_RUNTIME_CONFIG.", 2)
        super().set_runtime_path(path)


if __name__ == "__main__":
    program.config_class = Configuration
    try:
        program.run(["inv", "--search-root", ROOT, *sys.argv[1:]])
    except ValueError as error:
        if not str(error).startswith("invalid literal"):  # Invoke converts the numbers of its own options
            raise
        sys.exit(f"Error: {error}. `inv --help` explains the options.")
