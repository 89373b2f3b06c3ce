"""Source trees of the user's, packed as tarballs that enter a build as verified ones do (``--source``)."""

from bakery.trees.local_source import from_source

__all__ = ["from_source"]
