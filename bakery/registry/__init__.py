"""Reads from and writes to container registries."""

from bakery.registry.client import Registry, RemoteImage, manifest_digest, platform_digest
from bakery.registry.errors import RESUME, RegistryError
from bakery.registry.references import HUB, is_loopback, split_reference
from bakery.registry.repository import Repository
from bakery.registry.transport import PUSH, Transport

__all__ = [
    "HUB", "PUSH", "RESUME", "Registry", "RegistryError", "RemoteImage", "Repository", "Transport", "is_loopback",
    "manifest_digest", "platform_digest", "split_reference",
]  # fmt: skip
