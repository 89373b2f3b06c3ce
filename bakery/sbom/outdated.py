"""Finds packages of images that are newer in the distribution's package archive, so that a rebuild can follow.

The archive is queried through a private apt (:mod:`bakery.bases.apt`) with the suites of the image's target: its
release, its updates and its security updates.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from packageurl import PackageURL

from bakery import oci
from bakery.bases import apt
from bakery.catalog import Catalog, Image, Target, references, tags_of
from bakery.display import Column, Report
from bakery.engine import Engine
from bakery.errors import BuildError, NothingSelected
from bakery.files import Tell, locked, spooled
from bakery.registry import Registry, RegistryError, RemoteImage
from bakery.sbom.components import STATUS, SpdxDocument, installed
from bakery.workspace import Workspace

STATUS_FILES = re.compile(STATUS)
OUTDATED_COLUMNS = tuple(Column(name, name) for name in ("image", "package", "installed", "available"))


@dataclass
class Survey:
    """A row for each outdated package, the images that were examined, and why others could not be."""

    rows: list[dict[str, str]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def report(self, *, check: bool) -> Report:
        """The outdated packages; a failure with ``check``, as unknown images are. :exc:`NothingSelected` if empty."""
        if not self.images and not self.unknown:
            raise NothingSelected("there is no image to examine", hint="Build one first, or give a --repository.")
        count = len({row["reference"] for row in self.rows})
        failure = BuildError(f"{count} images are outdated, {len(self.unknown)} could not be examined")
        failed = check and (self.rows or self.unknown)
        return Report(self.rows, OUTDATED_COLUMNS, notes=self.unknown, failure=failure if failed else None)


@dataclass
class Outdated:
    """Examines images in the engine or ``repository``; ``sources`` has a target's apt sources (default: the host's)."""

    workspace: Workspace
    catalog: Catalog
    engine: Engine | None
    repository: str | None = None
    tell: Tell = print
    sources: Callable[[Target], list[str]] | None = None
    registry: Registry = field(default_factory=Registry)
    archives: dict[str, apt.PrivateApt | str] = field(default_factory=dict)

    def survey(self, images: Sequence[Image]) -> Survey:
        """What is outdated in ``images``; those that are not in the engine or registry are skipped."""
        survey = Survey()
        for image in images:
            tag = tags_of(self.catalog, image)[0]
            reference = f"{self.repository}:{tag}" if self.repository else references(self.catalog, image)[0]
            packages = self._packages(image, reference, survey)
            if packages is None:
                continue
            archive = self._archive(image)
            if isinstance(archive, str):
                survey.unknown.append(f"{reference}: the archive of {image.target.name} cannot be queried: {archive}")
                continue
            available = archive.candidates(sorted(packages))
            rows = [
                {
                    "image": image.name, "reference": reference, "target": image.target.name,
                    "platform": image.platform, "package": name, "installed": version, "available": available[name],
                }
                for name, version in sorted(packages.items())
                if available.get(name, version) != version and apt.is_older(version, available[name])
            ]  # fmt: skip
            self.tell(f"{reference}: {len(packages)} packages, {len(rows) or 'none'} outdated")
            survey.images.append(reference)
            survey.rows += rows
        return survey

    def _packages(self, image: Image, reference: str, survey: Survey) -> dict[str, str] | None:
        if not self.repository:
            assert self.engine is not None
            if self.engine.find(reference) is None:
                return None
            with spooled(self.engine.save(reference)) as archive:
                return _versions(oci.contents_of(archive, image.platform, STATUS_FILES).files)
        try:
            remote = self.registry.image(reference, image.platform)
            packages, origin = _attested(self.registry, remote), "its bill of materials"
            if packages is None:
                packages, origin = _versions(_status_files(self.registry, remote)), "its layers"
        except (RegistryError, oci.ManifestError) as error:
            if getattr(error, "status", 0) != 404:  # a registry without the image
                survey.unknown.append(f"{reference}: {error.message}")
            return None
        self.tell(f"{reference}: packages read from {origin}")
        return packages

    def _archive(self, image: Image) -> apt.PrivateApt | str:
        """The archive of the image's target with its lists fetched; or why it cannot be queried."""
        target, machine = image.target, image.platform.architecture
        key = f"{target.name}-{machine}"
        if key not in self.archives:
            folder = self.workspace.home / "apt" / f"outdated-{key}"
            try:
                private = apt.PrivateApt(folder, (self.sources or self._mirror)(target), machine)
                with locked(folder.with_suffix(".lock"), f"the lists of {target.name}", self.tell):
                    private.update()
                self.archives[key] = private
            except apt.AptError as error:
                self.archives[key] = error.message
        return self.archives[key]

    def _mirror(self, target: Target) -> list[str]:
        archive = self.catalog.family_of(target).archive
        apt.require_host(archive.id)
        return apt.host_mirror().sources(target.name, archive)


