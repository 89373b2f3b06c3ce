"""The size budget: the maximum sizes of an image, and its growth since the last record."""

from collections.abc import Iterable, Mapping

from bakery.catalog import Budget, Catalog, Image, RecipeName
from bakery.records import BuildRecord, PartSize
from bakery.sizes.breakdown import Part, Share, Size, label_of

DEFAULT_VARIANT = "default"  # of records that do not name one


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
    compressed = ("compressed", size.compressed_bytes, budget.compressed_bytes)
    checked = (compressed, ("on disk", size.disk_bytes, budget.disk_bytes))
    text = "{:,} bytes {}, {:,} more than the budget of {:,}"
    return tuple(text.format(actual, kind, actual - limit, limit) for kind, actual, limit in checked if actual > limit)


def last_record(records: Iterable[BuildRecord], image: Image) -> BuildRecord | None:
    """The newest record of the same series, target, variant, platform and recipe; the release may differ."""
    key = (image.series.name, image.target.name, image.variant.name, image.platform, image.recipe)
    same = (
        record
        for record in records
        if (record.series, record.target, record.variant or DEFAULT_VARIANT, record.platform, record.recipe) == key
    )
    return max(same, key=lambda record: record.built, default=None)


def compact(parts: Mapping[Part, Share]) -> dict[str, PartSize]:
    """The parts for a record, without empty ones."""
    filled = ((str(part), share) for part, share in parts.items() if share != Share())
    return {part: PartSize(share.disk_bytes, share.compressed_bytes) for part, share in filled}


def growth(old: Mapping[str, PartSize], new: Mapping[str, PartSize]) -> tuple[str, ...]:
    """A line for each part that changed from one record to another, largest change first."""
    rows = []
    for part in dict.fromkeys((*old, *new)):
        before, after = old.get(part, PartSize(0, 0)), new.get(part, PartSize(0, 0))
        disk, compressed = after.disk_bytes - before.disk_bytes, after.compressed_bytes - before.compressed_bytes
        text = f"{label_of(part)}: {disk:+,} bytes on disk, {compressed:+,} compressed"
        rows.append((max(abs(disk), abs(compressed)), text))
    return tuple(text for change, text in sorted(rows, key=lambda row: -row[0]) if change)


def explain_excess(
    catalog: Catalog, image: Image, size: Size, parts: Mapping[str, PartSize], records: Iterable[BuildRecord]
) -> str:
    """Why ``image`` is over its budget, and what grew since the last recorded build; empty if it is not over.

    Upgrades of the base's own packages do not count: they must reach the image, and are gone with the next base.
    """
    disk, compressed = parts.get(str(Part.UPGRADES), PartSize(0, 0))
    over = excess(budget_of(catalog, image), Size(size.compressed_bytes - compressed, size.disk_bytes - disk))
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
