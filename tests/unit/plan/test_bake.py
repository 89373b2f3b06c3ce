"""The bake definition and the arguments that are derived from it mean the same."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bakery.catalog.labels import LABELS
from bakery.catalog.models import Catalog, Image
from bakery.catalog.pins import NONE, TRAINING
from bakery.catalog.recipes import Options, RecipeName
from bakery.catalog.selection import select_images
from bakery.plan.bake import Inputs, build_arguments, definition, labels, option_arguments, target_name

INPUTS = Inputs(
    "/cache/sources/x", "/cache/sources/extras", "docker-image://base@sha256:1", "base:tag", "sha256:1", "registry",
    "r1", packages="build/packages/x",
)  # fmt: skip
FLAGS = {"contexts": "--build-context", "args": "--build-arg", "labels": "--label"}
LISTS = {"tags": "--tag", "attest": "--attest", "output": "--output"}


def target_of(catalog: Catalog, image: Image, network: str | None = None) -> dict[str, Any]:
    target = definition(catalog, [image], {image: INPUTS}, network=network)["target"][target_name(image)]
    assert isinstance(target, dict)
    return target


def options_of(catalog: Catalog, image: Image) -> dict[str, list[str]]:
    """The words of each option in the build arguments of ``image``."""
    lines = [line for text in option_arguments(catalog, image).values() for line in text.splitlines()]
    pairs = [(name, words) for name, _, words in (line.partition("=") for line in lines)]
    assert len(dict(pairs)) == len(pairs), "two stages have an option of the same name"
    return {name: words.split() for name, words in pairs}


@pytest.mark.parametrize("version", ["3.9", "3.12", "3.13.5", "3.15"])
@pytest.mark.parametrize("recipe", RecipeName)
@pytest.mark.parametrize("network", [None, "host"])
def test_each_part_of_the_definition_is_one_option_of_buildx(
    catalog: Catalog, image: Callable[..., Image], version: str, recipe: RecipeName, network: str | None
) -> None:
    target = target_of(catalog, image(version, "jammy", recipe), network)
    *pairs, context = build_arguments(target)
    arguments = Counter(zip(pairs[::2], pairs[1::2], strict=True))
    expected = Counter(
        [(flag, f"{name}={value}") for key, flag in FLAGS.items() for name, value in target[key].items()]
        + [(flag, value) for key, flag in LISTS.items() for value in target[key]]
        + [
            ("--file", f"{target['context']}/{target['dockerfile']}"),
            ("--target", target["target"]),
            ("--platform", ",".join(target["platforms"])),
        ]
        + ([("--network", network)] if network else [])
    )
    assert arguments == expected
    assert set(arguments.values()) == {1}
    assert context == target["context"] == ("reference" if recipe is RecipeName.REFERENCE else "debian")


def test_every_key_of_the_definition_has_an_option_of_buildx(catalog: Catalog, image: Callable[..., Image]) -> None:
    known = {"context", "dockerfile", "target", "platforms", "network", *FLAGS, *LISTS}
    assert set(target_of(catalog, image("3.13"), "host")) == known


def test_several_platforms_are_one_argument(catalog: Catalog, image: Callable[..., Image]) -> None:
    target = {**target_of(catalog, image("3.13")), "platforms": ["linux/amd64", "linux/arm64"]}
    arguments = build_arguments(target)
    assert arguments[arguments.index("--platform") + 1] == "linux/amd64,linux/arm64"


def test_quick_builds_have_neither_pgo_nor_lto_and_their_labels_show_it(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    images = [image("3.13", recipe=recipe) for recipe in (RecipeName.FULL, RecipeName.QUICK)]
    full, quick = (target_of(catalog, selected) for selected in images)
    assert (full["args"]["PGO"], quick["args"]["PGO"]) == ("1", "0")
    assert (full["labels"][f"{LABELS}.recipe"], quick["labels"][f"{LABELS}.recipe"]) == ("full", "quick")
    assert "quick" in quick["labels"]["org.opencontainers.image.title"]
    assert "quick" not in full["labels"]["org.opencontainers.image.title"]
    different = {name for name in full["args"] if full["args"][name] != quick["args"][name]}
    assert different == {"PGO", "PROFILE_SHA256", "COMPILER_PACKAGES", "CONFIGURE_OPTIONS", "COMPILE_OPTIONS"}

    full, quick = (options_of(catalog, selected) for selected in images)
    assert "--with-lto" in full["configure_flags"]
    assert not {"--with-lto", "--enable-optimizations"} & set(quick["configure_flags"])
    assert full["training"] and not quick["training"]
    different = {name for name in full if full[name] != quick[name]}
    compiler = {"cc", "cxx", "compiler_configure", "compiler_flags", "compiler_path", "expat_flags", "linker_flags"}
    assert different == {"configure_flags", "programs", "training", *compiler, "profile_generate", "profile_use"}


def test_a_target_without_the_series_compiler_uses_gcc(catalog: Catalog, image: Callable[..., Image]) -> None:
    assert image("3.13").series.compiler == "clang"
    bookworm, jammy = image("3.13", "bookworm"), image("3.13", "jammy")
    assert (options_of(catalog, bookworm)["cc"], options_of(catalog, jammy)["cc"]) == (["clang"], ["gcc"])
    assert target_of(catalog, bookworm)["args"]["COMPILER_PACKAGES"]
    assert not target_of(catalog, jammy)["args"]["COMPILER_PACKAGES"]


@pytest.mark.parametrize("recipe", [RecipeName.FULL, RecipeName.QUICK])
def test_options_by_compiler_apply_only_if_that_compiler_is_used(
    catalog: Catalog, image: Callable[..., Image], recipe: RecipeName
) -> None:
    flags = set(image("3.11").series.by_compiler["clang_ir"].compile["linker_flags"])
    assert flags
    for target in ("bookworm", "jammy"):
        linker_flags = set(options_of(catalog, image("3.11", target, recipe=recipe))["linker_flags"])
        assert flags & linker_flags == (flags if (recipe, target) == (RecipeName.FULL, "bookworm") else set())


@pytest.mark.parametrize("network", [None, "host", "none"])
def test_the_network_is_passed_only_if_it_is_given(
    catalog: Catalog, image: Callable[..., Image], network: str | None
) -> None:
    target = target_of(catalog, image("3.13"), network)
    assert target.get("network") == network
    assert ("network" in target) == bool(network)
    assert ("--network" in build_arguments(target)) == bool(network)


def test_target_names_are_valid_for_bake_and_unique(catalog: Catalog) -> None:
    everything = select_images(
        catalog, [pin.release for series in catalog.series for pin in series.pins], everything=True
    )
    names = [target_name(image) for image in everything]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert len(set(names)) == len(everything)


def test_the_default_group_has_all_selected_images_in_their_order(catalog: Catalog) -> None:
    images = select_images(catalog, ["3.13", "3.9"], ["noble", "bookworm"])
    plan = definition(catalog, images, dict.fromkeys(images, INPUTS))
    assert plan["group"]["default"]["targets"] == list(plan["target"]) == [target_name(image) for image in images]


def test_options_are_appended_in_the_order_that_the_catalog_documents(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    def options(word: str) -> Options:
        return Options(compile={"linker_flags": (word,)})

    compiler = catalog.compilers["clang"]
    selected = image("3.13")
    series = replace(
        selected.series,
        **vars(options("series")),
        ours=options("ours"),
        by_compiler={"clang": options("by_compiler"), "gcc": options("another")},
    )
    recipes = {RecipeName.FULL: (options("recipe"), options("full")), RecipeName.REFERENCE: (options("reference"),)}
    changed = replace(
        catalog,
        recipes={name: replace(catalog.recipes[name], options=recipes[name]) for name in recipes},
        frame_pointers=options("frame_pointers"),
        compilers={**catalog.compilers, "clang": replace(compiler, **vars(options("compiler")))},
    )
    for recipe, words in (
        (RecipeName.FULL, "recipe full frame_pointers series ours compiler by_compiler"),
        (RecipeName.REFERENCE, "reference frame_pointers series"),
    ):
        arguments = option_arguments(changed, replace(selected, series=series, recipe=recipe))
        assert arguments == {"COMPILE_OPTIONS": f"linker_flags={words}"}


def test_an_option_that_only_the_recipe_declares_reaches_its_stage(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    recipe = catalog.recipes[RecipeName.FULL]
    ours, full = recipe.options
    ours = replace(ours, install={**ours.install, "colours": ("red", "blue")})
    changed = replace(catalog, recipes={**catalog.recipes, RecipeName.FULL: replace(recipe, options=(ours, full))})
    before, after = (target_of(current, image("3.13"))["args"] for current in (catalog, changed))
    assert {name for name in after if after[name] != before.get(name)} == {"INSTALL_OPTIONS"}
    assert "colours=red blue" in after["INSTALL_OPTIONS"].splitlines()


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_frame_pointers_are_used_if_the_series_has_them(
    catalog: Catalog, image: Callable[..., Image], version: str
) -> None:
    for recipe in RecipeName:
        flags = options_of(catalog, image(version, recipe=recipe))["compiler_flags"]
        assert ("-fno-omit-frame-pointer" in flags) == image(version).series.frame_pointers == (version == "3.13")


@pytest.mark.parametrize("recipe", RecipeName)
def test_packages_of_one_series_are_installed_for_this_series_only(
    catalog: Catalog, image: Callable[..., Image], recipe: RecipeName
) -> None:
    selected = image("3.13", recipe=recipe)
    more = {"build_packages": ("libfoo-dev",), "runtime_packages": ("libfoo1", "foo-data")}
    own = {key: (*getattr(selected.series, key), *names) for key, names in more.items()}
    series = replace(selected.series, **own)
    before, after = (target_of(catalog, selected)["args"] for selected in (selected, replace(selected, series=series)))
    assert after["BUILD_PACKAGES"] == f"{before['BUILD_PACKAGES']} libfoo-dev"
    assert after["RUNTIME_PACKAGES"] == f"{before['RUNTIME_PACKAGES']} libfoo1 foo-data"
    assert {name for name in after if after[name] != before[name]} == {"BUILD_PACKAGES", "RUNTIME_PACKAGES"}


def test_the_reference_is_the_same_release_on_the_same_base_without_our_options(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    images = [image("3.13t", recipe=recipe) for recipe in (RecipeName.FULL, RecipeName.REFERENCE)]
    ours, reference = (target_of(catalog, selected) for selected in images)
    same = ("LOCALE", "PYTHON_RELEASE", "PYTHON_SHA256", "RUNTIME_PACKAGES")
    assert {key: reference["args"][key] for key in same} == {key: ours["args"][key] for key in same}
    packages = catalog.recipes[RecipeName.FULL].packages
    build_packages = ours["args"]["BUILD_PACKAGES"].split()
    assert set(packages) <= set(build_packages)
    assert reference["args"]["BUILD_PACKAGES"].split() == [name for name in build_packages if name not in packages]
    assert {key: reference["contexts"][key] for key in ("base", "source")} == {
        key: ours["contexts"][key] for key in ("base", "source")
    }
    options = options_of(catalog, images[1])
    assert set(options) == {"configure_flags", "compiler_flags", "linker_flags"}
    assert "--disable-gil" in options["configure_flags"]
    assert not {"-O3", "--disable-test-modules"} & {*options["compiler_flags"], *options["configure_flags"]}
    assert not set(reference["tags"]) & set(ours["tags"])
    assert "reference/python:3.13t-bookworm" in reference["tags"]


@pytest.mark.parametrize(("version", "locale"), [("3.9", "utf8"), ("3.12", "utf8"), ("3.13", "none"), ("3.15", "none")])
def test_lang_is_set_if_the_official_image_sets_it(
    catalog: Catalog, image: Callable[..., Image], version: str, locale: str
) -> None:
    assert target_of(catalog, image(version))["args"]["LOCALE"] == locale


def test_the_family_determines_dockerfile_and_packages(catalog: Catalog, image: Callable[..., Image]) -> None:
    for name, family_name in (("bookworm", "debian"), ("noble", "ubuntu")):
        selected = image("3.13", name)
        series = replace(selected.series, build_packages=(), runtime_packages=())
        target = target_of(catalog, replace(selected, series=series))
        (family,) = (family for family in catalog.families if family.name == family_name)
        assert f"{target['context']}/{target['dockerfile']}" == family.dockerfile == "debian/Dockerfile"
        packages = [*family.packages.build, *catalog.recipes[RecipeName.FULL].packages]
        assert target["args"]["BUILD_PACKAGES"].split() == packages
        assert target["args"]["RUNTIME_PACKAGES"].split() == list(family.packages.runtime)


def test_the_inputs_are_named_contexts(catalog: Catalog, image: Callable[..., Image]) -> None:
    assert target_of(catalog, image("3.13"))["contexts"] == {
        "base": INPUTS.base, "source": INPUTS.source, "extras": INPUTS.extras, "shared": "shared",
        "profile": "shared/profiles/3.13", "packages": INPUTS.packages,
    }  # fmt: skip


def test_a_recorded_profile_is_used_for_full_builds_by_its_compiler(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    def profile(selected: Image, current: Catalog = catalog) -> tuple[str, str]:
        target = target_of(current, selected)
        return target["contexts"]["profile"], target["args"]["PROFILE_SHA256"]

    recorded = catalog.profiles["3.13"]
    assert profile(image("3.13", "trixie")) == (recorded.folder, recorded.sha256)
    assert profile(image("3.13", "jammy")) == (TRAINING, "")  # gcc
    assert profile(image("3.13t"))[0] == "shared/profiles/3.13t"
    assert profile(image("3.15")) == (TRAINING, "")  # has no recorded profile
    assert profile(image("3.13", recipe=RecipeName.QUICK)) == (NONE, "")
    assert profile(image("3.13"), replace(catalog, profiles={})) == (TRAINING, "")
    assert "profile" not in target_of(catalog, image("3.13", recipe=RecipeName.REFERENCE))["contexts"]


def test_the_interpreters_build_date_is_the_day_of_its_release(catalog: Catalog, image: Callable[..., Image]) -> None:
    selected = image("3.13")
    seconds = int(target_of(catalog, selected)["args"]["SOURCE_DATE_EPOCH"])
    assert datetime.fromtimestamp(seconds, UTC).isoformat() == f"{selected.pin.date}T00:00:00+00:00"


def test_labels_describe_what_the_image_is_made_from(catalog: Catalog, image: Callable[..., Image]) -> None:
    selected = image("3.13.5", "jammy")
    assert labels(catalog, selected, INPUTS) == {
        "org.opencontainers.image.title": "Python 3.13.5 on jammy",
        "org.opencontainers.image.description": "CPython 3.13.5, compiled from upstream's source "
        "for Ubuntu 22.04 (jammy)",
        "org.opencontainers.image.version": "3.13.5",
        "org.opencontainers.image.created": "2025-06-11T00:00:00Z",
        "org.opencontainers.image.revision": "r1",
        "org.opencontainers.image.source": catalog.source,
        "org.opencontainers.image.documentation": catalog.documentation,
        "org.opencontainers.image.licenses": "Python-2.0 AND LicenseRef-Included-Software",
        "org.opencontainers.image.base.name": "base:tag",
        "org.opencontainers.image.base.digest": "sha256:1",
        "io.github.infra7.python.base.origin": "registry",
        "io.github.infra7.python.recipe": "full",
        "io.github.infra7.python.series": "3.13",
        "io.github.infra7.python.source.sha256": selected.pin.sha256,
        "io.github.infra7.python.source.signature": selected.pin.signed,
        "io.github.infra7.python.target": "jammy",
        "io.github.infra7.python.variant": "default",
    }


def test_an_image_is_dated_by_the_later_of_its_release_and_its_packages(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    def created(resolved: str) -> str:
        given = replace(INPUTS, resolved=resolved)
        return labels(catalog, image("3.13.5"), given)["org.opencontainers.image.created"]

    assert created("2026-09-21T14:13:20Z") == "2026-09-21T14:13:20Z"
    assert created("2024-01-01T00:00:00Z") == "2025-06-11T00:00:00Z"


def test_unknown_facts_have_no_label(catalog: Catalog, image: Callable[..., Image]) -> None:
    selected = replace(image("3.13.5"), pin=replace(image("3.13.5").pin, date=""))
    bare = replace(catalog, source="", documentation="")
    known = labels(bare, selected, replace(INPUTS, revision=""))
    assert "" not in known.values()
    absent = {name.rpartition(".")[2] for name in labels(catalog, image("3.13.5"), INPUTS).keys() - known.keys()}
    assert absent == {"created", "revision", "source", "documentation"}


def test_a_label_says_that_a_signature_was_not_checked(catalog: Catalog, image: Callable[..., Image]) -> None:
    selected = replace(image("3.13.5"), pin=replace(image("3.13.5").pin, signed=""))
    assert labels(catalog, selected, INPUTS)["io.github.infra7.python.source.signature"] == "not checked"


def test_a_variant_differs_by_stage_labels_and_tags_only(catalog: Catalog) -> None:
    default, minimal = (
        target_of(catalog, select_images(catalog, ["3.13"], ["jammy"], [name])[0]) for name in ("default", "minimal")
    )
    assert (default["target"], minimal["target"]) == ("runtime", "minimal")
    assert minimal["labels"]["org.opencontainers.image.title"] == "Python 3.13.15 on jammy, minimal"
    differing = {key for key in default if default[key] != minimal[key]}
    assert differing == {"target", "labels", "tags"}


def test_every_variant_has_its_stage_in_the_dockerfile_of_every_family(catalog: Catalog, root: Any) -> None:
    for family in catalog.families:
        text = (root / family.dockerfile).read_text(encoding="utf-8")
        stages = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", text))
        assert {variant.stage for variant in catalog.variants} <= stages


def test_the_definition_of_an_image_does_not_depend_on_the_time(catalog: Catalog, image: Callable[..., Image]) -> None:
    target = target_of(catalog, image("3.13"))
    assert target["attest"] == ["type=provenance,disabled=true"], "an attestation has the time of the build"
    assert target["labels"]["org.opencontainers.image.created"] == f"{image('3.13').pin.date}T00:00:00Z"


def test_every_argument_of_the_definition_is_declared_in_the_dockerfile(catalog: Catalog, root: Any) -> None:
    for family in catalog.families:
        text = (root / family.dockerfile).read_text(encoding="utf-8")
        declared = set(re.findall(r"(?m)^ARG (\w+)", text))
        (image,) = select_images(catalog, ["3.13"], [family.targets[0].name])
        assert set(target_of(catalog, image)["args"]) == declared, family.name
        assert f" AS {target_of(catalog, image)['target']}\n" in text


def test_every_argument_of_the_reference_is_declared_in_its_dockerfile(catalog: Catalog, root: Any) -> None:
    text = (root / "reference" / "Dockerfile").read_text(encoding="utf-8")
    (image,) = select_images(catalog, ["3.13"])
    image = replace(image, recipe=RecipeName.REFERENCE)
    assert set(target_of(catalog, image)["args"]) == set(re.findall(r"(?m)^ARG (\w+)", text))


@pytest.mark.parametrize(
    ("files", "verified"),
    [
        ({"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "x"}, False),
        ({"a": "1"}, False),
        ({"a": "1", "b": "2", "c": ""}, False),
    ],
)
def test_the_reference_has_only_the_wheels_of_the_lock(
    catalog: Catalog, image: Callable[..., Image], root: Any, tmp_path: Any, files: dict[str, str], verified: bool
) -> None:
    sums = "\n".join(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}" for name, text in (("b", "2"), ("a", "1")))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (step,) = re.findall(
        r"(?m)target=/mnt/extras \\\n( *cd (?:.*\\\n)*.*$)", (root / "reference/Dockerfile").read_text()
    )
    command = ["sh", "-c", step.replace("/mnt/extras", str(tmp_path)).replace("\\\n", "")]
    done = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", "EXTRAS_SHA256": sums}, capture_output=True, check=False
    )
    assert (done.returncode == 0) is verified
    for version, choice in (("3.11", "verified"), ("3.13", "none")):
        arguments = target_of(catalog, image(version, recipe=RecipeName.REFERENCE))["args"]
        assert arguments["WITH_EXTRAS"] == choice and bool(arguments["EXTRAS_SHA256"]) is (choice == "verified")


def test_every_step_that_installs_packages_mounts_the_same_script_and_secrets(catalog: Catalog, root: Any) -> None:
    mounts = [
        "type=secret,id=apt.conf", "type=secret,id=apt.mirror", "type=secret,id=ca.pem,mode=0444",
    ]  # fmt: skip
    for dockerfile in {family.dockerfile for family in catalog.families}:
        text = (root / dockerfile).read_text(encoding="utf-8")
        steps = [
            step
            for step in re.findall(r"(?m)^RUN (?:.*\\\n)*.*$", text)
            if re.search(r"sh /mnt/(apt-install|packages)\.sh", step)
        ]
        assert len(steps) == 8
        for step in steps:
            script = "apt-install.sh" if "sh /mnt/apt-install.sh" in step else "packages.sh"
            first = f"type=bind,from=shared,source={script},target=/mnt/{script}"
            assert re.findall(r"--mount=(\S+)", step)[:4] == [first, *mounts]


def test_every_step_that_runs_a_script_mounts_the_scripts_that_it_sources(catalog: Catalog, root: Any) -> None:
    for dockerfile in {"reference/Dockerfile", *(family.dockerfile for family in catalog.families)}:
        for step in re.findall(r"(?m)^RUN (?:.*\\\n)*.*$", (root / dockerfile).read_text(encoding="utf-8")):
            for script in re.findall(r"bash /mnt/(\S+)", step):
                assert f"target=/mnt/{script}" in step
                assert "target=/mnt/common.sh" in step


@pytest.mark.parametrize(("date", "seconds"), [("2026-04-07", "1775520000"), ("", None)])
def test_a_release_without_a_date_sets_no_source_date_epoch(
    catalog: Catalog, image: Callable[..., Image], date: str, seconds: str | None
) -> None:
    """clang 19 refuses an empty SOURCE_DATE_EPOCH; configure then reports "C compiler cannot create executables"."""
    release = image("3.13")
    dated = replace(release, pin=replace(release.pin, date=date))
    assert target_of(catalog, dated)["args"].get("SOURCE_DATE_EPOCH") == seconds
