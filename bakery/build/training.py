"""Trains an interpreter and records its profile, which later builds of its series are compiled with."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import tomli_w

from bakery.build.builder import Builder
from bakery.build.export import files_of
from bakery.catalog import FILE, LOCK, Catalog, Image, Profile
from bakery.errors import BuildError, InputError
from bakery.files import Tell, changing, staged_file, write_whole
from bakery.toml import read_toml

STAGE = "training"
FILES = re.compile(rf"{re.escape(FILE)}|compiler")
"""The names of the files in that stage."""


def compiler_to_train(catalog: Catalog, image: Image) -> str:
    """The name of ``image``'s compiler; :exc:`InputError` if other builds cannot use its profiles."""
    compiler = catalog.compiler_of(image).name
    if compiler == "gcc":
        raise InputError(
            f"{image.name} is compiled with gcc, whose profiles only fit the same object files",
            hint="Each of its builds runs the training. To choose another compiler: [series] in shared/catalog.toml",
        )
    return compiler


def training_plan(catalog: Catalog, images: Iterable[Image]) -> str:
    """A line for each of ``images`` with the compiler that its profile is for; raises as :func:`compiler_to_train`."""
    return "\n".join(f"{image.name}: would train with {compiler_to_train(catalog, image)}" for image in images)


def train(builder: Builder, image: Image) -> tuple[Profile, bytes]:
    """Compile ``image``'s release with instrumentation and run the training; returns the profile and its file's bytes.

    ``builder``'s catalog must not have a profile for it, or nothing would be trained. Raises as
    :func:`compiler_to_train`, and :exc:`BuildError` if the build fails.
    """
    compiler = compiler_to_train(builder.catalog, image)
    tag = f"{builder.catalog.recipes[image.recipe].repository}-{STAGE}:{image.version}-{image.target.name}"
    identity = builder.stage(image, STAGE, tag, packages=False)
    files = files_of(builder.engine, image, identity, FILES)
    if FILE not in files:
        raise BuildError(f"the training of {image.name} wrote no {FILE}, but {', '.join(sorted(files)) or 'nothing'}")
    data = files[FILE]
    match = re.search(r"version (\d+(\.\d+)+)", files.get("compiler", b"").decode(errors="replace"))
    version = match[1] if match else "unknown"
    sha256 = hashlib.sha256(data).hexdigest()
    pin = image.pin
    profile = Profile(image.series.name, compiler, version, pin.release, sha256, len(data), pin.local)
    return profile, data


def with_stale_profile(catalog: Catalog, images: Iterable[Image]) -> tuple[Image, ...]:
    """One of ``images`` for each series whose profile was recorded on another release.

    It is the image on the default target, if that is among them. A series without a profile is left out.
    """
    stale: dict[str, Image] = {}
    for image in sorted(images, key=lambda image: image.target.name != catalog.default_target):
        profile = catalog.profiles.get(image.series.name)
        if profile and not profile.recorded_on(image.pin):
            stale.setdefault(image.series.name, image)
    return tuple(stale.values())


def train_all(builder: Builder, images: Iterable[Image]) -> None:
    """Train for each of ``images`` and record its profile in the repository. Raises as :func:`train` does."""
    with builder.display:
        for image in images:
            record_profile(builder.workspace.root, *train(builder, image), partial(builder.display.note, image.name))


def record_profile(root: Path, profile: Profile, data: bytes, tell: Tell) -> None:
    """Write the profile's file ``data`` where builds read it, and its digest into the lock."""
    with changing(root, LOCK, tell):
        with staged_file(root / profile.folder / FILE) as stream:
            stream.write(data)
        lock = read_toml(root / LOCK)
        profiles = lock.table("profiles").data if "profiles" in lock.data else {}
        entry = {key: value for key, value in asdict(profile).items() if key != "series" and value != ""}
        write_whole(root / LOCK, tomli_w.dumps({**lock.data, "profiles": {**profiles, profile.series: entry}}))
    tell(f"{profile.folder}/{FILE}: {profile.bytes:,} bytes, sha256 {profile.sha256}; recorded in {LOCK}")
