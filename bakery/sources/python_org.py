"""Which releases python.org has: its API lists what is published, its download directory what can be downloaded."""

import json
import re
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from bakery.errors import Unavailable
from bakery.net import http
from bakery.sources import providers

API = "https://www.python.org/api/v2/downloads"
LIMIT = 32 << 20
"""Bytes of the largest response that is read; the list of all releases has about 1 MB."""


@dataclass(frozen=True)
class Release:
    """A release; ``id`` is its number in the API, empty if only the directory was read."""

    version: Version
    id: str = ""


@dataclass(frozen=True)
class PublishedReleases:
    """The releases that python.org has, and notes on what could not be read.

    ``complete`` tells whether both the API and the directory were read.
    """

    releases: tuple[Release, ...]
    notes: tuple[str, ...]
    complete: bool


def published_releases() -> PublishedReleases:
    """What python.org publishes; :exc:`Unavailable` if neither its API nor its directory gives a valid response.

    If both do, a release counts only if both have it: a page without files was withdrawn or is early, files without a
    page are not announced yet. The files of a pre-release are in the folder of its final release.
    """
    notes = []
    by_version: dict[Version, Release] | None = None
    folders: set[Version] | None = None
    try:
        by_version = {release.version: release for release in _read_api()}
    except Unavailable as reason:
        notes.append(f"python.org's API {reason}")
    try:
        folders = _read_directory()
    except Unavailable as reason:
        notes.append(f"python.org's directory {reason}")
    if by_version is not None and folders is not None:
        both = [release for version, release in by_version.items() if Version(version.base_version) in folders]
        return PublishedReleases(tuple(both), tuple(notes), complete=True)
    if by_version is None and folders is None:
        raise Unavailable("; ".join(notes))
    releases = by_version.values() if by_version else (Release(version) for version in folders or ())
    return PublishedReleases(tuple(releases), tuple(notes), complete=False)


def _read_api() -> list[Release]:
    releases = []
    for entry in _read_objects(f"{API}/release/?is_published=true"):
        name = re.fullmatch(r"Python (3\.\d+\.\d+((a|b|rc)\d+)?)", str(entry.get("name")))
        number = re.search(r"/(\d+)/?$", str(entry.get("resource_uri")))
        if name and entry.get("is_published") is True:
            releases.append(Release(Version(name[1]), number[1] if number else ""))
    if not releases:
        raise Unavailable("lists no releases")
    return releases


def _read_directory() -> set[Version]:
    page = http.read(f"{providers.PYTHON_ORG}/", LIMIT).decode("utf-8", "replace")
    versions = set()
    for name in re.findall(r'href="(?:[^"]*/)?(3\.\d+\.\d+)/"', page):
        try:
            versions.add(Version(name))
        except InvalidVersion:
            continue
    if not versions:
        raise Unavailable("lists no releases")
    return versions


def release_files(release: Release) -> dict[str, dict[str, object]]:
    """The API's entry of each file of ``release``, by file name; empty if ``release`` did not come from the API.

    Raises :exc:`Unavailable` if the API gives no valid response.
    """
    if not release.id:
        return {}
    entries = _read_objects(f"{API}/release_file/?release={release.id}")
    return {str(entry.get("url", "")).rpartition("/")[2]: entry for entry in entries}


def _read_objects(url: str) -> list[dict[str, object]]:
    try:
        content = json.loads(http.read(url, LIMIT))
    except (ValueError, RecursionError):
        raise Unavailable("sent a response that is not JSON") from None
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise Unavailable("sent a response that is not a list of objects")
    return content
