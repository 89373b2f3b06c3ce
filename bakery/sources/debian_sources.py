"""Which tarballs of CPython the host's Debian mirror lists, by its signed source index.

Debian's source packages keep upstream's tarball; where a package repacks it, its version says so and it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bakery.bases import apt
from bakery.catalog import Archive, Pin
from bakery.files import Tell
from bakery.workspace import Workspace

__all__ = ["listed", "parse"]

RELEASE = r"3\.\d+\.\d+((a|b|rc)\d+)?"
"""Upstream's own number and nothing added to it (``+dfsg`` marks a tarball that was packed again)."""


def listed(
    workspace: Workspace, archive: Archive, suites: Iterable[str], numbers: Iterable[str], tell: Tell
) -> list[Pin]:
    """Pins of every tarball that the host's own suite and ``suites`` list for the series ``numbers``.

    :exc:`bakery.bases.apt.AptError` where the host is not of ``archive`` or none of the suites can be read.
    """
    if apt.host_id() != archive.id:
        raise apt.AptError(f"this host's apt reaches {apt.host_id() or 'no'} packages, not those of {archive.id}")
    mirror = apt.host_mirror()
    keyring = apt.keyring_of(archive)
    # An index that its mirror no longer renews is still signed, and only ever leads to newer releases than are pinned.
    option = f"[check-valid-until=no{f' signed-by={keyring}' if keyring else ''}]"
    found, read, reasons = list[Pin](), 0, list[str]()
    for suite in dict.fromkeys((mirror.codename, *suites)):
        line = f"deb-src {option} {mirror.uris['']} {suite} {' '.join(archive.components)}"
        private = apt.PrivateApt(workspace.home / "apt" / f"sources-{suite}", [line])
        try:
            private.update()
        except apt.AptError as error:
            reasons.append(f"{suite}: {error.message}")
            tell(f"the source index of {archive.id} {suite} cannot be read: {error.message}")
            continue
        read += 1
        for number in numbers:
            found += parse(private.sources(f"python{number}"), f"{archive.id.capitalize()} {suite}")
    if not read:
        raise apt.AptError("no source index can be read: " + "; ".join(reasons))
    return found


def parse(text: str, recorded_by: str) -> Iterator[Pin]:
    """The pins that stanzas of a source index (deb-src's Sources) mean."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"(?m)^([\w-]+):[ \t]*((?:.*)(?:\n[ \t].*)*)", stanza))
        folder, version = fields.get("Directory", "").strip(), fields.get("Version", "").strip()
        release = version.rpartition(":")[2].rpartition("-")[0].replace("~", "")
        if not re.fullmatch(RELEASE, release) or not re.fullmatch(r"pool/[\w./+~-]+", folder):
            continue
        for digest, size, name in re.findall(
            r"(?m)^ ([0-9a-f]{64}) (\d+) (\S+\.orig\.tar\.(?:xz|gz))$", fields.get("Checksums-Sha256", "")
        ):
            suffix = "tar.xz" if name.endswith("xz") else "tgz"
            yield Pin(
                release=release, file=f"Python-{release}.{suffix}", sha256=digest, recorded_by=recorded_by,
                bytes=int(size), pool=f"{folder}/{name}",
            )  # fmt: skip
