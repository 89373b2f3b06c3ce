"""Which images may be published: full builds on a base that others can get, which passed their tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from bakery.catalog import ANNOTATIONS, DIRTY, LABELS, UNVERIFIED, Catalog, Image, RecipeName, all_references, mismatch
from bakery.engine import Engine
from bakery.errors import BuildError, PublishError
from bakery.files import Tell
from bakery.names import GZIP
from bakery.records import LocalRecord, manifest_digest_of, read_record
from bakery.workspace import Workspace

BUILD, TEST = "inv build", "inv test"
OTHERWISE = "--force overrides these objections."


def objections(record: LocalRecord | None, identity: str, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The reasons not to publish the image ``identity`` with these ``labels``; ``record`` describes its build.

    Each comes with the command that fixes it: :data:`BUILD` (and then test) or :data:`TEST`.
    """
    reasons = objections_by_labels(labels)
    tests = record.tests if record else None
    if record is None or record.id != identity:
        reasons.append(("it is not the image that is recorded as built and tested here", BUILD))
    elif tests is None:
        reasons.append(("its tests have not been run", TEST))
    elif tests.failed or not tests.passed:
        reasons.append((f"{tests.failed} of its tests failed, {tests.passed} passed", TEST))
    return reasons


def objections_by_labels(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The reasons that an image's ``labels`` give, as :func:`objections` does."""
    reasons = []
    recipe = labels.get(f"{LABELS}.recipe", "unknown")
    if recipe != RecipeName.FULL:
        reasons.append((f"it is a {recipe} build, and only full builds are published", BUILD))
    if labels.get(f"{LABELS}.base.origin") == "user":
        reasons.append(("it is built on your own base (--base)", BUILD))
    if labels.get(f"{LABELS}.source.signature") == UNVERIFIED:
        reasons.append(("it is built from your own source (--source), not from a release", BUILD))
    if labels.get(f"{ANNOTATIONS}.revision", "").endswith(DIRTY):
        reasons.append(
            ("it is built from uncommitted changes (git status --ignored): its label revision ends in -dirty", BUILD)
        )
    return reasons


def day_of(record: LocalRecord | None, labels: Mapping[str, str], now: datetime | None = None) -> str:
    """The day of the build ``record``, for the image's permanent tag (20261122); empty if it is unknown.

    A clock was wrong if it is later than ``now``, or earlier than what is in the image, by its ``labels``.
    """
    earliest, latest = labels.get(f"{ANNOTATIONS}.created", "")[:10], f"{now or datetime.now(UTC):%Y-%m-%d}"
    day = record.built[:10] if record else ""
    return day.replace("-", "") if earliest <= day <= latest else ""


def approved(
    workspace: Workspace, catalog: Catalog, engine: Engine, images: Sequence[Image], force: bool, tell: Tell
) -> list[tuple[Image, str, str, str]]:
    """Each image and its gzip twin, if both may be published: the image, the suffix of its tags, its ID, its day.

    The ID is the engine's, the day is :func:`day_of` its build. ``force`` overrides objections and reports them.
    Raises :exc:`PublishError` for images that may not be published and :exc:`BuildError` for images that are not built.
    """
    images_to_push, refused, missing, commands = [], list[str](), list[str](), dict[str, None]()
    for image in images:
        record = read_record(workspace, image, tell)
        names = f"--target={image.target.name} --variant={image.variant.name} --platform={image.platform.architecture}"
        again = f"{image.version_option(image.series.name)} {names}"
        # A build of the user's own source cannot be pushed, a release can.
        pushable = f"--version={image.series.name} {names}" if image.pin.local else again
        for end, (reference, *_) in zip(("", GZIP), all_references(catalog, image), strict=True):
            name, built = f"{image.name}{end}", engine.find(reference)
            other = mismatch(image, built.labels) if built else ""
            if built is None or other or built.platform.architecture != image.platform.architecture:
                missing.append(f"{name} for {image.platform} is not in the engine")
                missing[-1] += f": {reference} is another image: {other}" if other else ""
                commands |= {f"{verb} {again}": None for verb in (BUILD, TEST)}
                continue
            identity = manifest_digest_of(workspace.home, built.id, tell)
            recorded = replace(record, id=record.twin or record.id) if record and end else record
            day = day_of(recorded if recorded and recorded.id == identity else None, built.labels)
            for reason, verb in objections(recorded, identity, built.labels):
                if force:
                    tell(f"{name} {image.platform}: overridden: {reason}")
                else:
                    refused.append(f"{name} {image.platform}: {reason}")
                    commands |= {f"{each} {pushable}": None for each in dict.fromkeys((verb, TEST))}
            images_to_push.append((image, end, built.id, day))
    hint = "To fix it:" + "".join(f"\n    {command}" for command in sorted(commands))
    if missing:
        raise BuildError("nothing was pushed:\n    " + "\n    ".join([*missing, *refused]), hint=hint)
    if refused:
        raise PublishError("nothing was pushed:\n    " + "\n    ".join(refused), hint=f"{hint}\n  {OTHERWISE}")
    return images_to_push


def require_tested(home: Path, name: str, identity: str, held: str) -> None:
    """Raise :exc:`PublishError` unless ``held`` is the image that the index ``identity`` is recorded to hold.

    :func:`approved` relies on that record, which is in the cache.
    """
    tested = manifest_digest_of(home, identity)
    if tested not in (identity, held):
        raise PublishError(f"{name}: {identity} contains the image {held}; the tested image is {tested}")
