"""Commands that build images, test them, or print what a build would do."""

from dataclasses import replace

from bakery.catalog import RecipeName, load_catalog
from bakery.display import Report, tell
from bakery.options import Building, Measuring, Output, Selection, option
from commands import lazy as bakery
from commands.command import WORKSPACE, command


@command(
    "version target variant platform source all mirror base quick no_cache refresh train compression jobs builder "
    "builder_id cache_from cache_to ca_bundle apt_mirror packages print dry format"
)
def build(selection: Selection, building: Building, output: Output) -> Report | None:
    """Build images from verified source on a pinned base; ends with a table of tags and sizes."""
    catalog, images = selection.select(WORKSPACE.root, recipe=building.recipe)
    catalog = replace(catalog, profiles={}) if building.train else catalog
    bakery.build.check_options(building)
    if output.print:
        print(bakery.build.planned_definition(WORKSPACE, catalog, images, building.base, tell))
        return None
    if output.dry:
        return bakery.report.tag_report(catalog, images)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "build", selection, building, building.jobs or 0)
    return bakery.build.build_report(builder, images)


@command("version target source mirror base no_cache format")
def reference(selection: Selection, building: Building) -> Report:
    """Build the reference image (reference/python:...): the official recipe on the same base, to measure against."""
    catalog, images = selection.select(WORKSPACE.root, recipe=RecipeName.REFERENCE)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "reference", selection, building)
    return bakery.build.build_report(builder, images)


@command("version target source mirror base no_cache stale dry", no_cache="Ignore the build cache and train again")
def profile(selection: Selection, building: Building, output: Output) -> None:
    """Train interpreters and record their profiles (shared/profiles, shared/lock.toml), which builds then use."""
    catalog, images = selection.select(WORKSPACE.root, everything=building.stale)
    images = bakery.build.with_stale_profile(catalog, images) if building.stale else images
    plan = bakery.build.training_plan(catalog, images)
    if output.dry:
        print(plan)
        return
    untrained = replace(catalog, profiles={})
    bakery.build.train_all(bakery.build.open_builder(WORKSPACE, untrained, "profile", selection, building), images)


@command(
    "version target variant platform source all mirror base quick image ca_bundle apt_mirror packages format",
    image="Rebuild this published image from its labels, and compare the result with it",
)
def verify(selection: Selection, building: Building, measuring: Measuring) -> Report:
    """Build images twice, or rebuild a published one, and compare the bits; exit code 1 if they differ."""
    published = None
    if not measuring.image:
        catalog, images = selection.select(WORKSPACE.root, recipe=building.recipe)
    else:
        selection.refuse("--image")
        bakery.build.check_options(building)
        catalog, images = load_catalog(WORKSPACE.root), ()
        published = bakery.build.Published.find(measuring.image, catalog.platforms, selection.platform)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "verify", selection, replace(building, no_cache=True))
    return bakery.build.verification_report(builder, images, published)


@command(
    "version target variant platform source all base quick format",
    format=option("bake", "Definition for docker buildx or matrix of CI jobs", choices=("bake", "github")),
)
def plan(selection: Selection, building: Building, output: Output) -> None:
    """Print what a build would do, as a bake definition or a CI matrix; nothing is fetched or started."""
    catalog, images = selection.select(WORKSPACE.root, recipe=building.recipe)
    if output.format == "github":
        print(bakery.plan.github_matrix(images))
    else:
        print(bakery.build.planned_definition(WORKSPACE, catalog, images, building.base, tell))


@command(
    "version target variant platform source all mirror base quick k format", quick="Build missing images with --quick"
)
def test(selection: Selection, building: Building, measuring: Measuring) -> Report:
    """Run tests/image inside images, with the interpreter that was built; missing images are built first."""
    catalog, images = selection.select(WORKSPACE.root, recipe=building.recipe)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "test", selection, building)
    builder.build_missing(images)
    results, failure = bakery.testing.run_tests(WORKSPACE, catalog, builder.engine, images, measuring.k, tell)
    return Report.of_results("image passed failed skipped", results, failure)


@command(
    "version target source mirror base quick only jobs format", quick="Build missing images with --quick",
    only="Run only this test file, such as test_ssl (default: the whole suite)",
    jobs=option(None, "Test files to run at a time (default: one for each processor)", minimum=0),
)  # fmt: skip
def regrtest(selection: Selection, building: Building, measuring: Measuring) -> Report:
    """Run CPython's own test suite on images, in a layer on top of them; missing images are built first."""
    catalog, images = selection.select(WORKSPACE.root, recipe=building.recipe)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "regrtest", selection, replace(building, jobs=None))
    results, failure = bakery.testing.run_suites(builder, images, measuring.only, building.jobs or 0, tell)
    return Report.of_results("image result passed failed skipped expected", results, failure)
