"""What compiles an interpreter, from shared/catalog.toml: by series, as far as a target has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bakery.catalog.distributions import Target
from bakery.catalog.toml import Table
from bakery.errors import ConfigError

__all__ = ["Compiler", "check_compilers", "read_compilers"]


@dataclass(frozen=True)
class Compiler:
    """What compiles an interpreter; explained key by key in shared/catalog.toml."""

    name: str
    packages: tuple[str, ...]
    path: str
    cc: str
    cxx: str
    configure: tuple[str, ...]
    expat: tuple[str, ...]
    ldflags: tuple[str, ...]
    programs: bool
    generate: tuple[str, ...]
    use: tuple[str, ...]
    again: tuple[str, ...]


def read_compilers(top: Table) -> dict[str, Compiler]:
    """The compilers by name; one that is ``like`` another has that one's keys where it has none of its own."""
    tables = top.tables("compilers")
    return {name: _compiler(name, _whole(name, tables)) for name in tables}


def _whole(name: str, tables: Mapping[str, Table]) -> Table:
    table = tables[name]
    if "like" not in table.data:
        return table
    others = [other for other, one in tables.items() if "like" not in one.data]
    like = table.get("like", str, f"one of {', '.join(others)}", lambda value: value in others)
    own = {key: value for key, value in table.data.items() if key != "like"}
    return Table(table.file, table.where, {**tables[like].data, **own})


def _compiler(name: str, table: Table) -> Compiler:
    compiler = Compiler(
        name,
        packages=table.words("packages"),
        path=table.text("path", "a folder, or nothing", r"(/\S+)?"),
        cc=table.text("cc"),
        cxx=table.text("cxx"),
        configure=table.words("configure"),
        expat=table.words("expat"),
        ldflags=table.words("ldflags"),
        programs=table.get("programs", bool, "true or false"),
        generate=table.words("generate"),
        use=table.words("use"),
        again=table.words("again"),
    )
    table.done()
    return compiler


def check_compilers(
    top: Table, names: Collection[str], series: Iterable[tuple[str, str]], targets: Iterable[Target]
) -> None:
    """Raise :exc:`ConfigError` where a series or a target names a compiler that is not there, or no gcc.

    ``series`` are pairs of a series' name and its compiler's.
    """
    known = ", ".join(names)
    for one, compiler in series:
        if compiler not in names:
            raise top.fail(f'series."{one}".compiler', f"expected one of {known}, found {compiler!r}")
    for target in targets:
        if "gcc" not in target.compilers or not set(target.compilers) <= set(names):
            file, found = f"{target.family}/family.toml", list(target.compilers)
            raise ConfigError(
                f"{file}: targets.{target.name}.compilers: expected gcc and others of {known}, found {found}"
            )
