"""Pushes images: everything that passed its tests is uploaded by digest first; then tags move, shared ones last.

The order for each image: layers and configurations, manifests by digest, the index by digest, a signature if requested,
the dated tag, the release's tag; after that, for all images, the tags that several releases share. A push that is
interrupted anywhere leaves every tag complete, and the same command continues from there.
"""

import functools
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from bakery import names, oci
from bakery.catalog import Catalog, Image, aliases_of, image_named, mismatch, tags_of
from bakery.compression import Compression
from bakery.engine import Engine
from bakery.errors import InputError, PublishError
from bakery.files import Tell, disk_full
from bakery.names import GZIP
from bakery.options import Publishing
from bakery.platforms import Platform
from bakery.publish.cosign import Signer, make_signer
from bakery.publish.gate import OTHERWISE, approved, objections_by_labels, require_tested
from bakery.publish.tag_moves import (
    Current,
    ImageTags,
    Move,
    PushedImage,
    check_entries,
    check_platforms,
    dated_index,
    plan_moves,
)
from bakery.redaction import shorten
from bakery.registry import PUSH, RESUME, ContentError, RegistryError, Repository, Transport, split_reference
from bakery.tar import method_of, open_archive
from bakery.workspace import Workspace


@dataclass(frozen=True)
class TagReport:
    """What happened to the tags of one image, or would happen; ``platform`` lists all of them.

    ``moves`` begins with the dated tag and the release's tag; tags that other images share follow.
    """

    image: str
    platform: str
    moves: list[Move]

    @property
    def rows(self) -> list[dict[str, str]]:
        """A row for each tag."""
        head = {"image": self.image, "platform": self.platform}
        return [
            {**head, "tag": move.tag, "state": move.state, "before": move.before, "after": move.after, "why": move.why}
            for move in self.moves
        ]  # fmt: skip


def tags_for(catalog: Catalog, image: Image, stamp: str, end: str = "") -> ImageTags:
    """The tags of ``image``, all with this ``end``; the dated tag has ``stamp``: a day, or what the user chose."""
    release, *shared = (*tags_of(catalog, image), *aliases_of(catalog, image))
    # Tags of the release first: a series' tag moves last.
    shared.sort(key=lambda tag: not tag.startswith(image.version))
    return ImageTags(f"{release}-{stamp}{end}", f"{release}{end}", tuple(f"{tag}{end}" for tag in shared))


def open_repository(repository: str, bundle: Path | None, tell: Tell) -> Repository:
    """The repository with this name, to push to; :exc:`InputError` if the name is not one."""
    host, path, _ = split_reference(f"{names.repository(repository)}:latest")
    return Repository(Transport(host, path, PUSH, bundle, tell))


class Payload:
    """An image for one platform as it is pushed, byte for byte as the engine stores it.

    ``entries`` are its descriptors in an index, the image first, then attestations.
    """

    def __init__(self, archive: tarfile.TarFile, platform: Platform) -> None:
        self.archive = archive
        digest, index = oci.find_index(archive, platform)
        self.entries = oci.entries_for(index, platform)
        self.digest = digest or self.entries[0]["digest"]
        self.manifests = {entry["digest"]: oci.read_blob(archive, entry["digest"]) for entry in self.entries}

    @property
    def blobs(self) -> dict[str, int]:
        """Digest and size of everything that the manifests refer to: layers and configurations."""
        return {
            blob["digest"]: blob["size"]
            for manifest in map(oci.parse_manifest, self.manifests.values())
            for blob in (*manifest["layers"], manifest["config"])
        }

    @property
    def config(self) -> str:
        """The digest of the image's configuration, by which an engine without containerd's store identifies it."""
        return oci.parse_manifest(self.manifests[self.entries[0]["digest"]])["config"]["digest"]

    def require_complete(self, name: str) -> None:
        """Raise :exc:`PublishError` unless engines can run the image and each layer is compressed as its type says."""
        manifest = oci.parse_manifest(self.manifests[self.entries[0]["digest"]])
        try:
            oci.require_complete(manifest, oci.parse_config(oci.read_blob(self.archive, self.config)))
        except oci.ManifestError as error:
            raise PublishError(
                f"{name}: the engine's image cannot be published: {error.message}", hint="Build it again."
            ) from None
        for layer in oci.layer_sizes(manifest):
            with self.open(layer.digest) as stream:
                if (method := method_of(stream.read(6))) != layer.method:
                    raise PublishError(
                        f"{name}: {layer.digest} has the compression {method}, and {layer.method} in its media type",
                        hint="Build it again.",
                    )

    def open(self, digest: str) -> IO[bytes]:
        """A blob, after its bytes were compared with its digest."""
        with oci.archive_errors():
            return oci.open_blob(self.archive, digest)


