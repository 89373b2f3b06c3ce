"""How an interpreter is built, from shared/catalog.toml: recipes and compilers."""

from __future__ import annotations

from dataclasses import replace

from bakery.errors import ConfigError
from bakery.models import Catalog, Compiler, Recipe, RecipeName
from bakery.tables import Table

__all__ = ["check_compilers", "read_compilers", "read_recipes", "repository_of"]


def repository_of(table: Table) -> str:
    """The name of images, without a tag."""
    name = r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9]+([/._-]+[a-z0-9]+)*"
    return table.text("repository", "an image name without tag", name)


def read_recipes(repository: str, table: Table, reference: Table) -> dict[RecipeName, Recipe]:
    """The recipes of shared/catalog.toml: ``table`` is [recipe], ``reference`` is [reference]."""
    both = _recipe(RecipeName.FULL, repository, table)
    builtin, prune = table.words("builtin"), table.words("prune")
    recipes = {RecipeName.REFERENCE: _recipe(RecipeName.REFERENCE, repository_of(reference), reference)}
    for name in (RecipeName.FULL, RecipeName.QUICK):
        own = table.table(name)
        recipes[name] = replace(
            both, name=name, folder="", builtin=builtin, prune=prune,
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


def read_compilers(top: Table) -> dict[str, Compiler]:
    """The compilers by name."""
    return {name: _compiler(name, table) for name, table in top.tables("compilers").items()}


def _compiler(name: str, table: Table) -> Compiler:
    compiler = Compiler(
        name,
        packages=table.words("packages"),
        path=table.text("path", "a folder, or nothing", r"(/\S+)?"),
        cc=table.text("cc"),
        cxx=table.text("cxx"),
        configure=table.words("configure"),
        ldflags=table.words("ldflags"),
        generate=table.words("generate"),
        use=table.words("use"),
    )
    table.done()
    return compiler


def check_compilers(catalog: Catalog, top: Table) -> None:
    """Raise :exc:`ConfigError` where a series or a target names a compiler that is not there, or no gcc."""
    names = ", ".join(catalog.compilers)
    for series in catalog.series:
        if series.compiler not in catalog.compilers:
            raise top.fail(f'series."{series.name}".compiler', f"expected one of {names}, found {series.compiler!r}")
    for target in catalog.targets:
        if "gcc" not in target.compilers or not set(target.compilers) <= set(catalog.compilers):
            file, found = f"{target.family}/family.toml", list(target.compilers)
            raise ConfigError(
                f"{file}: targets.{target.name}.compilers: expected gcc and others of {names}, found {found!r}"
            )
