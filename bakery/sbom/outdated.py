"""Finds packages of images for which the distribution's package archive has newer versions."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec
from packageurl import PackageURL

from bakery import oci
from bakery.catalog import Catalog, Image, mismatch, references, require_match, tags_of
from bakery.display import Column, Report
from bakery.engine import Engine
from bakery.errors import BakeryError, BuildError, NothingSelected, UnknownResult
from bakery.files import Tell, spooled
from bakery.records import NewerPackage, is_package
from bakery.registry import Registry, RegistryError, RemoteImage
from bakery.sbom.components import STATUS, SpdxDocument, TooManyPackages, installed
from bakery.tar import open_compressed_tar, read_errors

STATUS_FILES = re.compile(STATUS)
OUTDATED_COLUMNS = tuple(Column(name) for name in ("image", "package", "installed", "available", "security", "since"))
SINCE = "since: the package file's time on the mirror (Last-Modified)"
Query = Callable[[Image, Iterable[tuple[str, str]]], Iterable[NewerPackage]]
"""Queries the archive of an image's target and platform for newer versions of packages, each a name and a version."""


@dataclass
class Survey:
    """A row for each outdated package, the images that were examined, and by cause what could not be checked."""

    rows: list[dict[str, object]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    causes: dict[str, list[str]] = field(default_factory=dict)

    def could_not_check(self, name: str, cause: str) -> None:
        """Note that ``name`` could not be checked because of ``cause``."""
        self.causes.setdefault(cause, []).append(name)

    @property
    def unknown(self) -> list[str]:
        """A line for each cause, such as a registry that does not answer, with the names of all that it concerns."""
        return [f"{', '.join(names)}: {cause}" for cause, names in self.causes.items()]

    def report(self, *, check: bool) -> Report:
        """The outdated packages, a failure with ``check``; :exc:`UnknownResult` if anything could not be checked.

        Raises :exc:`NothingSelected` if there is no image.
        """
        if not self.images and not self.causes:
            raise NothingSelected("there is no image to examine", hint="Build one first, or give a --repository.")
        failure: BakeryError | None = None
        if self.causes:
            count = sum(map(len, self.causes.values()))
            failure = UnknownResult(f"not everything could be checked: {count} failures, see above")
        elif check and self.rows:
            count = len({(row["reference"], row["platform"]) for row in self.rows})
            failure = BuildError(f"{count} of {len(self.images)} images are outdated", hint="Build them again.")
        notes = [*([SINCE] if self.rows else []), *self.unknown]
        return Report(self.rows, OUTDATED_COLUMNS, notes=notes, failure=failure)


@dataclass
class Outdated:
    """Examines images in ``engine``, or those in ``repository`` on all platforms that it has them for."""

    catalog: Catalog
    engine: Engine
    query: Query
    repository: str | None = None
    tell: Tell = print
    registry: Registry = field(default_factory=Registry)

    def survey(self, images: Sequence[Image]) -> Survey:
        """What is outdated in ``images``; those that are not in the engine or registry are skipped."""
        survey, groups = Survey(), defaultdict[tuple[str, str], list[tuple[Image, str, dict[str, str]]]](list)
        for image, reference in self._present(images, survey):
            try:
                packages = self._packages(image, reference, survey)
            except (RegistryError, oci.ManifestError, TooManyPackages) as error:
                survey.could_not_check(f"{reference} ({image.platform})", error.message)
                continue
            groups[image.target.name, image.platform].append((image, reference, packages))
        for (target, platform), members in groups.items():
            pairs = sorted({pair for _, _, packages in members for pair in packages.items()})
            try:
                newer = {(package.name, package.version): package for package in self.query(members[0][0], pairs)}
            except BakeryError as error:
                names = ", ".join(reference for _, reference, _ in members)
                subject = f"the package archive of {target} for {platform} could not be queried about {names}"
                survey.could_not_check(subject, str(error))
                continue
            for member in members:
                self._compare(*member, newer, survey)
        return survey

    def _present(self, images: Sequence[Image], survey: Survey) -> Iterator[tuple[Image, str]]:
        """The images that exist, with their references."""
        if not self.repository:
            for image in images:
                reference = references(self.catalog, image)[0]
                try:
                    if found := self.engine.find(reference):
                        require_match(image, found)
                        yield image, reference
                except BuildError as error:
                    survey.could_not_check(reference, error.message)
            return
        for tag, image in {tags_of(self.catalog, image)[0]: image for image in images}.items():
            reference = f"{self.repository}:{tag}"
            try:
                for platform in self.registry.platforms(reference) or (image.platform,):
                    yield replace(image, platform=platform), reference
            except (RegistryError, oci.ManifestError) as error:
                if getattr(error, "status", 0) != 404:  # a registry without the image
                    survey.could_not_check(reference, error.message)

    def _packages(self, image: Image, reference: str, survey: Survey) -> dict[str, str]:
        """The versions of an image's packages by name; invalid names and versions are noted in ``survey``."""
        if self.repository:
            remote = self.registry.image(reference, image.platform)
            if not remote.config:
                raise oci.ManifestError("its configuration, whose labels name the image, cannot be read")
            if problem := mismatch(image, oci.labels_of(remote.config)):
                raise oci.ManifestError(f"it is another image: {problem}")
            packages, origin = _attested(self.registry, remote), "its bill of materials"
            if packages is None:
                packages, origin = _versions(_status_files(self.registry, remote)), "its layers"
            self.tell(f"{reference} ({image.platform}): packages read from {origin}")
        else:
            identity = self.engine.require(reference).id
            with spooled(self.engine.save(identity)) as archive:
                packages = _versions(oci.contents_of(archive, image.platform, STATUS_FILES, identity).files)
        valid = {key: text for key, text in packages.items() if is_package(key, text)}
        if not valid or len(valid) < len(packages):
            count = f"{len(packages) - len(valid)} of its packages have no valid name and version"
            survey.could_not_check(f"{reference} ({image.platform})", count if packages else "it lists no packages")
        return valid

    def _compare(
        self, image: Image, reference: str, packages: Mapping[str, str], newer: Mapping[tuple[str, str], NewerPackage],
        survey: Survey,
    ) -> None:  # fmt: skip
        matches = [newer[pair] for pair in sorted(packages.items()) if pair in newer]
        rows: list[dict[str, object]] = [
            {
                "image": image.name, "reference": reference, "target": image.target.name, "platform": image.platform,
                "package": package.name, "installed": package.version, "available": package.available,
                "security": package.is_security_update, "suites": package.suites,
                "since": f"{datetime.fromtimestamp(package.since, UTC):%Y-%m-%d}" if package.since else None,
            }
            for package in matches
            if package.available
        ]  # fmt: skip
        gone = [package.name for package in matches if not package.available]
        if gone:
            text = f"the archive of {image.target.name} does not have {', '.join(gone)}"
            if len(gone) == len(packages):
                survey.could_not_check(reference, text)
            else:
                self.tell(f"{reference}: {text}")
        secure = sum(package.is_security_update for package in matches)
        count = f"{len(rows)} outdated ({secure} security updates)" if rows else "none outdated"
        self.tell(f"{reference} ({image.platform}): {len(packages)} packages, {count}")
        survey.images.append(reference)
        survey.rows += rows


def _versions(files: Mapping[str, bytes]) -> dict[str, str]:
    """Versions by package according to dpkg's status files."""
    return {name: package.get("Version", "") for name, package in installed(files).items()}


def _attested(registry: Registry, remote: RemoteImage) -> dict[str, str] | None:
    """Versions by distribution package from the image's attested bill of materials, if it has one."""
    bill = registry.attestation(remote, oci.SPDX)
    if bill is None:
        return None
    versions = {}
    try:
        document = msgspec.json.decode(bill, type=SpdxDocument)
    except (ValueError, RecursionError) as error:
        raise oci.ManifestError(f"its bill of materials cannot be read: {error}") from None
    for reference in (reference for package in document.packages for reference in package.external_refs):
        try:
            purl = PackageURL.from_string(reference.reference_locator)
        except ValueError:  # a CPE
            continue
        if purl.type == "deb" and purl.version:
            versions[purl.name] = purl.version
    return versions


def _status_files(registry: Registry, remote: RemoteImage) -> dict[str, bytes]:
    """Dpkg's status files, read from the top layer down until a layer has the whole status."""
    files: dict[str, bytes] = {}
    for layer in reversed(remote.layers):
        overlay = oci.Overlay(STATUS_FILES)
        with registry.open_blob(remote.reference, layer.digest, layer.compressed_bytes) as blob:
            try:
                with open_compressed_tar(blob) as tar:
                    overlay.add(tar)
            except read_errors() as error:
                raise oci.ManifestError(f"layer {layer.digest[:19]} cannot be read: {error}") from None
        files = {**overlay.files, **files}
        if "var/lib/dpkg/status" in files:
            break
    return files
