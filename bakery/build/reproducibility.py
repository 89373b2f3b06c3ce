"""Builds images twice without the build cache and reports whether the results are bit for bit the same.

The manifest's digest covers the configuration and all layers, as a registry stores them. If it differs, the pairs of
layers are compared file by file.
"""

import hashlib
import io
import operator
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bakery.build.builder import Builder
from bakery.catalog import ANNOTATIONS, LABELS, Catalog, Image, RecipeName, on_platforms, select_images
from bakery.display import Column, Report
from bakery.errors import BakeryError, BuildError, InputError, UnknownResult
from bakery.files import spooled, staged_file, write_whole
from bakery.oci import PACKAGES, ImageArchive, ImageConfig, image_archive, labels_of, open_layer
from bakery.platforms import Platform, host_platform, parse_platforms
from bakery.redaction import shorten
from bakery.registry import Registry, RegistryError

COLUMNS = (
    Column("image"), Column("result", "same"), Column("manifest", "digest"), Column("differences", right=True),
)  # fmt: skip
SHOWN = 20  # differences of an image that are printed; the table counts all of them
LONGEST = 1000  # characters of a difference: the configuration of a published image can be megabytes long
FILE_LIMIT, LAYER_LIMIT = 32 << 20, 64 << 20
"""Bytes of a file, and of all files of a layer, that are kept in memory to locate differences."""
SHOWN_BYTES = 8  # from the first difference on
FIELDS = ("type", "mode", "uid", "gid", "mtime", "linkname", "size")  # attributes of tarfile.TarInfo to compare


@dataclass(frozen=True)
class Difference:
    """A difference between two images: in a file of a layer (counted from 1), or in the configuration (layer 0)."""

    layer: int
    path: str
    description: str


@dataclass(frozen=True)
class _File:
    header: tuple[object, ...]
    sha256: str
    content: bytes | None


def compare_archives(
    first: Path, second: Path, platform: Platform, identities: tuple[str, ...] = ("", "")
) -> list[Difference]:
    """The differences between the images for ``platform`` in two archives; none if their manifests are the same.

    ``identities`` are the images' IDs in the engine that wrote the archives. Raises
    :exc:`bakery.errors.BakeryError` if an archive cannot be read.
    """
    with (
        first.open("rb") as first_stream, second.open("rb") as second_stream,
        image_archive(first_stream, platform, identities[0]) as left,
        image_archive(second_stream, platform, identities[1]) as right,
    ):  # fmt: skip
        if left.digest and left.digest == right.digest:
            return []
        differences = list(_configurations(left.config, right.config))
        if len(left.layers) != len(right.layers):
            differences.append(Difference(0, "", f"{len(left.layers)} layers against {len(right.layers)}"))
        for number, (left_layer, right_layer) in enumerate(zip(left.layers, right.layers, strict=False), 1):
            if left_layer != right_layer:
                differences += _layers(number, _files(left, left_layer), _files(right, right_layer))
    return differences


def _configurations(left: Mapping[str, object], right: Mapping[str, object]) -> Iterator[Difference]:
    for key in sorted({*left, *right} - {"rootfs"}):
        a, b = left.get(key), right.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from (Difference(0, "", f"{key}.{inner.description}") for inner in _configurations(a, b))
        elif a != b:
            yield Difference(0, "", shorten(f"{key}: {a!r} against {b!r}", LONGEST))


def _layers(number: int, left: Mapping[str, _File], right: Mapping[str, _File]) -> Iterator[Difference]:
    if left == right:
        reordered = list(left) != list(right)
        yield Difference(
            number, "", "the same files in a different order" if reordered else "the same files, compressed differently"
        )
    for path in sorted({*left, *right}):
        a, b = left.get(path), right.get(path)
        if a is None or b is None:
            yield Difference(number, path, f"only in the {'second' if a is None else 'first'}")
        elif a.header != b.header:
            fields = zip(FIELDS, a.header, b.header, strict=True)
            yield Difference(number, path, ", ".join(f"{name} {x!r} against {y!r}" for name, x, y in fields if x != y))
        elif a.sha256 != b.sha256:
            yield Difference(number, path, _bytes(a.content, b.content))


