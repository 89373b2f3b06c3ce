"""Models to a bake definition, and from there to the arguments of ``docker buildx build``.

The definition is what ``inv plan`` prints; the arguments are derived from it, because bake ignores a target's
``network`` before buildx 0.17, so the two cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bakery.catalog import ANNOTATIONS, LABELS, NONE, TRAINING, Catalog, Image, RecipeName, references

__all__ = ["Inputs", "build_arguments", "definition", "target_name"]


@dataclass(frozen=True)
class Inputs:
    """What stands behind the named contexts of one image.

    ``source`` is a folder with the verified tarball, ``extras`` one with what the series needs beside it; ``base`` is a
    context as buildx takes it (``docker-image://...`` or ``oci-layout://...``); ``base_digest`` is the base manifest's
    digest; ``base_origin`` says where it came from: ``registry``, ``mmdebstrap`` or ``user``. ``revision`` is the
    commit that the image is made from (:mod:`bakery.plan.revision`), empty where there is none.
    """

    source: str
    extras: str
    base: str
    base_name: str
    base_digest: str
    base_origin: str
    revision: str = ""


def target_name(image: Image) -> str:
    """The name of an image in the definition; bake allows letters, digits, ``_`` and ``-``."""
    return "python-" + re.sub(r"[^A-Za-z0-9_-]", "_", image.name)


def definition(
    catalog: Catalog, images: Sequence[Image], inputs: Mapping[Image, Inputs], *,
    network: str | None = None, output: str = "type=docker", attest: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """A bake file (https://docs.docker.com/build/bake/reference/) for ``images``, as JSON-ready dictionaries.

    ``network`` is the network mode of the build steps, ``None`` for the engine's own default; ``output`` an exporter
    as buildx takes it; ``attest``: have BuildKit say how the image was made.
    """
    how = (network, output, attest)
    return {
        "group": {"default": {"targets": [target_name(image) for image in images]}},
        "target": {target_name(image): _target(catalog, image, inputs[image], *how) for image in images},
    }


def _target(
    catalog: Catalog, image: Image, inputs: Inputs, network: str | None, output: str, attest: bool
) -> dict[str, Any]:
    family = catalog.family_of(image.target)
    recipe, series = catalog.recipes[image.recipe], image.series
    frame_pointers = recipe.frame_pointers if series.frame_pointers else ()
    contexts = {"base": inputs.base, "source": inputs.source, "extras": inputs.extras, "shared": "shared"}
    arguments = {
        "BUILD_PACKAGES": (*family.build_packages, *recipe.packages),
        "COMPILER_FLAGS": (*recipe.cflags, *frame_pointers),
        "CONFIGURE_FLAGS": (*recipe.configure, *series.configure),
        "LINKER_FLAGS": recipe.ldflags,
        "LOCALE": ("utf8" if series.locale else "none",),
        "PYTHON_RELEASE": (image.pin.release,),
        "PYTHON_SHA256": (image.pin.sha256,),
        "RUNTIME_PACKAGES": family.runtime_packages,
    }
    if recipe.name is not RecipeName.REFERENCE:
        compiler, profile = catalog.compiler_of(image), catalog.profile_of(image)
        contexts["profile"] = profile.folder if profile else TRAINING if recipe.pgo and compiler.programs else NONE
        arguments["COMPILER_FLAGS"] += series.cflags
        arguments["CONFIGURE_FLAGS"] += series.lean
        arguments["LINKER_FLAGS"] += compiler.ldflags + (series.ldflags if compiler.name == series.compiler else ())
        arguments |= {
            "BUILTIN": recipe.builtin,
            "CC": (compiler.cc,),
            "COMPILER_CONFIGURE": compiler.configure,
            "COMPILER_PACKAGES": compiler.packages,
            "COMPILER_PATH": (compiler.path,),
            "CXX": (compiler.cxx,),
            "EXECUTABLE_FLAGS": recipe.executable,
            "EXPAT_FLAGS": compiler.expat,
            "FROZEN": recipe.frozen,
            "PGO": ("1" if recipe.pgo else "0",),
            "PROFILE_AGAIN": compiler.again,
            "PROFILE_GENERATE": compiler.generate,
            "PROFILE_USE": compiler.use,
            "PROFILE_SHA256": (profile.sha256,) if profile else (),
            "PRUNE": recipe.prune,
            "SOURCE_DATE_EPOCH": (str(epoch(image.pin.date)),) if image.pin.date else (),
            "SOURCE_ONLY": recipe.source_only,
            "TRAINING": (recipe.training,),
        }
    target: dict[str, Any] = {
        "context": recipe.folder or family.name,
        "dockerfile": "Dockerfile",
        "target": image.variant.stage,
        "contexts": contexts,
        "args": {name: " ".join(words) for name, words in sorted(arguments.items())},
        "labels": labels(catalog, image, inputs),
        "tags": list(references(catalog, image)),
        "platforms": [image.platform],
        # An attestation holds the time of the build, and an image with one is called by it: only what is published
        # has one, and what that is measured against (bakery/build/export.py).
        "attest": ["type=provenance,mode=max" if attest else "type=provenance,disabled=true"],
        "output": [output],
    }
    if network:
        target["network"] = network
    return target


def epoch(date: str) -> int:
    """The first second of a day ``YYYY-MM-DD`` in UTC, in seconds since 1970."""
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())


def labels(catalog: Catalog, image: Image, inputs: Inputs) -> dict[str, str]:
    """What an image says of itself: OCI's annotations, and ours for what those have no word for."""
    notes = {RecipeName.QUICK: " (quick: no PGO, no LTO)", RecipeName.REFERENCE: " (the official recipe, re-created)"}
    note = notes.get(image.recipe, "")
    kind = f", {image.variant.infix}" if image.variant.infix else ""
    target = image.target
    threads = ", free-threaded" if image.series.suffix else ""
    known = {
        "title": f"Python {image.pin.release} on {target.name}{kind}{note}",
        "description": f"CPython {image.pin.release}{threads}, compiled from upstream's source for "
        f"{target.family.capitalize()} {target.version} ({target.name}){kind}{note}",
        "version": image.pin.release,
        # Of the release, not of the build: the same content is the same image on another day.
        "created": f"{image.pin.date}T00:00:00Z" if image.pin.date else "",
        "revision": inputs.revision,
        "source": catalog.source,
        "documentation": catalog.documentation,
        "licenses": "Python-2.0",
        "base.name": inputs.base_name,
        "base.digest": inputs.base_digest,
    }
    return {
        **{f"{ANNOTATIONS}.{key}": value for key, value in known.items() if value},
        f"{LABELS}.base.origin": inputs.base_origin,
        f"{LABELS}.recipe": str(image.recipe),
        f"{LABELS}.series": image.series.name,
        f"{LABELS}.source.sha256": image.pin.sha256,
        f"{LABELS}.source.signature": image.pin.signed or "not checked",
        f"{LABELS}.target": image.target.name,
        f"{LABELS}.variant": image.variant.name,
    }


def build_arguments(target: Mapping[str, Any]) -> list[str]:
    """The arguments of ``docker buildx build`` that mean what one target of a definition means."""
    arguments = ["--file", f"{target['context']}/{target['dockerfile']}", "--target", target["target"]]
    for key, flag in (("contexts", "--build-context"), ("args", "--build-arg"), ("labels", "--label")):
        for name, value in target[key].items():
            arguments += [flag, f"{name}={value}"]
    for key, flag in (("tags", "--tag"), ("attest", "--attest"), ("output", "--output")):
        for value in target[key]:
            arguments += [flag, value]
    arguments += ["--platform", ",".join(target["platforms"])]
    if "network" in target:
        arguments += ["--network", target["network"]]
    return [*arguments, target["context"]]
