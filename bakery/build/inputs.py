"""What enters a build: the verified source, the base, and the arguments of buildx."""

import functools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bakery import plan
from bakery.bases import BaseImage, BaseResolver, users_base
from bakery.build.export import Export
from bakery.catalog import ANNOTATIONS, FILE, LABELS, Catalog, Image, Profile
from bakery.errors import BakeryError, ConfigError, InputError
from bakery.files import Tell, holds_only, in_use, sha256_of, staged_folder
from bakery.options import Building
from bakery.programs import csv_field
from bakery.records import Resolution, read_resolution, replayed
from bakery.sources import SignatureChecker, SourceCache, load_trust
from bakery.urls import is_public, is_snapshot, users_mirror
from bakery.workspace import Workspace

EXPIRED = "expired package lists of a snapshot were accepted"
"""What the labels of an image say about the verification of its packages."""


@dataclass(frozen=True)
class BuildInputs:
    """One image's inputs: its named contexts, its base, its tarball, and how the tarball's signature was checked.

    ``checkout`` is the commit of this repository that is checked out, empty if it is unknown. ``archives`` are the
    mirrors that the build steps use (:meth:`bakery.bases.BaseResolver.archives`).
    """

    contexts: plan.Inputs
    base: BaseImage
    tarball: Path
    signature: str
    checkout: str = ""
    archives: Mapping[str, str] = field(default_factory=dict, repr=False)

    def labels(self, catalog: Catalog, image: Image) -> dict[str, str]:
        """The labels that ``image`` gets in its build."""
        return self._target(catalog, image)["labels"]

    def resolution_fields(self, image: Image) -> dict[str, str]:
        """The fields of a resolution of ``image`` other than its packages (:class:`bakery.records.Resolution`)."""
        return {
            "target": image.target.name, "platform": str(image.platform), "base": self.base.digest,
            "relaxed": self.contexts.relaxed,
        }  # fmt: skip

    def replay(self, image: Image, file: str, tell: Tell) -> Resolution:
        """The resolution in ``file``, which must be for the same target; raises as :func:`bakery.records.replayed`."""
        return replayed(file, self.resolution_fields(image), tell)

    def with_packages(self, root: Path, resolution: Resolution, stage: str = "") -> "BuildInputs":
        """These inputs with the distribution's packages to install, whose lists are written below ``root``.

        A ``stage`` that is built separately has its own lists, because the image may be built at the same time.
        """
        inputs = self.resolved(resolution, stage)
        with staged_folder(root / inputs.contexts.packages) as folder:
            resolution.write_lists(folder)
        return inputs

    def resolved(self, resolution: Resolution, stage: str = "") -> "BuildInputs":
        """The same as :meth:`with_packages`, but nothing is written."""
        contexts = replace(
            self.contexts, resolution=resolution.digest, resolved=resolution.date, relaxed=resolution.relaxed,
            upgrades=resolution.upgrades > 0, packages="-".join(filter(None, (self.contexts.packages, stage))),
        )  # fmt: skip
        return replace(self, contexts=contexts)

    def arguments(self, catalog: Catalog, export: Export) -> list[str]:
        """The arguments of ``docker buildx build`` for the stage of ``export``."""
        settings = {"network": export.engine.network, "output": export.output, "attest": export.proves}
        target = self._target(catalog, export.image, **settings)
        target["tags"] = list(sum(export.stage.packings, ()))
        if export.stage.name:  # the labels describe the image; `inv clean` finds its other stages by this one
            target |= {"target": export.stage.name, "labels": {f"{LABELS}.target": export.image.target.name}}
        return plan.build_arguments(target)

    def query_arguments(
        self, catalog: Catalog, image: Image, network: str | None, stage: str, folder: Path
    ) -> list[str]:
        """The arguments of ``docker buildx build`` that export what ``stage`` found in the package archive."""
        output = f"type=local,{csv_field(f'dest={folder}')}"
        target = self._target(catalog, image, network=network, output=output)
        target |= {"target": stage, "tags": [], "labels": {}}
        return plan.build_arguments(target)

    def _target(self, catalog: Catalog, image: Image, **settings: Any) -> plan.BakeTarget:
        """The target of ``image`` in the bake definition. Its context of packages exists once they are resolved."""
        definition = plan.definition(catalog, [image], {image: self.contexts}, **settings)
        target = definition["target"][plan.target_name(image)]
        if not self.contexts.resolution:  # buildx asks for each context, whether its stage is built or not
            target["contexts"].pop("packages", None)
        return target


def check_inputs(building: Building) -> None:
    """Raise :exc:`InputError` if a file, a base or a URI among the user's options cannot be used."""
    if building.packages:
        read_resolution(Path(building.packages))
    if building.base:
        users_base(building.base)
    if building.builder_id and not is_public(building.builder_id):
        hint = "The provenance publishes it: give a URI such as https://HOST/PATH, without user, password and query."
        raise InputError("--builder-id (or $BAKERY_BUILDER_ID) is not a URI, or contains a login or a token", hint=hint)


