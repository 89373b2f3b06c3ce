"""Options as typed fields: what is parsed, what is rejected, and how a command is repeated in a hint."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.selection import on_platforms, select_images
from bakery.compression import Compression
from bakery.errors import BakeryError, InputError, NothingSelected
from bakery.machine.cleaning import KINDS
from bakery.options import (
    Building,
    Cleaning,
    Measuring,
    Output,
    Publishing,
    Scanning,
    Selection,
    as_typed,
    make_groups,
    option,
    options_of,
)
from bakery.platforms import Platform, host_platform
from bakery.workspace import Workspace


@dataclass(frozen=True)
class Group:
    """Options of every kind."""

    names: tuple[str, ...] = option((), "Names")
    caches: tuple[str, ...] = option((), "Caches", commas=False)
    count: int = option(6, "How many", minimum=1)
    form: str = option("short", "Form", choices=("short", "long"))
    store: str | None = option(None, "Store", bare="default")
    place: str | None = option(None, "Place", variable="BAKERY_TEST_PLACE")
    packing: Compression | None = option(None, "Packing", convert=lambda text: Compression(text, 1))
    flag: bool = option(False, "Flag", needs="count elsewhere", excludes="form names")
    file: str | None = option(None, "File", path="read", variable="BAKERY_TEST_FILE")
    files: tuple[str, ...] = option((), "Files", path="read")
    page: str | None = option(None, "Page", path="write")
    mirror: str | None = option(
        None, "Mirror", path="read", variable="BAKERY_TEST_MIRROR", schemes=("https", "http", "file")
    )


ALL = " ".join(item.name for item in fields(Group))


def parsed(**typed: object) -> Group:
    options = options_of([Group], ALL, {})
    absent = {name: [] if item.metadata["repeats"] else None for name, item in options.items()} | {"form": "short"}
    (group,) = make_groups([Group], options, absent | {"flag": False} | typed)
    assert isinstance(group, Group)
    return group


def test_options_that_are_not_given_have_their_defaults() -> None:
    assert parsed() == Group()


def test_repeated_values_are_split_at_commas_unless_the_option_forbids_it() -> None:
    group = parsed(names=["3.13,3.12", "3.12"], caches=["type=s3,name=x", "r"])
    assert group.names == ("3.13", "3.12")
    assert group.caches == ("type=s3,name=x", "r")


def test_numbers_values_without_an_argument_and_converted_values() -> None:
    group = parsed(count="12", store=True, packing="zstd")
    assert (group.count, group.store, group.packing) == (12, "default", Compression("zstd", 1))
    assert parsed(store="other").store == "other"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", ""])
def test_an_invalid_number_is_rejected(value: str) -> None:
    with pytest.raises(InputError, match=f"--count={value}: expected a number, 1 or more"):
        parsed(count=value)


def test_a_value_that_is_not_a_choice_is_rejected_with_the_choices() -> None:
    with pytest.raises(InputError, match="unknown form 'LONG'") as caught:
        parsed(form="LONG")
    assert caught.value.hint == "Expected short or long."


def test_an_environment_variable_is_read_if_the_option_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKERY_TEST_PLACE", "/there")
    assert parsed().place == "/there"
    assert parsed(place="/here").place == "/here"
    monkeypatch.setenv("BAKERY_TEST_PLACE", "")
    assert parsed().place is None


def test_paths_begin_with_the_users_home_for_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    group = parsed(file="~/a", files=["~/b,c", "~/d"], page="~/new/p.html")
    assert group.file == f"{tmp_path}/a"
    assert group.files == (f"{tmp_path}/b", "c", f"{tmp_path}/d")
    assert group.page == f"{tmp_path}/new/p.html"
    assert not list(tmp_path.iterdir()), "it is only checked that the page can be written"
    monkeypatch.setenv("BAKERY_TEST_FILE", "~/e")
    assert parsed().file == f"{tmp_path}/e"


def test_each_option_that_may_be_a_path_is_converted() -> None:
    groups = (Selection, Building, Measuring, Publishing, Output, Scanning)
    paths = {item.name for group in groups for item in fields(group) if "path" in item.metadata}
    expected = "base bill ca_bundle digests html key merge mirror output packages source tracker"
    assert " ".join(sorted(paths)) == expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"flag": True}, "--flag has no effect without --count\n"),
        ({"flag": True, "count": "6", "form": "long"}, "--flag cannot be combined with --form\n"),
        (
            {"flag": True, "count": "6", "form": "long", "names": ["a"]},
            "--flag cannot be combined with --form --names\n",
        ),
    ],
)
def test_an_option_without_effect_is_rejected(typed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parsed(**typed)
    assert "eave out --flag" in caught.value.hint
    assert parsed(flag=True, count="6", form="short").flag, "a default is not given, other commands' options are absent"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"pull": True, "cpu": "0"}, r"--pull cannot be combined with --cpu\n  Leave out --pull, or --cpu\."),
        ({"max_rounds": "9"}, r"--max-rounds=9: expected at least as many as --rounds=10\n  .* add --rounds=9\."),
        ({"rounds": "3", "max_rounds": "2"}, "--max-rounds=2: expected at least as many as --rounds=3"),
    ],
)
def test_an_option_of_a_measurement_without_effect_is_rejected(typed: dict[str, object], message: str) -> None:
    options = options_of([Measuring], "rounds max_rounds cpu pull", {})
    with pytest.raises(InputError, match=message):
        make_groups([Measuring], options, dict.fromkeys(options) | typed)
    (measuring,) = make_groups([Measuring], options, dict.fromkeys(options) | {"rounds": "3", "max_rounds": "3"})
    assert (measuring.rounds, measuring.max_rounds) == (3, 3)


def test_the_rules_about_other_options_name_options() -> None:
    groups = (Selection, Building, Measuring, Publishing, Output, Scanning, Cleaning)
    items = {item.name: item.metadata for group in groups for item in fields(group)}
    named = {name for rules in items.values() for key in ("needs", "excludes") for name in rules.get(key, "").split()}
    assert named <= items.keys()


def test_help_texts_name_choices_defaults_and_whether_an_option_repeats() -> None:
    texts = {name: item.metadata["help"] for name, item in options_of([Group], ALL, {}).items()}
    assert texts["form"] == "Form: short or long (default: short)"
    assert texts["names"] == "Names; repeat it, or separate values with commas"
    assert texts["caches"] == "Caches"


def test_a_command_selects_options_and_changes_help_texts_and_rules() -> None:
    options = options_of([Group], "count form", {"count": "Another text", "form": option("a", "F", choices=("a", "b"))})
    assert list(options) == ["count", "form"]
    assert options["count"].metadata["help"] == "Another text"
    assert options["count"].metadata["minimum"] == 1
    assert options["form"].metadata["choices"] == ("a", "b")


def test_a_hint_repeats_the_users_options_except_the_version() -> None:
    selection = Selection(version=("3.13.99",), target=("jammy", "noble"), all=True)
    building = Building(mirror="/a b/{c}", quick=True, no_cache=True, compression=Compression("zstd", 3))
    command = as_typed("build", selection, building)
    assert command.format(version="3.13.5") == (
        "inv build --target=jammy --target=noble '--mirror=/a b/{c}' --quick --compression=zstd:3 --version=3.13.5"
    )


def test_the_selection_covers_each_platform_and_local_tags_name_other_architectures(workspace: Workspace) -> None:
    _, images = Selection(version=("3.13",), platform=["amd64", "arm64"]).select(workspace.root)  # type: ignore[arg-type]
    assert [image.platform for image in images] == ["linux/amd64", "linux/arm64"]
    assert [image.local for image in images if image.platform == host_platform()] == [""]
    assert [image.local for image in images if image.platform != host_platform()] != [""]


def test_without_platforms_images_are_for_this_machine(catalog: Catalog) -> None:
    images = select_images(catalog, ["3.13", "3.12"])
    assert on_platforms(images, []) == images
    other = on_platforms(images, [Platform("linux/riscv64")])
    assert {(image.platform, image.local) for image in other} == {("linux/riscv64", "riscv64")}


def test_a_selection_without_a_version_is_rejected_unless_everything_is_selected(workspace: Workspace) -> None:
    with pytest.raises(NothingSelected):
        Selection().select(workspace.root)
    catalog, images = Selection(all=True).select(workspace.root)
    assert images == Selection().select(workspace.root, everything=True)[1] == select_images(catalog, everything=True)


@pytest.mark.parametrize(("names", "offered"), [("version all", True), ("version", False)])
def test_all_is_suggested_only_by_commands_that_have_it(workspace: Workspace, names: str, offered: bool) -> None:
    options = options_of([Selection], names, {})
    (selection,) = make_groups([Selection], options, {"version": [], **({"all": False} if offered else {})})
    with pytest.raises(NothingSelected) as caught:
        selection.select(workspace.root)
    assert "--version=SERIES" in caught.value.hint
    assert ("--all" in caught.value.hint) == offered


def test_quick_builds_have_the_quick_recipe() -> None:
    assert [str(Building(quick=quick).recipe) for quick in (True, False)] == ["quick", "full"]


def test_each_kind_of_removal_has_an_option_with_a_help_text() -> None:
    texts = {item.name: item.metadata["help"] for item in fields(Cleaning)}
    assert set(KINDS) | {"all"} == set(texts)
    assert all(text and "\n" not in text for text in texts.values())
    assert issubclass(NothingSelected, BakeryError)


@pytest.mark.parametrize("url", ["ftp://user:hunter2@h/x", "FTP://h", "s3://bucket", "file://other/x", "://x"])
def test_a_url_with_another_protocol_is_refused_when_options_are_checked(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    expected = ": expected a path, or a URL that begins with https://, http:// or file://"
    with pytest.raises(InputError, match=r"^--mirror=") as caught:
        parsed(mirror=url)
    assert caught.value.message.endswith(expected) and "hunter2" not in caught.value.message
    monkeypatch.setenv("BAKERY_TEST_MIRROR", url)
    with pytest.raises(InputError, match=r"^\$BAKERY_TEST_MIRROR="):
        parsed()
    assert parsed(mirror="/x").mirror == "/x", "the option replaces the variable"


@pytest.mark.parametrize("url", ["https://h/x", "HTTP://h", "file:///x", "file://localhost/x", "/a/b", "a:b", "~"])
def test_a_mirror_may_be_a_path_or_a_url_with_a_known_protocol(url: str) -> None:
    assert parsed(mirror=url).mirror == os.path.expanduser(url)
