"""./inv and ./nox: the environment that they make, and the messages if it cannot be made."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("cat", "cksum", "cut", "dirname", "find", "flock", "grep", "head", "id", "mkdir", "rm", "sed", "sh")
PYTHON = """#!/bin/sh
# A fake Python: -m venv copies it, -m pip counts its runs, tasks.py and -m nox print their arguments.
case "$1 ${2:-}" in
'-c import sys, tomllib'*) exec REAL "$@" ;;
'-c '*) [ ! -e "$(dirname "$0")/broken" ] ;;
'-m venv') mkdir -p "$3/bin" && cat "$0" >"$3/bin/python" && chmod +x "$3/bin/python" ;;
'-m pip') echo "$*" >>"$LOG" ;;
*) for argument in "$@"; do echo "[$argument]"; done && exit 3 ;;
esac
""".replace("REAL", sys.executable)
UV = """#!/bin/sh
for folder; do :; done
mkdir -p "$folder/bin" && cat "$LOG.python" >"$folder/bin/python" && chmod +x "$folder/bin/python"
"""


class Entrance:
    """A clone, a cache and a PATH, all below a folder with a space in its name."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.home, self.path = folder / "a clone", folder / "a cache", folder / "bin"
        self.log = folder / "pip.log"
        self.clone.mkdir()
        self.path.mkdir()
        for name in ("inv", "pyproject.toml"):
            shutil.copy(ROOT / name, self.clone)
        (self.clone / "nox").symlink_to("inv")
        for name in (*TOOLS, "chmod"):
            program = shutil.which(name)
            if program:
                (self.path / name).symlink_to(program)

    def add(self, name: str, script: str) -> None:
        """Put a program on PATH."""
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``command`` in the clone with nothing but this PATH, cache and log in its environment."""
        environment = {"PATH": str(self.path), "BAKERY_HOME": str(self.home), "LOG": str(self.log), "HOME": "/nowhere"}
        return subprocess.run(
            command, cwd=cwd or self.clone, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def environment(self) -> Path:
        """The only environment that was made."""
        (folder,) = (path for path in (self.home / "environments").iterdir() if path.is_dir())
        return folder

    @property
    def installs(self) -> int:
        """How often pip was run."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def entrance(tmp_path: Path) -> Entrance:
    """A clone without Python."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Entrance(folder)


def test_arguments_exit_code_and_stdout_are_the_tasks(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON)
    done = entrance.run("./inv", "build", "--version=3.13", "two words")
    assert done.returncode == 3
    assert done.stdout.split("\n") == [
        "[-P]", f"[{entrance.clone}/tasks.py]", "[build]", "[--version=3.13]", "[two words]", "",
    ]  # fmt: skip
    assert "Installing this project's Python packages" in done.stderr


def test_nox_is_the_same_script(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON)
    done = entrance.run(str(entrance.clone / "nox"), "-l", cwd=entrance.path)
    assert done.stdout.split("\n") == [
        "[-P]", "[-m]", "[nox]", "[--noxfile]", f"[{entrance.clone}/noxfile.py]", "[-l]", "",
    ]  # fmt: skip


def test_nox_in_a_folder_that_has_been_removed_exits_2_with_what_to_do(entrance: Entrance, tmp_path: Path) -> None:
    entrance.add("python3", PYTHON)
    script = 'rm -r "$PWD" && exec "$0" -l'
    (tmp_path / "removed").mkdir()
    done = entrance.run("sh", "-c", script, str(entrance.clone / "nox"), cwd=tmp_path / "removed")
    assert done.returncode == 2 and "current folder does not exist" in done.stderr and "cd '" in done.stderr


@pytest.mark.parametrize(("mask", "mode"), [("0", 0o755), ("0777", 0o700)])
def test_a_tilde_in_the_name_of_the_cache_is_the_users_home_and_any_umask_will_do(
    entrance: Entrance, tmp_path: Path, mask: str, mode: int
) -> None:
    entrance.home = Path("~/x")
    entrance.run("sh", "-c", f"umask {mask}; HOME={shlex.quote(str(tmp_path))} ./inv")
    assert not (entrance.clone / "~").exists()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "x", tmp_path / "x/environments")] == [mode] * 2


def test_environment_is_reused(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON)
    entrance.run("./inv")
    done = entrance.run("./inv")
    assert entrance.installs == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    "damage", ["pyproject.toml changed", "interpreter gone", "package missing", "interrupted", "file changed"]
)
def test_environment_is_rebuilt(entrance: Entrance, damage: str) -> None:
    entrance.add("python3", PYTHON)
    entrance.run("./inv")
    match damage:
        case "pyproject.toml changed":
            with (entrance.clone / "pyproject.toml").open("a") as file:
                file.write("# changed\n")
        case "file changed":
            (entrance.environment / "bin" / "python").write_text(PYTHON + "# changed\n")
        case "interpreter gone":
            (entrance.environment / "bin" / "python").unlink()
        case "package missing":
            (entrance.environment / "bin" / "broken").touch()
        case _:
            (entrance.environment / "made-from").unlink()
    done = entrance.run("./inv")
    assert done.returncode == 3
    assert entrance.installs == 2
    assert ("bin/python has changed since it was installed" in done.stderr) is (damage == "file changed")
    entrance.run("./inv")
    assert entrance.installs == 2


def test_unpacked_programs_that_have_changed_are_not_used(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON)
    folder = entrance.home / "python"
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/python3.14").write_text("exit 1")
    (folder / "made-from").touch()
    assert "has changed" not in entrance.run("./inv").stderr
    (folder / "usr/bin/python3.14").write_text("")
    os.utime(folder / "usr/bin/python3.14", (0, 0))
    assert "python3.14 has changed since it was unpacked" in entrance.run("./inv").stderr
    assert not folder.exists()


def test_failing_pip_exits_2_and_is_retried(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON.replace('echo "$*" >>"$LOG"', 'echo "$*" >>"$LOG" && exit 1'))
    for attempt in (1, 2):
        done = entrance.run("./inv")
        assert done.returncode == 2
        assert "PIP_INDEX_URL" in done.stderr
        assert entrance.installs == attempt


def test_pip_installs_what_the_project_needs_and_builds_nothing(entrance: Entrance) -> None:
    """To build the project, pip would start another pip, with the logins of its indexes as arguments."""
    entrance.add("python3", PYTHON)
    entrance.run("./inv")
    file = entrance.environment / "requirements.txt"
    assert entrance.log.read_text() == f"-m pip install --quiet --requirement {file}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert file.read_text().splitlines() == project["dependencies"]


def test_the_path_of_a_clone_need_not_be_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/clone-\xff"))
    folder.mkdir()
    entrance = Entrance(folder)
    entrance.add("python3", PYTHON)
    entrance.home = tmp_path / "home"
    done = subprocess.run(
        ["./inv"], cwd=entrance.clone, stderr=PIPE, check=False, stdout=DEVNULL,
        env={"PATH": str(entrance.path), "BAKERY_HOME": str(entrance.home), "LOG": str(entrance.log)},
    )  # fmt: skip
    assert (done.returncode, entrance.installs) == (3, 1), done.stderr


@pytest.mark.parametrize("found", ["nothing", "too old"])
def test_missing_python_exits_2_with_the_command_that_installs_it(entrance: Entrance, found: str) -> None:
    if found == "too old":
        entrance.add("python3", "#!/bin/sh\nexit 1\n")
    done = entrance.run("./inv", "build")
    assert done.returncode == 2
    assert done.stdout == ""
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert f"{sudo}apt-get install --yes python3" in done.stderr
    assert "uv" in done.stderr


def test_uv_is_used_if_python_is_missing(entrance: Entrance) -> None:
    entrance.add("uv", UV)
    Path(f"{entrance.log}.python").write_text(PYTHON)
    assert entrance.run("./inv").returncode == 3
    assert entrance.installs == 1


def test_unset_home_exits_2_with_what_to_set(entrance: Entrance) -> None:
    done = entrance.run("/usr/bin/env", "-u", "HOME", "-u", "BAKERY_HOME", "./inv")
    assert done.returncode == 2
    assert "HOME is not set" in done.stderr and "BAKERY_HOME=FOLDER" in done.stderr


def test_cache_that_cannot_be_written_exits_2_with_what_to_set(entrance: Entrance) -> None:
    entrance.home.write_text("a file")
    done = entrance.run("./inv")
    assert done.returncode == 2
    assert f"the cache {entrance.home} cannot be written" in done.stderr and "BAKERY_HOME=FOLDER" in done.stderr


@pytest.mark.parametrize("character", ['"', ":", ",", "@", "\\", "\n"])
def test_cache_with_a_special_character_exits_2_with_what_to_set(entrance: Entrance, character: str) -> None:
    entrance.home = entrance.home.with_name(f"a{character}b")
    done = entrance.run("./inv", "--list")
    assert done.returncode == 2 and "has a special character" in done.stderr and "BAKERY_HOME" in done.stderr
    assert not entrance.home.exists()


def test_the_hosts_exceptions_from_verification_do_not_apply_to_downloaded_packages(
    entrance: Entrance, tmp_path: Path
) -> None:
    relaxed = "deb [trusted=yes] http://a x\ndeb [arch=amd64 TRUSTED=yes signed-by=/k] http://b x\n"
    relaxed += "deb [signed-by=/k allow-insecure=yes allow-weak=yes check-valid-until=no check-date=no] http://c x\n"
    snapshot = "deb [check-valid-until=no] http://d/20240101T000000Z x\n"
    (tmp_path / "parts").mkdir()
    (tmp_path / "sources.list").write_text(relaxed + snapshot)
    (tmp_path / "parts/x.sources").write_text("URIs: http://e\nTrusted: yes\nSuites: x\nCheck-Valid-Until: no\n")
    entrance.add("apt-config", f"#!/bin/sh\necho \"list='{tmp_path}/sources.list' parts='{tmp_path}/parts/'\"\n")
    entrance.add("apt-get", f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"; cat "{entrance.home}/python.apt/sources/"*\n')
    entrance.add("dpkg-deb", "#!/bin/sh\nexit 1\n")
    done = entrance.run("./inv", "images")
    for line in (tmp_path / "asked").read_text().splitlines():
        for name in ("APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories"):
            assert f"-o {name}=false" in line
        for name in ("Acquire::Check-Valid-Until", "Acquire::Check-Date"):
            assert f"-o {name}=true" in line
        assert "sourcelist=/dev/null" in line and f"sourceparts={entrance.home}/python.apt/sources" in line
    assert done.returncode == 2
    sources = done.stderr.partition("http://e")[0]
    assert "deb  http://a x\n" in sources and "deb [arch=amd64  signed-by=/k] http://b x\n" in sources
    assert "deb [signed-by=/k    ] http://c x\n" in sources and snapshot in sources
    assert "URIs: http://e\nSuites: x\n" in done.stderr


@pytest.mark.parametrize("end", ["exit 1", 'kill -TERM "$PPID"'])
def test_a_login_in_the_hosts_sources_is_copied_for_this_user_only_and_removed_after_a_failure(
    entrance: Entrance, tmp_path: Path, end: str
) -> None:
    (tmp_path / "sources.list").write_text("deb http://me:S3cr3t@a x\n")
    entrance.add("apt-config", f"#!/bin/sh\necho \"list='{tmp_path}/sources.list' parts=/nowhere\"\n")
    modes = f'find "{entrance.home}"/python.apt "{entrance.home}"/python.apt/sources/* -maxdepth 0 -printf "%m\\n"'
    entrance.add("apt-get", f'#!/bin/sh\n{modes} >>"{tmp_path}/modes"\n{end}\n')
    entrance.add("dpkg-deb", "#!/bin/sh\nexit 1\n")
    assert entrance.run("./inv", "images").returncode == 2
    assert set((tmp_path / "modes").read_text().split()) == {"700", "600"}
    assert not (entrance.home / "python.apt").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_a_lock_that_is_not_a_file_is_refused_by_name(entrance: Entrance, tmp_path: Path, kind: str) -> None:
    """A shell follows links and empties their target, and waits for the reader of a FIFO."""
    entrance.add("python3", PYTHON)
    entrance.home.mkdir()
    victim, lock = tmp_path / "victim", entrance.home / "environments.lock"
    victim.write_text("precious")
    {"link": lambda: lock.symlink_to(victim), "fifo": lambda: os.mkfifo(lock), "folder": lock.mkdir}[kind]()
    done = entrance.run("./inv", "--list")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"Error: {lock} is not a regular file")
    assert victim.read_text() == "precious" and not entrance.installs


def test_a_command_that_waits_for_another_one_says_so(entrance: Entrance) -> None:
    entrance.add("python3", PYTHON)
    entrance.home.mkdir()
    with (entrance.home / "environments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = {"PATH": str(entrance.path), "BAKERY_HOME": str(entrance.home), "LOG": str(entrance.log)}
        command = ["./inv", "--list"]
        waiting = subprocess.Popen(command, cwd=entrance.clone, env=environment, stdout=DEVNULL, stderr=PIPE, text=True)
        with waiting:
            assert waiting.stderr is not None
            line = waiting.stderr.readline()
            fcntl.flock(lock, fcntl.LOCK_UN)
            waiting.communicate(timeout=60)
    assert line.startswith("Waiting: another process is busy with ") and waiting.returncode == 3
