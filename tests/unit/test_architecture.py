"""How bakery's modules are arranged and depend on each other, by their source; import-linter checks the layers."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BAKERY = ROOT / "bakery"
PACKAGES = sorted(file.parent.name for file in BAKERY.glob("*/__init__.py"))
MODULES = sorted(
    str(file.relative_to(BAKERY).with_suffix("")).replace("/", ".")
    for file in BAKERY.rglob("*.py")
    if file.stem != "__init__"
)
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
PURE = next(
    [module.removeprefix("bakery.") for module in contract["source_modules"]]
    for contract in CONTRACTS
    if contract["name"].startswith("Pure modules")
)
MAX_LINES = 400
MAX_MODULES = 12
MAX_TIES = 120
WRITERS = {
    "bases.apt": 2, "bases.base_images": 2, "benchmarks.pull": 1, "build.archive_query": 2, "engine.buildx": 1,
    "engine.embedded": 2, "net.http": 1, "oci.layout": 1, "oci.recompress": 1, "process": 2, "records.packages": 1,
    "sources.openpgp": 2, "sources.providers": 1, "trees.local_source": 2,
}  # fmt: skip
"""Modules that write files in folders that were made for it, or after removing what was there, and how often."""


def source_of(module: str) -> str:
    return (BAKERY / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(source_of(module))


@functools.cache
def imported_from(module: str) -> dict[str, set[str]]:
    """The names that a module imports from each module or package of this project, anywhere in it."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide where a name comes from"
            if (node.module or "").partition(".")[0] == "bakery":
                found.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    return found


@functools.cache
def exported(module: str) -> set[str]:
    """The names that other modules import from ``module``, directly or through its package."""
    package = f"bakery.{module.rpartition('.')[0]}".rstrip(".")
    names: set[str] = set()
    for other in MODULES:
        for source, imported in imported_from(other).items():
            names |= imported if source in (f"bakery.{module}", package) else set()
    return names


@functools.cache
def others(package: str) -> tuple[str, ...]:
    """The source of everything in the repository that may import ``package`` through its ``__init__``."""
    folders = (BAKERY, ROOT / "commands", ROOT / "tests")
    files = [file for folder in folders for file in folder.rglob("*.py") if file.parent != BAKERY / package]
    return tuple(file.read_text(encoding="utf-8") for file in (*files, ROOT / "noxfile.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_package_is_imported_by_others_only_through_what_its_init_offers(module: str) -> None:
    home = module.rpartition(".")[0]
    inner = [name for name in imported_from(module) if name.count(".") > 1 and name.split(".")[1] != home]
    assert not inner, f"expected `from bakery.PACKAGE import NAME`, found {inner}"


def test_modules_of_different_packages_are_tied_by_at_most_120_imports() -> None:
    ties = {
        (module, name)
        for module in MODULES
        for name, names in imported_from(module).items()
        for package in ([name.split(".")[1]] if "." in name else names)
        if package in PACKAGES and package != module.partition(".")[0]
    }
    assert len(ties) <= MAX_TIES, len(ties)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_small_enough_to_be_seen_at_a_glance(package: str) -> None:
    assert len(list((BAKERY / package).glob("*.py"))) - 1 <= MAX_MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_enough_to_read_in_one_sitting(module: str) -> None:
    assert len(source_of(module).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_their_public_functions_and_classes_have_docstrings(module: str) -> None:
    assert ast.get_docstring(tree(module))
    definitions = [node for node in tree(module).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    public = [node for node in definitions if not node.name.startswith("_") and node.name in exported(module)]
    assert not [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize("package", PACKAGES)
def test_init_only_imports_what_others_use(package: str) -> None:
    docstring, *body = ast.parse((BAKERY / package / "__init__.py").read_text(encoding="utf-8")).body
    imported = [alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert isinstance(docstring, ast.Expr) and all(isinstance(node, ast.ImportFrom) for node in body)
    unused = {name for name in imported if not any(name in text for text in others(package))}
    assert not unused, "no other package, command or test needs them"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_uses_private_names_of_another(module: str) -> None:
    private = [name for names in imported_from(module).values() for name in names if name.startswith("_")]
    assert not [name for name in private if name != "__version__"]


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_call_nothing_that_reads_or_writes(module: str) -> None:
    calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
    assert not names & {"open", "read_text", "read_bytes", "write_text", "write_bytes", "print", "getenv", "run"}


def test_files_that_stay_are_written_by_bakery_files_which_follows_no_link_and_opens_no_fifo() -> None:
    writes = re.compile(r"""\.write_(text|bytes)\(|open\((.*, )?"[wax]b?"|\.touch\(""")
    found = {module: len(writes.findall(source_of(module))) for module in MODULES}
    assert {module: count for module, count in found.items() if count} == WRITERS


def test_pytest_looks_into_every_folder() -> None:
    """By default it leaves out folders called build, such as tests/unit/build."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    folders = {path.name for top in ("bakery", "tests") for path in (ROOT / top).rglob("*") if path.is_dir()}
    left_out = {name for name in folders if any(fnmatch(name, pattern) for pattern in options["norecursedirs"])}
    assert {name for name in left_out if not name.startswith((".", "__"))} == set()


def test_listing_the_tasks_loads_neither_docker_nor_requests(root: Path) -> None:
    script = "import sys, tasks; print(*sorted({'docker', 'requests', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_docker_and_its_client_are_used_in_the_engine_package_only() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (covered,) = (set(entry["source_modules"]) for entry in contracts if entry.get("forbidden_modules") == ["docker"])
    assert {f"bakery.{package}" for package in PACKAGES} - covered == {"bakery.engine"}
    users = [module for module in MODULES if "engine.client" in source_of(module)]
    assert not [module for module in users if not module.startswith("engine.")]
