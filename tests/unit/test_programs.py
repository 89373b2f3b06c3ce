"""Programs that hang or print without end are stopped, together with their children."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.bases import apt
from bakery.benchmarks.wheelhouse import Wheelhouse
from bakery.catalog.models import Catalog
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.errors import BakeryError, BuildError, EngineError, PublishError
from bakery.git import git
from bakery.machine import doctor
from bakery.programs import Limits, ProgramError, run_program
from bakery.publish import cosign
from bakery.sources import openpgp
from bakery.workspace import Workspace


def shell(script: str, **limits: float) -> object:
    return run_program(["sh", "-c", script], os.environ, Limits(**{"seconds": 30, **limits}))  # type: ignore[arg-type]


def test_a_program_gets_its_input_and_its_output_exit_code_and_times_are_returned() -> None:
    done = run_program(
        ["sh", "-c", "echo a; sleep 0.3; cat; echo b >&2; exit 3"], os.environ, Limits(seconds=30), data=b"given"
    )
    assert (done.code, done.stdout, done.stderr) == (3, b"a\ngiven", b"b\n")
    assert done.first_line is not None and done.first_line + 0.2 < done.seconds


def test_a_program_can_get_more_input_than_a_pipe_holds() -> None:
    done = run_program(["cat"], os.environ, Limits(seconds=30, output=4 << 20), data=bytes(3 << 20))
    assert len(done.stdout) == 3 << 20


def test_a_program_that_takes_long_is_named_with_its_limit(capfd: pytest.CaptureFixture[str]) -> None:
    shell("sleep 0.5; echo done", notice=0.1)
    assert capfd.readouterr() == ("", "sh is still running: waiting up to 30 s more\n")
    shell("echo done", notice=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("script", ["exec cat /dev/zero", "exec cat /dev/zero >&2"])
def test_endless_output_is_an_error(script: str) -> None:
    with pytest.raises(ProgramError, match="wrote more than 1 MiB"):
        shell(script)


@pytest.mark.parametrize("work", ["sleep 60", "cat /dev/zero"])
def test_a_program_and_its_children_can_clean_up_before_they_are_killed(tmp_path: Path, work: str) -> None:
    child = f"trap 'sleep 0.2; echo done >>{tmp_path}/child; exit' TERM; {work} & wait"
    with pytest.raises(ProgramError):
        shell(f"trap 'exit' TERM; sh -c \"{child}\" & wait", seconds=2, grace=20)
    assert (tmp_path / "child").read_text() == "done\n"


def test_an_interruption_during_the_grace_ends_the_program(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 3)
    try:
        with pytest.raises(KeyboardInterrupt):
            shell(f"echo $$ >{tmp_path}/group; trap '' TERM; sleep 60", seconds=1, grace=50)
    finally:
        signal.signal(signal.SIGALRM, before)
    group, end = int((tmp_path / "group").read_text()), time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:  # init has to reap them
            os.killpg(group, 0)
            time.sleep(0.02)


@pytest.mark.parametrize(
    "script", ["exec sleep 60", "exec sleep 60 >&- 2>&-", "sleep 60 & exit 0", "trap '' TERM; sleep 60"]
)
def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(ProgramError, match="took more than 1 s"):
        shell(f"echo $$ > {tmp_path}/group; {script}", seconds=1)
    assert time.monotonic() - began < 20
    group = int((tmp_path / "group").read_text())
    with pytest.raises(ProcessLookupError):
        while time.monotonic() - began < 30:  # init has to reap them
            os.killpg(group, 0)
            time.sleep(0.02)


def test_without_a_temporary_folder_no_program_is_reported_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/proc"])
    with pytest.raises(BakeryError, match="no temporary file can be written: No usable temporary directory") as caught:
        git(Path(), "--version")
    assert "TMPDIR" in caught.value.hint


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(["no-such-program"], os.environ)


def test_a_program_that_cannot_be_run_fails_like_one_that_does_not_end(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("apt-config", "git"):
        (tmp_path / name).touch(0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="cannot be run: Permission denied"):
        run_program(["git"], os.environ)
    with pytest.raises(ValueError, match="git --version cannot be run: Permission denied"):
        git(Path(), "--version")
    monkeypatch.setattr(apt, "host_id", lambda: "debian")
    assert doctor._host_archive(catalog).details == "apt-config cannot be run: Permission denied"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit code 3"),
        ("kill -9 $$", "exit code -9"),
        ("yes | head -c 3000000 | tr -d '\\n' >&2; exit 1", "yyy"),
    ],
)
def test_a_failure_without_a_message_is_reported_by_its_exit_code_and_a_long_message_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(apt.AptError, match=f"git failed: {reason}") as failed:
        apt.run(["git"])
    with pytest.raises(ValueError, match=f"git --version: {reason}") as other:
        git(Path(), "--version")
    assert max(len(str(error.value)) for error in (failed, other)) < 1100


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that prints without end, also under the names of programs that are found on PATH."""
    file = tmp_path / "bin" / "endless"
    file.parent.mkdir()
    file.write_text("#!/bin/sh\nexec cat /dev/zero\n")
    file.chmod(0o755)
    for name in ("docker", "gpgv"):
        (file.parent / name).symlink_to(file)
    monkeypatch.setenv("PATH", f"{file.parent}:{os.environ['PATH']}")
    return file


