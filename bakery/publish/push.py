"""Publishes images: what passed its tests goes up by digest, and only then tags move, the shared ones last.

Order for each image: layers and configurations, manifests by digest, the index by digest, a signature where one is
wanted, the dated tag, the release's tag; when that is done for all images, the tags that several releases share. So a
push that ends anywhere leaves each tag on something whole, and the same command again goes on from there.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bakery.catalog import Catalog, Image, Platform
from bakery.engine import Engine
from bakery.errors import InputError, PublishError
from bakery.files import Tell, write_whole
from bakery.publish.cosign import Signer
from bakery.publish.gate import approved
from bakery.publish.payload import Parcel, parcel
from bakery.publish.tag_moves import Move, Names, dated_index, names_of, plan_moves
from bakery.registry import Shelf, Wire, split_reference
from bakery.workspace import Workspace

__all__ = ["Handover", "Pushed", "Pusher", "open_shelf", "read_handovers", "write_handovers"]


CHANGED = ("new", "moved")
"""What :class:`bakery.publish.tag_moves.Move` calls a tag that has to be set."""


@dataclass(frozen=True)
class Handover:
    """What one machine has put into the registry by digest, for another to tag: descriptors, platform first."""

    image: str
    platform: Platform
    names: Names
    entries: list[dict[str, Any]] = field(hash=False)


@dataclass
class Pushed:
    """What became of one image, or would."""

    image: str
    platform: str
    moves: list[Move]

    @property
    def rows(self) -> list[dict[str, str]]:
        """A line for each tag, for a report."""
        head = {"image": self.image, "platform": self.platform}
        return [
            {**head, "tag": one.tag, "state": one.what, "before": one.before, "after": one.after, "why": one.why}
            for one in self.moves
        ]  # fmt: skip


def open_shelf(repository: str, bundle: Path | None, tell: Tell) -> Shelf:
    """The repository that a user names; :exc:`InputError` where it is none."""
    if not re.fullmatch(r"([A-Za-z0-9.-]+(:\d+)?/|\[[0-9a-f:]+\](:\d+)?/)?[a-z0-9]+([/._-]+[a-z0-9]+)*", repository):
        raise InputError(
            f"--repository={repository}: expected a repository without a tag",
            hint="Such as 127.0.0.1:5000/infra7/python or ghcr.io/infra7/python.",
        )
    host, path, _ = split_reference(f"{repository}:latest")
    return Shelf(Wire(host, path, bundle, tell))


def write_handovers(file: Path, handovers: Sequence[Handover]) -> None:
    """Write what was pushed by digest, for :func:`read_handovers` on another machine."""
    write_whole(file, json.dumps([asdict(one) for one in handovers], indent=1) + "\n")


def read_handovers(files: Sequence[str]) -> list[Handover]:
    """What several machines have pushed; :exc:`InputError` where a file is none of :func:`write_handovers`."""
    found = []
    for name in files:
        try:
            for one in json.loads(Path(name).read_text(encoding="utf-8")):
                names = Names(one["names"]["dated"], one["names"]["release"], tuple(one["names"]["shared"]))
                found.append(Handover(one["image"], Platform(one["platform"]), names, list(one["entries"])))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{name}: expected what `inv push --digests={name}` writes: {error!r}") from None
    return found


@dataclass
class Pusher:
    """Pushes to one repository; ``stamp`` is what dated tags end in, instead of the day of each build."""

    workspace: Workspace
    catalog: Catalog
    shelf: Shelf
    tell: Tell
    signer: Signer | None = None
    stamp: str | None = None
    force: bool = False
    dry: bool = False

    def hand_over(self, engine: Engine, images: Sequence[Image]) -> list[Handover]:
        """Put ``images`` into the registry by digest; no tag moves. Nothing is sent unless all may be pushed."""
        told = []
        checked = approved(self.workspace, self.catalog, engine, images, self.force, self.tell)
        self.shelf.check()
        for image, identity, day in checked:
            packing = self.catalog.compressions[image.recipe]
            with parcel(self.workspace, engine, identity, image.platform, packing) as box:
                if identity not in (box.digest, box.config):
                    raise PublishError(f"the engine writes {image.name} as {box.digest}, which is not {identity}")
                names = names_of(self.catalog, image, self.stamp or day)
                dated_index(names, box.entries, self.shelf.index(names.dated))
                self._send(box, f"{image.name} {image.platform}")
                told.append(Handover(image.name, image.platform, names, box.entries))
        return told

    def _send(self, box: Parcel, name: str) -> None:
        """Upload what is missing: blobs, then the manifests that name them, attestations last."""
        sent = []
        for digest, size in box.blobs.items():
            opened = functools.partial(box.open, digest)
            missing = not self.shelf.has_blob(digest) if self.dry else self.shelf.put_blob(digest, size, opened)
            sent += [size] if missing else []
        kinds = {one["digest"]: one["mediaType"] for one in box.entries}
        for digest, data in box.manifests.items() if not self.dry else ():
            if not self.shelf.has_manifest(digest):
                self.shelf.put_manifest(digest, data, kinds[digest])
        verb = "would be sent" if self.dry else "sent"
        self.tell(f"{name}: {len(sent)} of {len(box.blobs)} blobs {verb}, {sum(sent) / 1e6:.1f} MB")

    def tag(self, handovers: Sequence[Handover]) -> list[Pushed]:
        """Set the tags of everything that was handed over: each image's own, then those that others share."""
        images: dict[Names, list[Handover]] = {}
        for one in handovers:
            images.setdefault(one.names, []).append(one)
        for one in handovers:
            for digest in (str(entry["digest"]) for entry in one.entries if not self.dry):
                if not self.shelf.has_manifest(digest):
                    raise PublishError(f"{one.image} {one.platform}: {digest} is not in the registry: push it first")
        pushed = []
        for names, group in images.items():
            entries = [entry for one in group for entry in one.entries]
            plan = plan_moves(names, entries, {tag: self.shelf.index(tag) for tag in _all(names)}, self.force)
            pushed.append(Pushed(group[0].image, " ".join(sorted({one.platform for one in group})), plan))
            if not self.dry:
                self._settle(plan[:2])
        for done in pushed if not self.dry else ():
            self._settle(done.moves[2:])
        return pushed

    def _settle(self, moves: Sequence[Move]) -> None:
        """Put the indexes by digest, sign them, and set the tags."""
        for digest, index in {move.after: move.index for move in moves if move.index}.items():
            if not self.shelf.has_manifest(digest):
                self.shelf.put_manifest(digest, index, _kind(index))
            changed = any(move.after == digest and move.what in CHANGED for move in moves)
            if self.signer and (changed or self.shelf.index(f"{digest.replace(':', '-')}.sig") is None):
                self.signer.sign(digest)
        for move in moves:
            if move.what in CHANGED:
                self.shelf.put_manifest(move.tag, move.index, _kind(move.index))
                self.tell(f"{move.tag} -> {move.after[:19]}")


def _all(names: Names) -> tuple[str, ...]:
    return (names.dated, names.release, *names.shared)


def _kind(index: bytes) -> str:
    return str(json.loads(index)["mediaType"])
