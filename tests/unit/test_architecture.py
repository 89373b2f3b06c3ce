"""The arrows between the modules, read from their source."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

BAKERY = Path(__file__).resolve().parents[2] / "bakery"
MODULES = sorted(file.stem for file in BAKERY.glob("*.py") if file.stem != "__init__")
MAX_LINES = 250

ALLOWED = {
    "errors": set(),
    "compression": {"errors"},
    "distributions": {"errors"},
    "compilers": {"errors", "distributions", "tables"},
    "pins": set(),
    "profiles": {"tables"},
    "models": {"compilers", "pins", "profiles", "errors", "compression", "distributions"},
    "tables": {"errors"},
    "recipes": {"errors", "models", "tables"},
    "variants": {"errors", "compression", "models", "tables"},
    "catalog": {"pins", "compilers", "errors", "distributions", "models", "profiles", "recipes", "tables", "variants"},
    "select": {"pins", "errors", "distributions", "models", "catalog"},
    "tags": {"errors", "models", "catalog"},
    "plan": {"errors", "models", "catalog", "profiles", "tags"},
    "signers": {"errors", "tables"},
    "support": set(),
    "update": {"pins", "errors", "models", "distributions"},
}
"""What the modules at the ground may import of this package. Those above only must not form a circle."""
PURE = set(ALLOWED) - {"catalog", "tables"} | {
    "anatomy",
    "budget",
    "charts",
    "comparison",
    "figures",
    "indexes",
    "manifests",
    "markup",
    "matrix",
    "moves",
    "refusals",
}
OUTSIDE = {"requests", "docker", "subprocess", "socket", "urllib", "http", "asyncio", "shutil", "tempfile"}


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse((BAKERY / f"{module}.py").read_text(encoding="utf-8"))


def imports(module: str, *, typing_too: bool = False) -> set[str]:
    """Everything that a module imports anywhere in it, as dotted names."""
    found = set()
    skipped = {
        id(inner)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing_too
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree(module)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide the arrow"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(module: str) -> set[str]:
    """The modules of this package that a module imports."""
    return {name.split(".")[1] for name in imports(module) if name.startswith("bakery.")} & set(MODULES)


@pytest.mark.parametrize("module", [*MODULES, "__init__"])
def test_bakery_knows_neither_invoke_nor_nox_nor_the_files_above_it(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(module, typing_too=True)}
    assert not tops & {"invoke", "nox", "tasks", "noxfile", "tests", "pytest"}


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_the_modules_at_the_ground_import_only_those_below_them(module: str) -> None:
    assert own(module) <= ALLOWED[module]


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_do_not_talk_to_the_outside(module: str) -> None:
    assert not {name.partition(".")[0] for name in imports(module)} & OUTSIDE
    calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
    assert not names & {"open", "read_text", "read_bytes", "write_text", "write_bytes", "print", "getenv", "run"}


def test_no_module_imports_itself_in_a_circle() -> None:
    TopologicalSorter({module: own(module) for module in MODULES}).prepare()


def test_only_what_builds_and_cleans_up_knows_the_engine_and_none_of_the_ground_does() -> None:
    below = {
        "apt",
        "bases",
        "bundles",
        "debsources",
        "openpgp",
        "signatures",
        "tarballs",
        "upstream",
        "updater",
        "web",
        "catalog",
        "files",
        "oci",
        "progress",
        "registry",
        "sizes",
        "sources",
        *PURE,
    }
    for module in below:
        assert not own(module) & {"engine", "embedded", "builder", "tester", "report", "cleaning"}, module


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_read_in_one_sitting(module: str) -> None:
    assert len((BAKERY / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_offers_exists_and_is_explained(module: str) -> None:
    body = tree(module).body
    assert ast.get_docstring(tree(module))
    (offered,) = (
        ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert offered == sorted(offered, key=lambda name: (not name.isupper(), name)), "not in order"
    assert len(offered) == len(set(offered))
    defined = {node.name: node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    values = {
        ast.unparse(target)
        for node in body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    for name in offered:
        assert name in defined or name in values, f"{module}.{name} does not exist"
        if name in defined:
            assert ast.get_docstring(defined[name]), f"{module}.{name} has no docstring"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_used_across_modules_only_by_what_it_offers(module: str) -> None:
    for other in MODULES:
        for node in ast.walk(tree(other)):
            if isinstance(node, ast.ImportFrom) and node.module == f"bakery.{module}":
                assert not [alias.name for alias in node.names if alias.name.startswith("_")], other


def test_listing_the_tasks_loads_neither_docker_nor_requests(root: Path) -> None:
    script = "import sys, tasks; print(*sorted({'docker', 'requests', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
