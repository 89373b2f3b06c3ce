"""A bake definition of images, and from it the arguments of ``docker buildx build``.

``inv plan`` prints the definition. Builds use the arguments, because bake ignores a target's ``network`` before buildx
0.17; they are derived from the definition, so that the two cannot disagree.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict

from bakery.catalog import (
    ANNOTATIONS,
    LABELS,
    LICENCES,
    NONE,
    STAGES,
    TRAINING,
    Catalog,
    Extra,
    Image,
    Options,
    RecipeName,
    all_references,
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """The named contexts of one image, and what its labels say about them.

    ``source`` is a folder with the verified tarball, ``extras`` a folder with further files that the series needs;
    ``base`` is a context as buildx takes it (``docker-image://...`` or ``oci-layout://...``); ``base_digest`` is the
    digest of the base's manifest; ``base_origin`` is where it came from: ``registry``, ``mmdebstrap`` or ``user``.
    ``revision`` is the commit that the image is made from (:mod:`bakery.plan.revision`), empty if there is none.
    ``relaxed`` says which verification of packages the user has relaxed, empty if none. ``tools`` is a folder with
    files that the variant needs.
    ``packages`` is a folder with the lists of packages to install, ``resolution`` their digest, ``resolved`` their date
    (ISO 8601), and ``upgrades`` says whether some of them are upgrades of the base's own packages.
    """

    source: str
    extras: str
    base: str
    base_name: str
    base_digest: str
    base_origin: str
    revision: str = ""
    relaxed: str = ""
    tools: str = ""
    packages: str = ""
    resolution: str = ""
    resolved: str = ""
    upgrades: bool = False


class BakeTarget(TypedDict):
    """How to build one image: a target of a bake file (https://docs.docker.com/build/bake/reference/)."""

    context: str
    dockerfile: str
    target: str
    contexts: dict[str, str]
    args: dict[str, str]
    labels: dict[str, str]
    tags: list[str]
    platforms: list[str]
    attest: list[str]
    output: list[str]
    network: NotRequired[str]


class BakeFile(TypedDict):
    """A bake file, ready for JSON."""

    group: dict[str, dict[str, list[str]]]
    target: dict[str, BakeTarget]


def target_name(image: Image) -> str:
    """The name of an image in the definition; bake allows letters, digits, ``_`` and ``-``."""
    return "python-" + re.sub(r"[^A-Za-z0-9_-]", "_", image.name)


def definition(
    catalog: Catalog, images: Sequence[Image], inputs: Mapping[Image, Inputs], *,
    network: str | None = None, output: str = "type=docker", attest: bool = False,
) -> BakeFile:  # fmt: skip
    """The bake file for ``images``.

    ``network`` is the network mode of the build steps, ``None`` for the engine's default; ``output`` is an exporter as
    buildx takes it; with ``attest`` BuildKit records how the image was made.
    """
    settings = (network, output, attest)
    return {
        "group": {"default": {"targets": [target_name(image) for image in images]}},
        "target": {target_name(image): _target(catalog, image, inputs[image], *settings) for image in images},
    }


def _target(
    catalog: Catalog, image: Image, inputs: Inputs, network: str | None, output: str, attest: bool
) -> BakeTarget:
    family = catalog.family_of(image.target)
    recipe, series = catalog.recipes[image.recipe], image.series
    packages = family.packages.variants.get(image.variant.name, ())
    contexts = {"base": inputs.base, "source": inputs.source, "extras": inputs.extras, "shared": "shared"}
    arguments = {
        "BUILD_PACKAGES": " ".join((*family.packages.build, *recipe.packages, *series.build_packages)),
        "LOCALE": "utf8" if series.locale else "none",
        "PYTHON_RELEASE": image.pin.release,
        "PYTHON_SHA256": image.pin.sha256,
        "RUNTIME_PACKAGES": " ".join((*family.packages.runtime, *series.runtime_packages)),
        "EXTRAS_SHA256": _digests(series.extras),
        **option_arguments(catalog, image),
    }
    if recipe.name is RecipeName.REFERENCE:
        arguments["WITH_EXTRAS"] = "verified" if series.extras else "none"
    else:
        compiler, profile, created = catalog.compiler_of(image), catalog.profile_of(image), created_at(image)
        contexts["packages"] = inputs.packages
        contexts["profile"] = profile.folder if profile else TRAINING if recipe.pgo else NONE
        contexts |= {"tools": inputs.tools} if image.variant.extras else {}
        arguments |= {
            "COMPILER_PACKAGES": " ".join(compiler.packages),
            "PGO": "1" if recipe.pgo else "0",
            "UPGRADES": "base" if inputs.upgrades else "none",
            "PROFILE_SHA256": profile.sha256 if profile else "",
            "TOOLS_SHA256": _digests(image.variant.on(image.platform).extras),
            "VARIANT_PACKAGES": " ".join(packages),
            "WITH_PACKAGES": "variant" if packages else "none",
        }
        if created:  # clang refuses an empty one
            arguments["SOURCE_DATE_EPOCH"] = f"{datetime.fromisoformat(created).timestamp():.0f}"
    folder, _, dockerfile = catalog.dockerfile_of(image).rpartition("/")
    target: BakeTarget = {
        "context": folder,
        "dockerfile": dockerfile,
        "target": image.variant.stage,
        "contexts": contexts,
        "args": dict(sorted(arguments.items())),
        "labels": labels(catalog, image, inputs),
        "tags": list(sum(all_references(catalog, image), ())),
        "platforms": [image.platform],
        # An attestation holds the time of the build and is part of the image's digest: only images that are published
        # have one, and the references that they are measured against (bakery/build/export.py).
        "attest": ["type=provenance,mode=max" if attest else "type=provenance,disabled=true"],
        "output": [output],
    }
    if network:
        target["network"] = network
    return target


def _digests(extras: Sequence[Extra]) -> str:
    """The files of ``extras`` as sha256sum prints and checks them."""
    return "\n".join(f"{extra.sha256}  {extra.file}" for extra in extras)


def option_arguments(catalog: Catalog, image: Image) -> dict[str, str]:
    """The options of ``image``: a build argument for each stage, with a line ``name=words`` for each option.

    Tables append words in the order that the head of shared/catalog.toml gives. Nothing here knows an option by name.
    """
    series, recipe, compiler = image.series, catalog.recipes[image.recipe], catalog.compiler_of(image)
    parts: list[Options] = [*recipe.options, *([catalog.frame_pointers] if series.frame_pointers else ()), series]
    if recipe.name is not RecipeName.REFERENCE:
        parts += [series.ours, compiler, series.by_compiler.get(compiler.name, Options())]
    arguments = {}
    for stage in STAGES:
        lines = []
        for name in sorted(parts[0].of(stage)):
            words = [word for part in parts for word in part.of(stage).get(name, ())]
            lines.append(f"{name}={' '.join(words)}")
        if lines:
            arguments[f"{stage.upper()}_OPTIONS"] = "\n".join(lines)
    return arguments


def created_at(image: Image) -> str:
    """The day of the release, as a time in ISO 8601; empty if it is not recorded.

    It is not the day of the build: the same content makes the same image on another day.
    """
    return f"{image.pin.date}T00:00:00Z" if image.pin.date else ""


def labels(catalog: Catalog, image: Image, inputs: Inputs) -> dict[str, str]:
    """The labels of an image: OCI's annotations, and our own for facts that those do not cover."""
    notes = {RecipeName.QUICK: " (quick: no PGO, no LTO)", RecipeName.REFERENCE: " (the official recipe, re-created)"}
    note = notes.get(image.recipe, "")
    kind = f", {image.variant.infix}" if image.variant.infix else ""
    target, local = image.target, image.pin.local
    origin = f"local source ({local})" if local else "upstream's source"
    threads = ", free-threaded" if image.series.suffix else ""
    annotations = {
        "title": f"Python {image.pin.release} on {target.name}{kind}{note}",
        "description": f"CPython {image.pin.release}{threads}, compiled from {origin} for "
        f"{target.family.capitalize()} {target.version} ({target.name}){kind}{note}",
        "version": image.pin.release,
        "created": max(created_at(image), inputs.resolved),
        "revision": inputs.revision,
        "source": catalog.source,
        "documentation": catalog.documentation,
        "licenses": LICENCES,
        "base.name": inputs.base_name,
        "base.digest": inputs.base_digest,
    }
    return {
        **{f"{ANNOTATIONS}.{key}": value for key, value in annotations.items() if value},
        f"{LABELS}.base.origin": inputs.base_origin,
        **({f"{LABELS}.packages.relaxed": inputs.relaxed} if inputs.relaxed else {}),
        **({f"{LABELS}.packages.sha256": inputs.resolution} if inputs.resolution else {}),
        f"{LABELS}.recipe": str(image.recipe),
        f"{LABELS}.series": image.series.name,
        f"{LABELS}.source.sha256": image.pin.sha256,
        f"{LABELS}.source.signature": image.pin.signed or "not checked",
        f"{LABELS}.target": image.target.name,
        f"{LABELS}.variant": image.variant.name,
    }


def build_arguments(target: BakeTarget) -> list[str]:
    """The arguments of ``docker buildx build`` for one target of a definition."""
    arguments = ["--file", f"{target['context']}/{target['dockerfile']}", "--target", target["target"]]
    pairs = (("--build-context", target["contexts"]), ("--build-arg", target["args"]), ("--label", target["labels"]))
    for option, values in pairs:
        for name, value in values.items():
            arguments += [option, f"{name}={value}"]
    for option, items in (("--tag", target["tags"]), ("--attest", target["attest"]), ("--output", target["output"])):
        for item in items:
            arguments += [option, item]
    arguments += ["--platform", ",".join(target["platforms"])]
    if "network" in target:
        arguments += ["--network", target["network"]]
    return [*arguments, target["context"]]
