"""Which tarballs of CPython the host's Debian mirror lists in its signed source index.

Debian's source packages contain upstream's tarball unchanged. If a package repacks it, its version shows that and the
package is skipped.
"""

import re
from collections.abc import Iterable, Iterator

from bakery.bases import apt
from bakery.catalog import Archive, Pin
from bakery.files import Tell
from bakery.workspace import Workspace

RELEASE = r"3\.\d+\.\d+((a|b|rc)\d+)?"
"""Upstream's version number and nothing else: ``+dfsg`` marks a repacked tarball."""


def list_pins(
    workspace: Workspace, archive: Archive, suites: Iterable[str], numbers: Iterable[str], tell: Tell
) -> list[Pin]:
    """Pins of every tarball that the host's own suite and ``suites`` list for the series ``numbers``.

    Raises :exc:`bakery.bases.apt.AptError` if the host does not use ``archive`` or no suite can be read.
    """
    if apt.host_id() != archive.id:
        raise apt.AptError(f"this host's apt has {apt.host_id() or 'no'} packages, not {archive.id} packages")
    mirror = apt.host_mirror()
    keyring = apt.keyring_of(archive)
    # An expired index is still signed, and can only lead to releases that are newer than the pinned ones.
    option = f"[check-valid-until=no{f' signed-by={keyring}' if keyring else ''}]"
    pins, errors = list[Pin](), list[str]()
    suites = list(dict.fromkeys((mirror.codename, *suites)))
    for suite in suites:
        line = f"deb-src {option} {mirror.uris['']} {suite} {' '.join(archive.components)}"
        private = apt.PrivateApt(workspace.home / "apt" / f"sources-{suite}", [line])
        try:
            private.update()
        except apt.AptError as error:
            errors.append(f"{suite}: {error.message}")
            tell(f"the source index of {archive.id} {suite} cannot be read: {error.message}")
            continue
        for number in numbers:
            pins += parse_index(private.sources(f"python{number}"), f"{archive.id.capitalize()} {suite}")
    if len(errors) == len(suites):
        raise apt.AptError("no source index can be read: " + "; ".join(errors))
    return pins


def parse_index(text: str, recorded_by: str) -> Iterator[Pin]:
    """The pins in stanzas of a source index (the ``Sources`` file of a suite)."""
    from debian.deb822 import Sources

    for stanza in Sources.iter_paragraphs(text, use_apt_pkg=False):
        folder, version = stanza.get("Directory", ""), stanza.get("Version", "")
        release = version.rpartition(":")[2].rpartition("-")[0].replace("~", "")
        if not re.fullmatch(RELEASE, release) or not re.fullmatch(r"pool/[\w./+~-]+", folder):
            continue
        for entry in stanza.get("Checksums-Sha256", ()):
            line = f"{entry['sha256']} {entry['size']} {entry['name']}"
            tarball = re.fullmatch(r"[0-9a-f]{64} \d+ \S+\.orig\.tar\.(xz|gz)", line)
            if tarball:
                suffix = "tar.xz" if tarball[1] == "xz" else "tgz"
                yield Pin(
                    release=release, file=f"Python-{release}.{suffix}", sha256=entry["sha256"],
                    recorded_by=recorded_by, bytes=int(entry["size"]), pool=f"{folder}/{entry['name']}",
                )  # fmt: skip
