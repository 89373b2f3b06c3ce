"""Which tags a push would set, and which it leaves alone.

``<release>-<target>-<day>`` is for good: a platform that is in it never changes. ``<release>-<target>`` takes over the
platforms that are pushed and keeps the others. Every other tag follows it as a whole, and never loses a platform: what
``3.13`` was there for it still is, of one release, or it waits until the other platform has been pushed too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bakery.catalog import Catalog, Image, tags_of
from bakery.errors import InputError
from bakery.oci import digest_of, index_bytes, merged, platforms_of

__all__ = ["Move", "Names", "dated_index", "names_of", "plan_moves"]

There = tuple[dict[str, Any], str] | None
"""What a tag stands for: an index and its digest, or nothing."""


@dataclass(frozen=True)
class Names:
    """The tags of one image: for good, of its release and target, and those that follow, most specific first."""

    dated: str
    release: str
    shared: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """What becomes of one tag: ``new``, ``moved``, ``unchanged`` or ``kept`` (``why`` tells)."""

    tag: str
    what: str
    before: str
    after: str
    index: bytes = b""
    why: str = ""


def names_of(catalog: Catalog, image: Image, stamp: str) -> Names:
    """The tags of ``image``; ``stamp`` is the day of its build, 20261122, or what else the dated tag shall end in."""
    release, *shared = tags_of(catalog, image)
    # Those of the release first: a series' tag moves last.
    shared.sort(key=lambda tag: not tag.startswith(image.version))
    return Names(f"{release}-{stamp}", release, tuple(shared))


def dated_index(names: Names, entries: Sequence[Mapping[str, Any]], there: There) -> dict[str, Any]:
    """The index of the dated tag with ``entries`` in it; :exc:`InputError` where it would change what is in it."""
    index = merged(there[0] if there else None, entries)
    for platform, had in platforms_of(there[0]).items() if there else ():
        if platforms_of(index)[platform]["digest"] != had["digest"]:
            raise InputError(
                f"{names.dated} is published with another image for {platform} ({had['digest'][:19]}), "
                "and a dated tag never changes",
                hint="Give the new build a stamp of its own, such as --stamp=20261122.2; --force does not help here.",
            )
    return index


def plan_moves(
    names: Names, entries: Sequence[Mapping[str, Any]], there: Mapping[str, There],
    force: bool = False,
) -> list[Move]:  # fmt: skip
    """What to do with each tag, in the order in which it has to be done.

    ``entries`` are the descriptors to publish, ``there`` holds what each tag stands for now (an index and its digest).
    ``force`` lets a shared tag lose a platform. Raises :exc:`InputError` where a dated tag would change.
    """
    dated = dated_index(names, entries, there[names.dated])
    old = there[names.release]
    release = merged(old[0] if old else None, entries)
    moves = [_move(names.dated, there[names.dated], dated), _move(names.release, old, release)]
    for tag in names.shared:
        now = there[tag]
        lost = sorted(set(platforms_of(now[0])) - set(platforms_of(release))) if now else []
        if lost and now and not force:
            why = f"{', '.join(lost)} of {names.release} has not been pushed yet; --force moves it all the same"
            moves.append(Move(tag, "kept", now[1], now[1], why=why))
        else:
            moves.append(_move(tag, now, release))
    return moves


def _move(tag: str, now: There, index: Mapping[str, Any]) -> Move:
    data = index_bytes(index)
    digest = digest_of(data)
    if now is None:
        return Move(tag, "new", "", digest, data)
    return Move(tag, "unchanged" if now[1] == digest else "moved", now[1], digest, data)
