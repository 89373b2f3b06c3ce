"""What shared/lock.toml pins: tarballs, extra files, base images, and the profiles of earlier trainings.

No two training runs give the same counts, so a build that trains makes a different image each time. With a recorded
profile it makes the same bits, in a fraction of the time. clang's counts belong to the source, not to a machine's
instructions: a profile fits every target and platform whose compiler can read it, and other releases of its series
except for the functions that differ (https://clang.llvm.org/docs/UsersManual.html#profiling-with-instrumentation).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from packaging.version import Version

from bakery.toml import PART, Bytes, Day, ImageReference, Rule, Sha256

LOCK = "shared/lock.toml"
"""Relative to the repository's top."""
FOLDER = "shared/profiles"
"""Relative to the repository's top; for each series that has a profile, it has a folder with the file ``FILE``."""
FILE = "code.profdata.xz"
NONE = f"{FOLDER}/none"
"""The folder for a build without PGO."""
TRAINING = "shared/training"
"""The folder for a build that trains; the recipe names the programs in it that its training runs."""

UNVERIFIED = "local, not verified"
"""What records and labels say about the signature of the user's own tree (``--source``)."""

Digest = Annotated[str, Rule("sha256: and 64 hexadecimal digits", "sha256:[0-9a-f]{64}")]
PoolPath = Annotated[str, Rule("a path below pool/", rf"pool(/{PART})+")]


NUMBER = "(0|[1-9][0-9]{0,2})"
RELEASE = rf"3\.{NUMBER}\.{NUMBER}((a|b|rc){NUMBER})?"
"""Stricter than PEP 440, because tags and paths contain it: no release of CPython has an epoch or white space."""


@dataclass(frozen=True)
class Pin:
    """A release of CPython and the only bytes that are accepted as its source."""

    release: str
    file: str
    sha256: Sha256
    recorded_by: str
    signed: Annotated[str, Rule("kind, signer and date", r"(openpgp|sigstore) \S+.* \d{4}-\d\d-\d\d")] = ""
    """The signature of these bytes that was checked: kind, signer and day; empty if none was."""
    date: Day = ""
    """Day of the tarball's newest file, which is the day of the release; empty if it was not read yet."""
    bytes: Bytes | None = None
    pool: PoolPath | None = None
    """Path on a mirror of Debian or Ubuntu, if a source package there has upstream's tarball."""
    local: Annotated[str, Rule("nothing: no release is local", "")] = ""
    """What was packed if this is the user's own tree (:mod:`bakery.trees`), such as ``git 0edaa75``."""
    unsigned: Annotated[str, Rule("a day and a reason", r"\d{4}-\d\d-\d\d: .+")] = ""
    """The day of the pin, and why no signature was checked although signers of the series are known; else empty."""
    pip: Annotated[str, Rule("the version that ensurepip installs", r"\d+(\.\d+)+")] = ""
    """The version of pip that ensurepip installs; empty if it was not read yet."""

    @property
    def version(self) -> Version:
        """The release as PEP 440 orders it, without the ``+`` of a tree that is later than its release."""
        return Version(self.release.rstrip("+"))

    @property
    def folder(self) -> str:
        """The folder of its tarball in the cache; several source trees may claim to be the same release."""
        return f"local-{self.sha256[:16]}" if self.local else self.release

    @property
    def series(self) -> str:
        """The number of its series: ``3.13`` for 3.13.5."""
        return f"{self.version.major}.{self.version.minor}"


@dataclass(frozen=True)
class Extra:
    """A file that a series or a variant needs in addition to the tarball, and the only bytes that are accepted for it.

    ``platform`` is empty if it fits all; ``pool`` is empty for a wheel, which comes from pip's package index.
    """

    name: str
    file: Annotated[str, Rule("a file name of letters, digits and . _ + -", r"[A-Za-z0-9][\w.+-]*")]
    sha256: Sha256
    recorded_by: str
    bytes: Bytes
    pool: PoolPath | None = None
    platform: Annotated[str, Rule("a platform such as linux/amd64", r"linux/[a-z0-9]+(/[a-z0-9]+)?")] = ""


@dataclass(frozen=True)
class BasePin:
    """The published base image of a target: reference without digest, its digest for each platform, day of the pin."""

    image: ImageReference
    digests: Mapping[str, Digest] = field(hash=False)
    date: Day


@dataclass(frozen=True)
class Profile:
    """The result of one training run, with its compiler (name in the catalog, version) and its release.

    ``tree`` names the source tree if it was not the release's tarball, as :attr:`Pin.local` does.
    """

    series: str
    compiler: str
    version: str
    release: Annotated[str, Rule("a release such as 3.13.5", r"3\.\d+\.\d+\w*")]
    sha256: Sha256
    bytes: Bytes
    tree: str = ""

    def recorded_on(self, pin: "Pin") -> bool:
        """Whether this release was trained, so that all of the profile fits it."""
        return (self.release, self.tree) == (pin.release, pin.local)

    @property
    def folder(self) -> str:
        """The folder of its file, relative to the repository's top."""
        return f"{FOLDER}/{self.series}"
