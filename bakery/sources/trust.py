"""Who may sign upstream's releases: shared/upstream.toml, read and validated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bakery.toml import Table, read_toml


class SignaturePolicy(StrEnum):
    """Whether a tarball may be used without a signature. A bad signature is an error under every policy."""

    REQUIRE = "require"
    REQUIRE_NEW = "require-new"
    """Releases need a signature to be pinned; those that are pinned already may be built without one."""
    WHEN_AVAILABLE = "when-available"


@dataclass(frozen=True)
class Identity:
    """A Sigstore identity (an email address) and the OpenID Connect issuer that authenticated it."""

    identity: str
    issuer: str


@dataclass(frozen=True)
class Signers:
    """Primary OpenPGP keys' fingerprints and identities that may sign a series; whether its pre-releases are pinned."""

    openpgp: tuple[str, ...] = ()
    sigstore: tuple[Identity, ...] = ()
    prereleases: bool = False


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
        return self.signers.get(number, Signers())


def load_trust(root: Path) -> Trust:
    """Read shared/upstream.toml below ``root``; :exc:`bakery.errors.ConfigError` for the first mistake in it."""
    top = read_toml(root / "shared" / "upstream.toml")
    debian = top.table("debian")
    trust = Trust(
        policy=top.choice("signatures", SignaturePolicy),
        keys=root / "shared" / "keys",
        suites=debian.words("suites"),
        signers={name: _signers(name, table) for name, table in top.tables("series").items()},
    )
    debian.done()
    top.done()
    return trust


def _signers(name: str, table: Table) -> Signers:
    if not re.fullmatch(r"3\.\d+", name):
        raise table.fail("", f"expected a series such as 3.13, found {name!r}")
    fingerprints = table.words("openpgp")
    for fingerprint in fingerprints:
        if not re.fullmatch("[0-9A-F]{40}", fingerprint):
            expected = "expected fingerprints of 40 upper-case hexadecimal digits"
            raise table.fail("openpgp", f"{expected}, found {fingerprint!r}")
    sigstore = tuple(_identity(table, entry) for entry in table.get("sigstore", list, "a list of tables"))
    prereleases = table.get("prereleases", bool, "true or false")
    return table.read(Signers, openpgp=fingerprints, sigstore=sigstore, prereleases=prereleases)


def _identity(table: Table, entry: object) -> Identity:
    match entry:
        case {"identity": str(identity), "issuer": str(issuer), **rest} if identity and not rest:
            if issuer.startswith("https://"):
                return Identity(identity, issuer)
    expected = 'expected { identity = "who@example.org", issuer = "https://..." }'
    raise table.fail("sigstore", f"{expected}, found {entry!r}")
