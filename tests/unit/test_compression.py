"""The notation of ``--compression``."""

from __future__ import annotations

import pytest

from bakery.compression import Compression, parse_compression
from bakery.errors import InputError


@pytest.mark.parametrize(
    ("text", "method", "level"),
    [
        ("gzip", "gzip", None),
        ("gzip:9", "gzip", 9),
        ("gzip:12", "gzip", 12),
        ("zstd", "zstd", 19),
        (" zstd:3 ", "zstd", 3),
        ("zstd:19", "zstd", 19),
    ],
)
def test_a_method_may_have_a_level_and_zstd_always_has_one(text: str, method: str, level: int | None) -> None:
    assert parse_compression(text) == Compression(method, level)


def test_a_compression_is_printed_as_it_is_parsed() -> None:
    for text in ("gzip", "gzip:9", "zstd:19"):
        assert str(parse_compression(text)) == text


@pytest.mark.parametrize("text", ["", "xz", "zstd:", "zstd:high", "zstd19", "none", "gzip:-1", "zstd:\uff13"])
def test_an_error_about_an_unknown_method_lists_the_methods(text: str) -> None:
    with pytest.raises(InputError, match="unknown compression") as caught:
        parse_compression(text)
    assert caught.value.exit_code == 2
    assert "zstd:1 to zstd:19" in caught.value.hint


@pytest.mark.parametrize("text", ["zstd:20", "zstd:22", "zstd:0", "gzip:13", "gzip:0"])
def test_a_level_that_decoders_need_not_support_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="expected a level from 1 to"):
        parse_compression(text)
