"""The commands as a user types them: exit codes, messages without tracebacks, and only results on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.loader import FilesystemLoader

from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.catalog.tags import tags_of
from bakery.display.tables import FORMATS
from bakery.errors import listed

from .conftest import Run

OPTIONS = {
    "bench": "against applications clock cpu full image memory only operations rounds source target version max-rounds "
    "html threads",
    "build": "all apt-mirror base builder builder-id ca-bundle cache-from cache-to compression dry format jobs "
    "mirror no-cache packages platform print quick refresh source target train variant version",
    "clean": "all bases cache dry engine environments images layers logs sources",
    "compare": "against all brief check format html repository source target variant version",
    "differences": "against format record source target variant version",
    "doctor": "builder ca-bundle format",
    "engine.down": "",
    "engine.env": "",
    "engine.status": "format",
    "engine.up": "",
    "images": "format mirror releases source target variant version",
    "outdated": "apt-mirror base builder ca-bundle check format platform refresh repository source "
    "target variant version",
    "plan": "all base format platform quick source target variant version",
    "profile": "base dry mirror no-cache source stale target version",
    "push": "all ca-bundle digests dry force format key merge platform repository sign stamp "
    "source target variant version",
    "readme": "check record",
    "reference": "base format mirror no-cache source target version",
    "regrtest": "base format jobs mirror only quick source target version",
    "sbom": "format mirror output source target variant version",
    "site": "output",
    "startup": "against cpu fresh-engine image pull rounds source target version html",
    "tags": "all format source target variant version",
    "test": "all base format k mirror platform quick source target variant version",
    "update": "check target version",
    "vulnerabilities": "bill check format tracker",
    "verify": "all apt-mirror base ca-bundle format image mirror packages platform quick source target variant version",
}  # fmt: skip
"""The options of each command."""


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (["build", "--version=3.99"], 2, ["InputError: unknown version '3.99'", "Did you mean 3.9"]),
        (["build", "--version=3.13", "--target=bookwrm"], 2, ["unknown target 'bookwrm'", "Did you mean bookworm?"]),
        (["test", "--version=3.13.99"], 2, ["release 3.13.99 is not pinned", "3.13.15"]),
        (["build", "--version=3.13", "--variant=minimum"], 2, ["unknown variant 'minimum'", "Did you mean minimal"]),
        (["build", "--version=3.13", "--compression=lz4"], 2, ["unknown compression 'lz4'", "Available: gzip"]),
        (["build"], 3, ["NothingSelected", "--version", "--all"]),
        (["bild"], 2, ["InputError: unknown argument 'bild'", "`inv --list` lists all tasks."]),
        (["build", "--versoin=3.13"], 2, ["unknown argument '--versoin'", "`inv build --help` lists its options"]),
        (["build", "3.13"], 2, ["unknown argument '3.13'", "`inv build --help` lists its options"]),
        (["plan", "--source=a", "--source=b"], 2, ["unknown argument 'b' after --source, which takes one value"]),
        (["build", "--version=3.13", "--cache-to"], 2, ["--cache-to needs a value", "`inv build --help`"]),
        (["tags", "--version"], 2, ["--version needs a value"]),
        (["test", "-k"], 2, ["InputError: -k needs a value"]),
        (["plan", "--version=3.13", "--platform"], 2, ["--platform needs a value"]),
        (["plan", "--version=3.13", "--platform=amd64", "--platform"], 2, ["--platform needs a value"]),
        (["plan", "--version=3.13", "--platform", "amd64", "--platform", "--quick"], 2, ["--platform needs a value"]),
        (["build", "--version=3.13", "--format=yaml"], 2, ["unknown format 'yaml'", "Expected table, markdown"]),
        (["compare", "--version=3.13", "--format=yaml"], 2, ["unknown format 'yaml'"]),
        (["compare", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
        (["plan", "--version=3.13", "--base=./nowhere"], 2, ["--base=./nowhere: no such file or folder"]),
        (["profile", "--version=3.13", "--target=bookworm,jammy", "--dry"], 2, ["3.13.15-jammy is compiled with gcc"]),
        (["profile", "--version=3.13", "--target=bookworm,jammy"], 2, ["3.13.15-jammy is compiled with gcc"]),
        (["clean"], 3, ["nothing to remove was selected", "--sources", "--all"]),
        (["engine.status", "--format=yaml"], 2, ["unknown format 'yaml'", "text or json"]),
        (["sbom"], 3, ["NothingSelected", "--version"]),
        (["sbom", "--version=3.13,3.12", "--output=x"], 2, ["a document describes one image"]),
        (["sbom", "--version=3.13,3.12"], 2, ["a document describes one image", "--target and --variant"]),
        (["sbom", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
        (["outdated", "--format=yaml"], 2, ["unknown format 'yaml'"]),
        (["build", "--version=3.13", "--builder-id=https://me:x@ci.test/"], 2, ["--builder-id", "contains a login"]),
        (["build", "--version=3.13", "--builder-id=ghp_0123456789"], 2, ["--builder-id", "is not a URI"]),
        (["build", "--version=3.13"], 1, ["the Docker engine at tcp://127.0.0.1:1 (DOCKER_HOST) does not answer"]),
    ],
)
def test_a_mistake_is_reported_with_its_exit_code_and_what_to_do(
    inv: Run, tmp_path: Path, arguments: list[str], code: int, messages: list[str]
) -> None:
    done = inv(*arguments, DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == code, done.stderr
    for message in messages:
        assert message in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["doctor"], {"https_proxy": "http://user:pa S3cr3t@127.0.0.1:1"}),
        (["doctor", "--format=json"], {"https_proxy": "http://user:pa S3cr3t@127.0.0.1:1"}),
        (["engine.status"], {"DOCKER_HOST": "tcp://user:pa S3cr3t@127.0.0.1:1"}),
        (["vulnerabilities", "--bill=http://user:S3 cr3t@127.0.0.1:1/x"], {}),
        (["vulnerabilities", "--bill=http://127.0.0.1:1/x?pass=S3cr3t w0rd"], {}),
        (["vulnerabilities", "--bill=ftp://user S3cr3t@h"], {}),
        (["verify", f"--image=https://user:S3cr3t{'x' * 360}@h/x"], {}),
        (["push", "--version=3.13", f"--repository=user:S3cr3t {'x' * 360}@h/x"], {}),
    ],
)
def test_no_login_and_no_query_string_of_the_user_is_printed(
    inv: Run, arguments: list[str], variables: dict[str, str]
) -> None:
    done = inv(*arguments, **{"DOCKER_HOST": "tcp://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", **variables})
    assert not [part for part in ("S3", "cr3t", "w0rd", "xxx") if part in done.stdout + done.stderr]
    assert done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["test", "regrtest"])
def test_an_unknown_format_is_rejected_before_tests_run(inv: Run, verb: str) -> None:
    done = inv(verb, "--version=3.13", "--format=yaml", DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 2


def test_a_table_can_be_printed_in_ascii(inv: Run) -> None:
    assert inv("tags", "--version=3.13", PYTHONIOENCODING="ascii").returncode == 0


def test_plan_and_build_print_are_the_same_and_change_nothing(inv: Run, tmp_path: Path, catalog: Catalog) -> None:
    arguments = ["--version=3.13,3.12.13", "--version", "3.13", "--target=jammy,bookworm", "--quick"]
    done = inv("plan", *arguments)
    assert inv("build", "--print", *arguments).stdout == done.stdout
    assert done.returncode == 0 and done.stderr == ""
    plan = json.loads(done.stdout)
    names = ["3_13_15-jammy", "3_13_15-bookworm", "3_12_13-jammy", "3_12_13-bookworm"]
    assert plan["group"]["default"]["targets"] == [f"python-{name}" for name in names]
    target = plan["target"]["python-3_13_15-bookworm"]
    (bookworm,) = (target for target in catalog.targets if target.name == "bookworm")
    assert target["contexts"]["base"].startswith("docker-image://debian:bookworm-slim@sha256:")
    assert target["contexts"]["base"].rpartition("@")[2] in bookworm.base.digests.values()
    assert target["contexts"]["source"] == str(tmp_path / "home" / "sources" / "3.13.15")
    assert target["args"]["PGO"] == "0"
    assert "network" not in target
    assert not (tmp_path / "home").exists()


def test_build_dry_lists_what_would_be_built_and_changes_nothing(inv: Run, tmp_path: Path) -> None:
    done = inv("build", "--dry", "--version=3.14", "--format=json", DOCKER_HOST="tcp://127.0.0.1:1")
    assert done.returncode == 0
    (row,) = json.loads(done.stdout)
    assert row["image"] == "3.14.6-bookworm"
    assert "latest" in row["tags"]
    assert not (tmp_path / "home").exists()


def test_tags_lists_all_images_by_default(inv: Run, catalog: Catalog) -> None:
    done = inv("tags", "--format=json")
    assert done.returncode == 0
    expected = {image.name: list(tags_of(catalog, image)) for image in select_images(catalog, everything=True)}
    assert {row["image"]: row["tags"] for row in json.loads(done.stdout)} == expected


def test_images_lists_each_series_and_with_a_version_each_variant_on_each_target(inv: Run, catalog: Catalog) -> None:
    done = inv("images")
    assert done.returncode == 0
    heading, _, *lines = done.stdout.splitlines()
    assert heading.split()[:4] == ["series", "release", "status", "until"]
    assert [line.split()[0] for line in lines] == [series.name for series in catalog.series]
    done = inv("images", "--version=3.13")
    heading, _, *lines = done.stdout.splitlines()
    assert heading.split()[:4] == ["image", "series", "status", "until"]
    assert len(lines) == len(catalog.targets) * len(catalog.variants)
    assert done.stdout == "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    rows = json.loads(inv("images", "--format=json").stdout)
    assert len(rows) == len(catalog.series) * len(catalog.targets) * len(catalog.variants)


def test_images_releases_lists_the_pinned_releases(inv: Run, catalog: Catalog) -> None:
    done = inv("images", "--releases", "--version=3.15", "--format=json")
    assert done.returncode == 0
    (series,) = (series for series in catalog.series if series.name == "3.15")
    assert [(row["release"], row["sha256"]) for row in json.loads(done.stdout)] == [
        (pin.release, pin.sha256) for pin in series.pins
    ]


def test_clean_dry_lists_what_would_be_removed_and_removes_nothing(inv: Run, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "sources" / "3.13.5"
    folder.mkdir(parents=True)
    (tmp_path / "home" / "bases").mkdir()
    (tmp_path / "home" / "layers").mkdir()
    (mine := tmp_path / "home" / "layers" / "\x1b[31mmine").touch()
    assert "\x1b" not in inv("clean", "--layers").stdout and mine.exists()
    done = inv("clean", "--sources", "--dry")
    assert done.stdout.splitlines() == [f"would remove sources: {folder.parent}"]
    assert folder.exists()
    done = inv("clean", "--sources")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"removing sources: {folder.parent}"])
    assert not folder.exists()
    assert (tmp_path / "home" / "bases").exists()


@pytest.fixture
def collection(monkeypatch: pytest.MonkeyPatch, root: Path) -> Collection:
    """The tasks as Invoke loads them."""
    monkeypatch.syspath_prepend(str(root))
    module, _ = FilesystemLoader(start=str(root)).load("tasks")
    return Collection.from_module(module)


def test_the_list_has_every_command_with_its_description(inv: Run, collection: Collection) -> None:
    done = inv("--list")
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert len(collection.task_names) >= 24
    for name in collection.task_names:
        assert f"\n  {name} " in done.stdout
        assert f" {name} {collection[name].__doc__.strip()} " in f"{text} "


def test_every_command_and_option_has_help_and_no_option_has_a_short_form(inv: Run, collection: Collection) -> None:
    for name in collection.task_names:
        task = collection[name]
        assert task.__doc__ and "\n" not in task.__doc__.strip(), f"{name}: one line for --list"
        assert task.__doc__.strip().endswith("."), name
        arguments = task.get_arguments()
        for argument in arguments:
            assert argument.help, f"{name} --{argument.name}"
            assert not [short for short in argument.names if len(short) == 1 and short != argument.name], name


def test_the_options_of_every_command_are_those_of_its_released_interface(collection: Collection) -> None:
    """Users' scripts depend on these names; a new option is added to OPTIONS."""
    options = {
        name: {argument.names[0] for argument in collection[name].get_arguments()} for name in collection.task_names
    }
    assert options == {name: set(names.split()) for name, names in OPTIONS.items()}


