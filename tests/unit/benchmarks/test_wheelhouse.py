"""The cache of packages that benchmarks need: what was damaged after it was installed is installed again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bakery.benchmarks.pyperformance import Benchmark
from bakery.benchmarks.wheelhouse import Wheelhouse
from bakery.errors import BakeryError

TINY = Benchmark("tiny", "bm_tiny", (), "tiny==1\n", "")


class FakeContainer:
    """pip succeeds in it, and the folder that it fills is always the same."""

    def run(self, _: list[str], *, seconds: float) -> SimpleNamespace:
        return SimpleNamespace(code=0, output="")

    def get(self, _: str) -> list[bytes]:
        return [b"a ", b"tar"]


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    made = Wheelhouse(cast(Any, None), "python", tmp_path / "bench")
    vars(made)["_container"] = FakeContainer()
    return made


@pytest.fixture
def told(wheelhouse: Wheelhouse) -> list[str]:
    messages: list[str] = []
    wheelhouse.tell = messages.append
    return messages


def installed(wheelhouse: Wheelhouse) -> Path:
    file = wheelhouse.site(TINY)
    assert file is not None and file.read_bytes() == b"a tar"
    return file


def test_packages_are_installed_once(wheelhouse: Wheelhouse, told: list[str]) -> None:
    assert installed(wheelhouse) == installed(wheelhouse)
    assert told == ["installing tiny==1"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda tar, digest: tar.write_bytes(b""),
        lambda tar, digest: tar.write_bytes(b"a cat"),
        lambda tar, digest: os.truncate(tar, 3),
        lambda tar, digest: os.truncate(digest, 0),
        lambda tar, digest: digest.unlink(),
        lambda tar, digest: digest.write_bytes(b"\xff"),
    ],
    ids=["emptied", "changed", "cut off", "digest emptied", "without a digest", "digest damaged"],
)
def test_damaged_packages_are_reported_and_installed_again(
    wheelhouse: Wheelhouse, told: list[str], damage: Callable[[Path, Path], object]
) -> None:
    file = installed(wheelhouse)
    (digest,) = file.parent.glob("*.sha256")
    damage(file, digest)
    assert installed(wheelhouse) == file
    assert told[1:] == [f"{file} does not match its recorded digest: installing it again", "installing tiny==1"]
    installed(wheelhouse)
    assert len(told) == 3


def test_a_fifo_in_the_place_of_a_digest_is_an_error(wheelhouse: Wheelhouse, told: list[str]) -> None:
    file = installed(wheelhouse)
    (digest,) = file.parent.glob("*.sha256")
    digest.unlink()
    os.mkfifo(digest)
    with pytest.raises(BakeryError, match="is a FIFO: expected a regular file"):
        wheelhouse.site(TINY)
