"""Recorded profiles: their entries in the lock, and their files."""

from __future__ import annotations

import ast
import hashlib
import shutil
from pathlib import Path

import pytest

from bakery.build.training import record_profile
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.catalog.pins import FILE, LOCK, NONE, TRAINING, Profile
from bakery.errors import ConfigError
from tests.locks import change_while_locked

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that a test may write to."""
    for name in ("debian", "ubuntu", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_each_recorded_profile_is_in_the_repository_bit_for_bit(catalog: Catalog) -> None:
    assert catalog.profiles
    for profile in catalog.profiles.values():
        data = (ROOT / profile.folder / FILE).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (profile.bytes, profile.sha256), profile.series
    assert (ROOT / NONE).is_dir()
    assert not list((ROOT / NONE).glob("*.xz"))


def test_the_programs_of_a_training_parse_in_the_oldest_series(catalog: Catalog) -> None:
    files = list((ROOT / TRAINING).iterdir())
    assert {file.suffix for file in files} == {".py"}
    oldest = tuple(int(part) for part in catalog.series[0].number.split("."))
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"), file.name, feature_version=oldest)


def test_the_programs_of_trainings_are_the_files_of_their_folder(catalog: Catalog) -> None:
    named = {name for compiler in catalog.compilers.values() for name in compiler.compile.get("programs", ())}
    assert named == {file.name for file in (ROOT / TRAINING).iterdir()}


def test_a_compiler_that_counts_in_the_link_counts_in_intermediate_code_before(catalog: Catalog) -> None:
    # lld reads no profile of the source: "Not an IR level instrumentation profile". compile.sh passes it profile_use.
    compilers = [compiler for compiler in catalog.compilers.values() if compiler.compile.get("profile_again")]
    assert [compiler.name for compiler in compilers] == ["clang_ir"]
    for compiler in compilers:
        assert compiler.compile["profile_generate"][0] == "-fprofile-generate"
        assert compiler.compile["profile_use"][0].startswith("-fprofile-use=")


def test_recording_a_profile_keeps_the_other_entries_of_the_lock(root: Path) -> None:
    before, messages = load_catalog(root), list[str]()
    data = b"what clang counted"
    profile = Profile("3.12", "clang", "19.1.7", "3.12.11", hashlib.sha256(data).hexdigest(), len(data))
    record_profile(root, profile, data, messages.append)
    after = load_catalog(root)
    assert after.profiles == {**before.profiles, "3.12": profile}
    assert after.series == before.series
    assert (root / profile.folder / FILE).read_bytes() == data
    assert profile.sha256 in messages[0]


def test_recording_a_profile_keeps_concurrent_changes_of_the_lock(root: Path) -> None:
    profile = Profile("3.12", "clang", "19.1.7", "3.12.11", "a" * 64, 1)
    change_while_locked(
        root, LOCK, lambda tell: record_profile(root, profile, b"x", tell),
        lambda: (root / LOCK).write_text((root / LOCK).read_text().replace('"19.1.7"', '"19.1.8"')),
    )  # fmt: skip
    versions = {name: profile.version for name, profile in load_catalog(root).profiles.items()}
    assert (versions.pop("3.12"), set(versions.values())) == ("19.1.7", {"19.1.8"})


def test_a_profile_of_an_unknown_compiler_is_rejected(root: Path) -> None:
    file = root / "shared" / "lock.toml"
    file.write_text(file.read_text().replace('compiler = "clang"', 'compiler = "icc"', 1))
    with pytest.raises(ConfigError, match="compiler: expected one of the compilers gcc, clang"):
        load_catalog(root)
