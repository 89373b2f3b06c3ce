"""Queries a distribution's package archive for newer versions, in a build step on the target's own base.

This works for any target and platform on any host, with the network settings of builds.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bakery.build.builder import Builder
from bakery.build.export import Stage
from bakery.catalog import Image
from bakery.errors import BuildError
from bakery.platforms import host_platform
from bakery.programs import csv_field
from bakery.records import NewerPackage, parse_newer
from bakery.regular_files import read_regular

STAGE, QUERY = "newer", "ask"
"""Stages of the Dockerfile: the one that is exported, with a file of packages, and the one that queries the archive."""


def query_newer(builder: Builder, image: Image, versions: Iterable[tuple[str, str]]) -> tuple[NewerPackage, ...]:
    """The packages among ``versions`` that have newer versions in the archive for ``image``'s target and platform.

    Raises :exc:`bakery.errors.BakeryError` if the archive could not be queried.
    """
    host, dockerfile = host_platform(), builder.catalog.dockerfile_of(image)
    base = builder.inputs.base(replace(image, platform=host), partial(builder.display.note, image.target.name))
    # Making a base for another platform takes minutes of emulation: unless one exists, the host's has the same sources.
    bases = builder.inputs.bases(lambda _: None)
    queried = base if image.platform == host else bases.available(image.target, image.platform) or base
    builder.workspace.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{STAGE}.", dir=builder.workspace.build) as folder:
        (Path(folder) / "architecture").write_text(f"{image.platform.architecture}\n")
        (Path(folder) / "packages").write_text("".join(f"{name} {version}\n" for name, version in versions))
        contexts = {"base": base.context, "asked": queried.context, "versions": folder, "shared": "shared"}
        arguments = [f"--build-context={name}={context}" for name, context in contexts.items()]
        arguments += [f"--network={builder.engine.network}"] if builder.engine.network else []
        arguments += [
            f"--file={dockerfile}", f"--target={STAGE}", f"--platform={host}",
            f"--output=type=local,{csv_field(f'dest={folder}')}", str(Path(dockerfile).parent),
        ]  # fmt: skip
        log = builder.workspace.logs / f"outdated-{image.target.name}-{image.platform.architecture}.log"
        log.unlink(missing_ok=True)
        network = builder.buildx.reaching(bases.archives(queried, image.target))
        options = replace(network, uncached=(QUERY, STAGE), cache_from=(), cache_to=())
        builder.run_buildx(Stage(image, log, {}), options, arguments, lambda _: None)
        try:
            return parse_newer(read_regular(Path(folder) / STAGE, follow=False).decode().splitlines())
        except (OSError, ValueError) as error:
            raise BuildError(f"the list of newer packages cannot be read: {error}") from None
