"""The commands as a user types them: exit codes, messages without tracebacks, and results on stdout alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.catalog.tags import tags_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def inv(root: Path, tmp_path: Path) -> Run:
    """Runs `inv` in the repository, with a cache of the test's own and without any engine of the user's."""

    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        home = {"BAKERY_HOME": str(tmp_path / "home"), "NO_COLOR": "1", **extra}
        done = subprocess.run(
            [sys.executable, "-m", "invoke", *arguments],
            cwd=root, env={**os.environ, **home}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["build", "--version=3.99"], 2, ["InputError: unknown version '3.99'", "Did you mean 3.9"]),
        (["build", "--version=3.13", "--target=bookwrm"], 2, ["unknown target 'bookwrm'", "Did you mean bookworm?"]),
        (["test", "--version=3.13.99"], 2, ["release 3.13.99 is not pinned", "3.13.15"]),
        (["build", "--version=3.13", "--variant=minimum"], 2, ["unknown variant 'minimum'", "Did you mean minimal"]),
        (["build", "--version=3.13", "--compression=lz4"], 2, ["unknown compression 'lz4'", "There are: gzip"]),
        (["build"], 3, ["NothingSelected", "--version", "--all"]),
        (["build", "--version=3.13", "--format=yaml"], 2, ["unknown format 'yaml'", "Expected table, markdown"]),
        (["compare", "--version=3.13", "--format=yaml"], 2, ["unknown format 'yaml'"]),
        (["compare", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
        (["plan", "--version=3.13", "--base=./nowhere"], 2, ["--base=./nowhere: no such file or folder"]),
        (["clean"], 3, ["nothing to remove was selected", "--sources", "--all"]),
        (["engine.status", "--format=yaml"], 2, ["unknown format 'yaml'", "text or json"]),
        (["sbom"], 3, ["NothingSelected", "--version"]),
        (["sbom", "--version=3.13,3.12", "--output=x"], 2, ["--output takes the document of one image"]),
        (["sbom", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
        (["outdated", "--format=yaml"], 2, ["unknown format 'yaml'"]),
        (["build", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
    ],
)
def test_a_mistake_has_its_exit_code_and_says_what_to_do(
    inv: Run, tmp_path: Path, arguments: list[str], code: int, said: list[str]
) -> None:
    done = inv(*arguments, DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == code, done.stderr
    for words in said:
        assert words in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("verb", ["test", "regrtest"])
def test_a_test_run_with_an_unknown_format_is_refused_before_it_begins(inv: Run, verb: str) -> None:
    done = inv(verb, "--version=3.13", "--format=yaml", DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 2


def test_a_table_can_be_printed_where_stdout_is_ascii(inv: Run) -> None:
    assert inv("tags", "--version=3.13", PYTHONIOENCODING="ascii").returncode == 0


def test_plan_and_build_print_mean_the_same_and_touch_nothing(inv: Run, tmp_path: Path, catalog: Catalog) -> None:
    arguments = ["--version=3.13,3.12.13", "--version", "3.13", "--target=jammy,bookworm", "--quick"]
    done = inv("plan", *arguments)
    assert inv("build", "--print", *arguments).stdout == done.stdout
    assert done.returncode == 0 and done.stderr == ""
    plan = json.loads(done.stdout)
    names = ["3_13_15-jammy", "3_13_15-bookworm", "3_12_13-jammy", "3_12_13-bookworm"]
    assert plan["group"]["default"]["targets"] == [f"python-{name}" for name in names]
    target = plan["target"]["python-3_13_15-bookworm"]
    (bookworm,) = (one for one in catalog.targets if one.name == "bookworm")
    assert target["contexts"]["base"].startswith("docker-image://debian:bookworm-slim@sha256:")
    assert target["contexts"]["base"].rpartition("@")[2] in bookworm.base.digests.values()
    assert target["contexts"]["source"] == str(tmp_path / "home" / "sources" / "3.13.15")
    assert target["args"]["PGO"] == "0"
    assert "network" not in target
    assert not (tmp_path / "home").exists()


def test_build_dry_says_what_would_be_built_and_changes_nothing(inv: Run, tmp_path: Path) -> None:
    done = inv("build", "--dry", "--version=3.14", "--format=json", DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 0
    (row,) = json.loads(done.stdout)
    assert row["image"] == "3.14.6-bookworm"
    assert "latest" in row["tags"]
    assert not (tmp_path / "home").exists()


def test_tags_lists_every_image_where_none_is_named(inv: Run, catalog: Catalog) -> None:
    done = inv("tags", "--format=json")
    assert done.returncode == 0
    expected = {one.name: list(tags_of(catalog, one)) for one in select_images(catalog, everything=True)}
    assert {row["image"]: row["tags"] for row in json.loads(done.stdout)} == expected


def test_images_lists_each_variant_of_each_series_on_each_target(inv: Run, catalog: Catalog) -> None:
    done = inv("images")
    assert done.returncode == 0
    heading, _, *lines = done.stdout.splitlines()
    assert heading.split()[:4] == ["image", "series", "status", "until"]
    assert len(lines) == len(catalog.series) * len(catalog.targets) * len(catalog.variants)
    assert done.stdout == "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def test_images_releases_lists_what_is_pinned(inv: Run, catalog: Catalog) -> None:
    done = inv("images", "--releases", "--version=3.15", "--format=json")
    assert done.returncode == 0
    (series,) = (one for one in catalog.series if one.name == "3.15")
    assert [(row["release"], row["sha256"]) for row in json.loads(done.stdout)] == [
        (pin.release, pin.sha256) for pin in series.pins
    ]


def test_clean_dry_names_what_is_there_and_removes_nothing(inv: Run, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "sources" / "3.13.5"
    folder.mkdir(parents=True)
    (tmp_path / "home" / "bases").mkdir()
    done = inv("clean", "--sources", "--dry")
    assert done.stdout.splitlines() == [f"would remove sources: {folder.parent}"]
    assert folder.exists()
    done = inv("clean", "--sources")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"removing sources: {folder.parent}"])
    assert not folder.exists()
    assert (tmp_path / "home" / "bases").exists()


def test_the_list_names_every_command_with_one_line(inv: Run) -> None:
    done = inv("--list")
    assert done.returncode == 0
    for name in ("build", "test", "plan", "tags", "images", "clean"):
        assert f"\n  {name} " in done.stdout
    for name in ("engine.up", "engine.down", "engine.status", "engine.env"):
        assert f"\n  {name} " in done.stdout


def test_every_argument_has_a_help_text_and_no_letter_of_its_own(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    from invoke import Collection
    from invoke.loader import FilesystemLoader

    monkeypatch.setenv("BAKERY_HOME", "/nowhere")
    monkeypatch.syspath_prepend(str(root))
    module, _ = FilesystemLoader(start=str(root)).load("tasks")
    collection = Collection.from_module(module)
    assert len(collection.task_names) >= 10
    for name in collection.task_names:
        task = collection[name]
        assert task.__doc__ and "\n" not in task.__doc__.strip(), f"{name}: one line for --list"
        for argument in task.get_arguments():
            assert argument.help, f"{name} --{argument.name}"
            assert not [short for short in argument.names if len(short) == 1 and short != argument.name], name
