"""Whom to trust for upstream's releases: shared/upstream.toml, read and validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bakery.catalog import Table, read_toml

__all__ = ["Identity", "Policy", "Signers", "Upstream", "load_upstream"]


class Policy(StrEnum):
    """What a signature that cannot be had means; one that is there and bad is an error under both."""

    REQUIRE = "require"
    WHEN_AVAILABLE = "when-available"


@dataclass(frozen=True)
class Identity:
    """Who signs with Sigstore, and the OpenID Connect issuer that vouches for it."""

    identity: str
    issuer: str


@dataclass(frozen=True)
class Signers:
    """Who may sign the releases of one series: fingerprints of primary OpenPGP keys, identities of Sigstore."""

    openpgp: tuple[str, ...] = ()
    sigstore: tuple[Identity, ...] = ()
    prereleases: bool = False


@dataclass(frozen=True)
class Upstream:
    """``signers`` by series number (``3.13``); ``keys`` is the folder with the public keys; ``suites`` of Debian."""

    policy: Policy
    keys: Path
    suites: tuple[str, ...]
    signers: Mapping[str, Signers] = field(hash=False)

    def of(self, number: str) -> Signers:
        """The signers of a series; nobody where the file does not name it."""
        return self.signers.get(number, Signers())


def load_upstream(root: Path) -> Upstream:
    """Read shared/upstream.toml below ``root``; :exc:`ConfigError` for the first thing that is wrong with it."""
    top = read_toml(root / "shared" / "upstream.toml")
    debian = top.table("debian")
    upstream = Upstream(
        policy=top.choice("signatures", Policy),
        keys=root / "shared" / "keys",
        suites=debian.words("suites"),
        signers={name: _signers(name, table) for name, table in top.tables("series").items()},
    )
    debian.done()
    top.done()
    return upstream


def _signers(name: str, table: Table) -> Signers:
    if not re.fullmatch(r"3\.\d+", name):
        raise table.fail("", f"expected a series such as 3.13, found {name!r}")
    fingerprints = table.words("openpgp")
    for one in fingerprints:
        if not re.fullmatch("[0-9A-F]{40}", one):
            raise table.fail("openpgp", f"expected fingerprints of 40 upper-case hexadecimal digits, found {one!r}")
    signers = Signers(
        openpgp=fingerprints,
        sigstore=tuple(_identity(table, one) for one in table.get("sigstore", list, "a list of tables")),
        prereleases=table.get("prereleases", bool, "true or false"),
    )
    table.done()
    return signers


def _identity(table: Table, one: object) -> Identity:
    expected = 'expected { identity = "who@example.org", issuer = "https://..." }'
    if not isinstance(one, dict) or set(one) != {"identity", "issuer"}:
        raise table.fail("sigstore", f"{expected}, found {one!r}")
    if not all(isinstance(value, str) and value for value in one.values()) or not one["issuer"].startswith("https://"):
        raise table.fail("sigstore", f"{expected}, found {one!r}")
    return Identity(one["identity"], one["issuer"])
