"""The docker of `inv engine.env`: buildx and BuildKit, with the user's own logins, contexts, builders and plugins."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.benchmarks.wheelhouse import settings_for
from bakery.catalog.labels import LABELS
from bakery.catalog.models import FREE_THREADED
from bakery.engine.engine import Engine
from bakery.workspace import Workspace

from .fixtures import ROOT, in_variant

pytestmark = pytest.mark.engine

Shell = Callable[..., str]

DOCKERFILE = """
FROM {reference} AS build
RUN --mount=type=secret,id=token --mount=type=cache,target=/var/cache/own <<END
set -eu
mkdir /out
cp /run/secrets/token /out/built
END
FROM scratch
COPY --link --from=build /out /
"""
CONFIG = {
    "auths": {"registry.example": {"auth": "dXNlcjpwYXNzd29yZA=="}},
    "credHelpers": {"other.example": "tests"},
    "HttpHeaders": {"X-Own": "header"},
}
HELPER = """#!/bin/sh
case $1 in
    store) cat >>"$HOME/stored" ;;
    *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""
OWN_BUILDX = """#!/bin/sh
case $1 in
    docker-cli-plugin-metadata) echo '{"SchemaVersion":"0.1.0","Vendor":"tests","Version":"9.9.9"}' ;;
    *) echo "own $*" ;;
esac
"""
REMOTE = "docker buildx create --use --name=remote --driver=remote tcp://192.0.2.1:1"
BUILD = "--secret=id=token,src=token --output=out context"


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """The files below ``folder``, each with the time of its last change and its content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture
def home(engine: Engine, reference: str, tmp_path: Path) -> Path:
    """The home of a user with logins and a credential helper, and what the builds below need."""
    if engine.kind != "embedded":
        pytest.skip("docker is the system's own")
    home = tmp_path / "a user's home"
    (home / ".docker").mkdir(parents=True)
    (home / ".docker/config.json").write_text(json.dumps(CONFIG))
    program(home / "bin/docker-credential-tests", HELPER)
    (home / "context").mkdir()
    (home / "context/Dockerfile").write_text(DOCKERFILE.format(reference=reference))
    (home / "token").write_text("secret content")
    return home


@pytest.fixture(scope="module")
def settings() -> list[str]:
    """What `inv engine.env` printed for the first script of this module, in a home without a docker context."""
    return []


@pytest.fixture
def shell(workspace: Workspace, home: Path, settings: list[str]) -> Shell:
    """Runs a shell script after `eval "$(inv engine.env)"` in that home; returns its standard output.

    ``again``: run `inv engine.env` for this script alone, as is done with variables in ``more``, which may affect it.
    """

    def run(script: str, *, again: bool = False, **more: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILDX_"))}
        own = {
            "HOME": str(home), "BAKERY_HOME": str(workspace.home),
            "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        prepare = 'set -e; cd "$0"; lines=$(inv engine.env); eval "$lines"; cd ~'
        if not (again or more):
            if not settings:
                done = subprocess.run(["inv", "engine.env"], env=kept | own, cwd=ROOT, capture_output=True, check=True)
                settings.append(done.stdout.decode())
            prepare = f"set -e\n{settings[0]}cd ~"
        done = subprocess.run(
            ["sh", "-c", f"{prepare}\n{script}", str(ROOT)],
            env=kept | own | more, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


MORE_COMMANDS = [
    "docker image build",
    "docker builder build",
    "docker buildx b",
    "docker -l info --debug build",
    "DOCKER_BUILDKIT=1 docker build",
    "docker --context=own build",
    f"{REMOTE}; docker buildx --builder default build",
]


@pytest.mark.parametrize(
    "command",
    [
        "docker build",
        "docker buildx build",
        'docker --host "$DOCKER_HOST" build',
        "docker context use own; env -u DOCKER_HOST docker build",
        "docker buildx install; docker build",
        f"{REMOTE}; docker build",
        *(pytest.param(command, marks=pytest.mark.extended) for command in MORE_COMMANDS),
    ],
)
def test_build_commands_use_buildkit_and_the_network_of_the_host(shell: Shell, home: Path, command: str) -> None:
    shell(f'docker context create own --docker "host=$DOCKER_HOST"; {command} {BUILD}')
    assert (home / "out/built").read_text() == "secret content"


RUN = "docker run --rm --network=none {tag} "
# Requests the page of the service that the image starts by itself, and prints it.
SERVED = """
docker run --detach --name={name} --network=none {tag} >&2
docker exec {name} python -c '
import time, urllib.error, urllib.request
for _ in range(300):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8000/").read().decode())
        break
    except urllib.error.URLError as error:
        last = error
        time.sleep(0.1)
