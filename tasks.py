"""Invoke tasks: a signature, its help, and a call into bakery. ``inv --list`` shows them."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, task

from bakery.catalog import (
    AMD64,
    Image,
    RecipeName,
    host_platform,
    load_catalog,
    parse_compression,
    parse_platforms,
    select_images,
    split,
)
from bakery.errors import BakeryError, BuildError, InputError, NothingSelected
from bakery.workspace import find_workspace

ROOT = Path(__file__).resolve().parent
WORKSPACE = find_workspace(ROOT)
INTERRUPTED = 130

VERSION = "Series (3.13; 3.13t: free-threaded) or pinned release (3.13.5); repeat it or separate by commas"
TARGET = "Distribution release such as bookworm (`inv images` lists them); repeat it or separate by commas"
VARIANT = "What is in it: default, minimal or another variant; repeat it or separate by commas"
EVERYTHING = "All series, targets and variants, where --version, --target or --variant does not say otherwise"
QUICK = "No PGO, no LTO: for the development loop, never for a release"
NO_CACHE = "Compile again whatever the build cache holds: to measure how long a build takes"
COMPRESSION = (
    "How layers are packed: zstd (level 19), zstd:LEVEL, gzip (the engine's own) or gzip:LEVEL (default: zstd)"
)
FORMAT = "table, markdown or json (default: table)"
MIRROR = "Where to look for tarballs first: a URL or folder laid out like python.org/ftp/python (also $BAKERY_MIRROR)"
PLATFORM = "linux/amd64 (amd64, x86_64) or linux/arm64 (arm64, arm64v8, aarch64); repeat it or separate by commas"
CA_BUNDLE = "File with certificates of your own authorities (PEM), believed beside the public ones"
OURS = "Measure this image instead: any reference that the engine has or can pull"
AGAINST = "Compare with this image instead of reference/python, such as python:3.13-slim-bookworm"
CPU = "Number of the CPU to pin to (default: the engine's last)"
BASE = "Build on this instead of the target's slim image: an image, an OCI image layout, a rootfs tar or folder"


def interrupt(*_: Any) -> None:
    """End as Ctrl-C does; by itself, because what a script starts in the background ignores SIGINT."""
    raise KeyboardInterrupt


def friendly(body: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the errors that bakery raises into one message and its exit code, and Ctrl-C into a word of comfort."""

    @functools.wraps(body)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        signal.signal(signal.SIGTERM, interrupt)
        for stream in (sys.stdout, sys.stderr):
            # A table's rule must not end a build on a terminal that knows ASCII only.
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        try:
            return body(*args, **kwargs)
        except BakeryError as error:
            raise Exit(f"{type(error).__name__}: {error}", error.exit_code) from None
        except KeyboardInterrupt:
            raise Exit("\ninterrupted; the same command again goes on with what is finished", INTERRUPTED) from None
        except BrokenPipeError:
            raise Exit(code=1) from None
        except OSError as error:
            if error.filename is None:
                raise
            raise Exit(f"{error.filename}: {error.strerror}", 1) from None

    return wrapper


