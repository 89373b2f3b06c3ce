"""Which releases are published: python.org's API and download directory list them, else Debian's source packages.

Debian's source packages contain upstream's tarball unchanged. If a package repacks it, its version shows that and the
package is skipped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from packaging.version import Version

from bakery import urls
from bakery.bases import apt
from bakery.catalog import RELEASE, Archive, Pin
from bakery.errors import Unavailable
from bakery.files import Tell
from bakery.net import http
from bakery.workspace import Workspace

T = TypeVar("T")
API = "https://www.python.org/api/v2/downloads"
LARGEST_LIST, LARGEST_PAGE = 3 << 20, 1 << 18
"""Bytes of the largest response of the API, whose list of all releases has about 1 MB, and of the directory's page,
which has about 50 kB. Objects can take 25 times as many bytes in memory."""


@dataclass(frozen=True)
class PublishedReleases:
    """The releases that are published, and notes on what could not be read.

    The pins of python.org's releases have no digest yet. ``complete`` tells whether both its API and its directory were
    read. ``ids`` are the releases' IDs in the API.
    """

    pins: tuple[Pin, ...]
    notes: tuple[str, ...] = ()
    complete: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)


class ReleaseFile(msgspec.Struct, frozen=True):
    """A file of a release in python.org's API; ``None`` is what the API does not know."""

    url: str = ""
    filesize: int | str | None = None
    sha256_sum: str | None = None


class _Release(msgspec.Struct, frozen=True):
    """A release in python.org's API; its number there is the last part of ``resource_uri``."""

    name: str = ""
    is_published: bool = False
    resource_uri: str = ""


def list_python_org() -> PublishedReleases:
    """What python.org publishes; :exc:`Unavailable` if neither its API nor its directory gives a valid response.

    If both do, a release counts only if both have it: a page without files was withdrawn or published early, files
    without a page are not announced yet. The files of a pre-release are in the folder of its final release.
    """
    notes, ids, folders = list[str](), dict[Version, str](), set[Version]()
    try:
        ids = _read_api()
    except Unavailable as reason:
        notes.append(f"python.org's API {reason}")
    try:
        folders = _read_directory()
    except Unavailable as reason:
        notes.append(f"python.org's directory {reason}")
    if not ids and not folders:
        raise Unavailable("; ".join(notes))
    complete = bool(ids and folders)
    versions = [version for version in ids or folders if not complete or Version(version.base_version) in folders]
    pins = tuple(Pin(str(version), f"Python-{version}.tar.xz", "", "python.org") for version in versions)
    return PublishedReleases(pins, tuple(notes), complete, {str(version): number for version, number in ids.items()})


def _read_api() -> dict[Version, str]:
    """The releases, at least one, with their numbers in the API."""
    ids = {}
    for release in _read_list(f"{API}/release/?is_published=true", _Release):
        name = re.fullmatch(rf"Python ({RELEASE})", release.name)
        number = re.search(r"/(\d+)/?$", release.resource_uri)
        if name and release.is_published:
            ids[Version(name[1])] = number[1] if number else ""
    if not ids:
        raise Unavailable("lists no releases")
    return ids


def _read_directory() -> set[Version]:
    """The versions, at least one, that the download directory has a folder for."""
    page = http.read(f"{urls.PYTHON_ORG}/", LARGEST_PAGE).decode("utf-8", "replace")
    versions = {Version(name) for name in re.findall(r'href="(?:[^"]*/)?(3\.[0-9]{1,3}\.[0-9]{1,3})/"', page)}
    if not versions:
        raise Unavailable("lists no releases")
    return versions


def release_file(release_id: str, name: str) -> ReleaseFile:
    """The API's entry of the file ``name`` of a release; an empty one if the API is unavailable or does not list it."""
    try:
        files = _read_list(f"{API}/release_file/?release={release_id}", ReleaseFile) if release_id else []
    except Unavailable:
        files = []
    return next((file for file in files if file.url.rpartition("/")[2] == name), ReleaseFile())


def _read_list(url: str, kind: type[T]) -> list[T]:
    try:
        return msgspec.json.decode(http.read(url, LARGEST_LIST), type=list[kind])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unavailable(f"sent a response that is not valid: {error}") from None


def list_debian(
    workspace: Workspace, archive: Archive, suites: Iterable[str], numbers: Iterable[str], tell: Tell
) -> PublishedReleases:
    """Every tarball that the signed source indexes of the host's own suite and of ``suites`` list.

    Only series in ``numbers`` count. Raises :exc:`bakery.bases.apt.AptError` if the host does not use ``archive`` or no
    suite can be read.
    """
    apt.require_host(archive.id)
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
            pins += parse_source_index(private.sources(f"python{number}"), f"{archive.id.capitalize()} {suite}")
    if len(errors) == len(suites):
        raise apt.AptError("no source index can be read: " + "; ".join(errors))
    return PublishedReleases(tuple(pins))


def parse_source_index(text: str, recorded_by: str) -> Iterator[Pin]:
    """The pins in stanzas of a source index (the ``Sources`` file of a suite)."""
    from debian.deb822 import Sources

    for stanza in Sources.iter_paragraphs(text, use_apt_pkg=False):
        folder, version = stanza.get("Directory", ""), stanza.get("Version", "")
        release = version.rpartition(":")[2].rpartition("-")[0].replace("~", "")
        if not re.fullmatch(RELEASE, release) or not re.fullmatch(r"pool/[\w./+~-]+", folder):
            continue
        for entry in stanza.get("Checksums-Sha256", ()):
            line = f"{entry['sha256']} {entry['size']} {entry['name']}"
            tarball = re.fullmatch(r"[0-9a-f]{64} [0-9]{1,12} \S+\.orig\.tar\.(xz|gz)", line)
            if tarball:
                suffix = "tar.xz" if tarball[1] == "xz" else "tgz"
                yield Pin(
                    release=release, file=f"Python-{release}.{suffix}", sha256=entry["sha256"],
                    recorded_by=recorded_by, bytes=int(entry["size"]), pool=f"{folder}/{entry['name']}",
                )  # fmt: skip