def test_apt_is_killed_if_it_does_not_end_or_prints_without_end(endless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(apt.AptError, match=r"^endless wrote more than 64 MiB"):
        apt.run([str(endless)])
    monkeypatch.setattr(apt, "LIMITS", Limits(seconds=1))
    with pytest.raises(apt.AptError, match=r"^sh took more than 1 s"):
        apt.run(["sh", "-c", "sleep 60 & exit 0"])


def test_cosign_is_killed_if_it_does_not_end_or_prints_without_end(
    endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport: Any = SimpleNamespace(base="https://r.example", bundle=None, host="r.example", path="python")
    with pytest.raises(PublishError, match="cosign did not sign sha256:1: wrote more than 1 MiB"):
        cosign.Signer(str(endless), transport).sign("sha256:1")
    monkeypatch.setattr(cosign, "LIMITS", Limits(seconds=1))
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(PublishError, match="cosign did not sign sha256:1: took more than 1 s"):
        cosign.Signer(str(endless), transport).sign("sha256:1")


@pytest.mark.usefixtures("endless")
def test_a_buildx_that_prints_without_end_is_not_used(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    engine = Engine("system", "unix:///x", Embedded(Workspace(root, tmp_path)))
    with pytest.raises(EngineError, match=r"expected 0\.13 or newer, docker buildx wrote more than 1 MiB"):
        _ = engine.buildx


def test_doctor_reports_a_buildx_that_prints_without_end(endless: Path, catalog: Catalog) -> None:
    engine: Any = SimpleNamespace(buildx=[str(endless)], environment=os.environ)
    (finding,) = doctor._builder(catalog, engine, "far")
    assert (finding.state, finding.details) == (doctor.State.MISSING, "far: buildx wrote more than 1 MiB")


def test_a_pip_that_prints_without_end_is_an_error(
    endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(endless))
    with pytest.raises(BuildError, match="pip config list wrote more than 1 MiB"):
        _ = Wheelhouse(cast(Any, None), "python", tmp_path)._container


@pytest.mark.usefixtures("endless")
def test_a_gpgv_that_prints_without_end_verifies_nothing(root: Path, tmp_path: Path) -> None:
    signature = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
    keys = root / "shared" / "keys"
    with pytest.raises(openpgp.BadSignature, match="gpgv wrote more than 1 MiB"):
        openpgp.verify(tmp_path, signature, [next(keys.glob("*.asc")).stem], keys, datetime.now(UTC))


@pytest.mark.parametrize("argument", ["a\0b", "a\ud800"])
def test_an_argument_that_no_program_can_be_given_is_an_error_of_the_program(argument: str) -> None:
    with pytest.raises(ProgramError, match="cannot be run: "):
        run_program(["true", argument], os.environ)