else:
    raise last
'
"""


def from_images_under_test(shell: Shell, engine: Engine, reference: str, dockerfile: Path) -> dict[str | None, str]:
    """Replace the images that an example starts from; return the new ones by the infix of their variant."""
    text, series = dockerfile.read_text(), engine.require(reference).labels.get(f"{LABELS}.series", "")
    if series.endswith(FREE_THREADED) and "--only-binary" in text:
        pytest.skip("psycopg 3.3 has no wheels for free-threaded interpreters")
    if "pip --python" in text and "--python" not in shell(f"docker run --rm --network=none {reference} pip --help"):
        pytest.skip("pip has --python from 22.3 on")
    images: dict[str | None, str] = {None: reference}
    for infix in re.findall(r":3\.13-(\w+)-bookworm", text):
        images[infix] = in_variant(engine, reference, infix)
    dockerfile.write_text(re.sub(r"[\w./-]+:3\.13(?:-(\w+))?-bookworm", lambda found: images[found[1]], text))
    return images


@pytest.mark.extended
@pytest.mark.parametrize(
    ("example", "check"),
    [
        ("minimal", SERVED),
        ("applications/pip", RUN + "python -c 'import main; print(main.app.test_client().get(\"/\").text)'"),
        ("applications/uv", SERVED),
        ("applications/libraries", RUN + "python main.py"),
    ],
)
def test_the_examples_in_docs_are_built_by_docker_build(
    shell: Shell, home: Path, engine: Engine, reference: str, example: str, check: str
) -> None:
    """As on the pages, from the image under test; secrets have the settings of pip and uv and the CA certificates."""
    folder = home.parent / "example"
    shutil.copytree(ROOT / "docs" / example, folder)
    images = from_images_under_test(shell, engine, reference, folder / "Dockerfile")
    config = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    variables, _ = settings_for(config.stdout, os.environ)
    secrets, lines = "", ["[global]"]
    for name in ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout"):
        value = variables.get(f"PIP_{name.upper().replace('-', '_')}")
        if value:
            lines.append(f"{name} = {value}")
    if "PIP_CERT" in variables:
        lines.append("cert = /run/secrets/ca.pem")
        secrets = f"--secret id=pip.conf,src=pip.conf --secret id=ca.pem,src={variables['PIP_CERT']}"
        (home / "pip.conf").write_text("\n".join(lines))
    if "PIP_INDEX_URL" in variables:
        (home / "uv.toml").write_text(f'[[index]]\nurl = "{variables["PIP_INDEX_URL"]}"\ndefault = true\n')
        secrets += " --secret id=uv.toml,src=uv.toml"
    if example.endswith("uv"):
        mounts = f"-v '{folder}':/app -w /app"
        if (home / "uv.toml").exists():
            mounts += ' -v "$PWD/uv.toml":/etc/uv/uv.toml:ro'
        if "PIP_CERT" in variables:
            mounts += f" -e SSL_CERT_FILE=/ca.pem -v {variables['PIP_CERT']}:/ca.pem:ro"
        shell(f"docker run --rm --network=host {mounts} {images['dev']} uv lock")
    name = f"{example.replace('/', '-')}-{os.getpid()}"
    tag = f"bakery-tests/{name}"
    try:
        shell(f"docker build {secrets} --tag={tag} '{folder}'")
        answer = shell(check.format(name=name, tag=tag))
        assert re.search('^"?hello"?$|"numpy":', answer), answer
    finally:
        shell(f"docker rm --force {name}")
        if engine.find(tag):
            engine.remove(tag)


def test_the_classic_builder_and_a_network_can_still_be_selected(shell: Shell) -> None:
    assert "the --mount option requires BuildKit" in shell("DOCKER_BUILDKIT=0 docker build context 2>&1 || true")
    assert "network bridge not found" in shell("docker build --network=default --no-cache context 2>&1 || true")


def test_nothing_in_the_home_is_changed(shell: Shell, home: Path) -> None:
    before = snapshot(home)
    shell("docker version; docker info; docker context ls; docker images; docker login --help", again=True)
    assert snapshot(home) == before
    assert [path.name for path in (home / ".docker").iterdir()] == ["config.json"]
    shell(f"docker build {BUILD}")
    after = snapshot(home)
    assert before.items() <= after.items()
    # buildx keeps the state of its builders, as it does with any engine.
    assert {path.parts[:2] for path in after.keys() - before.keys()} == {(".docker", "buildx"), ("out", "built")}


def test_logins_are_read_from_and_written_to_the_users_own_configuration(
    shell: Shell, home: Path, registry: str
) -> None:
    login = f"echo password | docker login --username=user --password-stdin {registry}"
    file = home / ".docker/config.json"
    shell(login)
    written = json.loads(file.read_text())
    assert written == {**CONFIG, "auths": {**written["auths"], "registry.example": {"auth": "dXNlcjpwYXNzd29yZA=="}}}
    assert registry in written["auths"]
    file.write_text(json.dumps({**CONFIG, "credsStore": "tests"}))
    shell(login)
    assert json.loads((home / "stored").read_text())["Secret"] == "password"
    file.unlink()
    shell(login)
    assert registry in json.loads(file.read_text())["auths"]


def test_contexts_and_builders_are_the_users_own(shell: Shell, home: Path) -> None:
    shell("docker context create elsewhere --docker host=tcp://192.0.2.1:1")
    assert "elsewhere" in shell("docker context ls").split()
    shell(REMOTE)
    assert (home / ".docker/buildx/instances/remote").exists()
    assert "remote" in shell("docker buildx ls").split()


def test_a_configuration_folder_of_the_user_stays_in_effect(shell: Shell, home: Path) -> None:
    folder = home / "other settings"
    shell("docker context create elsewhere --docker host=tcp://192.0.2.1:1", DOCKER_CONFIG=str(folder))
    shell(f"{REMOTE}; docker build {BUILD}", DOCKER_CONFIG=str(folder))
    assert (home / "out/built").exists()
    assert (folder / "buildx/instances/remote").exists()
    assert "elsewhere" in shell("docker context ls", DOCKER_CONFIG=str(folder)).split()
    assert [path.name for path in (home / ".docker").iterdir()] == ["config.json"]


def test_a_buildx_of_the_user_is_preferred(shell: Shell, home: Path) -> None:
    program(home / ".docker/cli-plugins/docker-buildx", OWN_BUILDX)
    assert shell("docker buildx version") == "own buildx version\n"
    assert shell("docker build --tag=x .") == "own buildx build --network=host --tag=x .\n"
    assert shell("docker --debug builder prune") == "own --debug buildx prune\n"
    extra = home / "extra plugins"
    (home / ".docker/cli-plugins").rename(extra)
    (home / ".docker/config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(extra)]}))
    assert shell("docker image build .") == "own buildx build --network=host .\n"


def test_it_builds_in_a_read_only_home(shell: Shell, home: Path) -> None:
    mount = 'mount --bind "$HOME" "$HOME"; mount -o remount,ro,bind "$HOME"; cd "$HOME"'
    build = f"docker build {BUILD.replace('=out', '=../out')}"
    shell(f"unshare --mount sh -ec '{mount}; ! touch x 2>/dev/null; {build}'")
    assert (home / "../out/built").read_text() == "secret content"
    assert not (home / ".docker/buildx").exists()


def test_a_context_in_use_is_exported_by_its_name(shell: Shell, home: Path) -> None:
    shell('docker context create own --docker "host=$DOCKER_HOST"; docker context use own')
    assert shell('echo "$DOCKER_CONTEXT ${DOCKER_HOST-}"', again=True) == "own \n"
    shell(f"docker build {BUILD}", again=True)
    assert (home / "out/built").exists()
