"""The decorator that makes an Invoke task of a function whose parameters are option groups.

The fields of the groups (bakery/options.py) become the signature that Invoke reads, the help texts and the checks.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, get_type_hints

from invoke import program, terminals
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.context import to_flag
from invoke.parser.parser import ParseMachine
from invoke.tasks import Task

from bakery import process
from bakery.display import Report
from bakery.errors import BakeryError, InputError
from bakery.options import Output, make_groups, options_of
from bakery.workspace import find_workspace, require_own_cache

WORKSPACE = find_workspace(Path(__file__).resolve().parents[1])


@contextmanager
def reported_errors() -> Iterator[None]:
    """Report every error as one message and an exit code, without a traceback."""
    process.prepare()
    try:
        yield
        sys.stdout.flush()
    except BakeryError as error:
        raise Exit(f"{type(error).__name__}: {error}", error.exit_code) from None
    except KeyboardInterrupt as error:
        raise Exit(process.CONTINUE, process.exit_code(error)) from None
    except Exit:
        raise
    except Exception as error:
        raise Exit(process.describe(error), 1) from None
    finally:
        process.INTERRUPTION.in_task = False


def _refuse(parser: Any, problem: str) -> None:
    """Report arguments that Invoke cannot parse as bad input (exit code 2); Invoke itself would exit with 1."""
    task, flag = parser.context.name if parser.context else "", parser.flag
    option = to_flag(flag.name) if flag and (flag.kind is str or problem.startswith("Flag ")) else ""
    raise Exit(process.unparsed(problem, task or "", option), InputError.exit_code)


ParseMachine.error = _refuse  # type: ignore[assignment,method-assign]
# Invoke's --list and --help fail on terminals with fewer than 30 columns.
vars(program)["pty_size"] = lambda: (max(60, terminals.pty_size()[0]), terminals.pty_size()[1])


def command(names: str = "", **changed: Any) -> Callable[[Callable[..., Report | None]], Task[Any]]:
    """Turn a function over option groups into a task that has the options ``names`` and prints the function's report.

    ``changed`` are options that differ in this task: a help text or a whole option that replaces the usual one.
    """

    def decorate(body: Callable[..., Report | None]) -> Task[Any]:
        groups = [group for name, group in get_type_hints(body).items() if name != "return"]
        options = options_of([*groups, Output], names, changed)

        @functools.wraps(body)
        def wrapper(context: Context, **typed: Any) -> None:
            with reported_errors():
                process.require_effect(context.config.run.dry, context.remainder, body.__name__, "dry" in options)
                process.remember_secrets(typed.values())
                require_own_cache(WORKSPACE.home)
                if report := body(*make_groups(groups, options, typed)):
                    report.show(typed.get("format", "table"))

        parameters = [Parameter("context", Parameter.POSITIONAL_ONLY)]
        for name, item in options.items():
            # Invoke converts to the type of the default; numbers stay text until they are checked.
            default = item.metadata["default"] if isinstance(item.metadata["default"], (bool, str)) else None
            parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default))
        vars(wrapper)["__signature__"] = Signature(parameters)
        return Task(
            wrapper,
            auto_shortflags=False,
            iterable=[name for name, item in options.items() if item.metadata["repeats"]],
            optional=[name for name, item in options.items() if "bare" in item.metadata],
            help={name: item.metadata["help"] for name, item in options.items()},
        )

    return decorate
