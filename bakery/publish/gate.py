"""Which images may be published: full builds on a base that others can get, which passed their tests."""

from collections.abc import Mapping, Sequence

from bakery.catalog import LABELS, UNVERIFIED, Catalog, Image, RecipeName, references
from bakery.engine import Engine
from bakery.errors import BuildError, PublishError
from bakery.files import Tell
from bakery.records import LocalRecord, manifest_digest_of, read_record
from bakery.workspace import Workspace


def objections(record: LocalRecord | None, identity: str, labels: Mapping[str, str]) -> list[str]:
    """The reasons not to publish the image ``identity`` with these ``labels``; ``record`` is that of its build."""
    reasons = []
    recipe = labels.get(f"{LABELS}.recipe", "unknown")
    if recipe != RecipeName.FULL:
        reasons.append(f"it is a {recipe} build, and only full builds are published")
    if labels.get(f"{LABELS}.base.origin") == "user":
        reasons.append("it is built on your own base (--base)")
    if labels.get(f"{LABELS}.source.signature") == UNVERIFIED:
        reasons.append("it is built from your own source (--source), not from a release")
    tests = record.tests if record else None
    if record is None or record.id != identity:
        reasons.append("it is not the image that is recorded as built and tested here")
    elif tests is None:
        reasons.append("its tests have not been run")
    elif tests.failed or not tests.passed:
        reasons.append(f"{tests.failed} of its tests failed, {tests.passed} passed")
    return reasons


def approved(
    workspace: Workspace, catalog: Catalog, engine: Engine, images: Sequence[Image], force: bool, tell: Tell
) -> list[tuple[Image, str, str]]:
    """Each image with its ID in the engine and the day of its build (20261122), if all may be published.

    ``force`` overrides objections and reports them. Raises :exc:`PublishError` for images that may not be published and
    :exc:`BuildError` for images that are not built.
    """
    images_to_push, refused = [], list[str]()
    for image in images:
        record = read_record(workspace, image)
        identity, labels = _in_engine(catalog, engine, image)
        for reason in objections(record, manifest_digest_of(workspace.home, identity), labels):
            if force:
                tell(f"{image.name} {image.platform}: overridden: {reason}")
            else:
                refused.append(f"{image.name} {image.platform}: {reason}")
        images_to_push.append((image, identity, record.built[:10].replace("-", "") if record else ""))
    if refused:
        raise PublishError(
            "nothing was pushed:\n    " + "\n    ".join(refused),
            hint="`inv test` runs the tests and records their results; --force overrides these objections.",
        )
    return images_to_push


def _in_engine(catalog: Catalog, engine: Engine, image: Image) -> tuple[str, Mapping[str, str]]:
    """ID and labels of the image that the engine has under the name of ``image``."""
    built = engine.find(references(catalog, image)[0])
    if built is not None and built.platform.architecture == image.platform.architecture:
        return built.id, built.labels
    raise BuildError(
        f"{image.name} for {image.platform} is not in the engine",
        hint="Build and test it first: `inv build`, `inv test`.",
    )
