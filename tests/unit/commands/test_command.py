"""The decorator of tasks: the signature that Invoke reads, reports, and errors as messages with exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from bakery.display.tables import Report
from bakery.errors import BuildError, InputError
from bakery.options import option
from commands.command import command


@dataclass(frozen=True)
class Group:
    """Options of a test."""

    names: tuple[str, ...] = option((), "Names")
    rounds: int = option(6, "Rounds", minimum=1)
    store: str | None = option(None, "Store", bare="default")


@pytest.fixture(autouse=True)
def _signal_handler() -> object:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@command("names rounds store format")
def listing(group: Group) -> Report:
    """List things."""
    return Report.of("name rounds", [{"name": name, "rounds": group.rounds} for name in group.names], ["a note"])


def test_the_options_of_the_groups_are_the_arguments_of_the_task() -> None:
    arguments = {argument.name: argument for argument in listing.get_arguments()}
    assert list(arguments) == ["names", "rounds", "store", "format"]
    assert arguments["names"].kind is list
    assert arguments["store"].optional and not arguments["rounds"].optional
    assert arguments["format"].default == "table"


def test_the_report_is_printed_in_the_chosen_format_and_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    listing(Context(), names=["a,b"], rounds="3", store=None, format="json")
    output = capsys.readouterr()
    assert json.loads(output.out) == [{"name": "a", "rounds": 3}, {"name": "b", "rounds": 3}]
    assert output.err == "a note\n"


def test_an_invalid_value_ends_the_task_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ({"rounds": "none"}, {"format": "yaml"}):
        with pytest.raises(Exit) as caught:
            listing(Context(), **{"names": ["a"], "rounds": None, "store": None, "format": "table", **wrong})
        assert caught.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BuildError("not built", hint="Try again."), 1, "BuildError: not built\n  Try again."),
        (InputError("no"), 2, "InputError: no"),
        (KeyboardInterrupt(), 130, "\nInterrupted. Run the same command to continue: finished steps are kept."),
        (BrokenPipeError(), 1, None),
        (PermissionError(13, "Permission denied", "/etc/x"), 1, "/etc/x: Permission denied"),
    ],
)
def test_an_error_becomes_a_message_and_an_exit_code(error: BaseException, code: int, message: str | None) -> None:
    @command()
    def failing() -> None:
        """Fail."""
        raise error

    with pytest.raises(Exit) as caught:
        failing(Context())
    assert (caught.value.code, caught.value.message) == (code, message)


def test_an_unexpected_error_keeps_its_traceback() -> None:
    @command()
    def failing() -> None:
        """Fail."""
        raise OSError("no file name")

    with pytest.raises(OSError, match="no file name"):
        failing(Context())


def test_sigterm_ends_a_task_like_ctrl_c() -> None:
    @command()
    def waiting() -> None:
        """Wait."""
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Exit) as caught:
        waiting(Context())
    assert caught.value.code == 130


@pytest.mark.parametrize("arguments", [["invoke", "--list"], ["nox", "--list"]], ids=lambda arguments: arguments[0])
def test_listing_loads_no_heavy_library(root: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "bakery" in loaded
    assert loaded.isdisjoint({"docker", "requests", "rich", "zstandard", "jinja2", "spdx_tools"})
