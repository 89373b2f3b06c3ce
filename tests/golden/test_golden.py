"""The complete output of commands, compared with committed files."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bakery.build.builder import RESULT_COLUMNS, BuildResult, result_rows
from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.catalog.tags import references
from bakery.display.tables import render
from bakery.plan.bake import Inputs, build_arguments, definition, target_name
from bakery.platforms import Platform
from bakery.records.builds import LocalRecord, write_record
from bakery.report.rows import TAG_COLUMNS, image_report, release_report, tag_report
from bakery.sizes.baseline import OfficialImage
from bakery.workspace import Workspace
from tests.records import local_record

Golden = Callable[[str, str], None]
TODAY = date(2026, 11, 24)
REVISION = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def image_of(catalog: Catalog, version: str, target: str, recipe: RecipeName = RecipeName.FULL) -> Image:
    (image,) = select_images(catalog, [version], [target], platform=Platform("linux/amd64"))
    return replace(image, recipe=recipe)


def everything(catalog: Catalog) -> tuple[Image, ...]:
    return select_images(catalog, variants=["default"], everything=True, platform=Platform("linux/amd64"))


def inputs(image: Image) -> Inputs:
    """Fixed contexts in the place of this machine's."""
    name = image.target.base.image
    extras = "-".join(["/cache/sources/extras", *(extra.name for extra in image.series.extras)])
    return Inputs(
        f"/cache/sources/{image.pin.release}",
        extras,
        f"docker-image://{name}@{DIGEST}",
        name,
        DIGEST,
        "registry",
        REVISION,
    )


FACTS = {"LOCALE", "PGO", "PROFILE_SHA256", "PYTHON_RELEASE", "PYTHON_SHA256", "SOURCE_DATE_EPOCH"}
"""Build arguments that are values of one image. The others are flags and packages, which many images share: options.txt
has them, and the one plan that shows all of what `inv plan` prints, so that a changed flag rewrites two files only."""
SHOWN_IN_FULL = ("3.13", "bookworm", RecipeName.FULL)
PLANS = [
    SHOWN_IN_FULL,
    ("3.13", "bookworm", RecipeName.QUICK),
    ("3.13", "bookworm", RecipeName.REFERENCE),
    ("3.9", "trixie", RecipeName.FULL),
    ("3.10", "bookworm", RecipeName.FULL),
    ("3.11", "noble", RecipeName.FULL),
    ("3.12", "jammy", RecipeName.FULL),
    ("3.13.5", "bookworm", RecipeName.FULL),
    ("3.13t", "trixie", RecipeName.FULL),
    ("3.14", "bookworm", RecipeName.FULL),
    ("3.14t", "resolute", RecipeName.FULL),
    ("3.15", "noble", RecipeName.FULL),
]


def plan_name(version: str, target: str, recipe: RecipeName) -> str:
    return f"{version}-{target}" + ("" if recipe is RecipeName.FULL else f"-{recipe}")


def without_options(plan: dict[str, Any]) -> dict[str, Any]:
    for target in plan["target"].values():
        target["args"] = {name: value for name, value in target["args"].items() if name in FACTS}
    return plan


def options(args: dict[str, str]) -> dict[str, list[str]]:
    """Flags and packages of one image, by option."""
    lines = [
        line
        for name, value in args.items()
        if name not in FACTS
        for line in (value.splitlines() if name.endswith("_OPTIONS") else [f"{name.lower()}={value}"])
    ]
    return {name: words.split() for name, _, words in (line.partition("=") for line in lines)}


@pytest.mark.parametrize(("version", "target", "recipe"), PLANS)
def test_bake_definition(catalog: Catalog, golden: Golden, version: str, target: str, recipe: RecipeName) -> None:
    image = image_of(catalog, version, target, recipe)
    in_full = (version, target, recipe) == SHOWN_IN_FULL
    plan = definition(catalog, [image], {image: inputs(image)}, network="host" if in_full else None)
    plan = plan if in_full else without_options(plan)
    golden(f"plan-{plan_name(version, target, recipe)}.json", json.dumps(plan, indent=2) + "\n")


def test_options_of_one_image_in_full_and_of_the_others_where_they_differ(catalog: Catalog, golden: Golden) -> None:
    def options_of(version: str, target: str, recipe: RecipeName) -> dict[str, list[str]]:
        image = image_of(catalog, version, target, recipe)
        plan = definition(catalog, [image], {image: inputs(image)})
        return options(plan["target"][target_name(image)]["args"])

    base = options_of(*SHOWN_IN_FULL)
    lines = [plan_name(*SHOWN_IN_FULL)]
    for name, words in sorted(base.items()):
        lines += [f"    {name}", *(f"        {word}" for word in words)]
    for plan in PLANS[1:]:
        current = options_of(*plan)
        lines += ["", f"{plan_name(*plan)}, compared with {plan_name(*SHOWN_IN_FULL)}"]
        for name in sorted({*current, *base}):
            difference = difflib.Differ().compare(base.get(name, []), current.get(name, []))
            changes = [f"        {line}" for line in difference if line[0] in "+-"]
            if name not in current:
                lines.append(f"    {name}: not passed")
            elif changes:
                lines += [f"    {name}", *changes]
    golden("options.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("version", "variant", "target"), [("3.13", "minimal", "bookworm"), ("3.12", "minimal-debug", "noble")]
)
def test_bake_definition_of_a_variant(
    catalog: Catalog, golden: Golden, version: str, variant: str, target: str
) -> None:
    (image,) = select_images(catalog, [version], [target], [variant], platform=Platform("linux/amd64"))
    plan = without_options(definition(catalog, [image], {image: inputs(image)}))
    golden(f"plan-{version}-{variant}-{target}.json", json.dumps(plan, indent=2) + "\n")


