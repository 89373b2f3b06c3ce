"""Platforms as OCI names them, and the other names that users and kernels have for them."""

import platform as host
from collections.abc import Iterable, Mapping, Sequence

from bakery.errors import InputError


class Platform(str):
    """An OCI platform, ``OS/ARCHITECTURE`` with a variant if there are several: ``linux/amd64``, ``linux/arm/v7``.

    A string, so that it can be written to JSON and compared with what an index holds.
    https://github.com/opencontainers/image-spec/blob/main/image-index.md#platform-variants

    >>> Platform("linux/arm64").architecture
    'arm64'
    """

    __slots__ = ()

    @property
    def os(self) -> str:
        """The operating system: ``linux``."""
        return self.split("/")[0]

    @property
    def architecture(self) -> str:
        """The architecture as Go, OCI and Debian spell it: ``amd64``, ``arm64``."""
        return self.split("/")[1] if "/" in self else ""

    @classmethod
    def from_descriptor(cls, platform: Mapping[str, object]) -> "Platform":
        """The platform of a descriptor, if any; absent and ``null`` mean the same.

        A first variant is left out, as by some tools and containerd:
        https://github.com/containerd/platforms/blob/main/database.go
        """
        system, architecture, variant = (platform.get(key) or "" for key in ("os", "architecture", "variant"))
        name = f"{system}/{architecture}" if system or architecture else ""
        return cls(f"{name}/{variant}" if variant and (architecture, variant) not in FIRST_VARIANTS else name)


FIRST_VARIANTS = {("amd64", "v1"), ("arm64", "v8"), ("arm64", "8")}
AMD64 = Platform("linux/amd64")
ARM64 = Platform("linux/arm64")
ALIASES = {
    **dict.fromkeys(("x86_64", "amd64", "x86", "x64", "x86-64", "amd64/v1"), AMD64),
    **dict.fromkeys(("aarch64", "arm64", "arm64v8", "arm64/v8", "armv8"), ARM64),
}
"""Names of architectures, as kernels, distributions and users spell them; 32-bit platforms are not built."""


def _platform(name: str) -> Platform:
    short = name.lower().removeprefix("linux/")
    return ALIASES.get(short, Platform(f"linux/{short}"))


def host_platform() -> Platform:
    """The platform of this machine, such as ``linux/amd64``."""
    return _platform(host.machine())


def parse_platforms(known: Iterable[Platform], names: Sequence[str]) -> tuple[Platform, ...]:
    """The platforms in ``known`` that ``names`` (``aarch64``) mean, once each; :exc:`InputError` for another name."""
    known, platforms = tuple(dict.fromkeys(known)), []
    for name in names:
        platform = _platform(name)
        if platform not in known:
            aliases = ", ".join(alias for alias, meant in ALIASES.items() if meant in known)
            raise InputError(
                f"unknown platform {name!r}: expected {' or '.join(known)}", hint=f"Other names: {aliases}."
            )
        platforms.append(platform)
    return tuple(dict.fromkeys(platforms))
