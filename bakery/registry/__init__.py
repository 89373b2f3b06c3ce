"""Reads from and writes to container registries."""

from bakery.registry.client import Registry, RemoteImage, platform_digest, require_manifest
from bakery.registry.credentials import server_address
from bakery.registry.errors import RESUME, ContentError, RegistryError
from bakery.registry.references import HUB, split_reference
from bakery.registry.repository import Repository
from bakery.registry.transport import PULL, PUSH, Transport
