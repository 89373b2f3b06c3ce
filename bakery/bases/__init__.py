"""Base images, from their registry or made from signed distribution packages."""

from bakery.bases.base_images import BaseImage, BaseResolver

__all__ = [
    "BaseImage", "BaseResolver",
]  # fmt: skip
