"""Tar files that are read are untrusted: every reader refuses hostile headers quickly."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.benchmarks.pyperformance import read_suite
from bakery.errors import BakeryError
from bakery.oci.archives import image_archive
from bakery.oci.layout import check_root_file_system
from bakery.platforms import AMD64
from bakery.sources.inspection import inspect_tarball
from bakery.tar import TOO_LARGE, TarError, open_archive, open_compressed_tar, open_stream, read_errors
from tests.archives import Archive, make_tar
from tests.unit.conftest import make_pin

END = bytes(10240)


def header(name: str = "Python-3.13.5/x", size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """The header of a member, even of a negative ``size``."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, max(size, 0)
    data = bytearray(member.tobuf())
    if size < 0:
        data[124:136] = b"\xff" * 8 + struct.pack(">i", size)
        data[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


def extended(**fields: str) -> bytes:
    """A member with an extended header."""
    member = tarfile.TarInfo("Python-3.13.5/x")
    member.pax_headers = fields
    return member.tobuf(tarfile.PAX_FORMAT)


HOSTILE = {
    "a negative size": header() + header(size=-512) + END,
    "a negative size first": header(size=-512) + END,
    "a negative size in an extended header": header() + extended(size="-1024") + END,
    "a name of 1 MB": header() + header(size=1 << 20, kind=tarfile.GNUTYPE_LONGNAME) + b"a" * (1 << 20) + END,
    "headers of headers": (header(size=1, kind=tarfile.GNUTYPE_LONGNAME) + b"a" + bytes(511)) * 5000 + END,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("opener", [open_archive, open_stream])
def test_a_hostile_header_is_an_error(data: bytes, opener: Callable[[io.BytesIO], tarfile.TarFile]) -> None:
    with pytest.raises(BakeryError, match="an archive is damaged or hostile"), opener(io.BytesIO(data)) as tar:
        list(tar)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_header_is_an_error_of_each_reader(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "plain.tar").write_bytes(data)
    (tmp_path / "Python-3.13.5.tar.xz").write_bytes(lzma.compress(data, preset=0))
    archive = Archive()
    archive.image([make_tar({"x": b""})])
    image = io.BytesIO(data.removesuffix(END) + archive.save())
    with pytest.raises(BakeryError, match="damaged or hostile"), image_archive(image, AMD64):
        pass
    with pytest.raises(BakeryError, match="damaged or hostile"):
        inspect_tarball(tmp_path / "Python-3.13.5.tar.xz", make_pin("3.13.5", data))
    with pytest.raises(BakeryError, match=r"damaged or hostile|expected a root file system of at most"):
        check_root_file_system(tmp_path / "plain.tar")
    with pytest.raises(BakeryError, match="damaged or hostile"):
        read_suite(tmp_path / "plain.tar")


@pytest.mark.parametrize("place", [0, 257, 511])
def test_a_tar_that_must_be_whole_does_not_end_at_a_damaged_header_or_in_one(place: int) -> None:
    first, second = header("a"), header("b")
    damaged = second[:place] + b"\xff" + second[place + 1 :]
    for data, problem in ((damaged + second + END, "it is damaged"), (second[: place + 1], "cut off")):
        with pytest.raises(TarError, match=problem), open_stream(io.BytesIO(first + data), whole=True) as tar:
            list(tar)


@pytest.mark.parametrize("size", ["1.5", "x", "9" * 5000])
def test_a_tar_that_must_be_whole_does_not_end_after_a_size_that_is_not_a_number(size: str) -> None:
    data = header("a") + extended(size=size) + b"abc" + bytes(509) + header("b") + END
    with pytest.raises(TarError, match="it is damaged"), open_stream(io.BytesIO(data), whole=True) as tar:
        list(tar)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_that_must_be_whole_is_checked_to_its_last_byte(pack: Callable[[bytes], bytes]) -> None:
    data = pack(header("a") + END + bytes(4 << 20))
    damaged = data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]
    for packed in (damaged, data[:-4]):
        with pytest.raises(read_errors()), open_compressed_tar(io.BytesIO(packed), whole=True) as tar:
            list(tar)
    with open_compressed_tar(io.BytesIO(data), whole=True) as tar:
        assert len(list(tar)) == 1


def test_what_follows_a_tar_that_must_be_whole_is_limited() -> None:
    data = gzip.compress(header("a") + END + bytes(4 << 20))
    with (
        pytest.raises(TarError, match=TOO_LARGE),
        open_compressed_tar(io.BytesIO(data), whole=True, largest=1 << 20) as tar,
    ):
        list(tar)


def test_an_archive_of_very_many_files_is_an_error() -> None:
    data = io.BytesIO(header() * 50_000 + END)
    with pytest.raises(BakeryError, match=TOO_LARGE), open_archive(data) as tar:
        tar.getnames()


def test_a_stream_of_many_files_is_read_without_a_list_of_them() -> None:
    with open_compressed_tar(io.BytesIO(header() * 50_000 + END)) as tar:
        assert sum(1 for _ in tar) == 50_000
        assert not tar.getmembers()


def test_no_other_module_opens_a_tar_that_it_reads() -> None:
    package = Path(__file__).parents[2] / "bakery"
    opened = {
        f"{file.relative_to(package)}: {line.strip()}"
        for file in package.rglob("*.py")
        for line in file.read_text("utf-8").splitlines()
        if "tarfile.open(" in line and '"w"' not in line
    }
    assert not opened, "use bakery.tar"
