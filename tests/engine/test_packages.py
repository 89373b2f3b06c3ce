"""A fix in a small package archive reaches an image, and nothing else does; a resolution repeats an image."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakery.build.builder import BuildResult
from bakery.build.reproducibility import Published, verify_published
from bakery.catalog.distributions import Packages as FamilyPackages
from bakery.engine.buildx import BuildxOptions
from bakery.engine.embedded import Embedded
from bakery.engine.engine import Engine
from bakery.engine.scratch import second_engine
from bakery.errors import InputError
from bakery.oci.archives import image_archive, open_layer
from bakery.oci.attestations import PACKAGES, SPDX
from bakery.records.packages import Resolution
from bakery.records.packages import recorded as recorded_resolution
from bakery.sbom.vulnerabilities import OPENVEX
from bakery.sizes.breakdown import Part
from bakery.sizes.layers import saved_image
from bakery.workspace import Workspace
from tests.records import recorded

from .fixtures import SALT, Bench, output_of
from .package_archive import PackageArchive, base_of, served

pytestmark = [
    pytest.mark.engine, pytest.mark.usefixtures("images_removed"),
    pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg on this machine"),
]  # fmt: skip


CREATED = "org.opencontainers.image.created"
OF_PACKAGE = (("usr/share/", ""), ("var/lib/dpkg/info/", ".md5sums"))


class Packages:
    """A bench whose base has the package ``shipped``, and whose only archive has what an image installs."""

    def __init__(self, bench: Bench, archive: PackageArchive, base: Path) -> None:
        self.bench, self.archive, self.base = bench, archive, base

    def build(self, **options: object) -> BuildResult:
        (result,) = self.bench.builder("zstd:1", base=str(self.base), **options).build([self.bench.image()])
        assert result.error == ""
        return result

    def resolution(self) -> tuple[Path, Resolution]:
        digest = recorded(self.bench.workspace, self.bench.image()).packages
        file = self.bench.workspace.records / "packages" / f"{digest}.json"
        resolution = recorded_resolution(self.bench.workspace, digest)
        assert resolution is not None
        return file, resolution

    def read(self, result: BuildResult, *paths: str) -> list[str]:
        return [output_of(self.bench.engine, result.tags[0], ["cat", f"/usr/share/{path}"]) for path in paths]

    def files(self, result: BuildResult) -> dict[str, tuple[object, ...]]:
        """The files that a container sees, by path, with their properties and content."""
        files: dict[str, tuple[object, ...]] = {}
        data = io.BytesIO(b"".join(self.bench.engine.save(result.tags[0])))
        with image_archive(data, self.bench.image().platform) as image:
            for layer in image.layers:
                with open_layer(image, layer) as tar:
                    for member in tar:
                        stream = tar.extractfile(member) if member.isreg() else None
                        content = stream.read() if stream else member.linkname
                        files[member.name] = (member.mode, member.uid, member.type, content)
        return {name: facts for name, facts in files.items() if facts[2] != tarfile.DIRTYPE}


@pytest.fixture(scope="module")
def archive_and_base(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, workspace: Workspace
) -> Iterator[tuple[PackageArchive, Path]]:
    """One base for all tests, because the toolchain is installed for each base."""
    if not engine.keeps_layers:
        pytest.skip("this engine does not keep layers as they are packed")
    folder = tmp_path_factory.mktemp("packages")
    with served(workspace, folder) as (archive, layout):
        shipped = archive.add("shipped", "1.0")
        archive.add("ca-certificates", "1.0")
        archive.add("netbase", "1.0", depends="helper")
        archive.add("helper", "1.0")
        archive.add("unrelated", "1.0")
        yield archive, base_of(engine, layout, archive, [shipped], folder / "base", alone=True)


@pytest.fixture
def packages(
    tmp_path: Path, engine: Engine, workspace: Workspace, layers: Path, archive_and_base: tuple[PackageArchive, Path]
) -> Iterator[Packages]:
    archive, base = archive_and_base
    stanzas = {suite: dict(names) for suite, names in archive.stanzas.items()}
    bench = Bench(tmp_path, engine, workspace.home, salt=SALT, layers=layers)
    few = FamilyPackages(("dpkg-dev", "make", "xz-utils"), ("ca-certificates", "netbase"))
    families = tuple(dataclasses.replace(family, packages=few) for family in bench.catalog.families)
    recipes = {name: dataclasses.replace(recipe, packages=()) for name, recipe in bench.catalog.recipes.items()}
    bench.catalog = dataclasses.replace(bench.catalog, families=families, recipes=recipes)
    # Only the toolchain gets Debian's lists, which cost seconds in each step that uses them.
    dockerfile, stage = bench.root / "debian/Dockerfile", "FROM base AS toolchain\n"
    others = f"{stage}RUN cp /etc/apt/others/* /etc/apt/sources.list.d/\n"
    dockerfile.write_text(dockerfile.read_text().replace(stage, others))
    yield Packages(bench, archive, base)
    archive.stanzas = stanzas
    archive.publish()


@pytest.mark.extended
def test_a_fix_in_the_archive_reaches_the_image_and_nothing_else_changes(packages: Packages) -> None:
    first = packages.build()
    file, resolution = packages.resolution()
    assert {(p.stage, p.name, p.version) for p in resolution.packages} == {
        ("runtime", "ca-certificates", "1.0"), ("runtime", "helper", "1.0"), ("runtime", "netbase", "1.0"),
    }  # fmt: skip
    before, layers = packages.files(first), len(packages.bench.engine.require(first.tags[0]).layers)
    created = packages.bench.engine.require(first.tags[0]).labels[CREATED]

    # A new version of a package that no image has changes nothing.
    packages.archive.add("unrelated", "2.0")
    assert packages.build().record.id == first.record.id

    packages.archive.add("helper", "1.1", "bookworm-security")
    packages.archive.add("shipped", "1.1", "bookworm-security")
    second = packages.build()
    assert second.record.id != first.record.id and not second.compiled
    assert packages.read(second, "helper", "shipped", "netbase") == ["1.1", "1.1", "1.0"]
    after = packages.files(second)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    fixed_packages = {f"{folder}{name}{end}" for name in ("helper", "shipped") for folder, end in OF_PACKAGE}
    assert changed - {"var/lib/dpkg/status", "var/lib/dpkg/status-old"} == fixed_packages
    _, fixed = packages.resolution()
    assert [(p.stage, p.name, p.suites) for p in fixed.packages if p.version == "1.1"] == [
        ("base", "shipped", ("bookworm-security",)), ("runtime", "helper", ("bookworm-security",)),
    ]  # fmt: skip

    # The layer of upgrades exists only if there are any, and is a separate part.
    image = packages.bench.engine.require(second.tags[0])
    assert len(image.layers) == layers + 1
    assert image.labels[CREATED] == fixed.date > created == resolution.date
    assert image.labels["io.github.infra7.python.packages.sha256"] == fixed.digest != resolution.digest
    saved = saved_image(packages.bench.engine.save(second.tags[0]), packages.bench.image().platform)
    assert saved.parts[Part.UPGRADES].files >= 1
    assert second.record.anatomy["upgrades"].disk_bytes > 0 and "upgrades" not in first.record.anatomy

    third = packages.build()
    assert third.record.id == second.record.id
    # As with a snapshot of the archive from before the fixes.
    packages.archive.stanzas["bookworm-security"].clear()
    packages.archive.publish()
    assert packages.build(packages=str(file)).record.id == first.record.id


@pytest.mark.extended
def test_a_replay_of_versions_that_the_archive_no_longer_has_fails(packages: Packages) -> None:
    packages.build()
    file, _ = packages.resolution()
    packages.archive.add("helper", "1.2")
    bench = packages.bench
    builder = bench.builder("zstd:1", base=str(packages.base), packages=str(file), no_cache=True)
    builder.buildx = dataclasses.replace(builder.buildx, uncached=("distribution",))
    (result,) = builder.build([bench.image()])
    assert "--apt-mirror" in result.error


def test_a_suite_whose_list_cannot_be_fetched_fails_the_build(packages: Packages) -> None:
    packages.archive.add("fixed", "1.0", "bookworm-security")  # apt does not fetch an empty list
    for file in (packages.archive.folder / "dists/bookworm-security").rglob("Packages*"):
        file.write_bytes(b"not the list that the Release file names")
    bench = packages.bench
    (result,) = bench.builder("zstd:1", base=str(packages.base)).build([bench.image()])
    assert "bookworm-security" in result.error


@pytest.mark.extended
def test_the_resolution_and_the_openvex_document_are_attested(packages: Packages) -> None:
    result = packages.build()
    _, resolution = packages.resolution()
    statements = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(packages.bench.engine.save(result.tags[0])))) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            data = stream.read() if stream else b""
            if b'"predicateType"' in data[:4000] and b'"_type"' in data[:4000]:
                statement = json.loads(data)
                statements[statement["predicateType"]] = statement["predicate"]
    assert {SPDX, PACKAGES, OPENVEX} < statements.keys()
    assert statements[PACKAGES]["packages"] == [
        {
            **{key: getattr(p, key) for key in ("stage", "name", "version", "architecture", "sha256")},
            "suites": list(p.suites),
        }
        for p in resolution.packages
    ]
    assert statements[OPENVEX]["timestamp"] == statements[SPDX]["creationInfo"]["created"] == resolution.date
    assert packages.bench.engine.client.images.get(result.tags[0]).attrs["Created"] == resolution.date
    (provenance,) = (statement for kind, statement in statements.items() if "slsa.dev/provenance" in kind)
    assert {"uri": PACKAGES, "digest": {"sha256": resolution.digest}} in provenance["materials"]


@pytest.mark.extended
def test_a_published_image_is_verified_with_the_packages_that_it_had(packages: Packages, registry: str) -> None:
    first, images = packages.build(), packages.bench.engine.client.images
    images.get(first.tags[0]).tag(f"{registry}/published/python", "1")
    images.push(f"{registry}/published/python", "1")
    images.remove(f"{registry}/published/python:1")
    packages.archive.add("helper", "1.3", "bookworm-security")
    published = Published.find(f"{registry}/published/python:1", [packages.bench.image().platform])
    verdict = verify_published(packages.bench.builder("zstd:1", base=str(packages.base)), published)
    assert (verdict.same, verdict.digests, verdict.error) == (True, (first.record.id, first.record.id), "")

    bare = dataclasses.replace(published, packages=None)
    with pytest.raises(InputError, match="no attestation of its packages"):
        verify_published(packages.bench.builder("zstd:1", base=str(packages.base)), bare)


@pytest.mark.extended
def test_a_fix_arrives_on_another_engine_that_uses_a_cache_in_a_registry(
    packages: Packages, registry: str, first_embedded: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench, cache = packages.bench, (f"{registry}/cache",)
    builder = bench.builder("zstd:1", base=str(packages.base))
    builder.buildx = BuildxOptions(cache_to=cache)
    (first,) = builder.build([bench.image()])
    assert first.error == ""
    packages.archive.add("helper", "1.4", "bookworm-security")
    with (
        second_engine(first_embedded, tmp_path_factory.mktemp("second")) as embedded,
        pytest.MonkeyPatch.context() as patch,
    ):
        second = Engine("embedded", embedded.host, embedded)
        patch.setattr(bench, "engine", second)
        builder = bench.builder("zstd:1", base=str(packages.base))
        builder.buildx = BuildxOptions(cache_from=cache)
        (fixed,) = builder.build([bench.image()])
        assert (fixed.error, fixed.compiled) == ("", False), "the cache is used"
        assert packages.read(fixed, "helper", "netbase") == ["1.4", "1.0"]
        second.close()