def _bytes(left: bytes | None, right: bytes | None) -> str:
    if left is None or right is None:
        return "different bytes"
    start = next(offset for offset, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
    count, end = sum(map(operator.ne, left, right)), start + SHOWN_BYTES
    shown = f"{left[start:end].hex(' ')} against {right[start:end].hex(' ')}"
    return f"{count} of {len(left)} bytes, first at {start}: {shown}"


def _files(archive: ImageArchive, layer: str) -> dict[str, _File]:
    files, room = dict[str, _File](), LAYER_LIMIT
    with open_layer(archive, layer) as tar:
        for member in tar:
            files[member.name] = file = _file(tar, member, min(room, FILE_LIMIT))
            room -= len(file.content or b"")
    return files


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo, largest: int) -> _File:
    """A file, with its content only up to ``largest`` bytes: a layer of 1 MB can unpack to 1 GB and more."""
    header = tuple(getattr(member, field) for field in FIELDS)
    stream = (tar.extractfile(member) if member.isreg() else None) or io.BytesIO()
    content = stream.read() if member.size <= largest else None
    digest = hashlib.file_digest(stream if content is None else io.BytesIO(content), "sha256")  # type: ignore[arg-type]
    return _File(header, digest.hexdigest(), content)


def diffoscope(first: Path, second: Path, report: Path) -> bool:
    """Run diffoscope to write an HTML ``report`` on two archives; returns ``False`` if it is not installed.

    It understands formats that this module does not: byte code, machine code, databases.
    """
    if not shutil.which("diffoscope"):
        return False
    with tempfile.TemporaryDirectory(dir=report.parent) as folder:
        subprocess.run(
            ["diffoscope", "--html", str(report), str(first), str(second)], cwd=folder, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return report.exists()


@dataclass(frozen=True)
class Verdict:
    """The result for one image: the digests of both manifests, the differences, and diffoscope's report if any."""

    image: Image
    digests: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    report: Path | None = None
    error: str = ""

    @property
    def same(self) -> bool:
        """Whether both builds made the same image."""
        return len(self.digests) == 2 and len(set(self.digests)) == 1


def verify_image(builder: Builder, image: Image) -> Verdict:
    """Build ``image`` twice, with a builder that ignores the build cache; a failed build is in the verdict."""
    folder = builder.workspace.build / "verify"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{image.slug}-{number}.tar" for number in (1, 2)]
    digests: tuple[str, ...] = ()
    try:
        for file in files:
            (result,) = builder.build([image])
            if result.record is None:
                return Verdict(image, error=result.error)
            digests = (*digests, result.record.id)
            if (verdict := Verdict(image, digests)).same:
                return verdict
            with staged_file(file) as stream:
                stream.writelines(builder.engine.save(result.tags[0]))
        differences = tuple(compare_archives(files[0], files[1], image.platform, digests))
        report = folder / f"{image.slug}.html"
        return Verdict(image, digests, differences, report if diffoscope(files[0], files[1], report) else None)
    finally:
        for file in files:
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Published:
    """An image in a registry: its reference, its platform, and the digest and the configuration of its manifest.

    ``packages`` is the attested resolution of its packages, as JSON; ``None`` if it has no such attestation.
    """

    reference: str
    platform: Platform
    digest: str
    config: ImageConfig = field(hash=False)
    packages: bytes | None = None

    @classmethod
    def find(cls, reference: str, platforms: Sequence[Platform], typed: Sequence[str] = ()) -> "Published":
        """The image ``reference``, for the one of ``platforms`` that the user ``typed``, else for this machine's.

        Raises as :meth:`bakery.registry.Registry.image`.
        """
        platform = next(iter(parse_platforms(platforms, typed)), host_platform())
        registry = Registry()
        try:
            image = registry.image(reference, platform)
        except RegistryError as error:
            hint = error.hint or "--image is an image in a registry, such as ghcr.io/infra7/python:3.13."
            raise RegistryError(f"{reference} cannot be read: {error.message}", hint=hint) from None
        return cls(reference, platform, image.digest, image.config, registry.attestation(image, PACKAGES))

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the image."""
        return labels_of(self.config)

    def select(self, catalog: Catalog) -> Image:
        """The image of ``catalog`` that the labels name.

        Raises :exc:`InputError` if there is none, :exc:`BuildError` if the registry does not give the labels.
        """
        if not self.config:
            raise BuildError(f"{self.reference}: its registry does not give the image's configuration, with its labels")
        keys = [f"{LABELS}.{key}" for key in ("target", "variant", "recipe", "source.sha256")]
        version, *values = (self.labels.get(key, "") for key in (f"{ANNOTATIONS}.version", *keys))
        hint = f"Check out the commit that it was built from: git checkout {self._revision or 'COMMIT'}"
        if not version or not all(values):
            raise InputError(f"{self.reference} does not have this tool's labels: it cannot be built again")
        target, variant, recipe, sha256 = values
        images = select_images(catalog, [version], [target], [variant])
        for image in on_platforms(images, [self.platform]):
            if image.pin.sha256 == sha256 and recipe in list(RecipeName):
                return replace(image, recipe=RecipeName(recipe))
        raise InputError(f"{self.reference}: shared/lock.toml pins a different tarball of {version}", hint=hint)

    @property
    def _revision(self) -> str:
        """The commit, empty if the label is not one: it becomes part of a command that the user types."""
        label = self.labels.get(f"{ANNOTATIONS}.revision", "")
        return label if re.fullmatch("[0-9a-f]{40,64}", label) else ""

    def require_same(self, planned: Mapping[str, str]) -> None:
        """Raise :exc:`InputError` if the ``planned`` labels show that a build here would have other inputs."""
        keys = dict.fromkeys([f"{ANNOTATIONS}.revision", *planned])  # a clone may not know its revision
        wrong = [key for key in keys if self.labels.get(key) != planned.get(key)]
        if wrong:
            theirs = {key: shorten(str(self.labels.get(key)), LONGEST) for key in wrong}
            lines = [f"{key}: {theirs[key]} in the image, {planned.get(key)} here" for key in wrong]
            commit = self._revision
            hint = f"git checkout {commit}" if commit else "Check out the commit that it was built from."
            raise InputError("\n    ".join([f"{self.reference} was built from different inputs:", *lines]), hint=hint)


def verify_published(builder: Builder, published: Published) -> Verdict:
    """Build a published image again from the inputs that its labels name, and compare the bits.

    Its packages are those of ``--packages``, else those that are attested. Raises :exc:`InputError` if this clone or
    machine has other inputs.
    """
    image = published.select(builder.catalog)
    inputs = builder.inputs.resolve(image, lambda _: None, lambda _: None)
    if f"{LABELS}.packages.sha256" in published.labels:
        file = builder.building.packages or str(builder.workspace.build / "verify" / f"{image.slug}-packages.json")
        if not builder.building.packages:
            if published.packages is None:
                hint = "Give the file with its packages' resolution: --packages=FILE"
                raise InputError(f"{published.reference} has no attestation of its packages", hint=hint)
            write_whole(Path(file), published.packages.decode())
            builder.building = replace(builder.building, packages=file)
        inputs = inputs.resolved(inputs.replay(image, file, partial(builder.display.note, image.name)))
    published.require_same(inputs.labels(builder.catalog, image))
    (result,) = builder.build([image])
    if result.record is None:
        return Verdict(image, error=result.error)
    if published.digest in (result.record.id, result.record.twin):
        return Verdict(image, (published.digest, published.digest))
    differences = list[Difference]()
    saved, identity = builder.engine.save(result.tags[0]), result.record.id
    with spooled(saved) as stream, image_archive(stream, image.platform, identity) as archive:
        differences += _configurations(published.config, archive.config)
        old, new = (config.get("rootfs", {}).get("diff_ids", []) for config in (published.config, archive.config))
        if len(old) != len(new):
            differences.append(Difference(0, "", f"{len(old)} layers against {len(new)}"))
        for number, (before, after) in enumerate(zip(old, new, strict=False), 1):
            if before != after:
                differences.append(Difference(number, "", f"{before} against {after}"))
    return Verdict(image, (published.digest, result.record.id), tuple(differences))


def verification_report(builder: Builder, images: Sequence[Image], published: Published | None = None) -> Report:
    """Build the ``published`` image again, or ``images`` twice each. Raises as :func:`verify_published` does."""
    with builder.display:
        if published:
            return verdict_report([verify_published(builder, published)])
        return verdict_report([verify_image(builder, image) for image in images])


def verdict_report(verdicts: Sequence[Verdict]) -> Report:
    """The table, all differences, and the error if two builds of an image were not the same, or could not be made."""
    rows, notes = [], []
    for verdict in verdicts:
        name, count = verdict.image.name, len(verdict.differences)
        result = "failed" if verdict.error else "the same bits" if verdict.same else "different"
        digest = " ".join(dict.fromkeys(verdict.digests))
        rows.append({"image": name, "same": result, "digest": digest, "differences": count})
        if verdict.error:
            notes.append(f"\n{name}: {verdict.error}")
        for difference in verdict.differences[:SHOWN]:
            layer = f"layer {difference.layer}, {difference.path or 'as a whole'}"
            notes.append(f"{name}: {layer if difference.layer else 'configuration'}: {difference.description}")
        if count > SHOWN:
            notes.append(f"{name}: and {count - SHOWN} more")
        if verdict.report:
            notes.append(f"{name}: diffoscope's report: {verdict.report}")
    unknown = sum(bool(verdict.error) for verdict in verdicts)
    wrong = sum(not verdict.same for verdict in verdicts) - unknown
    failure: BakeryError | None = None
    if wrong:
        failure = BuildError(f"{wrong} of {len(verdicts)} images are not reproducible")
    elif unknown:
        problem = f"{unknown} of {len(verdicts)} images could not be built: it is unknown whether they are reproducible"
        failure = UnknownResult(problem, hint="The errors are above.")
    return Report(rows, COLUMNS, notes=notes, failure=failure)
