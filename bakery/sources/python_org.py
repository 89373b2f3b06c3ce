"""Which releases python.org has: its API says what is published, its directory what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from bakery.net import Unavailable, http
from bakery.sources import tarballs

__all__ = ["API", "Announced", "Release", "announced", "release_files"]

API = "https://www.python.org/api/v2/downloads"
LIMIT = 32 << 20
"""Bytes of the largest answer that is read; the list of all releases has about 1 MB."""


@dataclass(frozen=True)
class Release:
    """A release as the API names it; ``id`` is its number there, empty where only the directory was asked."""

    version: Version
    id: str = ""


@dataclass(frozen=True)
class Announced:
    """Every release that can be counted on, and what there is to say of the others. ``whole``: both were asked."""

    releases: tuple[Release, ...]
    notes: tuple[str, ...]
    whole: bool


def announced() -> Announced:
    """What python.org publishes; :exc:`Unavailable` where neither its API nor its directory gives a sound answer.

    Where both do, a release counts only if both have it: a page without files was withdrawn or is early, files without
    a page are not announced. A pre-release's files lie in the folder of its final release.
    """
    notes = []
    try:
        published: dict[Version, Release] | None = {one.version: one for one in _published()}
    except Unavailable as reason:
        published = None
        notes.append(f"python.org's API {reason}")
    try:
        folders: set[Version] | None = _folders()
    except Unavailable as reason:
        folders = None
        notes.append(f"python.org's directory {reason}")
    if published is None and folders is None:
        raise Unavailable("; ".join(notes))
    if published is None or folders is None:
        found = published or {version: Release(version) for version in folders or ()}
        return Announced(_sorted(found.values()), tuple(notes), whole=False)
    both = {version: one for version, one in published.items() if Version(version.base_version) in folders}
    return Announced(_sorted(both.values()), tuple(notes), whole=True)


def _sorted(releases: Iterable[Release]) -> tuple[Release, ...]:
    return tuple(sorted(releases, key=lambda one: one.version))


def _published() -> list[Release]:
    found = []
    for one in _objects(f"{API}/release/?is_published=true"):
        name = re.fullmatch(r"Python (3\.\d+\.\d+((a|b|rc)\d+)?)", str(one.get("name")))
        number = re.search(r"/(\d+)/?$", str(one.get("resource_uri")))
        if name and one.get("is_published") is True:
            found.append(Release(Version(name[1]), number[1] if number else ""))
    if not found:
        raise Unavailable("names no release at all")
    return found


def _folders() -> set[Version]:
    page = http.read(f"{tarballs.PYTHON_ORG}/", LIMIT).decode("utf-8", "replace")
    found = set()
    for name in re.findall(r'href="(?:[^"]*/)?(3\.\d+\.\d+)/"', page):
        try:
            found.add(Version(name))
        except InvalidVersion:
            continue
    if not found:
        raise Unavailable("lists no release at all")
    return found


def release_files(release: Release) -> dict[str, dict[str, Any]]:
    """What the API says of each file of ``release``, by file name; empty where it says nothing.

    Raises :exc:`Unavailable` where the API does not give a sound answer.
    """
    if not release.id:
        return {}
    return {
        str(one.get("url", "")).rpartition("/")[2]: one for one in _objects(f"{API}/release_file/?release={release.id}")
    }


def _objects(url: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(http.read(url, LIMIT))
    except (ValueError, RecursionError):
        raise Unavailable("answered with something else than JSON") from None
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise Unavailable("answered with something else than a list of objects")
    return content