class _Subject(msgspec.Struct, frozen=True):
    digest: dict[str, str]


class _Statement(msgspec.Struct, frozen=True):
    subject: tuple[_Subject, ...]
    predicate: SpdxDocument


def _versions(files: Mapping[str, bytes]) -> dict[str, str]:
    """Versions by package according to dpkg's status files."""
    return _valid({name: package.get("Version", "") for name, package in installed(files).items()})


def _valid(versions: Mapping[str, str]) -> dict[str, str]:
    """The packages whose names and versions are those of Debian's policy (5.6.1, 5.6.12), not options of apt."""
    name, version = re.compile("[a-z0-9][a-z0-9+.-]+"), re.compile("[0-9][A-Za-z0-9.+:~-]*")
    return {key: text for key, text in versions.items() if name.fullmatch(key) and version.fullmatch(text)}


def _attested(registry: Registry, remote: RemoteImage) -> dict[str, str] | None:
    """Versions by distribution package from the image's attested bill of materials, if it has one."""
    reference = remote.reference
    content, _ = registry.manifest(reference, reference.rpartition("@" if "@" in reference else ":")[2])
    for attestation in oci.entries_for(oci.parse_index(content), remote.platform)[1:] if oci.is_index(content) else []:
        manifest, _ = registry.manifest(reference, attestation["digest"])
        for layer in oci.parse_manifest(manifest)["layers"]:
            if oci.annotations_of(layer).get("in-toto.io/predicate-type") == oci.SPDX:
                try:
                    statement = msgspec.json.decode(registry.read_blob(reference, layer), type=_Statement)
                except (ValueError, RecursionError) as error:
                    raise oci.ManifestError(f"its bill of materials cannot be read: {error}") from None
                if remote.digest in {f"sha256:{subject.digest.get('sha256')}" for subject in statement.subject}:
                    return _listed(statement.predicate)
    return None


def _listed(bill: SpdxDocument) -> dict[str, str]:
    versions = {}
    for package in bill.packages:
        for reference in package.external_refs:
            try:
                purl = PackageURL.from_string(reference.reference_locator)
            except ValueError:  # a CPE
                continue
            if purl.type == "deb" and purl.version:
                versions[purl.name] = purl.version
    return _valid(versions)


def _status_files(registry: Registry, remote: RemoteImage) -> dict[str, bytes]:
    """Dpkg's status files, read from the top layer down until a layer has the whole status."""
    files: dict[str, bytes] = {}
    for layer in reversed(remote.layers):
        overlay = oci.Overlay(STATUS_FILES)
        with registry.open_blob(remote.reference, layer.digest, layer.compressed_bytes) as blob:
            try:
                with oci.open_compressed_tar(blob) as tar:
                    overlay.add(tar)
            except oci.read_errors() as error:
                raise oci.ManifestError(f"layer {layer.digest[:19]} cannot be read: {error}") from None
        files = {**overlay.files, **files}
        if "var/lib/dpkg/status" in files:
            break
    return files
