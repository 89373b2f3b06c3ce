"""The workflows: actions pinned by commit, no permission too many, only options that the tasks have."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.selection import select_images
from bakery.plan.matrix import LARGEST, github_matrix
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
def test_nothing_is_permitted_but_by_a_job_and_nobody_keeps_the_token(file: Path) -> None:
    text = file.read_text()
    assert "\npermissions: {}\n" in text
    assert "permissions: write-all" not in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


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
    jobs = github_matrix(images)["include"]
    assert len(jobs) <= LARGEST
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
