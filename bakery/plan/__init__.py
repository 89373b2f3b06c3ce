"""What a build means, as a bake definition or a CI matrix; nothing is fetched or started."""

from bakery.plan.bake import Inputs, build_arguments, definition, target_name
from bakery.plan.matrix import github_matrix
from bakery.plan.revision import revision_of

__all__ = [
    "Inputs", "build_arguments", "definition", "github_matrix", "revision_of", "target_name",
]  # fmt: skip
