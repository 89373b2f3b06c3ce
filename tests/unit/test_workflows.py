"""The workflows: actions pinned by commit, no unnecessary permissions, only options that the tasks have."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.errors import InputError
from bakery.plan import github_matrix
from bakery.platforms import parse_platforms

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit_and_say_which_version_that_is(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = {one for file in FILES for one in re.findall(r"uses: (\S+)", file.read_text())}
    assert len({one.partition("@")[0] for one in used}) == len(used)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_permissions_are_granted_by_jobs_only_and_no_checkout_keeps_the_token(file: Path) -> None:
    text = file.read_text()
    assert "\npermissions: {}\n" in text
    assert "permissions: write-all" not in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_script_contains_values_of_an_event_and_no_event_runs_foreign_code_with_a_token(file: Path) -> None:
    """GitHub inserts ``${{ }}`` into a script before bash reads it, so a title could be a command."""
    text = file.read_text()
    scripts = re.findall(r"(?m)^( *)(?:- )?run: (?:\|\n((?:\1 .*\n|\n)+)|(.*))", text)
    assert scripts and not any("${{" in block + line for _, block, line in scripts)
    assert "pull_request_target" not in text and "workflow_run" not in text


def jobs(file: Path) -> dict[str, str]:
    """The text of each job by its name."""
    parts = re.split(r"(?m)^  ([a-z]+):\n", file.read_text().partition("\njobs:\n")[2])
    return dict(zip(parts[1::2], parts[2::2], strict=True))


RELEASE, NIGHTLY = jobs(ROOT / ".github/workflows/release.yml"), jobs(ROOT / ".github/workflows/nightly.yml")
REQUIREMENTS = ROOT / ".github/requirements.txt"


@pytest.mark.parametrize("text", [*RELEASE.values(), *NIGHTLY.values()], ids=[*RELEASE, *NIGHTLY])
def test_jobs_that_write_install_only_locked_packages(text: str) -> None:
    installs = re.findall(r"(?:pip|uv|npm|apt-get|curl).*", re.sub(r"(?m)^\s*#.*|name:.*", "", text))
    locked = "pip install --quiet --require-hashes --only-binary=:all: --requirement=.github/requirements.txt"
    assert {line.strip('"') for line in installs if "install" in line or "curl" in line} <= {locked}


def test_the_locked_packages_are_those_that_this_project_needs_and_have_hashes() -> None:
    lines = [line for line in REQUIREMENTS.read_text().replace("\\\n", "").splitlines() if line[0] != "#"]
    assert [line for line in lines if " --hash=sha256:" not in line] == []
    pins = {}
    for line in lines:
        pin = Requirement(line.partition(" --hash")[0])
        (version,) = pin.specifier
        assert version.operator == "=="
        pins[canonicalize_name(pin.name)] = version.version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"]["sigstore"]):
        needed = Requirement(text)
        assert needed.specifier.contains(pins[canonicalize_name(needed.name)]), f"{text}: update {REQUIREMENTS.name}"


def test_only_the_main_branch_signs_and_moves_tags_in_a_protected_environment() -> None:
    signing = {name for name, text in RELEASE.items() if "inv push" in text and "--sign" in text}
    assert signing == {name for name, text in RELEASE.items() if "id-token: write # for keyless" in text} == {"publish"}
    identified = {name for name, text in RELEASE.items() if "id-token: write" in text}
    assert identified == {"publish", *(name for name, text in RELEASE.items() if "actions/deploy-pages@" in text)}
    assert not any("--sign" in text or "--merge" in text or "id-token" in text for text in NIGHTLY.values())
    assert "\n    environment: release" in RELEASE["publish"]
    for name in ("plan", "publish"):
        assert "\n    if: github.ref == 'refs/heads/main'\n" in RELEASE[name]
    assert "\n    needs: plan\n" in RELEASE["build"]


def test_releases_are_built_from_the_whole_history() -> None:
    assert "fetch-depth: 0" in RELEASE["build"]


def test_dependabot_updates_actions_and_locked_packages() -> None:
    text = (ROOT / ".github/dependabot.yml").read_text()
    updated = re.findall(r"package-ecosystem: (\S+)\n    directory: (\S+)", text)
    assert updated == [("github-actions", "/"), ("pip", "/.github")]


def script_of(job: str, step: str) -> str:
    """The shell script of a step."""
    block = job.partition(f"name: {step}")[2].partition("run: |\n")[2]
    lines = itertools.takewhile(lambda line: not line or line.startswith(" " * 10), block.splitlines())
    return "\n".join(line[10:] for line in lines)


def run_step(folder: Path, script: str, inv: str, **environment: str) -> tuple[int, dict[str, str]]:
    """Run a step with ``inv`` as the program's script; returns its exit code and outputs."""
    program, output = folder / "inv", folder / "output"
    program.write_text(f"#!/bin/sh\n{inv}\n")
    program.chmod(0o755)
    settings = {
        "PATH": f"{folder}:{os.environ['PATH']}", "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"), **environment,
    }  # fmt: skip
    output.touch()
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=settings, cwd=folder, check=False)
    return done.returncode, dict(line.split("=", 1) for line in output.read_text().splitlines())


needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="the runners have jq")


@needs_jq
@pytest.mark.parametrize(
    ("code", "rows", "outputs"),
    [
        (0, [], {"code": "0", "images": ""}),
        (3, None, {"code": "0", "images": ""}),
        (2, [("3.13.15-minimal-bookworm", "bookworm")], {"code": "2", "images": "3.13.15:bookworm"}),
        (2, None, {"code": "2", "images": ""}),
        (
            0,
            [("3.13.15-bookworm", "bookworm"), ("3.13.15-minimal-bookworm", "bookworm"), ("3.12.9-noble", "noble")],
            {"code": "0", "images": "3.12.9:noble 3.13.15:bookworm"},
        ),
    ],
)
def test_the_nightly_workflow_releases_outdated_images_and_fails_if_one_could_not_be_checked(
    tmp_path: Path, code: int, rows: list[tuple[str, str]] | None, outputs: dict[str, str]
) -> None:
    text = "" if rows is None else json.dumps([{"image": image, "target": target} for image, target in rows])
    script = script_of(NIGHTLY["outdated"], "Compare published images")
    assert run_step(tmp_path, script, f"echo '{text}'\nexit {code}", REPOSITORY="r.example/Python") == (0, outputs)
    job = NIGHTLY["outdated"]
    assert "if: steps.outdated.outputs.images != ''" in job
    assert "if: steps.outdated.outputs.code != '0'" in job.partition("Fail if something could not be checked")[2]


@needs_jq
@pytest.mark.parametrize(
    ("owner", "code", "printed"), [("Infra7", 0, "ghcr.io/infra7/python\n"), ("infra", 1, ""), ("someone", 1, "")]
)
def test_workflows_publish_under_the_catalogs_name_which_a_fork_has_to_change(
    tmp_path: Path, catalog: Catalog, owner: str, code: int, printed: str
) -> None:
    program = tmp_path / "inv"
    program.write_text(f"#!/bin/sh\necho '{json.dumps([{'repository': catalog.repository}])}'\n")
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_REPOSITORY_OWNER": owner}
    command = [ROOT / ".github/repository"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, printed)
    assert ("shared/catalog.toml" in done.stderr) == bool(code)
    for job in (RELEASE["build"], RELEASE["publish"], NIGHTLY["outdated"]):
        assert "$(.github/repository)" in job
        assert "ghcr.io/" not in job


@needs_jq
def test_the_release_plans_only_the_images_that_are_outdated(tmp_path: Path) -> None:
    inv = 'echo "{\\"include\\":[{\\"name\\":\\"$3$4\\"}]}"'
    script = script_of(RELEASE["plan"].replace("- id: plan", "- name: matrix"), "matrix")
    (code, outputs) = run_step(tmp_path, script, inv, IMAGES="3.13:bookworm 3.12:noble", VERSION="", TARGET="")
    names = [job["name"] for job in json.loads(outputs["matrix"])["include"]]
    assert (code, names) == (0, ["--version=3.12--target=noble", "--version=3.13--target=bookworm"])
    (tmp_path / "output").unlink()
    (code, outputs) = run_step(tmp_path, script, inv, IMAGES="", VERSION="3.13", TARGET="")
    assert [job["name"] for job in json.loads(outputs["matrix"])["include"]] == ["--version=3.13--target="]


