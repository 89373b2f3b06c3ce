"""Which profile a build uses; the compiler, which computes how much of a profile fits, is a fake."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.build.builder import Builder
from bakery.build.inputs import InputResolver
from bakery.build.training import with_stale_profile
from bakery.catalog.models import Catalog, Image
from bakery.catalog.pins import FILE
from bakery.engine.engine import Engine
from bakery.errors import ConfigError
from bakery.options import Building
from bakery.records.builds import ProfileRecord
from bakery.workspace import Workspace


class Measured(Builder):
    """A builder for which the compiler finds that ``share`` of a profile fits."""

    def __init__(self, catalog: Catalog, share: float) -> None:
        self.said: list[str] = []
        self.share, self.measured = share, list[str]()
        display = SimpleNamespace(note=lambda name, text: self.said.append(f"{name}: {text}"))
        workspace = Workspace(Path("/nowhere"), Path("/nowhere"))
        super().__init__(workspace, catalog, Engine("system", "unix:///nowhere", cast(Any, None)), cast(Any, display))

    def _compute_fit(self, image: Image) -> tuple[float, list[str]]:
        self.measured.append(image.name)
        return self.share, ["_PyEval_EvalFrameDefault", "PyList_New"]


def test_a_profile_of_the_same_release_is_used_without_asking_the_compiler(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    builder = Measured(catalog, 0.0)
    release = catalog.profiles["3.13"].release
    used = builder._fitting(image(release))
    assert used == (catalog, ProfileRecord(release=release, fit=1.0))
    assert builder.measured == []


def test_a_profile_of_another_release_is_used_if_enough_of_it_fits(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    builder = Measured(catalog, catalog.profile_fit)
    default = image("3.13.5")
    minimal = replace(default, variant=catalog.variants[1])
    record = ProfileRecord(release=catalog.profiles["3.13"].release, fit=catalog.profile_fit)
    assert builder._fitting(default) == builder._fitting(minimal) == (catalog, record)
    assert builder.measured == [default.name], "variants have the same interpreter"


def test_a_build_trains_if_too_little_of_a_profile_fits_and_says_why(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    builder, old = Measured(catalog, 0.5), image("3.13.5")
    catalog_used, record = builder._fitting(old)
    builder._fitting(old)  # a build asks before each run of buildx, and says it once
    assert record is None
    assert catalog_used.profile_of(old) is None, "without a profile the build steps train"
    (said,) = builder.said
    assert "50.0% of 3.13.15's profile fits" in said
    assert "_PyEval_EvalFrameDefault, PyList_New" in said


def test_a_profile_of_a_tree_does_not_count_as_one_of_the_release(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    profile = replace(catalog.profiles["3.13"], tree="git 0edaa75")
    builder = Measured(replace(catalog, profiles={"3.13": profile}), 1.0)
    release = image(profile.release)
    assert builder._fitting(release)[1] == ProfileRecord(release=profile.release, tree="git 0edaa75", fit=1.0)
    assert builder.measured == [release.name]


def test_stale_profiles_are_those_of_another_release_than_the_pinned_one(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    new, old = image(catalog.profiles["3.13"].release), image("3.13.5")
    assert with_stale_profile(catalog, [new]) == ()
    assert with_stale_profile(catalog, [new, old, replace(old, variant=catalog.variants[1])]) == (old,)
    elsewhere = replace(old, target=next(target for target in catalog.targets if target != old.target))
    assert with_stale_profile(catalog, [elsewhere, old]) == (old,), "any target will do, so it is the default one"
    assert with_stale_profile(catalog, [elsewhere]) == (elsewhere,)
    assert with_stale_profile(replace(catalog, profiles={}), [old]) == (), "a build without a profile trains"


def _linked(file: Path) -> None:
    file.rename(file.with_name("real")).touch()
    file.symlink_to(file.with_name("real"))


def _linked_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("real"))
    file.parent.symlink_to("real")


def _replaced(file: Path, make: Callable[[Path], object]) -> None:
    file.unlink()
    make(file)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "changed": lambda file: file.write_bytes(file.read_bytes()[:-1] + b"X"),
    "truncated": lambda file: os.truncate(file, 3),
    "of 4 TB": lambda file: os.truncate(file, 1 << 42),
    "removed": Path.unlink,
    "removed with its folder": lambda file: (file.unlink(), file.parent.rmdir()),
    "a symbolic link": _linked,
    "in a folder that is a link": _linked_folder,
    "a FIFO": lambda file: _replaced(file, os.mkfifo),
    "a folder": lambda file: _replaced(file, Path.mkdir),
    "/dev/zero": lambda file: _replaced(file, lambda path: path.symlink_to("/dev/zero")),
    "next to another": lambda file: file.with_name("another.xz").write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_recorded_profile_that_is_not_what_the_lock_records_is_refused_before_anything_is_downloaded(
    catalog: Catalog, image: Callable[..., Image], tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    data, phases = b"what clang counted", list[str]()
    profile = replace(catalog.profiles["3.13"], sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    file = tmp_path / profile.folder / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    recorded, workspace = replace(catalog, profiles={"3.13": profile}), Workspace(tmp_path, tmp_path / "home")

    class Entered(Exception):
        pass

    def enter(phase: str) -> None:
        phases.append(phase)
        raise Entered

    def resolve(catalog: Catalog) -> None:
        InputResolver(workspace, catalog, Building(), "").resolve(image("3.13"), print, enter)

    with pytest.raises(Entered):
        resolve(recorded)
    phases.clear()
    damage(file)
    with pytest.raises(ConfigError, match=r"3\.13.*\n.*git checkout"):
        resolve(recorded)
    assert phases == []
    with pytest.raises(Entered):  # --train
        resolve(replace(catalog, profiles={}))