def test_tags_of_every_variant(catalog: Catalog, golden: Golden) -> None:
    images = select_images(catalog, ["3.13", "3.13.5", "3.14t"], ["bookworm", "noble"], everything=True)
    golden("tags-variants.txt", render(tag_report(catalog, images).rows, TAG_COLUMNS))


def test_bake_definition_of_several_images(catalog: Catalog, golden: Golden) -> None:
    images = select_images(catalog, ["3.14", "3.11.2"], ["bookworm", "noble"], platform=Platform("linux/arm64"))
    plan = definition(catalog, images, {image: inputs(image) for image in images})
    brief = {name: {"tags": target["tags"], "context": target["context"]} for name, target in plan["target"].items()}
    golden("plan-several.json", json.dumps({"group": plan["group"], "target": brief}, indent=2) + "\n")


def test_build_arguments(catalog: Catalog, golden: Golden) -> None:
    image = image_of(catalog, "3.13", "bookworm")
    plan = definition(catalog, [image], {image: inputs(image)}, network="host")
    *pairs, context = build_arguments(without_options(plan)["target"][target_name(image)])
    lines = [f"{flag} {shlex.quote(value)}" for flag, value in zip(pairs[::2], pairs[1::2], strict=True)]
    golden("build-arguments-3.13-bookworm.txt", "\n".join([*lines, context]) + "\n")


@pytest.mark.parametrize(("form", "suffix"), [("table", "txt"), ("markdown", "md")])
def test_tags_of_everything(catalog: Catalog, golden: Golden, form: str, suffix: str) -> None:
    golden(f"tags.{suffix}", render(tag_report(catalog, everything(catalog)).rows, TAG_COLUMNS, form))


def test_tags_of_every_pinned_release_of_a_series(catalog: Catalog, golden: Golden) -> None:
    (series,) = (series for series in catalog.series if series.name == "3.13")
    images = select_images(catalog, [pin.release for pin in series.pins], platform=Platform("linux/amd64"))
    golden("tags-3.13-releases.txt", render(tag_report(catalog, images).rows, TAG_COLUMNS))


@pytest.mark.parametrize(("form", "suffix"), [("table", "txt"), ("markdown", "md")])
def test_images(catalog: Catalog, golden: Golden, tmp_path: Path, form: str, suffix: str) -> None:
    workspace = Workspace(root=tmp_path, home=tmp_path / "home")
    record = local_record(built="2026-01-02T03:04:05+00:00", compressed_bytes=41_234_567, disk_bytes=1)
    write_record(workspace, image_of(catalog, "3.13", "bookworm"), record)
    report = image_report(catalog, workspace, everything(catalog), TODAY)
    golden(f"images.{suffix}", render(report.rows, report.columns, form))


def test_the_overview_of_images_fits_a_screen(catalog: Catalog, golden: Golden, tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path, home=tmp_path / "home")
    for variant, size in (("default", 41_234_567), ("minimal", 13_000_000)):
        (image,) = select_images(catalog, ["3.13"], ["bookworm"], [variant], platform=Platform("linux/amd64"))
        record = local_record(image=image.name, compressed_bytes=size, disk_bytes=1, variant=variant)
        write_record(workspace, image, record)
    images = select_images(catalog, everything=True, platform=Platform("linux/amd64"))
    report = image_report(catalog, workspace, images, TODAY, overview=True)
    text = render(report.rows, report.columns)
    assert len(text.splitlines()) + len(report.notes) <= 24
    golden("images-overview.txt", text)


def test_pinned_releases(catalog: Catalog, golden: Golden) -> None:
    report = release_report(catalog, [], lambda pin: (pin.pool and "the pool") or "")
    golden("releases.txt", render(report.rows, report.columns))


@pytest.mark.parametrize(("form", "suffix"), [("table", "txt"), ("markdown", "md"), ("json", "json")])
def test_results(catalog: Catalog, golden: Golden, form: str, suffix: str) -> None:
    def result(image: Image, **more: object) -> BuildResult:
        return BuildResult(image, references(catalog, image), Path(f"/logs/{image.name}.log"), **more)  # type: ignore[arg-type]

    def sizes(compressed: int, disk: int, phases: dict[str, float] | None = None) -> LocalRecord:
        return local_record(id=DIGEST, compressed_bytes=compressed, disk_bytes=disk, phases=phases or {})

    phases = {"source": 1.2, "base": 0.4, "configure": 30.0, "compile": 691.8}
    results = [
        result(
            image_of(catalog, "3.13", "bookworm"), record=sizes(41_234_567, 123_456_789, phases), seconds=723.4,
            compiled=True,
        ),
        result(image_of(catalog, "3.14", "bookworm"), record=sizes(45_000_000, 130_000_000), seconds=2.5),
        result(image_of(catalog, "3.13.5", "jammy"), seconds=61.0, error="3.13.5-jammy was not built\n  Full log: x"),
        result(
            image_of(catalog, "3.12", "trixie", RecipeName.QUICK), record=sizes(50_000_000, 140_000_000),
            seconds=100.0, compiled=True,
        ),
        result(
            image_of(catalog, "3.15", "noble"), record=sizes(39_999_999, 99_000_000), compiled=True,
            seconds=4e3,
        ),
    ]  # fmt: skip
    sizes = {"3.15-rc": 44_000_000, "3.14": 46_000_000, "3.13": 44_400_000, "3.12": 43_000_000}
    tags = {f"python:{series}-slim-{target}": series for series in sizes for target in ("bookworm", "trixie")}
    baseline = {
        (tag, "linux/amd64"): OfficialImage(tag, series, sizes[series], "linux/amd64") for tag, series in tags.items()
    }
    golden(f"results.{suffix}", render(result_rows(catalog, results, baseline), RESULT_COLUMNS, form))
