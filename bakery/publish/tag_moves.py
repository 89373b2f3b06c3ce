"""Which tags a push would set, and which it leaves alone.

``<release>-<target>-<day>`` is permanent: a platform in it never changes. ``<release>-<target>`` gets the platforms
that are pushed and keeps the others. Every other tag follows it as a whole and never loses a platform: if ``3.13`` has
two platforms, it stays on one release for both, or waits until the other platform has been pushed too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from bakery import names
from bakery.errors import InputError
from bakery.oci import (
    ACCEPTED,
    Descriptor,
    Index,
    ManifestError,
    digest_of,
    entries_for,
    is_index,
    merged,
    parse_index,
    platforms_of,
    to_json,
)
from bakery.platforms import Platform

Tag = Annotated[str, msgspec.Meta(pattern=rf"\A{names.TAG}\Z")]
Current = tuple[Index, str] | None
"""What a tag refers to now: an index and its digest, or nothing."""


@dataclass(frozen=True)
class ImageTags:
    """The tags of an image: the permanent tag, the tag of its release and target, and shared tags, most specific first.

    Raises :exc:`InputError` for text that is not a tag, and could be a path.
    """

    dated: Tag
    release: Tag
    shared: tuple[Tag, ...]

    def __post_init__(self) -> None:
        for name in self.all:
            names.tag(name)

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, in the order in which they move."""
        return (self.dated, self.release, *self.shared)


@dataclass(frozen=True)
class PushedImage:
    """An image that is in the registry by digest and can be tagged; ``entries`` are descriptors, the image's first."""

    image: str
    platform: Platform
    names: ImageTags
    entries: Annotated[list[Descriptor], msgspec.Meta(min_length=1)] = field(hash=False)


@dataclass(frozen=True)
class Move:
    """What happens to one tag: ``new``, ``moved``, ``unchanged`` or, for the reason ``why``, ``kept``."""

    tag: str
    state: str
    before: str
    after: str
    index: bytes = b""
    why: str = ""

    @property
    def changes(self) -> bool:
        """Whether the tag has to be set."""
        return self.state in ("new", "moved")


def dated_index(tags: ImageTags, entries: Sequence[Descriptor], current: Current) -> Index:
    """The index of the dated tag with ``entries`` added; :exc:`InputError` if that changes a platform in it.

    A platform in it also keeps its attestations: another build of the same image has others.
    """
    if not current:
        return merged(None, entries)
    new = Index(manifests=list(entries))
    for platform, published in platforms_of(current[0]).items():
        if platforms_of(new).get(platform, published)["digest"] != published["digest"]:
            raise InputError(
                f"{tags.dated} is published with another image for {platform} ({published['digest'][:19]}), "
                "and a dated tag never changes",
                hint="Choose another stamp, such as --stamp=20261122.2; --force does not help here.",
            )
    return merged(new, current[0]["manifests"])


def plan_moves(
    tags: ImageTags, entries: Sequence[Descriptor], current: Mapping[str, Current], force: bool = False
) -> list[Move]:
    """What to do with each tag, in the order in which it has to be done.

    ``entries`` are the descriptors to publish, ``current`` has what each tag refers to now. ``force`` allows a shared
    tag to lose a platform. Raises :exc:`InputError` if a dated tag would change.
    """
    old = current[tags.release]
    release = merged(old[0] if old else None, entries)
    moves = [
        _move(tags.dated, current[tags.dated], dated_index(tags, entries, current[tags.dated])),
        _move(tags.release, old, release),
    ]
    for tag in tags.shared:
        now = current[tag]
        lost = sorted(set(platforms_of(now[0])) - set(platforms_of(release))) if now else []
        if lost and now and not force:
            why = f"{', '.join(lost)} of {tags.release} has not been pushed yet; --force moves the tag anyway"
            moves.append(Move(tag, "kept", now[1], now[1], why=why))
        else:
            moves.append(_move(tag, now, release))
    return moves


def _move(tag: str, current: Current, index: Index) -> Move:
    data = to_json(index)
    digest = digest_of(data)
    if current is None:
        return Move(tag, "new", "", digest, data)
    return Move(tag, "unchanged" if current[1] == digest else "moved", current[1], digest, data)


def check_entries(pushed: PushedImage) -> None:
    """Raise :exc:`InputError` unless the entries are an image for its platform and attestations of that image."""
    problem = ""
    try:
        whole = entries_for(parse_index({"manifests": pushed.entries}), pushed.platform) == pushed.entries
    except ManifestError as error:
        whole, problem = False, f": {error.message}"
    expected = [pushed.platform, *["unknown/unknown"] * (len(pushed.entries) - 1)]
    platforms = [Platform.from_descriptor(entry.get("platform") or {}) for entry in pushed.entries]
    manifests = all(entry["mediaType"] in ACCEPTED and not is_index(entry) for entry in pushed.entries)
    if not whole or not manifests or platforms != expected:
        raise InputError(
            f"{pushed.image}: expected an image for {pushed.platform} and its attestations only{problem}",
            hint="Push again with this version of the tool: inv push --digests=FILE.",
        )


def check_platforms(images: Sequence[PushedImage]) -> None:
    """Raise :exc:`InputError` if two of ``images`` have the same tag of a release and the same platform.

    One would replace the other, also if they were built on two days.
    """
    digests: dict[tuple[str, Platform], str] = {}
    for image in images:
        digest = image.entries[0]["digest"]
        if (other := digests.setdefault((image.names.release, image.platform), digest)) != digest:
            raise InputError(
                f"{image.image}: there are two images for {image.platform}: {other} and {digest}",
                hint="Leave out one of the files; --digests=FILE of each push wrote it.",
            )
