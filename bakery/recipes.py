"""How images are built and what is in them, read from shared/catalog.toml: recipes, variants, compression."""

from __future__ import annotations

import re
from dataclasses import replace

from bakery.compression import Compression, parse_compression
from bakery.errors import InputError
from bakery.models import Recipe, RecipeName, Variant
from bakery.tables import Table

__all__ = ["read_compressions", "read_recipes", "read_variants"]


def read_variants(top: Table) -> tuple[Variant, ...]:
    """What images can hold; just one of the variants is not named in tags."""
    variants = tuple(_variant(name, table) for name, table in top.tables("variants").items())
    infixes = [variant.infix for variant in variants]
    if infixes.count("") != 1 or len(set(infixes)) != len(infixes):
        raise top.fail("variants", f'expected infixes that differ, one of them "", found {infixes!r}')
    return variants


def _variant(name: str, table: Table) -> Variant:
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name):
        raise table.fail("", f"expected a name in lower case such as minimal, found {name!r}")
    variant = Variant(
        name=name,
        infix=table.text("infix", 'letters, digits and hyphens, or ""', "([a-z0-9]+(-[a-z0-9]+)*)?"),
        stage=table.text("stage", "a stage of the Dockerfiles", "[a-z0-9][a-z0-9_.-]*"),
        lacks=table.words("lacks"),
    )
    table.done()
    return variant


def read_compressions(top: Table) -> dict[RecipeName, Compression]:
    """How the layers of each recipe are packed."""
    compressions, table = {}, top.table("compression")
    for name in RecipeName:
        text = table.text(name)
        try:
            compressions[name] = parse_compression(text)
        except InputError:
            raise table.fail(name, f'expected a method and its level such as "zstd:19", found {text!r}') from None
    table.done()
    return compressions


def read_recipes(top: Table) -> dict[RecipeName, Recipe]:
    """How to build: ours, in full and quickly, and the official recipe re-created."""
    repository, table, reference = _repository(top), top.table("recipe"), top.table("reference")
    both = _recipe(RecipeName.FULL, repository, table)
    prune = table.words("prune")
    recipes = {RecipeName.REFERENCE: _recipe(RecipeName.REFERENCE, _repository(reference), reference)}
    for name in (RecipeName.FULL, RecipeName.QUICK):
        own = table.table(name)
        recipes[name] = replace(
            both, name=name, folder="", prune=prune,
            configure=both.configure + own.words("configure"),
            pgo=own.get("pgo", bool, "true or false"),
            training=own.text("training", "one line of arguments", "[^\n]*"),
        )  # fmt: skip
        own.done()
    table.done()
    reference.done()
    return recipes


def _recipe(name: RecipeName, repository: str, table: Table) -> Recipe:
    configure, cflags, frame_pointers, ldflags = (
        table.words(key) for key in ("configure", "cflags", "frame_pointers", "ldflags")
    )
    return Recipe(name, repository, configure, cflags, frame_pointers, ldflags, folder=name)


def _repository(table: Table) -> str:
    name = r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([/._-]+[a-z0-9]+)*"
    return table.text("repository", "an image name without tag", name)