@contextmanager
def open_payload(
    workspace: Workspace, engine: Engine, identity: str, platform: Platform, packing: Compression, tell: Tell
) -> Iterator[Payload]:
    """The image ``identity`` of ``engine``, in unnamed files that disappear with the block or the process.

    If the engine stores layers uncompressed, they are compressed by ``packing``. Raises :exc:`PublishError` if the
    engine cannot write OCI layouts (Docker before 25).
    """
    with ExitStack() as stack:
        with disk_full(workspace.build):
            workspace.build.mkdir(parents=True, exist_ok=True)
            saved, packed = (stack.enter_context(tempfile.TemporaryFile(dir=workspace.build)) for _ in range(2))
            saved.writelines(engine.save(identity))
            saved.seek(0)
            with oci.archive_errors(), open_archive(saved) as tar:
                has_manifests = "index.json" in tar.getnames()
            if not has_manifests:
                raise PublishError(
                    f"the Docker engine at {engine.host} writes images without their manifests",
                    hint="Docker Engine 25 or newer writes them; so does the embedded engine.",
                )
            if not engine.keeps_layers:
                source, target = (Path(f"/dev/fd/{file.fileno()}") for file in (saved, packed))
                # The engine identifies the image by its configuration, which a mark would change.
                layers = oci.LayerCache(workspace.home / "layers", tell)
                oci.recompress(source, target, replace(packing, marked=False), layers)
        layout = saved if engine.keeps_layers else packed
        layout.seek(0)
        with oci.archive_errors():
            payload = Payload(stack.enter_context(open_archive(layout)), platform)
        yield payload


def image_with_tags(catalog: Catalog, pushed: PushedImage) -> Image:
    """The image of ``catalog``, or of the user's own tree, that ``pushed`` names, whose tags must be its own.

    Raises :exc:`InputError` if there is no such image or a tag is another image's, so that no tag of that one moves.
    """
    tags, end = pushed.names, GZIP if pushed.image.endswith(GZIP) else ""
    stamp = tags.dated.removeprefix(f"{tags.release.removesuffix(end)}-").removesuffix(end)
    image = image_named(catalog, pushed.image.removesuffix(end), pushed.platform)
    if not image or not stamp or tags != tags_for(catalog, image, stamp, end) or f"-{stamp}".endswith(GZIP):
        raise InputError(
            f"{pushed.image}: these are not its tags: {', '.join(tags.all)}",
            hint="Push again with the same shared/lock.toml and shared/catalog.toml as on this machine.",
        )
    return image


