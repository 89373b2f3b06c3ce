"""The size budget: the most that an image may take, and where growth came from when it takes more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bakery.catalog import Budget, Catalog, Image, RecipeName
from bakery.records import BuildRecord, PartSize, Size
from bakery.sizes.breakdown import TITLES, Part, changes

__all__ = ["budget_of", "excess", "growth", "last_record", "verdict"]

DEFAULT_VARIANT = "default"
"""The variant of records that do not name one."""


def budget_of(catalog: Catalog, image: Image) -> Budget | None:
    """The budget of ``image``; ``None`` where there is none.

    Quick builds are exempt, for they are not optimised and never published; and so is any platform but the family's
    first, for which alone sizes are set.
    """
    if image.recipe is not RecipeName.FULL or image.platform != catalog.family_of(image.target).platforms[0]:
        return None
    return catalog.budgets.get((image.series.name, image.variant.name, image.target.name))


def excess(budget: Budget | None, size: Size) -> tuple[str, ...]:
    """What of ``size`` is over ``budget``, each as a sentence with exact bytes; nothing where all is within."""
    if budget is None:
        return ()
    kinds = (
        ("compressed", size.compressed_bytes, budget.compressed_bytes),
        ("on disk", size.disk_bytes, budget.disk_bytes),
    )
    return tuple(
        f"{found:,} bytes {what}, {found - limit:,} more than the budget of {limit:,}"
        for what, found, limit in kinds
        if found > limit
    )


def last_record(records: Iterable[BuildRecord], image: Image) -> BuildRecord | None:
    """The newest kept record of the same series, target, variant, platform and recipe; also of another release."""
    key = (image.series.name, image.target.name, image.variant.name, image.platform, image.recipe)

    def key_of(record: BuildRecord) -> tuple[str, ...]:
        return (record.series, record.target, record.variant or DEFAULT_VARIANT, record.platform, record.recipe)

    return max((one for one in records if key_of(one) == key), key=lambda one: one.built, default=None)


def growth(old: Mapping[str, PartSize], new: Mapping[str, PartSize]) -> tuple[str, ...]:
    """The anatomy's difference, one line for each part that changed, the largest change first."""
    titles = {str(part): TITLES[part] for part in Part}
    return tuple(
        f"{titles.get(part, part)}: {disk:+,} bytes on disk, {compressed:+,} compressed"
        for part, disk, compressed in changes(old, new)
    )


def verdict(
    catalog: Catalog,
    image: Image,
    size: Size,
    parts: Mapping[str, PartSize],
    records: Iterable[BuildRecord],
) -> str:
    """Why ``image`` is over its budget and what grew since the last recorded build; empty where it is within."""
    over = excess(budget_of(catalog, image), size)
    if not over:
        return ""
    key = f'budget."{image.series.name}".{image.variant.name}.{image.target.name}'
    lines = [f"over the size budget (shared/budgets.toml, {key}):", *over]
    last = last_record(records, image)
    if last and last.anatomy:
        lines.append(f"since the recorded build of {last.release} on {last.built[:10]}:")
        lines += growth(last.anatomy, parts) or ("no part has changed",)
    else:
        lines.append("no build with an anatomy is recorded in shared/status.json to compare with")
    return "\n    ".join(lines)