def test_a_release_that_fails_verification_does_not_keep_others_out_of_the_pull_request(tmp_path: Path) -> None:
    script = script_of(NIGHTLY["update"], "Find, verify and pin")
    code, outputs = run_step(tmp_path, script, "echo left out >&2; exit 1")
    assert (code, outputs) == (0, {"code": "1"})
    assert (tmp_path / "update.txt").read_text() == "left out\n", "the pull request says it"
    order = [NIGHTLY["update"].index(text) for text in ("id: update", "gh pr create", "outputs.code != '0'")]
    assert order == sorted(order)


@pytest.mark.parametrize(("lines", "cut"), [(1, False), (100, False), (20_000, True)])
def test_a_long_report_of_an_update_is_cut_to_what_github_accepts(tmp_path: Path, lines: int, cut: bool) -> None:
    """gh fails for more than 65,536 characters."""
    (tmp_path / "update.txt").write_text("a line\n" * lines)
    for name in ("git", "gh"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>calls; [ "$1" != diff ] && [ "$2" != create ]\n')
        (tmp_path / name).chmod(0o755)
    script = script_of(NIGHTLY["update"], "Open a pull request")
    run = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "infra7/python", "GITHUB_RUN_ID": "5"}
    assert run_step(tmp_path, script, "", BASE="main", **run) == (0, {"changed": "true"})
    body, calls = (tmp_path / "body.md").read_text(), (tmp_path / "calls").read_text()
    assert len(body) < 65_536 and body.startswith("```\na line\n")
    assert [line[:13] for line in calls.splitlines()[-2:]] == ["gh pr create ", "gh pr edit ni"]
    if cut:
        assert body.endswith("\n```\nTruncated. Full text: https://github.com/infra7/python/actions/runs/5\n")
    else:
        assert body == "\n".join(["```", *["a line"] * lines, "", "```", ""])


def test_logs_that_contain_the_token_are_not_uploaded(tmp_path: Path) -> None:
    logs = tmp_path / "build" / "logs"
    logs.mkdir(parents=True)
    (logs / "a b.log").write_text("password s3cret\n")
    (logs / "good.log").write_text("nothing\n")
    script = script_of(RELEASE["build"], "Withhold logs")
    assert run_step(tmp_path, script, "", TOKEN="s3cret")[0] == 0
    assert [file.name for file in logs.iterdir()] == ["good.log"]
    assert run_step(tmp_path, script, "", TOKEN="s3cret")[0] == 0
    assert RELEASE["build"].index("Withhold logs") < RELEASE["build"].index("path: build/logs")


@pytest.mark.parametrize("verb", ["plan", "build", "test", "push", "doctor", "update", "readme", "outdated"])
def test_the_tasks_have_the_options_that_workflows_use(verb: str) -> None:
    lines = [line for file in FILES for line in file.read_text().splitlines() if re.search(rf"\binv {verb}\b", line)]
    assert lines
    done = subprocess.run(
        [sys.executable, "-m", "invoke", verb, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in {one for line in lines for one in re.findall(r"--[a-z-]+", line.partition("inv ")[2])}:
        assert f"{option}=" in done.stdout or f"{option}\n" in done.stdout or f"{option} " in done.stdout, option


def test_the_whole_matrix_fits_and_each_job_has_all_variants_of_one_compilation(catalog: Catalog) -> None:
    images = [
        image
        for platform in parse_platforms(catalog.platforms, ["amd64", "arm64"])
        for image in select_images(catalog, everything=True, platform=platform)
    ]
    jobs = json.loads(github_matrix(images))["include"]
    assert len(jobs) <= 256
    assert len({job["name"] for job in jobs}) == len(jobs)
    assert sum(len(job["variant"].split(",")) for job in jobs) == len(images)
    assert {(job["platform"], job["runner"]) for job in jobs} == {
        ("linux/amd64", "ubuntu-24.04"),
        ("linux/arm64", "ubuntu-24.04-arm"),
    }


def test_the_matrix_is_one_line_of_json(image: Callable[..., Image]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "plan", "--version=3.13", "--platform=arm64", "--format=github"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (job,) = json.loads(done.stdout)["include"]
    assert done.stdout.count("\n") == 1
    assert (job["name"], job["variant"]) == (f"{image('3.13').version}-bookworm-arm64", "default")


def test_a_source_tree_has_no_matrix(catalog: Catalog, image: Callable[..., Image]) -> None:
    built = image("3.13")
    with pytest.raises(InputError, match="--format=github takes no --source"):
        github_matrix([replace(built, pin=replace(built.pin, local="a folder"))])
