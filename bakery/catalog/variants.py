"""The parts of shared/catalog.toml that say which variants there are and how layers are packed, to models."""

from __future__ import annotations

import re

from bakery.catalog.compression import Compression, parse_compression
from bakery.catalog.models import RecipeName, Variant
from bakery.catalog.toml import Table
from bakery.errors import InputError

__all__ = ["read_compressions", "read_variants"]

WORD = "[a-z0-9]+(-[a-z0-9]+)*"


def read_variants(top: Table) -> tuple[Variant, ...]:
    """The tables ``variants.NAME``; :exc:`bakery.errors.ConfigError` where the tags of two could not be told apart."""
    variants = tuple(_variant(name, table) for name, table in top.tables("variants").items())
    infixes = [variant.infix for variant in variants]
    if infixes.count("") != 1 or len(set(infixes)) != len(infixes):
        raise top.fail("variants", f'expected infixes that differ, one of them "", found {infixes!r}')
    return variants


def _variant(name: str, table: Table) -> Variant:
    if not re.fullmatch(WORD, name):
        raise table.fail("", f"expected a name in lower case such as minimal, found {name!r}")
    variant = Variant(
        name=name,
        infix=table.text("infix", 'letters, digits and hyphens, or ""', f"({WORD})?"),
        stage=table.text("stage", "a stage of the Dockerfiles", "[a-z0-9][a-z0-9_.-]*"),
        lacks=table.words("lacks"),
    )
    table.done()
    return variant


def read_compressions(top: Table) -> dict[RecipeName, Compression]:
    """The table ``compression``: one for each recipe."""
    table, compressions = top.table("compression"), {}
    for name in RecipeName:
        text = table.text(name)
        try:
            compressions[name] = parse_compression(text)
        except InputError:
            raise table.fail(name, f'expected a method and its level such as "zstd:19", found {text!r}') from None
    table.done()
    return compressions
