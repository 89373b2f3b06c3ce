"""How large images are, what takes the space, and how that compares with other images."""

from bakery.sizes.baseline import Official, megabytes, official_size, official_tags, read_baseline
from bakery.sizes.breakdown import TITLES, FileSize, Part, Share, compact
from bakery.sizes.budget import budget_of, verdict
from bakery.sizes.comparison import Comparison, Measured, document, only_in, ratio
from bakery.sizes.layers import saved_image
from bakery.sizes.measure import Comparer, remember

__all__ = [
    "TITLES", "Comparer", "Comparison", "FileSize", "Measured", "Official", "Part", "Share", "budget_of", "compact",
    "document", "megabytes", "official_size", "official_tags", "only_in", "ratio", "read_baseline", "remember",
    "saved_image", "verdict",
]  # fmt: skip
