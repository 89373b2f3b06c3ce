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

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from bakery import process
from bakery.display import Report
from bakery.errors import BakeryError, InputError
from bakery.options import Output, make_groups, options_of
from bakery.redaction import shorten
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
        text = "\nInterrupted. Run the same command to continue: finished steps are kept."
        raise Exit(text, process.exit_code(error)) from None
    except Exit:
        raise
    except Exception as error:
        raise Exit(process.describe(error), 1) from None
    finally:
        process.INTERRUPTION.in_task = False


def _require_effect(context: Context, typed: str, *, has_dry: bool) -> None:
    """Raise :exc:`InputError` for what Invoke accepts and no task reads: its own --dry, and arguments after ``--``.

    A task without a --dry of its own accepts Invoke's, which only concerns commands that Invoke runs.
    """
    if context.config.run.dry:
        hint = f"Give it after the task: {typed} --dry." if has_dry else "Leave it out."
        raise InputError("--dry has no effect here: nothing was done", hint=hint)
    if context.remainder:
        problem = f"arguments after -- have no effect: {shorten(context.remainder, 100)}"
        raise InputError(problem, hint="Leave out the -- before them.")


class _Command(Task[Any]):
    """A task whose repeatable options need a value, as its other options do.

    At the end of the line, Invoke ignores a repeatable option without one: a script with an empty variable
    (``--platform $PLATFORM``) would build for the default platform.
    """

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The options; Invoke's parser takes those for complete that have a raw value, even an empty list."""
        arguments = super().get_arguments(ignore_unknown_help)
        for argument in arguments:
            argument.raw_value = None
        return arguments


def command(names: str = "", **changed: Any) -> Callable[[Callable[..., Report | None]], Task[Any]]:
    """Turn a function over option groups into a task that has the options ``names`` and prints the function's report.

    ``changed`` are options that differ for this task: another help text, or another option.
    """

    def decorate(body: Callable[..., Report | None]) -> Task[Any]:
        groups = [group for name, group in get_type_hints(body).items() if name != "return"]
        options = options_of([*groups, Output], names, changed)

        @functools.wraps(body)
        def wrapper(context: Context, **typed: Any) -> None:
            with reported_errors():
                _require_effect(context, f"inv {body.__name__}", has_dry="dry" in options)
                process.remember_secrets(typed.values())
                require_own_cache(WORKSPACE.home)
                report = body(*make_groups(groups, options, typed))
                if report:
                    report.show(typed.get("format", "table"))

        parameters = [Parameter("context", Parameter.POSITIONAL_ONLY)]
        for name, item in options.items():
            # Invoke converts to the type of the default; numbers stay text until they are checked.
            default = item.metadata["default"] if isinstance(item.metadata["default"], (bool, str)) else None
            parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default))
        vars(wrapper)["__signature__"] = Signature(parameters)
        made: Task[Any] = task(
            klass=_Command,
            auto_shortflags=False,
            iterable=[name for name, item in options.items() if item.metadata["repeats"]],
            optional=[name for name, item in options.items() if "bare" in item.metadata],
            help={name: item.metadata["help"] for name, item in options.items()},
        )(wrapper)
        return made

    return decorate
