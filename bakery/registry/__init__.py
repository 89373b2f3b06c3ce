"""Reads from and writes to container registries."""

from bakery.registry.client import (
    Registry,
    RegistryUnavailable,
    Remote,
    manifest_digest,
    platform_digest,
    split_reference,
)
from bakery.registry.repository import Shelf
from bakery.registry.transport import Wire, is_loopback

__all__ = [
    "Registry", "RegistryUnavailable", "Remote", "Shelf", "Wire", "is_loopback", "manifest_digest", "platform_digest",
    "split_reference",
]  # fmt: skip
