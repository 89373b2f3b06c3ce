"""Commands that compare images with the official ones, look into images, and list what can be built."""

import sys
from functools import partial
from pathlib import Path

from bakery.catalog import load_catalog
from bakery.display import FORMATS, Report, make_display, show, tell, terminal_width
from bakery.errors import InputError
from bakery.options import Building, Measuring, Output, Scanning, Selection, option
from commands import lazy as bakery
from commands.command import WORKSPACE, command


@command(
    "version target variant source all against repository html check brief format",
    against="Compare with this image instead of the official one: any reference, in the engine or in a registry",
    check="Exit with code 1 if an image is over its size budget (shared/budgets.toml)",
)
def compare(selection: Selection, measuring: Measuring, output: Output) -> Report:
    """Compare the sizes of images with the official ones: layers, parts on disk, and files that only one has."""
    catalog, images = selection.select(WORKSPACE.root)
    comparisons = bakery.sizes.open_comparer(WORKSPACE, catalog, measuring, tell).compare_all(images, WORKSPACE)
    if measuring.html:
        tell(bakery.report.write_page(measuring.html, bakery.report.page(comparisons)))
    return bakery.report.comparison_report(
        comparisons, output.format, terminal_width(), brief=measuring.brief, check=output.check
    )


@command("version target variant source against record format", record="Update shared/facts from both images")
def differences(selection: Selection, measuring: Measuring, output: Output) -> Report:
    """Compare what users can observe in images with the official recipe's; fails if a difference has no reason."""
    catalog, images = selection.select(WORKSPACE.root)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "differences", selection, Building())
    pairs = [(image, bakery.build.peer_of(builder, image, measuring.against)) for image in images]
    return bakery.testing.differences_report(WORKSPACE.root, catalog, builder.engine, pairs, output)


def measure(selection: Selection, measuring: Measuring, function: str) -> None:
    """Measure each pair of images with a function of bakery.benchmarks; write the results and print their tables."""
    if measuring.image and measuring.against and not selection.version:
        selection.refuse("--image with --against")
        pairs = [bakery.benchmarks.free_pair(load_catalog(WORKSPACE.root), measuring.image, measuring.against)]
    else:
        catalog, images = selection.select(WORKSPACE.root)
        builder = bakery.build.open_builder(WORKSPACE, catalog, "bench", selection, Building())
        bakery.benchmarks.require_usable(builder.engine, measuring)
        peers = [bakery.build.peer_of(builder, image, measuring.against) for image in images]
        pairs = bakery.benchmarks.pairs_of(catalog, images, measuring.image, peers)
    engine = bakery.engine.find_engine(WORKSPACE, tell)
    sessions = [
        bakery.benchmarks.Session(WORKSPACE, engine, pair, measuring, make_display(sys.stderr)) for pair in pairs
    ]
    for session in sessions:
        session.report(getattr(bakery.benchmarks, function)).show()
    if measuring.html:
        page = bakery.report.benchmark_page([session.measured for session in sessions])
        bakery.report.write_page(measuring.html, page)


@command(
    "version target source image against applications operations threads memory full only rounds max_rounds cpu clock "
    "html",
    rounds=option(6, "How many times each benchmark is measured in each image (default: 6)", minimum=1),
)
def bench(selection: Selection, measuring: Measuring) -> None:
    """Compare the speed of images with the official recipe's, using pyperformance; results go to build/bench."""
    measure(selection, measuring, "run_benchmarks")


@command("version target source image against rounds cpu fresh_engine pull html")
def startup(selection: Selection, measuring: Measuring) -> None:
    """Compare cold starts in fresh containers with those of the official recipe; results go to build/bench."""
    measure(selection, measuring, "run_startup")


@command(
    "version target variant source mirror output format",
    format=option("json", "The SPDX 2.3 document (json) or an overview", choices=FORMATS),
)
def sbom(selection: Selection, building: Building, output: Output) -> None:
    """Print the software bill of materials (SPDX 2.3) of built images, without running them."""
    catalog, images = selection.select(WORKSPACE.root)
    if len(images) > 1 and (output.output or output.format == "json"):
        raise InputError("a document describes one image", hint="Give one --version, --target and --variant.")
    for bill in bakery.sbom.bills(WORKSPACE, catalog, images, building.mirror, tell):
        if output.output:
            bakery.sbom.write_bill(bill, Path(output.output), WORKSPACE.root)
        elif output.format == "json":
            bakery.sbom.print_bill(bill)
        else:
            show(bakery.sbom.bill_rows(bill), bakery.sbom.BILL_COLUMNS, output.format)


@command("bill tracker check format", check="Exit with code 1 if the archive has a fix for a vulnerability")
def vulnerabilities(scanning: Scanning, output: Output) -> Report:
    """List known vulnerabilities of an image's distribution packages, and which of them a rebuild would fix."""
    return bakery.sbom.vulnerability_report(load_catalog(WORKSPACE.root), scanning, check=output.check)


@command(
    "version target variant platform source repository base refresh builder ca_bundle apt_mirror check format",
    repository="Examine the images in this repository of a registry (127.0.0.1:5000/python), on all its platforms",
    base="Query the archive on this base, not the target's slim image: an image, OCI layout, rootfs tar or folder",
    check="Exit with code 1 if a package is outdated; code 2 means that something could not be checked",
)
def outdated(selection: Selection, building: Building, measuring: Measuring, output: Output) -> Report:
    """List packages in images for which the distribution has newer versions (default: in all images that exist)."""
    catalog, images = selection.select(WORKSPACE.root, everything=True)
    builder = bakery.build.open_builder(WORKSPACE, catalog, "outdated", selection, building)
    query = partial(bakery.build.query_newer, builder)
    survey = bakery.sbom.Outdated(catalog, builder.engine, query, measuring.repository, tell).survey(images)
    return survey.report(check=output.check)


@command("version target variant source all format")
def tags(selection: Selection) -> Report:
    """List the tags of images (default: of all images)."""
    return bakery.report.tag_report(*selection.select(WORKSPACE.root, everything=not selection.version))


@command("version target variant source mirror releases format")
def images(selection: Selection, building: Building, output: Output) -> Report:
    """List what can be built, how long it is supported, and what this clone has built."""
    catalog, selected = selection.select(WORKSPACE.root, everything=True)
    if output.releases:
        where = bakery.sources.SourceCache(WORKSPACE, building.mirror, tell).where
        return bakery.report.release_report(catalog, selection.version, where)
    overview = output.format == "table" and not (selection.version or selection.target or selection.variant)
    return bakery.report.image_report(catalog, WORKSPACE, selected, overview=overview)