def inputs_for(catalog: Catalog, image: Image, sources: SourceCache, base: BaseImage, tell: Tell) -> plan.Inputs:
    """The named contexts of ``image``: the folders of ``sources`` that are for it, and its ``base``."""
    try:
        tables = plan.pinned_by(catalog, image, base=base.origin == "registry")
        revision = plan.revision_of(sources.workspace.root, plan.made_from(catalog, image), tables)
    except ValueError as error:
        tell(f"no label {ANNOTATIONS}.revision: the commit that the image is made from is unknown: {error}")
        revision = ""
    source, extras = sources.folder(image.pin), sources.extras_folder(image.series)
    tools = sources.extras_folder(image.variant.on(image.platform))
    return plan.Inputs(
        str(source), str(extras), base.context, base.reference, base.digest, base.origin, revision, tools=str(tools),
        packages=f"build/packages/{image.slug}",
    )  # fmt: skip


def require_profile(root: Path, profile: Profile) -> None:
    """Raise :exc:`ConfigError` unless the profile's folder holds only its file, with the bytes in the lock."""
    file = root / profile.folder / FILE
    problem = f"{file} is not the recorded profile: expected {profile.bytes} bytes with sha256 {profile.sha256}"
    try:
        complete = holds_only(file.parent, [FILE]) and file.stat().st_size == profile.bytes
        if complete and sha256_of(file) == profile.sha256:
            return
    except (BakeryError, OSError) as error:
        problem = str(getattr(error, "message", error))
    name = f"{profile.folder}/{FILE}"
    raise ConfigError(problem, hint=f"Restore it (git checkout -- {name} shared/lock.toml), or build with --train.")


class InputResolver:
    """Fetches and verifies sources, and resolves each base once in a run, so that images of a target share it.

    ``command`` is the user's command with ``{version}`` in it, for messages that say what to type.
    """

    def __init__(self, workspace: Workspace, catalog: Catalog, building: Building, command: str) -> None:
        self.workspace, self.catalog, self.building, self.command = workspace, catalog, building, command
        self.resolved: dict[tuple[str, str], BaseImage] = {}
        self.lock, self.held, self.uses_cache = threading.Lock(), ExitStack(), False

    def _use_cache(self, tell: Tell) -> None:
        """Keep `inv clean` from removing the cache as long as this object exists, because builds read files in it."""
        with self.lock:
            if not self.uses_cache:
                self.held.enter_context(in_use(self.workspace.home, tell))
                self.uses_cache = True

    def resolve(self, image: Image, tell: Tell, enter: Callable[[str], None]) -> BuildInputs:
        """The inputs of ``image``; ``enter`` begins a phase. Raises :exc:`bakery.errors.BakeryError`."""
        self._use_cache(tell)
        profile = self.catalog.profile_of(image)
        if profile:
            require_profile(self.workspace.root, profile)
        enter("source")
        sources = SourceCache(self.workspace, self.building.mirror, tell)
        tarball = sources.fetch(image.pin, image.series, self.command) / image.pin.file
        sources.fetch_extras(image.series)
        sources.fetch_extras(image.variant.on(image.platform))
        signatures = SignatureChecker(sources, load_trust(self.workspace.root))
        signature = signatures.ensure(image.pin, tarball)
        if not image.pin.date:
            tell(
                f"shared/lock.toml has no date for {image.pin.release}, so two builds will differ: "
                f"`inv update --version={image.pin.release}` records it"
            )
        enter("base")
        base, mirror = self.base(image, tell), users_mirror(self.building.apt_mirror)
        archives = self.bases(tell).archives(base, image.target)
        relaxed = EXPIRED if any(map(is_snapshot, [mirror] if mirror else archives.values())) else ""
        contexts = replace(inputs_for(self.catalog, image, sources, base, tell), relaxed=relaxed)
        try:
            checkout = plan.checkout_of(self.workspace.root)
        except ValueError:  # inputs_for has reported it
            checkout = ""
        return BuildInputs(contexts, base, tarball, signature, checkout, archives)

    def base(self, image: Image, tell: Tell) -> BaseImage:
        """The base of ``image``, made if necessary. Raises :exc:`bakery.errors.BakeryError`."""
        key = (image.target.name, image.platform)
        self._use_cache(tell)
        with self.lock:
            if key not in self.resolved:
                self.resolved[key] = self.bases(tell).resolve(image.target, image.platform)
            return self.resolved[key]

    def bases(self, tell: Tell) -> BaseResolver:
        """The resolver of bases with the user's options."""
        return BaseResolver(self.workspace, self.catalog, self.building.base, self.building.refresh, tell)


def planned_definition(
    workspace: Workspace, catalog: Catalog, images: Sequence[Image], base: str | None, tell: Tell
) -> str:
    """The text of the bake definition of a build of ``images``, without using the network or an engine.

    Bases are those of earlier builds, else the pinned ones, unless the user gives a ``base``.
    """
    bases, sources = BaseResolver(workspace, catalog, base, tell=tell), SourceCache(workspace)
    inputs, tell_once = {}, functools.cache(tell)
    for image in images:
        inputs[image] = inputs_for(catalog, image, sources, bases.preview(image.target, image.platform), tell_once)
    return json.dumps(plan.definition(catalog, images, inputs), indent=2)
