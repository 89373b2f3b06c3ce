"""Base images, from their registry or made from signed distribution packages."""

from bakery.bases.base_images import Base, Bases

__all__ = [
    "Base", "Bases",
]  # fmt: skip
