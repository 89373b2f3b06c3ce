"""What can be built: series, releases, targets, variants and recipes, read from TOML and validated once."""

from bakery.catalog.distributions import Archive, Stability, Target
from bakery.catalog.labels import ANNOTATIONS, DIRTY, INCLUDED, LABELS, LICENCES
from bakery.catalog.lifecycle import support, support_note
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Budget, Catalog, Image, Series, Variant, slug_of
from bakery.catalog.pins import FILE, LOCK, NONE, RELEASE, TRAINING, UNVERIFIED, Extra, Pin, Profile
from bakery.catalog.recipes import STAGES, Options, RecipeName
from bakery.catalog.selection import image_named, on_platforms, select_images, split
from bakery.catalog.tags import (
    aliases_of,
    all_references,
    labels_that_name,
    latest_series,
    mismatch,
    references,
    require_match,
    tags_of,
)
