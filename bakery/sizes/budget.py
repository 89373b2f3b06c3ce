"""The size budget: the maximum sizes of an image, and its growth since the last record."""

from collections.abc import Iterable, Mapping

from bakery.catalog import Budget, Catalog, Image, RecipeName
from bakery.records import BuildRecord, PartSize
from bakery.sizes.breakdown import Part, Share, Size

DEFAULT_VARIANT = "default"
"""The variant of records that do not name one."""


def budget_of(catalog: Catalog, image: Image) -> Budget | None:
    """The budget of ``image``; ``None`` if it has none.

    Quick builds are exempt, because they are never published. Only the family's first platform has budgets.
    """
    if image.recipe is not RecipeName.FULL or image.platform != catalog.family_of(image.target).platforms[0]:
        return None
    return catalog.budgets.get((image.series.name, image.variant.name, image.target.name))


def excess(budget: Budget | None, size: Size) -> tuple[str, ...]:
    """A sentence with exact bytes for each size that is over ``budget``."""
    if budget is None:
        return ()
    kinds = (
        ("compressed", size.compressed_bytes, budget.compressed_bytes),
        ("on disk", size.disk_bytes, budget.disk_bytes),
    )
    return tuple(
        f"{actual:,} bytes {kind}, {actual - limit:,} more than the budget of {limit:,}"
        for kind, actual, limit in kinds
        if actual > limit
    )


def last_record(records: Iterable[BuildRecord], image: Image) -> BuildRecord | None:
    """The newest record of the same series, target, variant, platform and recipe; the release may differ."""
    key = (image.series.name, image.target.name, image.variant.name, image.platform, image.recipe)

    def key_of(record: BuildRecord) -> tuple[str, ...]:
        return (record.series, record.target, record.variant or DEFAULT_VARIANT, record.platform, record.recipe)

    return max((record for record in records if key_of(record) == key), key=lambda record: record.built, default=None)


def compact(parts: Mapping[Part, Share]) -> dict[str, PartSize]:
    """The parts for a record, without empty ones."""
    return {
        str(part): PartSize(share.disk_bytes, share.compressed_bytes)
        for part, share in parts.items()
        if share != Share()
    }


def changes(old: Mapping[str, PartSize], new: Mapping[str, PartSize]) -> list[tuple[str, int, int]]:
    """Changes from one record's parts to another's: part, bytes on disk, bytes as pulled; largest change first."""
    rows = []
    for part in dict.fromkeys((*old, *new)):
        before, after = old.get(part, PartSize(0, 0)), new.get(part, PartSize(0, 0))
        row = (part, after.disk_bytes - before.disk_bytes, after.compressed_bytes - before.compressed_bytes)
        if any(row[1:]):
            rows.append(row)
    return sorted(rows, key=lambda row: -max(abs(row[1]), abs(row[2])))


def growth(old: Mapping[str, PartSize], new: Mapping[str, PartSize]) -> tuple[str, ...]:
    """A line for each part that changed, largest change first."""
    labels = {str(part): part.label for part in Part}
    return tuple(
        f"{labels.get(part, part)}: {disk:+,} bytes on disk, {compressed:+,} compressed"
        for part, disk, compressed in changes(old, new)
    )


def explain_excess(
    catalog: Catalog, image: Image, size: Size, parts: Mapping[str, PartSize], records: Iterable[BuildRecord]
) -> str:
    """Why ``image`` is over its budget, and what grew since the last recorded build; empty if it is not over."""
    over = excess(budget_of(catalog, image), size)
    if not over:
        return ""
    key = f'budget."{image.series.name}".{image.variant.name}.{image.target.name}'
    lines = [f"over the size budget (shared/budgets.toml, {key}):", *over]
    last = last_record(records, image)
    if last and last.anatomy:
        lines.append(f"changes since the recorded build of {last.release} on {last.built[:10]}:")
        lines += growth(last.anatomy, parts) or ("no part has changed",)
    else:
        lines.append("shared/status.json has no build with a breakdown to compare with")
    return "\n    ".join(lines)
