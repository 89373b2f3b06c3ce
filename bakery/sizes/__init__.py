"""How large images are, what takes the space, and how that compares with other images."""

from bakery.sizes.baseline import Official, megabytes, official_size, official_tags, read_baseline
from bakery.sizes.breakdown import TITLES, FileSize, Part, Share
from bakery.sizes.budget import budget_of, verdict
from bakery.sizes.comparison import Comparison, Measured, document, only_in, ratio
from bakery.sizes.measure import Comparer, remember, size_and_anatomy

__all__ = [
    "TITLES", "Comparer", "Comparison", "FileSize", "Measured", "Official", "Part", "Share", "budget_of", "document",
    "megabytes", "official_size", "official_tags", "only_in", "ratio", "read_baseline", "remember", "size_and_anatomy",
    "verdict",
]  # fmt: skip