@pytest.mark.parametrize(("arguments", "code"), [(["--list"], 0), (["images"], 0), (["build", "--version=3.99"], 2)])
def test_pythoninspect_changes_no_exit_code(inv: Run, arguments: list[str], code: int) -> None:
    assert inv(*arguments, PYTHONINSPECT="1").returncode == code


def test_every_format_is_offered_and_accepted(inv: Run) -> None:
    done = inv("tags", "--help")
    assert listed(FORMATS) in " ".join(done.stdout.split())
    for form in FORMATS:
        assert inv("tags", "--version=3.13", f"--format={form}").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--version=3.13", "--jobs=0"], "--jobs=0: expected a number, 1 or more"),
        (["bench", "--version=3.13", "--rounds=abc"], "--rounds=abc: expected a number, 1 or more"),
        (["bench", "--version=3.13", "--rounds=0"], "--rounds=0: expected a number, 1 or more"),
        (["bench", "--version=3.13", "--clock=sun"], "unknown clock 'sun'\n  Expected wall or cpu."),
        (["startup", "--version=3.13", "--cpu=first"], "--cpu=first: expected a number, 0 or more"),
        (["regrtest", "--version=3.13", "--jobs=-1"], "--jobs=-1: expected a number, 0 or more"),
        (["plan", "--version=3.13", "--format=json"], "unknown format 'json'"),
        (["build", "--dry", "--version=3.13", "--compression=lz4"], "unknown compression 'lz4'"),
    ],
)
def test_numbers_and_choices_are_checked_before_anything_starts(inv: Run, arguments: list[str], message: str) -> None:
    done = inv(*arguments, DOCKER_HOST="tcp://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("push --version=3.13 --sign --digests=a", "--sign cannot be combined with --digests"),
        ("push --version=3.13 --key=/nonexistent", "--key has no effect without --sign"),
        (
            "push --merge=a --digests=b --stamp=x --platform=amd64",
            "--merge cannot be combined with --platform --stamp --d",
        ),
        ("bench --image=a:1 --against=b:1 --target=bogus", "--image with --against already says which images"),
        ("startup --image=a:1 --against=b:1 --source=/nonexistent", "--image with --against already says which images"),
        ("bench --version=3.13 --applications --threads", "--applications cannot be combined with --threads"),
        ("bench --version=3.13 --threads --clock=cpu --cpu=1", "--threads cannot be combined with --cpu --clock"),
        ("bench --version=3.13 --memory --full", "--memory cannot be combined with --full"),
        ("verify --image=a:1 --quick", "--quick cannot be combined with --image"),
        ("images --releases --target=jammy --source=x", "--releases cannot be combined with --target --source"),
        ("images --mirror=/x", "--mirror has no effect without --releases"),
        ("build --version=3.13 --print --dry", "--print cannot be combined with --dry"),
        ("build --version=3.13 --print --format=json", "--print cannot be combined with --format"),
        ("build --version=3.13 --train --quick", "--train cannot be combined with --quick"),
        ("readme --check --record", "--record cannot be combined with --check"),
        ("differences --version=3.13 --against=a:1 --record", "--record cannot be combined with --against"),
        ("sbom --version=3.13 --output=a --format=table", "--output cannot be combined with --format"),
        ("outdated --repository=r --platform=amd64", "--repository cannot be combined with --platform"),
        ("vulnerabilities --bill=a", "--tracker is missing"),
        ("vulnerabilities --tracker=a", "--bill is missing"),
    ],
)
def test_an_option_that_would_be_ignored_is_rejected(inv: Run, line: str, message: str) -> None:
    done = inv(*line.split(), DOCKER_HOST="tcp://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("build --cache-to=type=s3,secret_access_key=x", "--cache-to and --cache-from must not contain keys"),
        ("build --dry --cache-to=type=s3,secret_access_key=x", "--cache-to and --cache-from must not contain keys"),
        ("build --dry --ca-bundle=/dev/null", "--ca-bundle=/dev/null: expected a file with CA certificates"),
        ("build --print --packages=/nonexistent", "--packages=/nonexistent: not a resolution"),
        ("test --base=/nonexistent", "--base=/nonexistent: no such file or folder"),
        ("build --base=/dev/null", "--base=/dev/null: expected a file or a folder"),
        ("outdated --apt-mirror=http://h/{x}", "--apt-mirror is not a URL that apt can use"),
        ("outdated --builder=--bootstrap", "--builder=--bootstrap: expected letters, digits"),
        ("bench --html=/dev/full", "--html=/dev/full: /dev/full is a device: expected a regular file"),
        ("compare --html=/proc/x.html", "--html=/proc/x.html cannot be written: No such file or directory"),
        ("push --digests=/etc/passwd/x", "--digests=/etc/passwd/x cannot be written: Not a directory"),
        (f"push --digests={'n' * 250}", f"--digests={'n' * 250} cannot be written: File name too long"),
        ("startup --fresh-engine=zfs", "unknown fresh-engine 'zfs'\n  Expected containerd or overlay2."),
    ],
)
def test_a_mistake_is_reported_before_the_tool_looks_for_an_engine(
    inv: Run, tmp_path: Path, line: str, message: str
) -> None:
    done = inv(*line.split(), "--version=3.13", DOCKER_HOST="tcp://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_builder_whose_name_is_an_option_of_buildx_is_rejected(inv: Run) -> None:
    done = inv("doctor", "--builder=--help")
    assert done.returncode == 2
    assert "--builder=--help: expected letters, digits and _ . + -" in done.stderr
