"""Who may sign upstream's releases: shared/upstream.toml, read and validated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from bakery.toml import Rule, Words, read_toml


class SignaturePolicy(StrEnum):
    """Whether a tarball may be used without a signature. A bad signature is an error under every policy."""

    REQUIRE = "require"
    REQUIRE_NEW = "require-new"
    """Releases need a signature to be pinned; those that are pinned already may be built without one."""
    WHEN_AVAILABLE = "when-available"


@dataclass(frozen=True)
class Identity:
    """A Sigstore identity (an email address) and the OpenID Connect issuer that authenticated it."""

    identity: Annotated[str, Rule("an email address", r"\S+@\S+")]
    issuer: Annotated[str, Rule("a URL that begins with https://", r"https://\S+")]


@dataclass(frozen=True)
class Signers:
    """Primary OpenPGP keys' fingerprints and identities that may sign a series; whether its pre-releases are pinned."""

    openpgp: Annotated[Words, Rule("fingerprints of 40 upper-case hexadecimal digits", "[0-9A-F]{40}")]
    sigstore: tuple[Identity, ...]
    prereleases: bool


@dataclass(frozen=True)
class Trust:
    """The content of shared/upstream.toml.

    ``signers`` by series number (``3.13``); ``keys`` is the folder of the public keys; ``suites`` are Debian suites
    whose source packages are searched if python.org cannot be reached.
    """

    policy: SignaturePolicy
    keys: Path
    suites: tuple[str, ...]
    signers: Mapping[str, Signers] = field(hash=False)

    def signers_of(self, number: str) -> Signers:
        """The signers of a series; none if the file does not list the series."""
        return self.signers.get(number, Signers((), (), prereleases=False))


def load_trust(root: Path) -> Trust:
    """Read shared/upstream.toml below ``root``; :exc:`bakery.errors.ConfigError` for the first mistake in it."""
    top = read_toml(root / "shared" / "upstream.toml")
    debian = top.table("debian")
    series = top.tables("series", Rule("a series such as 3.13", r"3\.\d+"))
    trust = Trust(
        policy=top.choice("signatures", SignaturePolicy),
        keys=root / "shared" / "keys",
        suites=debian.words("suites"),
        signers={name: table.read(Signers) for name, table in series.items()},
    )
    debian.done()
    top.done()
    return trust
