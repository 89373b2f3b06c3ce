"""How images are built (shared/catalog.toml) and how large they may be (shared/budgets.toml)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bakery.catalog.models import Budget, Recipe, RecipeName
from bakery.catalog.toml import Table

__all__ = ["read_budgets", "read_recipes"]


def read_budgets(
    top: Table, series: Sequence[str], variants: Sequence[str], targets: Sequence[str]
) -> dict[tuple[str, str, str], Budget]:
    """The most bytes that images may take, by series, variant and target."""
    budgets = {}
    for name, kinds in top.tables("budget").items():
        if name not in series:
            raise kinds.fail("", f"expected one of the series {', '.join(series)}")
        for variant in kinds.data:
            if variant not in variants:
                raise kinds.fail(variant, f"expected one of the variants {', '.join(variants)}")
            for target, table in kinds.tables(variant).items():
                if target not in targets:
                    raise table.fail("", f"expected one of the targets {', '.join(targets)}")
                keys = ("compressed_bytes", "disk_bytes")
                sizes = (table.get(key, int, "a size in bytes", lambda value: value > 0) for key in keys)
                budgets[name, variant, target] = Budget(*sizes)
                table.done()
    return budgets


def read_recipes(top: Table) -> dict[RecipeName, Recipe]:
    """How to build: ours, in full and quickly, and the official recipe re-created."""
    repository, table, reference = _repository(top), top.table("recipe"), top.table("reference")
    both = _recipe(RecipeName.FULL, repository, table)
    packages, builtin, frozen, prune, executable, source_only = (
        table.words(key) for key in ("packages", "builtin", "frozen", "prune", "executable", "source_only")
    )
    recipes = {RecipeName.REFERENCE: _recipe(RecipeName.REFERENCE, _repository(reference), reference)}
    for name in (RecipeName.FULL, RecipeName.QUICK):
        own = table.table(name)
        recipes[name] = replace(
            both, name=name, folder="", packages=packages, builtin=builtin, frozen=frozen,
            prune=prune, executable=executable, source_only=source_only,
            configure=both.configure + own.words("configure"),
            pgo=own.get("pgo", bool, "true or false"),
            training=own.text("training", "one line of arguments", "[^\n]*"),
            compiler=own.text("compiler", "a compiler's name, or nothing", r"\w*"),
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
