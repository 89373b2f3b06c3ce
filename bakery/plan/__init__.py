"""Builds as a bake definition, its buildx arguments, or a CI matrix; nothing is fetched or started."""

from bakery.plan.bake import BakeTarget, Inputs, build_arguments, definition, target_name
from bakery.plan.matrix import github_matrix
from bakery.plan.revision import checkout_of, made_from, pinned_by, revision_of