@dataclass
class Pusher:
    """Pushes to one repository; dated tags end in ``stamp``, or in the day of each build without one."""

    workspace: Workspace
    catalog: Catalog
    repository: Repository
    tell: Tell
    signer: Signer | None = None
    stamp: str | None = None
    force: bool = False
    dry: bool = False
    approved_digests: set[str] = field(default_factory=set)
    """Of images that :func:`approved` has checked, with the records of their builds and tests."""

    def push_digests(self, engine: Engine, images: Sequence[Image]) -> list[PushedImage]:
        """Upload ``images`` by digest; no tag moves. Nothing is sent unless all of them may be pushed."""
        pushed = []
        checked = approved(self.workspace, self.catalog, engine, images, self.force, self.tell)
        if undated := [f"{image.name}{end}" for image, end, _, day in checked if not (self.stamp or day)]:
            problem = f"the day of the build is unknown, or a clock was wrong: {', '.join(undated)}"
            raise InputError(problem, hint="Give the end of their permanent tags, such as --stamp=20261122.")
        self.repository.check()
        for image, end, identity, day in checked:
            name, packing = f"{image.name}{end}", self.catalog.compressions["twin" if end else image.recipe]
            with open_payload(self.workspace, engine, identity, image.platform, packing, self.tell) as payload:
                if identity not in (payload.digest, payload.config):
                    raise PublishError(f"the engine writes {name} as {payload.digest}, expected {identity}")
                require_tested(self.workspace.home, name, identity, payload.entries[0]["digest"])
                payload.require_complete(name)
                self.approved_digests.add(payload.entries[0]["digest"])
                tags = tags_for(self.catalog, image, self.stamp or day, end)
                dated_index(tags, payload.entries, self.repository.index(tags.dated))
                self._send(payload, f"{name} {image.platform}")
                pushed.append(PushedImage(name, image.platform, tags, payload.entries))
        return pushed

    def _send(self, payload: Payload, name: str) -> None:
        """Upload what is missing: blobs, then the manifests that refer to them, attestations last."""
        sent, repository = [], self.repository
        for digest, size in payload.blobs.items():
            opened = functools.partial(payload.open, digest)
            missing = not repository.has_blob(digest) if self.dry else repository.put_blob(digest, size, opened)
            sent += [size] if missing else []
        media_types = {entry["digest"]: entry["mediaType"] for entry in payload.entries}
        for digest, data in payload.manifests.items() if not self.dry else ():
            if not repository.has_manifest(digest):
                repository.put_manifest(digest, data, media_types[digest])
        verb = "would be sent" if self.dry else "sent"
        self.tell(f"{name}: {len(sent)} of {len(payload.blobs)} blobs {verb}, {sum(sent) / 1e6:.1f} MB")

    def tag(self, images: Sequence[PushedImage]) -> list[TagReport]:
        """Set the tags of all ``images``: each image's own tags, then those that it shares with others.

        Another machine may have pushed them, so their tags, descriptors and manifests are checked first.
        """
        groups: dict[ImageTags, list[PushedImage]] = {}
        for image in images:
            groups.setdefault(image.names, []).append(image)
            known = image_with_tags(self.catalog, image)
            check_entries(image)
            if not self.dry:
                self._require_publishable(image, known)
        check_platforms(images)
        reports, latest, planned = list[TagReport](), dict[str, TagReport](), dict[str, Current]()
        for tags, group in groups.items():
            entries = [entry for image in group for entry in image.entries]
            current = {tag: planned.get(tag) or self.repository.index(tag) for tag in tags.all}
            for tag in (tags.dated, tags.release):
                current[tag] = self._own_platforms(images, group, tag, current[tag])
            moves = plan_moves(tags, entries, current, self.force)
            dated, release, *_ = moves
            planned[tags.release] = oci.parse_index(release.index), release.after
            if earlier := latest.get(tags.release):  # built on another day: this index has its platforms too
                del earlier.moves[2:]
            report = TagReport(group[0].image, " ".join(sorted({image.platform for image in group})), moves)
            latest[tags.release] = report
            reports.append(report)
            if not self.dry:
                if self.signer:
                    self._attest(self.signer, group, dated.changes or release.changes)
                self._move([dated, release])
        for report in reports if not self.dry else ():
            self._move(report.moves[2:])
        return reports

    def _require_publishable(self, image: PushedImage, known: Image) -> None:
        """Check an image as far as the registry shows it, and object to it unless :func:`approved` did so here."""
        labels, digest = self._require_pushed(image, known), image.entries[0]["digest"]
        for reason, _ in objections_by_labels(labels) if digest not in self.approved_digests else ():
            if not self.force:
                raise PublishError(f"{image.image} {image.platform}: {digest}: {reason}", hint=OTHERWISE)
            self.tell(f"{image.image} {image.platform}: overridden: {reason}")

    def _require_pushed(self, image: PushedImage, known: Image) -> Mapping[str, str]:
        """Check that the registry has all of ``image`` and that it is ``known``; returns its labels.

        Raises :exc:`PublishError` for another image, :exc:`RegistryError` for missing or damaged entries.
        """
        name, digest = f"{image.image} {image.platform}", image.entries[0]["digest"]
        manifest, config = self.repository.image(image.entries)
        if (actual := Platform.from_descriptor(config)) != image.platform:
            raise PublishError(f"{name}: {digest} is an image for {shorten(actual, 100) or 'no platform'}")
        if problem := mismatch(known, labels := oci.labels_of(config)):
            raise PublishError(f"{name}: {digest} is another image: {problem}")
        if image.image.endswith(GZIP) and {layer.method for layer in oci.layer_sizes(manifest)} - {"gzip"}:
            raise PublishError(f"{name}: {digest} has layers that are not compressed by gzip")
        return labels

    def _own_platforms(
        self, images: Sequence[PushedImage], group: Sequence[PushedImage], tag: str, current: Current
    ) -> Current:
        """``current`` of ``tag``, whose other platforms the new index keeps, after a check that they are our images.

        ``images`` are checked already; those of ``group`` get the tag. Raises :exc:`PublishError` if another image is
        not ours: it would be signed, and get all tags. With ``force`` the tag of the release loses that platform.
        """
        if current is None:
            return None
        (image, *_), (index, digest) = group, current
        pushed, manifests = {each.platform: each.entries for each in group}, list[oci.Descriptor]()
        checked = {(each.platform, each.entries[0]["digest"]) for each in images}
        for platform in oci.platforms_of(index):
            kept = replace(image, platform=platform, entries=oci.entries_for(index, platform))
            is_known = platform in pushed or (platform, kept.entries[0]["digest"]) in checked
            is_checked = kept.entries == pushed.get(platform) or (is_known and tag == image.names.release)
            if not is_checked and (reason := self._objection(kept)):
                problem = f"{tag} has an image for {platform or 'no platform'} that does not belong to it: {reason}"
                if tag == image.names.dated:
                    raise PublishError(problem, hint="Choose another stamp, such as --stamp=20261122.2.")
                if not self.force:
                    raise PublishError(problem, hint="--force leaves that platform out of the tag.")
                self.tell(f"overridden: {problem}; {tag} loses it")
                continue
            manifests += kept.entries
        return oci.Index(manifests=manifests), digest

    def _objection(self, image: PushedImage) -> str:
        """Why an image in the registry does not belong to its tag; empty if it does.

        Raises :exc:`RegistryError` if the registry does not say.
        """
        try:
            check_entries(image)
            self._require_pushed(image, image_with_tags(self.catalog, image))
        except RegistryError as error:
            if not isinstance(error, ContentError) and error.status != 404:
                raise
            return error.message
        except (InputError, PublishError, oci.ManifestError) as error:
            return error.message
        return ""

    def _attest(self, signer: Signer, images: Sequence[PushedImage], changed: bool) -> None:
        """Sign the statements in the attestations of ``images``, before a tag moves to them or if they are unsigned."""
        for image in images:
            digest = image.entries[0]["digest"]
            if changed or not self.repository.has_manifest(f"{digest.replace(':', '-')}.att"):
                for attestation in map(self.repository.manifest, image.entries[1:]):
                    for kind, predicate in self.repository.statements(attestation, digest):
                        signer.attest(digest, kind, predicate)

    def _move(self, moves: Sequence[Move]) -> None:
        """Put the indexes by digest, sign them, and set the tags."""
        for digest, index in {move.after: move.index for move in moves if move.index}.items():
            if not self.repository.has_manifest(digest):
                self.repository.put_manifest(digest, index, oci.INDEX)
            changed = any(move.after == digest and move.changes for move in moves)
            if self.signer and (changed or not self.repository.has_manifest(f"{digest.replace(':', '-')}.sig")):
                self.signer.sign(digest)
        for move in moves:
            if move.changes:
                self._require_unmoved(move)
                self.repository.put_manifest(move.tag, move.index, oci.INDEX)
                self.tell(f"{move.tag} -> {move.after[:19]}")

    def _require_unmoved(self, move: Move) -> None:
        """Raise :exc:`PublishError` if the tag is not what it was when the move was planned, minutes ago with cosign.

        Its new index would replace what another push has added: another platform, or another image of a dated tag.
        """
        current = self.repository.index(move.tag)
        if (current[1] if current else "") not in (move.before, move.after):
            raise PublishError(f"{move.tag} was set by another push at the same time: it was not moved", hint=RESUME)


@contextmanager
def open_pusher(
    workspace: Workspace, catalog: Catalog, publishing: Publishing, bundle: Path | None, tell: Tell, *, dry: bool
) -> Iterator[Pusher]:
    """A pusher for the repository that the user chose, with a signer if requested; closes its connections on exit."""
    repository = open_repository(publishing.repository or catalog.repository, bundle, tell)
    with closing(repository.transport) as transport:
        signer = make_signer(transport, publishing.key) if publishing.sign else None
        yield Pusher(workspace, catalog, repository, tell, signer, publishing.stamp, publishing.force, dry)
