"""A private Docker engine from the distribution's own packages, for a machine without Docker.

Its packages are unpacked, not installed, in the cache's ``engine`` folder; its socket is in /run. It runs until
``inv engine.down``, and its images and build cache survive restarts. It uses no bridge and no iptables, so it needs
nothing else on PATH; build steps and containers use the host's network or none.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from packaging.version import Version

from bakery.bases import apt
from bakery.checksums import checked_folder, is_intact
from bakery.engine import daemons
from bakery.errors import BakeryError, EngineError
from bakery.files import Tell, disk_full, locked, no_space, require_space, write_whole
from bakery.toml import Rule, Table, read_toml
from bakery.workspace import Workspace

SPACE = 1_000_000_000
"""Bytes that unpacking its packages takes."""
SLOW, PATIENCE = 6.0, 600
"""Seconds without an answer until a message is printed, and until waiting ends although its process runs."""
STOP_SECONDS = 60
KEEP_CACHE = "40GB"
LIST = "packages"
"""File with the names of its packages, next to their content."""
VERSION = r"\d{1,4}(\.\d{1,4})+"
NO_MOUNTS = "this process may not mount file systems (CAP_SYS_ADMIN), which an engine does for each build step"
CONTAINER_HINT = "In a container, start it with --privileged; or point DOCKER_HOST at an engine outside of it."
ENGINE_HINT = "Install Docker Engine 23 or newer, or point DOCKER_HOST at one."

INHERITED = re.compile(r"(?i)(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|HOME|TMPDIR|LANG|TZ|DOCKER_TMPDIR")
"""What dockerd and its build steps need from this environment; the rest may hold secrets."""


class Embedded:
    """The private engine of one cache folder, with the image store ``store`` (:mod:`bakery.engine.scratch`).

    ``folder`` has its persistent files (packages, images, build cache, logs), ``runtime`` the socket and the state of
    the running daemon. ``host`` is its address for DOCKER_HOST, ``path`` the folders of its programs for PATH, and
    ``group`` the control group of its containers and build steps.
    """

    def __init__(self, workspace: Workspace, tell: Tell = print, store: str = "containerd") -> None:
        self.workspace, self.tell, self.store = workspace, tell, store
        self.folder = workspace.home / "engine"
        self.root = self.folder / "root"  # of its unpacked packages
        self.path = f"{self.root / 'usr/bin'}:{self.root / 'usr/sbin'}"
        self.buildx = self.root / "usr/libexec/docker/cli-plugins/docker-buildx"  # runs without docker, too
        self.config = self.folder / "daemon.json"  # its path identifies the process
        # A new start renames the log of the previous daemon to last_log: it says why that daemon ended.
        self.log, self.last_log = self.folder / "dockerd.log", self.folder / "dockerd.log.1"
        # A short path, because a socket's path has at most 107 bytes.
        self.runtime = Path("/run/infra7-python") / hashlib.sha256(bytes(self.folder)).hexdigest()[:12]
        self.host = f"unix://{self.runtime / 'docker.sock'}"
        self.group = f"infra7-python-{self.runtime.name}"

    @property
    def minimums(self) -> tuple[Version, Version]:
        """The oldest engine and the oldest buildx that can build."""
        engine, buildx = (self._settings.text(name, Rule("a version", VERSION)) for name in ("engine", "buildx"))
        return Version(engine), Version(buildx)

    @property
    def fits_host(self) -> bool:
        """Whether its packages can be taken from this host's package archive."""
        return apt.host_id() in self._hosts

    @property
    def _settings(self) -> Table:
        return read_toml(self.workspace.root / "shared" / "engine.toml")

    @property
    def _hosts(self) -> dict[str, Table]:
        return self._settings.tables("hosts")

    def pid(self) -> int | None:
        """The process id of the running daemon, or ``None``."""
        return next((pid for pid, arguments in daemons.processes("dockerd") if str(self.config) in arguments), None)

    def _containerd(self) -> list[int]:
        """The process ids of its containerd."""
        config = str(self.runtime / "exec/containerd/containerd.toml")
        return [pid for pid, arguments in daemons.processes("containerd") if config in arguments]

    def running(self) -> bool:
        """Whether it answers on its socket."""
        return self.pid() is not None and daemons.answers(self.runtime / "docker.sock")

    def up(self) -> None:
        """Unpack and start it, unless that is done already. Raises :exc:`EngineError`."""
        with disk_full(self.folder), locked(self.folder.with_suffix(".lock"), "the embedded engine", self.tell):
            if self._answers():
                self._prepare()  # each container and build step runs its runc
                return
            other = daemons.foreign_daemon()
            if other is not None:
                raise EngineError(
                    f"a Docker daemon is already running (dockerd, process {other}) but its socket does not answer; "
                    "the embedded engine is never started next to another one, whose network bridge it would remove",
                    hint="Repair it or stop it (systemctl stop docker docker.socket), then run the same command again.",
                )
            self._prepare()
            if not daemons.may_mount():
                raise EngineError(NO_MOUNTS, hint=CONTAINER_HINT)
            self._start()

    def recover(self, before: int | None) -> bool:
        """Start it again if its process ``before`` has crashed; ``False`` if that still runs or was stopped.

        Another thread may have started it already. Docker 26.1.5's BuildKit can panic while several builds run at once.
        Raises :exc:`EngineError` if it does not start.
        """
        now = self.pid()
        log = self.log if now is None else self.last_log
        if before is None or before == now or not daemons.has_crashed(log):
            return False
        try:
            self.up()
        except (BakeryError, OSError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
            raise EngineError(f"the embedded engine crashed and could not be started again: {reason}") from None
        self.tell(f"the embedded engine crashed and was started again; its log: {self.last_log}")
        return True

    def _answers(self, grace: float = 0.0) -> bool:
        """Whether it answers, waiting as long as its process runs, or for ``grace`` seconds until there is a process.

        A busy or a starting engine can take long; another daemon on the same folder would damage its images.
        """
        started, reported = time.monotonic(), False
        while (pid := self.pid()) is not None or time.monotonic() - started < grace:
            if (pid is not None or grace) and daemons.answers(self.runtime / "docker.sock"):
                return True
            waited = time.monotonic() - started
            if waited > PATIENCE:
                raise EngineError(
                    f"the embedded engine (process {pid}) has not answered for {PATIENCE} s; its builds still run",
                    hint=f"Its log: {self.log}. `inv engine.down` stops it.",
                )
            if waited > SLOW and not reported:
                self.tell(f"the embedded engine (process {pid}) does not answer yet: waiting")
                reported = True
            time.sleep(0.1)
        return False

    def prepare(self) -> None:
        """Unpack its packages unless they are unpacked already and intact. Raises :exc:`EngineError`."""
        if self._is_unpacked(lambda _: None):
            return
        with disk_full(self.folder), locked(self.folder.with_suffix(".lock"), "the embedded engine", self.tell):
            self._prepare()

    def _is_unpacked(self, tell: Tell) -> bool:
        """Whether the packages that the settings list for one of the hosts, and no others, are unpacked and intact.

        It need not be this host: a container that shares the cache may be of another distribution.
        """
        root = self.root.resolve()  # a second engine has a link to the first engine's folder
        lists = (host.words("packages") + host.words("own") for host in self._hosts.values())
        return is_intact(root, tell) and (root / LIST).read_text(encoding="utf-8") in map(" ".join, lists)

    def _prepare(self) -> None:
        if self._is_unpacked(self.tell):
            return
        if os.geteuid() != 0:
            raise EngineError(
                "no Docker engine answers, and starting the embedded one needs root",
                hint="Run as root; or point DOCKER_HOST at Docker Engine 23 or newer; or install Docker: "
                "sudo apt-get install docker.io docker-cli docker-buildx (Debian 13; Ubuntu without docker-cli).",
            )
        if not self.fits_host:
            supported = " and ".join(sorted(self._hosts))
            raise EngineError(
                f"no Docker engine answers, and the embedded one is available on {supported} only; this host is "
                f"{apt.host_id() or 'unknown'}",
                hint=ENGINE_HINT,
            )
        require_space(self.folder, SPACE)
        host = self._hosts[apt.host_id()]
        try:
            self._unpack(host.words("suites"), host.words("packages"), host.words("own"))
        except apt.AptError as error:
            raise EngineError(
                f"the embedded engine is not available: {error.message}", hint=error.hint or ENGINE_HINT
            ) from None

    def _unpack(self, suites: tuple[str, ...], packages: tuple[str, ...], own: tuple[str, ...]) -> None:
        """Unpack ``packages`` of the first suite that is new enough, and ``own`` of the host's own suite."""
        codename, available = apt.host_codename(), list[str]()
        engine, buildx = self.minimums
        for suite in dict.fromkeys((codename, *suites)):
            self.tell(f"looking for a Docker engine in {apt.host_id()} {suite}")
            private = self._apt(suite)
            private.update()
            versions = {name: daemons.version_of(private.candidate(name)) for name in ("docker.io", "docker-buildx")}
            available.append(
                f"{suite} has docker.io {versions['docker.io']}, docker-buildx {versions['docker-buildx']}"
            )
            if versions["docker.io"] >= engine and versions["docker-buildx"] >= buildx:
                break
        else:
            raise apt.AptError(
                f"expected docker.io {engine} and docker-buildx {buildx} or newer; " + "; ".join(available)
            )
        self.tell(
            f"unpacking Docker {versions['docker.io']} and buildx {versions['docker-buildx']} (nothing is installed)"
        )
        with checked_folder(self.root) as stage:
            private.unpack([name for name in packages if private.candidate(name)], stage)
            self._apt(codename).unpack(own, stage)
            (stage / LIST).write_text(" ".join((*packages, *own)), encoding="utf-8")

    def _apt(self, suite: str) -> apt.PrivateApt:
        """The package archive of the host's distribution, of this suite."""
        archive = apt.host_archive(self.workspace.root)
        return apt.PrivateApt(self.workspace.home / "apt" / suite, apt.host_mirror().sources(suite, archive))

    def program(self, package: str) -> Path:
        """A program of the host's own suite, unpacked like the engine; :exc:`AptError` if that fails."""
        root = self.workspace.home / "tools" / package
        with locked(root.with_suffix(".lock"), package, self.tell):
            apt.unpack_checked(root, [package], lambda: self._apt(apt.host_codename()), self.tell)
        return root / "usr/bin" / package

    def cpu_seconds(self) -> float:
        """The CPU time of its daemons so far, including their child processes that have ended (proc_pid_stat(5))."""
        daemons = (*self._containerd(), self.pid())
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in daemons]
        return sum(int(ticks) for line in fields for ticks in line[11:15]) / os.sysconf("SC_CLK_TCK")

    def _start(self) -> None:
        self.runtime.mkdir(parents=True, exist_ok=True)
        config = {
            "hosts": [self.host],
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.runtime / "exec"),
            "pidfile": str(self.runtime / "docker.pid"),
            "cgroup-parent": self.group,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "bridge": "none",
            "iptables": False,
            "ip6tables": False,
            "features": {"containerd-snapshotter": self.store == "containerd"},
            "builder": {"gc": {"enabled": True, "defaultKeepStorage": KEEP_CACHE}},
        }
        write_whole(self.config, json.dumps(config, indent=1))
        (self.runtime / "docker.pid").unlink(missing_ok=True)
        self.sweep()
        self.tell("starting the embedded engine")
        inherited = {key: value for key, value in os.environ.items() if INHERITED.fullmatch(key)}
        with suppress(OSError):
            self.log.replace(self.last_log)
        self.log.unlink(missing_ok=True)  # it may be another user's, a link or a FIFO
        with self.log.open("xb") as log:
            self.log.chmod(0o600)
            # setsid --fork: the daemon outlives this process and is not its child.
            subprocess.run(
                [
                    "setsid", "--fork", *self._root_as_mount(), self._dockerd(),
                    "--config-file", self.config, "--label", daemons.LABEL,
                ],
                env={**inherited, **self._libraries(), "PATH": f"{self.path}:{os.environ.get('PATH', '')}"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=False,
            )  # fmt: skip
        if self._answers(grace=2.0):
            return
        self._clean_up()
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        if any("no space left on device" in line for line in lines):
            raise no_space(self.folder)
        raise EngineError(
            f"the embedded engine did not start: {' '.join(lines[-2:]) or 'no output'}",
            hint=f"Its log: {self.log}. {ENGINE_HINT}",
        )

    def _dockerd(self) -> Path:
        """Its program: Debian's package has it in sbin, Ubuntu's in bin."""
        folder = "sbin" if (self.root / "usr/sbin/dockerd").exists() else "bin"
        return self.root / "usr" / folder / "dockerd"

    def _libraries(self) -> dict[str, str]:
        """LD_LIBRARY_PATH with the folders of libraries that were unpacked with its programs; empty without any."""
        folders = [
            str(folder) for folder in sorted(self.root.glob("usr/lib/*-linux-gnu*")) if any(folder.glob("*.so.*"))
        ]
        return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}

    def _root_as_mount(self) -> list[str | Path]:
        """Command prefix that turns the root into a mount point, as runc expects it; in a chroot it is not one."""
        if "/" in daemons.mount_points():
            return []
        root = self.runtime / "root"
        root.mkdir(exist_ok=True)
        script = 'mount --rbind / "$0" && mount --make-rprivate "$0" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "--propagation=unchanged", "sh", "-c", script, root]

    def down(self) -> bool:
        """Stop it and return whether it was running; images and build cache stay. Raises :exc:`EngineError`."""
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"the embedded engine (process {pid}) did not stop in {STOP_SECONDS} s",
                    hint=f"Its log: {self.log}.",
                )
            time.sleep(0.1)
        self._clean_up()
        return True

    def _clean_up(self) -> None:
        """Remove what the stopped daemon leaves behind, including its files in /run."""
        self.sweep()
        folder = os.path.realpath(self.runtime)
        points = daemons.mount_points()
        if not any(point.startswith(f"{folder}/") for point in points):  # or a mounted / would be emptied
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # other engines of this machine have folders there
                self.runtime.parent.rmdir()

    def sweep(self) -> None:
        """End the processes and remove the mounts and control groups that a daemon leaves behind.

        These are its data folder, mounted on itself; and after a kill its build steps (they would keep compiling),
        their root file systems, and its containerd (the next daemon would wait 10 s for it). A disk that the user has
        mounted for it stays.
        """
        if self.pid() is not None:
            return
        for pid in (*daemons.processes_in(f"/{self.group}/"), *self._containerd()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        folder = os.path.realpath(self.folder)
        for point in reversed(daemons.mount_points()):
            users_disk = point == f"{folder}/data" and os.path.ismount(point)  # not if it is mounted on itself
            if point.startswith((f"{folder}/", f"{self.runtime}/")) and not users_disk:
                subprocess.run(["umount", "--lazy", point], stderr=subprocess.DEVNULL, check=False)
        daemons.remove_group(self.group)