def job(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``invoke.task`` with this project's conventions."""
    return lambda body: task(auto_shortflags=False, **options)(friendly(body))


def warn(text: str) -> None:
    """Print to stderr: stdout belongs to results."""
    print(text, file=sys.stderr, flush=True)


def width() -> int:
    """Columns of the terminal, more than anything needs where stdout is none."""
    from bakery.display import UNLIMITED

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED


def show(rows: Sequence[Any], columns: Sequence[Any], form: str) -> None:
    """Print rows in the form that was asked for, no wider than the terminal where there is one."""
    from bakery.display import render

    sys.stdout.write(render(rows, columns, form, width()))
    sys.stdout.flush()


def number(text: str | None) -> int | None:
    """The number that an optional argument holds."""
    if text is None or str(text).isdecimal():
        return None if text is None else int(text)
    raise InputError(f"{text!r} is no number")


def select(
    version: Sequence[str], target: Sequence[str], everything: bool, quick: bool = False, recipe=RecipeName.FULL,
    variant: Sequence[str] = (), platform: Sequence[str] = (),
) -> tuple[Any, tuple[Image, ...]]:  # fmt: skip
    """The catalog and the images that the arguments mean, for this machine where no platform is named."""
    catalog = load_catalog(ROOT)
    recipe = RecipeName.QUICK if quick else recipe
    names = split(version), split(target), split(variant)
    images: list[Image] = []
    for one in parse_platforms(catalog.platforms, split(platform)) or (host_platform(),):
        local = "" if one == host_platform() else one.architecture
        found = select_images(catalog, *names, everything=everything, recipe=recipe, platform=one)
        images += (replace(image, local=local) for image in found)
    return catalog, tuple(images)


def open_builder(
    catalog: Any, display: Any, verb: str, target: Sequence[str], quick: bool,
    mirror: str | None, base: str | None, refresh: bool = False, no_cache: bool = False,
    variant: Sequence[str] = (), packing: Any = None, jobs: int | None = 1, builder: str | None = None,
    cache_from: Sequence[str] = (), cache_to: Sequence[str] = (), ca_bundle: str | None = None,
    apt_mirror: str | None = None,
) -> Any:  # fmt: skip
    """Make the builder for the engine in use, which knows the user's command for what it suggests."""
    from bakery.build import Builder, BuildSettings
    from bakery.engine import BuildxOptions, default_jobs, find_engine
    from bakery.net import believe, users_bundle, users_network

    engine = find_engine(WORKSPACE, catalog, functools.partial(display.note, ""))
    named = [("--target", one) for one in split(target)] + [("--variant", one) for one in split(variant)]
    options = [*named, ("--mirror", mirror), ("--base", base)]
    words = ["inv", verb, *(f"{name}={value}" for name, value in options if value), *(["--quick"] if quick else [])]
    again = shlex.join(words).replace("{", "{{").replace("}", "}}") + " --version={version}"
    mirror = mirror or os.environ.get("BAKERY_MIRROR")
    believe(users_bundle(ca_bundle), WORKSPACE.home)
    network = users_network(ca_bundle, apt_mirror)
    buildx = BuildxOptions(no_cache, builder or "", tuple(cache_from), tuple(cache_to), network)
    jobs = default_jobs(engine.info.cpus, engine.info.memory_bytes) if jobs is None else jobs
    if jobs < 1:
        raise InputError(f"--jobs={jobs}: expected how many images to build at a time, 1 or more")
    settings = BuildSettings(mirror, base, refresh, packing, jobs, again, buildx)
    return Builder(WORKSPACE, catalog, engine, display, settings)


def report_results(catalog: Any, results: Sequence[Any], format: str) -> None:
    """Print what became of each image; raises where one failed."""
    from bakery.build import failure_of
    from bakery.report import RESULT_COLUMNS, result_rows
    from bakery.sizes import read_baseline

    show(result_rows(catalog, results, read_baseline(ROOT)), RESULT_COLUMNS, format)
    for result in results:
        if result.error:
            warn(f"\n{result.image.name}: {result.error}")
    failure = failure_of(results)
    if failure:
        raise failure


def build_missing(builder: Any, images: Sequence[Image]) -> None:
    """Build those of ``images`` that the engine does not have; :exc:`BuildError` where one cannot be built."""
    for result in builder.build(builder.missing(images)):
        if result.error:
            raise BuildError(f"{result.image.name}: {result.error}")


def planned(catalog: Any, images: Sequence[Image], base: str | None) -> Any:
    """The bake definition without touching network or engine: recorded bases, else the pinned ones."""
    from bakery.bases import BaseResolver
    from bakery.build import inputs_for
    from bakery.plan import definition
    from bakery.sources import SourceCache

    bases, sources = BaseResolver(WORKSPACE, catalog, base, tell=warn), SourceCache(WORKSPACE)
    inputs = {}
    for image in images:
        source, extras = sources.folder(image.pin), sources.extras_folder(image.series)
        base_of = bases.preview(image.target, image.platform)
        inputs[image] = inputs_for(WORKSPACE, catalog, image, source, extras, base_of)
    return definition(catalog, images, inputs)


@job(
    iterable=["version", "target", "variant", "platform", "cache_from", "cache_to"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "platform": PLATFORM,
        "all": EVERYTHING,
        "quick": QUICK,
        "jobs": "Images to build at a time (default: one for every two processors and 4 GB of the engine's)",
        "builder": "buildx's builder to use, local, remote or in Kubernetes (`docker buildx ls`)",
        "cache-from": "Reuse what others compiled: a repository, or words such as type=s3,...,name={image}; repeat it",
        "cache-to": "Keep what is compiled there for others; the same words",
        "ca-bundle": CA_BUNDLE,
        "apt-mirror": "Where packages come from: what stands before /debian, or with {archive} ($BAKERY_APT_MIRROR)",
        "mirror": MIRROR,
        "base": BASE,
        "refresh": "Choose the bases anew instead of keeping what earlier builds chose",
        "no-cache": NO_CACHE,
        "train": "Train anew for this build instead of taking the recorded profile (`inv profile` records one)",
        "compression": COMPRESSION,
        "print": "Print the bake definition and build nothing (the same as `inv plan`)",
        "dry": "Say what would be built and change nothing",
        "format": FORMAT,
    },
)
def build(
    _: Context, version=None, target=None, variant=None, platform=None, all=False, quick=False, jobs=None, builder=None,
    cache_from=None, cache_to=None, ca_bundle=None, apt_mirror=None, mirror=None, base=None, refresh=False,
    no_cache=False, train=False, compression=None, print=False, dry=False, format="table",
) -> None:  # fmt: skip
    """Build images: verified source, pinned base, PGO and LTO; tags and sizes in a table at the end."""
    from bakery.display import make_display, render
    from bakery.report import TAG_COLUMNS, tag_rows

    catalog, images = select(version, target, all, quick, variant=variant, platform=platform)
    catalog = replace(catalog, profiles={}) if train else catalog
    render([], (), format)
    packing = parse_compression(compression) if compression else None
    if print or dry:
        sys.stdout.write(
            json.dumps(planned(catalog, images, base), indent=2) + "\n"
            if print
            else render(tag_rows(catalog, images), TAG_COLUMNS, format)
        )
        return
    with make_display(sys.stderr) as display:
        opened = open_builder(
            catalog, display, "build", target, quick, mirror, base, refresh, no_cache, variant, packing,
            number(jobs), builder, cache_from or (), cache_to or (), ca_bundle, apt_mirror,
        )  # fmt: skip
        results = opened.build(images)
    report_results(catalog, results, format)


@job(
    iterable=["version", "target"],
    help={
        "version": VERSION,
        "target": TARGET,
        "mirror": MIRROR,
        "base": BASE,
        "no-cache": "Train again whatever the build cache holds",
        "dry": "Say what would be trained and change nothing",
    },
)
def profile(_: Context, version=None, target=None, mirror=None, base=None, no_cache=False, dry=False) -> None:
    """Train interpreters and record their profiles (shared/profiles, shared/lock.toml), which builds then use."""
    from bakery.build import record_profile, train
    from bakery.display import make_display

    catalog, images = select(version, target, False)
    if dry:
        for image in images:
            sys.stdout.write(f"{image.name}: would train with {catalog.compiler_of(image).name}\n")
        return
    with make_display(sys.stderr) as display:
        untrained = replace(catalog, profiles={})
        builder = open_builder(untrained, display, "profile", target, False, mirror, base, no_cache=no_cache)
        for image in images:
            record_profile(ROOT, *train(builder, image), functools.partial(display.note, image.name))


@job(
    iterable=["version", "target"],
    help={
        "version": VERSION,
        "target": TARGET,
        "mirror": MIRROR,
        "base": BASE,
        "no-cache": NO_CACHE,
        "format": FORMAT,
    },
)
def reference(_: Context, version=None, target=None, mirror=None, base=None, no_cache=False, format="table") -> None:
    """Build the official recipe, re-created on the same base, which ours is measured against (reference/python:...)."""
    from bakery.display import make_display, render

    catalog, images = select(version, target, False, recipe=RecipeName.REFERENCE)
    render([], (), format)
    with make_display(sys.stderr) as display:
        builder = open_builder(catalog, display, "reference", target, False, mirror, base, no_cache=no_cache)
        results = builder.build(images)
    report_results(catalog, results, format)


@job(
    iterable=["version", "target", "variant", "platform", "k"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "platform": PLATFORM,
        "all": EVERYTHING,
        "quick": "Where an image is missing, build it with --quick",
        "k": "Run only tests whose names contain this; repeat it for more",
        "mirror": MIRROR,
        "base": BASE,
        "format": FORMAT,
    },
)
def test(
    _: Context, version=None, target=None, variant=None, platform=None, all=False, quick=False, k=None, mirror=None,
    base=None, format="table",
) -> None:  # fmt: skip
    """Run tests/image inside images, by the interpreter that was built; missing images are built first."""
    from bakery.display import Column, make_display, render
    from bakery.testing import run_image_tests

    catalog, images = select(version, target, all, quick, variant=variant, platform=platform)
    render([], (), format)
    with make_display(sys.stderr) as display:
        builder = open_builder(catalog, display, "test", target, quick, mirror, base, variant=variant)
        build_missing(builder, images)
    outcomes = []
    for image in images:
        warn(f"testing {image.name}")
        outcomes.append(run_image_tests(WORKSPACE, catalog, builder.engine, image, k or (), warn))
    columns = [Column(key, key, right=key != "image") for key in ("image", "passed", "failed", "skipped")]
    show([outcome.row for outcome in outcomes], columns, format)
    for outcome in outcomes:
        for failure in outcome.failures:
            warn(f"{outcome.image.name}: {failure}")
    if any(outcome.failures for outcome in outcomes):
        raise BuildError(
            f"tests failed in {sum(bool(outcome.failures) for outcome in outcomes)} of {len(outcomes)} images"
        )


@job(
    iterable=["version", "target", "only"],
    help={
        "version": VERSION,
        "target": TARGET,
        "quick": "Where an image is missing, build it with --quick",
        "only": "Run only this test file (test_ssl); repeat it or separate by commas (default: the whole suite)",
        "jobs": "Test files at a time (default: one for each processor)",
        "mirror": MIRROR,
        "base": BASE,
        "format": FORMAT,
    },
)
def regrtest(
    _: Context, version=None, target=None, quick=False, only=None, jobs=0, mirror=None, base=None, format="table",
) -> None:  # fmt: skip
    """Run CPython's own test suite on images, with its test modules in a layer on top; missing images are built."""
    from bakery.display import Column, make_display, render
    from bakery.testing import build_suite, run_suite

    catalog, images = select(version, target, False, quick)
    render([], (), format)
    with make_display(sys.stderr) as display:
        builder = open_builder(catalog, display, "regrtest", target, quick, mirror, base)
        build_missing(builder, images)
        suites = [build_suite(builder, image) for image in images]
    verdicts = [run_suite(builder, suite, split(only), jobs, warn) for suite in suites]
    keys = ("image", "result", "passed", "failed", "skipped", "expected")
    show([verdict.row for verdict in verdicts], [Column(key, key) for key in keys], format)
    for verdict in verdicts:
        for test in verdict.failed:
            warn(f"{verdict.image.name}: {test} failed")
        for test in verdict.recovered:
            warn(f"{verdict.image.name}: {test} no longer fails: take it out of shared/regrtest.toml")
    bad = [verdict.image.name for verdict in verdicts if not verdict.good]
    if bad:
        raise BuildError(f"CPython's test suite does not end as expected in {', '.join(bad)}")


@job(
    iterable=["version", "target", "variant"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "all": EVERYTHING,
        "against": "Compare with this image instead of the official one: any reference, in the engine or in a registry",
        "repository": "Take ours from this repository in a registry (127.0.0.1:5000/python), on all its platforms",
        "html": "Write one self-contained page with charts to this file as well",
        "check": "Exit code 1 where an image is over its size budget (shared/catalog.toml)",
        "brief": "Only the summary: neither layers nor anatomy nor files",
        "format": FORMAT,
    },
)
def compare(
    _: Context, version=None, target=None, variant=None, all=False, against=None, repository=None, html=None,
    check=False, brief=False, format="table",
) -> None:  # fmt: skip
    """Compare images with the official ones: layers as pulled, size on disk, anatomy, and files of one only."""
    from bakery.display import render
    from bakery.engine import find_engine, running_engine
    from bakery.files import write_whole
    from bakery.records import read_status
    from bakery.report import SUMMARY_COLUMNS, full_report, page, summary_rows
    from bakery.sizes import Comparer, document, read_baseline, record_comparison

    catalog, images = select(version, target, all, variant=variant)
    render([], (), format)
    engine = (running_engine if repository else find_engine)(WORKSPACE, catalog, warn)
    comparer = Comparer(catalog, engine, read_baseline(ROOT), read_status(ROOT), against, repository, warn)
    found = [one for image in images for one in comparer.compare(image)]
    if not against and not repository:
        for one in found:
            record_comparison(WORKSPACE, one)
    show([document(one) for one in found] if format == "json" else summary_rows(found), SUMMARY_COLUMNS, format)
    if format != "json" and not brief:
        print(f"\n{full_report(found, format, width())}", end="")
    if html:
        write_whole(Path(html), page(found))
        warn(f"written: {html}")
    absent = [one.image.name for one in found if one.ours is None]
    if absent:
        raise BuildError(f"not built: {', '.join(absent)}", hint="Build them first, with `inv build`.")
    over = [f"{one.name}: {one.over_budget}" for one in found if one.over_budget]
    if check and over:
        raise BuildError("\n".join(over))


@job(
    iterable=["version", "target", "variant"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "all": EVERYTHING,
        "quick": QUICK,
        "mirror": MIRROR,
        "base": BASE,
        "format": FORMAT,
    },
)
def verify(
    _: Context, version=None, target=None, variant=None, all=False, quick=False, mirror=None, base=None, format="table",
) -> None:  # fmt: skip
    """Build images twice without the build cache and compare them bit for bit; exit code 1 where they differ."""
    from bakery.build import Verifier, explain, verdict_rows
    from bakery.display import make_display, render
    from bakery.report import VERDICT_COLUMNS

    catalog, images = select(version, target, all, quick, variant=variant)
    render([], (), format)
    with make_display(sys.stderr) as display:
        builder = open_builder(catalog, display, "verify", target, quick, mirror, base, no_cache=True, variant=variant)
        verdicts = Verifier(builder).verify(images)
    show(verdict_rows(verdicts), VERDICT_COLUMNS, format)
    explain(verdicts, warn)


def measured(
    version: Any, target: Any, image: str | None, against: str | None, settings: Any, measure: Callable[..., Any]
) -> None:
    """Run ``measure(session)`` for each pair of images; write its result and print its table."""
    from bakery.benchmarks import COLUMNS, Session, free_pair, notes_of, pair_of, rows_of, save
    from bakery.display import make_display
    from bakery.engine import find_engine

    if image and against and not version:
        catalog, pairs = load_catalog(ROOT), [free_pair(image, against)]
    else:
        catalog, images = select(version, target, False)
        pairs = [pair_of(catalog, one, image, against) for one in images]
    engine = find_engine(WORKSPACE, catalog, warn)
    for pair in pairs:
        with make_display(sys.stderr) as display:
            result = measure(Session(WORKSPACE, engine, pair, settings, display))
        file = save(WORKSPACE.build / "bench", result)
        show(rows_of(result), COLUMNS, "table")
        print("".join(f"\n{note}" for note in (*notes_of(result), f"Written: {file} and {file.stem}.md")))


@job(
    iterable=["version", "target", "only"],
    help={
        "version": VERSION,
        "target": TARGET,
        "image": OURS,
        "against": AGAINST,
        "full": "All of pyperformance that can run without a network, instead of the subset",
        "only": "Run only this benchmark (json_loads); repeat it or separate by commas",
        "rounds": "How often each benchmark is measured on either side (default: 6)",
        "cpu": CPU,
        "clock": "wall, or cpu: CPU time, which other work on the machine disturbs less (default: wall)",
    },
)
def bench(
    _: Context, version=None, target=None, image=None, against=None, full=False, only=None, rounds=6, cpu=None,
    clock="wall",
) -> None:  # fmt: skip
    """Compare the speed of images with the official recipe's, by pyperformance; results go to build/bench."""
    from bakery.benchmarks import Settings, run_benchmarks

    settings = Settings(rounds, number(cpu), clock, full, split(only)).check()
    measured(version, target, image, against, settings, run_benchmarks)


@job(
    iterable=["version", "target"],
    help={
        "version": VERSION,
        "target": TARGET,
        "image": OURS,
        "against": AGAINST,
        "rounds": "How often each command is started in either image (default: 10)",
        "cpu": CPU,
        "fresh_engine": "In a second embedded engine that holds both images and nothing else: what an engine keeps "
        "beside them, a build cache above all, can make each docker run longer. =overlay2: with that image store, "
        "Docker's default before version 29, instead of containerd's",
    },
    optional=["fresh_engine"],
)
def startup(
    _: Context, version=None, target=None, image=None, against=None, rounds=10, cpu=None, fresh_engine=None
) -> None:
    """Compare cold starts in fresh containers with the official recipe's; results go to build/bench."""
    from bakery.benchmarks import Settings, run_startup

    store = "containerd" if fresh_engine is True else fresh_engine
    settings = Settings(rounds, number(cpu), fresh_engine=store).check()
    measured(version, target, image, against, settings, run_startup)


@job(
    help={
        "check": "Write nothing; exit code 1 where README.md is not what it would be",
        "record": "First take over the records of this clone's tested builds into shared/status.json",
    }
)
def readme(_: Context, check=False, record=False) -> None:
    """Render README's tables (tags, build status, sizes) from the catalog and shared/status.json."""
    from bakery.display import render
    from bakery.files import write_whole
    from bakery.records import adopt, local_records, read_status, write_status
    from bakery.report import SUMMARY_COLUMNS, TAG_COLUMNS, drift, fill, recorded_rows, status_table, tag_rows
    from bakery.sizes import read_baseline

    catalog = load_catalog(ROOT)
    images = select_images(catalog, variants=[catalog.default_variant.name], everything=True)
    records = read_status(ROOT)
    if record and not check:
        records = adopt(records, local_records(WORKSPACE))
        write_status(ROOT, records)
    file = ROOT / "README.md"
    old = file.read_text(encoding="utf-8")
    parts = {
        "tags": render(tag_rows(catalog, images), TAG_COLUMNS, "markdown"),
        "status": status_table(catalog, records, AMD64),
        "sizes": render(recorded_rows(catalog, records, read_baseline(ROOT), AMD64), SUMMARY_COLUMNS, "markdown"),
    }
    new = fill(old, parts)
    difference = drift(old, new)
    if check and difference:
        raise BuildError(f"README.md is not what the data say:\n{difference}", hint="Render it: inv readme")
    if difference:
        write_whole(file, new)
    print("README.md is up to date" if not difference else "README.md written")


@job(
    iterable=["version", "target", "variant"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "mirror": MIRROR,
        "output": "Write the SPDX document of one image to this file instead of printing it",
        "format": "table or markdown (an overview), json (the SPDX 2.3 document; default)",
    },
)
def sbom(_: Context, version=None, target=None, variant=None, mirror=None, output=None, format="json") -> None:
    """Print the software bill of materials (SPDX 2.3) of built images; nothing is run or fetched but the tarball."""
    from bakery.display import render
    from bakery.files import write_whole
    from bakery.sbom import BILL_COLUMNS, bill_rows, bills, text_of

    catalog, images = select(version, target, False, variant=variant)
    render([], (), format)
    if output and len(images) > 1:
        raise InputError("--output takes the document of one image", hint="Name one --version, --target and --variant.")
    for content in bills(WORKSPACE, catalog, images, mirror, warn):
        if output:
            write_whole(Path(output), text_of(content))
        elif format == "json":
            sys.stdout.write(text_of(content))
        else:
            show(bill_rows(content), BILL_COLUMNS, format)


@job(
    iterable=["version", "target", "variant"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "repository": "Look at the images in this repository of a registry (127.0.0.1:5000/python), without a pull",
        "check": "Exit code 1 where a package is outdated, or its archive or image could not be asked",
        "format": FORMAT,
    },
)
def outdated(
    _: Context, version=None, target=None, variant=None, repository=None, check=False, format="table"
) -> None:  # fmt: skip
    """Say which images carry packages that the distribution has newer versions of (default: all that are there)."""
    from bakery.display import render
    from bakery.engine import find_engine
    from bakery.sbom import OUTDATED_COLUMNS, Outdated

    catalog, images = select(version, target, True, variant=variant)
    render([], (), format)
    engine = None if repository else find_engine(WORKSPACE, catalog, warn)
    found = Outdated(WORKSPACE, catalog, engine, repository, warn).survey(images)
    if not found.images and not found.unknown:
        raise NothingSelected("there is no image to look at", hint="Build one first, or name a --repository.")
    show(found.rows, OUTDATED_COLUMNS, format)
    for line in found.unknown:
        warn(line)
    if check and (found.rows or found.unknown):
        behind = len({row["reference"] for row in found.rows})
        raise BuildError(f"{behind} images are outdated, {len(found.unknown)} could not be told")


@job(
    iterable=["version", "target", "variant", "platform"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "platform": PLATFORM,
        "all": EVERYTHING,
        "quick": QUICK,
        "base": BASE,
        "format": "bake (a definition for docker buildx) or github (a matrix of CI jobs, on one line) (default: bake)",
    },
)
def plan(
    _: Context, version=None, target=None, variant=None, platform=None, all=False, quick=False, base=None,
    format="bake",
) -> None:  # fmt: skip
    """Print what a build of these images means, as a bake definition or a CI matrix; nothing is fetched or started."""
    from bakery.plan import github_matrix

    if format not in ("bake", "github"):
        raise InputError(f"unknown format {format!r}", hint="There are: bake, github.")
    catalog, images = select(version, target, all, quick, variant=variant, platform=platform)
    if format == "github":
        print(json.dumps(github_matrix(images), separators=(",", ":")))
    else:
        print(json.dumps(planned(catalog, images, base), indent=2))


@job(
    iterable=["version", "target", "variant"],
    help={"version": VERSION, "target": TARGET, "variant": VARIANT, "all": EVERYTHING, "format": FORMAT},
)
def tags(_: Context, version=None, target=None, variant=None, all=False, format="table") -> None:
    """List the tags of images (of all of them, where none is named)."""
    from bakery.report import TAG_COLUMNS, tag_rows

    catalog, images = select(version, target, all or not version, variant=variant)
    show(tag_rows(catalog, images), TAG_COLUMNS, format)


@job(
    iterable=["version", "target", "variant"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "releases": "List the pinned releases of the series instead",
        "format": FORMAT,
    },
)
def images(_: Context, version=None, target=None, variant=None, releases=False, format="table") -> None:
    """List what can be built, how long it is supported, and what this clone has built."""
    from bakery.report import IMAGE_COLUMNS, RELEASE_COLUMNS, catalog_rows, release_rows

    catalog, found = select(version, target, True, variant=variant)
    if releases:
        show(release_rows(catalog, split(version)), RELEASE_COLUMNS, format)
    else:
        show(catalog_rows(catalog, WORKSPACE, found, date.today()), IMAGE_COLUMNS, format)


@job(
    iterable=["version", "target", "variant", "platform", "merge"],
    help={
        "version": VERSION,
        "target": TARGET,
        "variant": VARIANT,
        "platform": PLATFORM,
        "all": EVERYTHING,
        "repository": "Where to push, such as 127.0.0.1:5000/infra7/python (default: the catalog's)",
        "stamp": "What the dated tags end in (default: the day of the build, 20261122)",
        "force": "Push what did not pass its tests, and move shared tags that lose a platform; says what it overrides",
        "dry": "Say what would be sent and which tags would move; change nothing",
        "sign": "Sign each index with cosign before tags move to it; keyless without --key",
        "key": "cosign's key for --sign: a file or an address; its password comes by $COSIGN_PASSWORD",
        "digests": "Set no tag; write to this file what was pushed by digest, for --merge",
        "merge": "Push nothing; set the tags of what --digests=FILE wrote on other machines; repeat it",
        "ca-bundle": CA_BUNDLE,
        "format": FORMAT,
    },
)
def push(
    _: Context, version=None, target=None, variant=None, platform=None, all=False, repository=None, stamp=None,
    force=False, dry=False, sign=False, key=None, digests=None, merge=None, ca_bundle=None, format="table",
) -> None:  # fmt: skip
    """Push tested images with all their tags: by digest first, tags last; the same again goes on after a break."""
    from bakery.display import Column, render
    from bakery.engine import find_engine
    from bakery.net import users_bundle
    from bakery.publish import Pusher, make_signer, open_shelf, read_handovers, write_handovers

    render([], (), format)
    catalog, images = (load_catalog(ROOT), ()) if merge else select(
        version, target, all, variant=variant, platform=platform
    )  # fmt: skip
    shelf = open_shelf(repository or catalog.repository, users_bundle(ca_bundle), warn)
    with closing(shelf.wire):
        signer = make_signer(shelf.wire, key) if sign and not digests else None
        pusher = Pusher(WORKSPACE, catalog, shelf, warn, signer, stamp, force, dry)
        if merge:
            handovers = read_handovers(split(merge))
        else:
            engine = find_engine(WORKSPACE, catalog, warn)
            handovers = pusher.hand_over(engine, images)
        if digests and not dry:
            write_handovers(Path(digests), handovers)
            print(f"{digests} written: {len(handovers)} images, tagged by inv push --merge={digests}")
            return
        pushed = pusher.tag(handovers)
    columns = [Column(key, key) for key in ("image", "platform", "tag", "state", "why")]
    show([row for done in pushed for row in done.rows], columns, format)


@job(
    iterable=["version", "target"],
    help={
        "version": "Series to look for newer releases of (default: all); a pinned release: check its signature again",
        "target": "Targets to look for newer bases of (default: all, where no --version is given)",
        "check": "Write nothing; exit code 1 where the lock would change",
    },
)
def update(_: Context, version=None, target=None, check=False) -> None:
    """Bring shared/lock.toml up to date: newest releases and bases, verified; prints the diff and commit messages."""
    from bakery.sources import update_lock

    result = update_lock(WORKSPACE, load_catalog(ROOT), split(version), split(target), warn, write=not check)
    print(result.text)
    if result.failure:
        raise result.failure


@job(
    help={"builder": "buildx's builder to look at (default: the one in use)", "ca-bundle": CA_BUNDLE, "format": FORMAT}
)
def doctor(_: Context, builder=None, ca_bundle=None, format="table") -> None:
    """Say what this machine has of what building needs, and what to type; exit code 1 where a build would fail."""
    from bakery.display import Column, render
    from bakery.machine import examine_machine

    render([], (), format)
    diagnosis = examine_machine(WORKSPACE, load_catalog(ROOT), builder or "", ca_bundle)
    columns = [Column(key, key) for key in ("about", "state", "found", "todo")]
    show(diagnosis.rows, columns, format)
    if diagnosis.failure:
        raise diagnosis.failure


@job(
    help={
        "logs": "Logs and records of this clone",
        "images": "Images that this tool built, in the engine in use",
        "cache": "The engine's build cache: the next build compiles again",
        "sources": "Downloaded tarballs",
        "layers": "Layers packed for images",
        "bases": "Base images made from packages, and what was chosen for each target",
        "engine": "The embedded engine with its images and cache",
        "all": "All of these",
        "dry": "Say what would be removed and change nothing",
    }
)
def clean(
    _: Context, logs=False, images=False, cache=False, sources=False, layers=False, bases=False, engine=False,
    all=False, dry=False,
) -> None:  # fmt: skip
    """Remove what builds left on this machine; only what is named."""
    from bakery.machine import KINDS
    from bakery.machine import clean as clean_machine

    chosen = {
        "logs": logs, "images": images, "cache": cache, "sources": sources, "layers": layers, "bases": bases,
        "engine": engine,
    }  # fmt: skip
    kinds = tuple(kind for kind in KINDS if all or chosen[kind])
    clean_machine(WORKSPACE, load_catalog(ROOT), kinds, functools.partial(print, flush=True), dry=dry)


@job()
def up(_: Context) -> None:
    """Start the embedded engine; where another engine answers, say so and leave it at that."""
    from bakery.engine import find_engine

    engine = find_engine(WORKSPACE, load_catalog(ROOT), warn)
    print(f"{engine.kind} engine at {engine.host}")


@job()
def down(_: Context) -> None:
    """Stop the embedded engine; its images and build cache stay."""
    from bakery.engine import Embedded

    stopped = Embedded(WORKSPACE, load_catalog(ROOT), warn).down()
    print("stopped" if stopped else "the embedded engine was not running")


@job(help={"format": "text or json (default: text)"})
def status(_: Context, format="text") -> None:
    """Say which engine would be used, and what it holds; exit code 1 where none answers."""
    from bakery.engine import engine_status

    if format not in ("text", "json"):
        raise InputError(f"unknown format {format!r}", hint="There are: text, json.")
    found = engine_status(WORKSPACE, load_catalog(ROOT))
    if format == "json":
        print(json.dumps(found, indent=1))
    else:
        for key, value in found.items():
            for inner, text in (value if isinstance(value, dict) else {"": value}).items():
                print(f"{f'{key} {inner}'.strip():18} {text if text is not None else '-'}")
    if found["kind"] is None:
        raise Exit("no Docker engine answers; `inv engine.up` starts the embedded one", 1)


@job()
def env(_: Context) -> None:
    """Print shell settings that point docker at the engine in use: eval "$(inv engine.env)"."""
    from bakery.engine import find_engine

    engine = find_engine(WORKSPACE, load_catalog(ROOT), warn)
    print(f"export DOCKER_HOST={shlex.quote(engine.host)}")
    if engine.kind == "embedded":
        print(f'export PATH={shlex.quote(engine.embedded.path)}:"$PATH"')


engine = Collection("engine", up, down, status, env)
namespace = Collection(
    build, profile, reference, test, verify, regrtest, compare, bench, startup, sbom, outdated, plan, tags, images,
    readme, update, push, doctor, clean, engine,
)  # fmt: skip
