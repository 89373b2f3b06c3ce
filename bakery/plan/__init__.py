"""Builds as a bake definition, its buildx arguments, or a CI matrix; nothing is fetched or started."""

from bakery.plan.bake import BakeTarget, Inputs, build_arguments, definition, target_name
from bakery.plan.matrix import github_matrix
from bakery.plan.revision import checkout_of, made_from, revision_of

__all__ = [
    "BakeTarget", "Inputs", "build_arguments", "checkout_of", "definition", "github_matrix", "made_from",
    "revision_of", "target_name",
]  # fmt: skip
