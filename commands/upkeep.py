"""Commands that publish images, and keep the repository's data, this machine and its engine in order."""

from pathlib import Path

from bakery.catalog import load_catalog
from bakery.display import Report, tell
from bakery.errors import EngineError
from bakery.net import users_bundle
from bakery.options import Building, Cleaning, Output, Publishing, Selection, option
from bakery.redaction import redact
from commands import lazy as bakery
from commands.command import WORKSPACE, command


@command(
    "version target variant platform source all repository stamp force dry sign key digests merge ca_bundle format"
)
def push(selection: Selection, building: Building, publishing: Publishing, output: Output) -> Report | None:
    """Push tested images with all their tags: by digest first, tags last; safe to repeat after an interruption."""
    catalog, images = (load_catalog(WORKSPACE.root), ()) if publishing.merge else selection.select(WORKSPACE.root)
    bundle = users_bundle(building.ca_bundle)
    with bakery.publish.open_pusher(WORKSPACE, catalog, publishing, bundle, tell, dry=output.dry) as pusher:
        if publishing.merge:
            pushed = bakery.publish.read_digests(publishing.merge)
        else:
            pushed = pusher.push_digests(bakery.engine.find_engine(WORKSPACE, tell), images)
        if publishing.digests and not output.dry:
            print(bakery.publish.write_digests(publishing.digests, pushed))
            return None
        reports = pusher.tag(pushed)
    return Report.of("image platform tag state why", [row for report in reports for row in report.rows])


@command(
    "version target check",
    version="Series to look for newer releases of (default: all), or a pinned release to verify again",
    target="Targets to look for newer bases of (default: all, unless --version is given)",
)
def update(selection: Selection, output: Output) -> None:
    """Update shared/lock.toml to the newest releases and bases, verified; prints the diff and commit messages."""
    catalog, write = load_catalog(WORKSPACE.root), not output.check
    result = bakery.sources.update_lock(WORKSPACE, catalog, selection.version, selection.target, tell, write=write)
    print(result.text)
    if result.failure:
        raise result.failure


@command("check record")
def readme(output: Output) -> None:
    """Render README's and docs/'s tables and charts from the catalog, shared/ and docs/results."""
    if output.record and not output.check:
        bakery.records.publish_local_records(WORKSPACE, tell)
    differences = bakery.testing.differences_part(WORKSPACE.root)
    print(bakery.report.render_pages(WORKSPACE.root, differences, check=output.check))


@command("output", output=option(None, "Folder of the site (default: build/site)", path="read"))
def site(output: Output) -> None:
    """Write a static site with a page for each image, from the records of builds, tests and benchmarks."""
    print(bakery.report.write_site(WORKSPACE, Path(output.output or WORKSPACE.build / "site")))


@command("builder ca_bundle format", builder="buildx builder to examine (default: the builder in use)")
def doctor(building: Building) -> Report:
    """Check that this machine has what builds need, and say what to type; exit code 1 if a build would fail."""
    findings = bakery.machine.examine_machine(WORKSPACE, load_catalog(WORKSPACE.root), building)
    rows, failure = [finding._asdict() for finding in findings], bakery.machine.failure_of(findings)
    return Report.of("check state details advice", rows, failure=failure)


@command("logs images cache sources layers bases engine environments all dry")
def clean(cleaning: Cleaning, output: Output) -> None:
    """Remove what builds left on this machine: only the kinds that you name."""
    kinds = [kind for kind in bakery.machine.KINDS if cleaning.all or getattr(cleaning, kind)]
    bakery.machine.clean(WORKSPACE, kinds, lambda text: print(redact(text), flush=True), dry=output.dry)


@command()
def up() -> None:
    """Start the embedded engine, unless another engine answers."""
    engine = bakery.engine.find_engine(WORKSPACE, tell)
    print(redact(f"{engine.kind} engine at {engine.host}"))


@command()
def down() -> None:
    """Stop the embedded engine; its images and build cache stay."""
    print("stopped" if bakery.engine.Embedded(WORKSPACE, tell).down() else "the embedded engine was not running")


@command("format", format=option("text", "Output format", choices=("text", "json")))
def status(output: Output) -> None:
    """Show the engine in use and what it holds; exit code 1 if none answers."""
    details = bakery.engine.engine_status(WORKSPACE)
    print(bakery.engine.status_text(details, output.format))
    if details["kind"] is None:
        raise EngineError("no Docker engine answers", hint="Start the embedded one, as root: inv engine.up")


@command()
def env() -> None:
    """Print shell commands that point docker at the engine in use: eval "$(inv engine.env)"."""
    print(bakery.engine.shell_settings(bakery.engine.find_engine(WORKSPACE, tell), WORKSPACE.root))
