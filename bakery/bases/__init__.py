"""Base images, from their registry or made from signed distribution packages."""

from bakery.bases.base_images import BaseImage, BaseResolver, registry_hosts, users_base
