"""Which images may be published: full builds on a base that others can have, which passed their tests."""

from __future__ import annotations

from collections.abc import Sequence

from bakery.catalog import LABELS, Catalog, Image, RecipeName, references
from bakery.engine import Engine
from bakery.errors import BuildError, PublishError
from bakery.files import Tell
from bakery.records import LocalRecord, manifest_digest_of, read_record
from bakery.workspace import Workspace

__all__ = ["approved", "objections"]


def objections(record: LocalRecord | None, identity: str, labels: dict[str, str]) -> list[str]:
    """What speaks against publishing the image ``identity`` with these ``labels``, of which ``record`` was kept."""
    found = []
    recipe = labels.get(f"{LABELS}.recipe", "unknown")
    if recipe != RecipeName.FULL:
        found.append(f"it is a build by the recipe {recipe}, and only full ones are published")
    if labels.get(f"{LABELS}.base.origin") == "user":
        found.append("it is built on a base of your own (--base)")
    tests = record.tests if record else None
    if record is None or record.id != identity:
        found.append("it is another image than the one that is recorded as built and tested here")
    elif tests is None:
        found.append("its tests have not been run")
    elif tests.failed or not tests.passed:
        found.append(f"of its tests {tests.failed} failed and {tests.passed} passed")
    return found


def approved(
    workspace: Workspace, catalog: Catalog, engine: Engine, images: Sequence[Image], force: bool, tell: Tell
) -> list[tuple[Image, str, str]]:
    """Each image with its identity in the engine and the day of its build (20261122), when all may be published.

    With ``force`` what speaks against one is told and overridden. Raises :exc:`PublishError` for what is not approved
    and :exc:`BuildError` for what is not there.
    """
    found, refused = [], list[str]()
    for image in images:
        record = read_record(workspace, image)
        identity, labels = _in_engine(catalog, engine, image)
        for against in objections(record, manifest_digest_of(workspace.home, identity), labels):
            if force:
                tell(f"{image.name} {image.platform}: overridden: {against}")
            else:
                refused.append(f"{image.name} {image.platform}: {against}")
        found.append((image, identity, record.built[:10].replace("-", "") if record else ""))
    if refused:
        raise PublishError(
            "not pushed, nothing at all:\n    " + "\n    ".join(refused),
            hint="`inv test` runs the tests and records how they end; --force overrides what is listed here.",
        )
    return found


def _in_engine(catalog: Catalog, engine: Engine, image: Image) -> tuple[str, dict[str, str]]:
    """Identity and labels of what the engine has under the name of ``image``."""
    found = engine.find(references(catalog, image)[0])
    if found is not None and found.platform.architecture == image.platform.architecture:
        return found.id, dict(found.labels)
    raise BuildError(
        f"{image.name} for {image.platform} is not in the engine",
        hint="Build and test it first: `inv build`, `inv test`.",
    )
