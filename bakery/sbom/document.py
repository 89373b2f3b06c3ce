"""The bill of materials of a built image: from the files in its layers, and the tarball that it was made from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from bakery import __version__
from bakery.catalog import ANNOTATIONS, Image, read_toml
from bakery.engine import Engine
from bakery.errors import BuildError
from bakery.files import spooled
from bakery.oci import Contents, contents_of
from bakery.sbom.components import Component, Licences, debian_licence, installed, python_packages
from bakery.sbom.spdx import Bill, document
from bakery.sbom.vendored import bundled_in, cpython

__all__ = ["WANTED", "bill_of", "components_of", "load_licences", "of_engine"]

WANTED = re.compile(
    r"var/lib/dpkg/status|var/lib/dpkg/status\.d/[^/]+|usr/share/doc/[^/]+/copyright"
    r"|usr/local/lib/python3[^/]*/site-packages/([^/]+\.dist-info/METADATA|[^/]+/_vendor/vendor\.txt)"
    r"|usr/local/lib/python3[^/]*/site-packages/[^/]+/_vendor/(\w+\.py|\w+/__(init|about)__\.py)"
)
"""The files that a bill is made from."""
TOOL = f"infra7-python-images-{__version__}"


def load_licences(root: Path) -> Licences:
    """shared/licences.toml; :exc:`bakery.errors.ConfigError` where it is not sound."""
    top = read_toml(root / "shared" / "licences.toml")
    tables = {name: top.table(name) for name in ("debian", "packages", "python", "bundled")}
    names = {name: {key: table.text(key) for key in table.data} for name, table in tables.items()}
    top.done()
    return Licences(**names)


def components_of(contents: Contents, image: Image, tarball: Path, licences: Licences) -> list[Component]:
    """CPython and what it bundles, the packages of the distribution, those of Python: by kind, then by name."""
    target, release = image.target, image.pin.release
    packages = [
        replace(one, licence=_licence(contents, one.name, licences))
        for one in installed(contents.files, target.family, f"{target.family}-{target.version}")
    ]
    upstream = [cpython(release, image.pin.file, image.pin.sha256), *bundled_in(tarball, release, licences)]
    return [*upstream, *packages, *python_packages(contents.files, licences)]


def _licence(contents: Contents, package: str, licences: Licences) -> str:
    found = debian_licence(contents.read(f"usr/share/doc/{package}/copyright"), licences)
    return " AND ".join(found) or licences.packages.get(package, "")


def bill_of(
    archive: IO[bytes], image: Image, name: str, tarball: Path, licences: Licences, about: str, digest: str = ""
) -> dict[str, Any]:
    """The bill of the image in an archive, as JSON. ``about`` is the repository's URL, empty where it has none.

    ``digest`` is its manifest's, for an archive that does not tell.
    """
    contents = contents_of(archive, image.platform, WANTED)
    labels = (contents.config.get("config") or {}).get("Labels") or {}
    sha256 = next((value for key, value in labels.items() if key.endswith(".source.sha256")), image.pin.sha256)
    if sha256 != image.pin.sha256:
        raise BuildError(
            f"{name} was made from another tarball than the lock pins for {image.pin.release} ({sha256[:12]}...)",
            hint="Build it again, or check out the commit that it was made from: its label revision.",
        )
    digest = contents.digest or digest
    bill = Bill(
        name=name,
        namespace=f"{about or 'urn:infra7'}/spdx/{digest.removeprefix('sha256:')}",
        digest=digest,
        platform=image.platform,
        created=str(contents.config.get("created", "")),
        labels={key: value for key, value in labels.items() if key.startswith(ANNOTATIONS)},
        components=components_of(contents, image, tarball, licences),
    )
    return document(bill, TOOL)


def of_engine(
    engine: Engine, image: Image, reference: str, tarball: Path, licences: Licences, about: str
) -> dict[str, Any]:
    """The bill of ``reference`` as the engine has it; :exc:`BuildError` where it has none."""
    identity = engine.require(reference).id
    with spooled(engine.save(reference)) as spool:
        return bill_of(spool, image, reference, tarball, licences, about, identity)
