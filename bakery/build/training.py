"""Trains an interpreter and keeps what that left: the profile that later builds of its series are compiled with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bakery.build.builder import Builder
from bakery.catalog import FILE, Image, Profile, read_toml
from bakery.errors import BuildError, InputError
from bakery.files import spooled, write_whole
from bakery.oci import contents_of
from bakery.sources import lock_text

__all__ = ["keep_profile", "train"]

STAGE = "training"
LEFT = re.compile(rf"{re.escape(FILE)}|compiler")
"""What that stage holds."""


def train(builder: Builder, image: Image) -> tuple[Profile, bytes]:
    """Compile ``image``'s release with instrumentation, run the training, and return its profile, packed as it is kept.

    ``builder``'s catalog must not have a profile for it, else nothing would be trained. Raises :exc:`InputError` where
    its compiler keeps profiles that no other build can use, and :exc:`BuildError` where the build fails.
    """
    compiler = builder.catalog.compiler_of(image)
    if compiler.name == "gcc":
        raise InputError(
            f"{image.name} is compiled by gcc, whose profiles fit the very same objects only",
            hint="Its builds train themselves. Another compiler: shared/catalog.toml, [series] compiler",
        )
    tag = f"{builder.catalog.recipes[image.recipe].repository}-{STAGE}:{image.version}-{image.target.name}"
    identity = builder.stage(image, STAGE, tag)
    with spooled(builder.engine.save(identity)) as saved:
        files = contents_of(saved, image.platform, LEFT).files
    if FILE not in files:
        raise BuildError(
            f"the training of {image.name} left no {FILE}; it left {', '.join(sorted(files)) or 'nothing'}"
        )
    data = files[FILE]
    said = re.search(r"version (\d+(\.\d+)+)", files.get("compiler", b"").decode(errors="replace"))
    version = said[1] if said else "unknown"
    sha256 = hashlib.sha256(data).hexdigest()
    return Profile(image.series.name, compiler.name, version, image.pin.release, sha256, len(data)), data


def keep_profile(root: Path, profile: Profile, data: bytes, tell: Callable[[str], None]) -> None:
    """Write the profile where builds look for it, and its digest into the lock."""
    folder = root / profile.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(data)
    file = root / "shared" / "lock.toml"
    lock = read_toml(file)
    profiles = lock.table("profiles").data if "profiles" in lock.data else {}
    entry = {key: value for key, value in asdict(profile).items() if key != "series"}
    write_whole(file, lock_text({**lock.data, "profiles": {**profiles, profile.series: entry}}))
    tell(f"{profile.folder}/{FILE}: {profile.bytes:,} bytes, sha256 {profile.sha256}; recorded in shared/lock.toml")
