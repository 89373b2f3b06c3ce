"""Options reach the scripts as data: what the catalog declares, what scripts read, and what their heads document."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog
from bakery.catalog.recipes import RecipeName

SCRIPTS = [
    ("shared/compile.sh", RecipeName.FULL, "configure"),
    ("shared/compile.sh", RecipeName.FULL, "compile"),
    ("shared/install.sh", RecipeName.FULL, "install"),
    ("reference/build.sh", RecipeName.REFERENCE, "configure"),
    ("reference/build.sh", RecipeName.REFERENCE, "compile"),
]


@pytest.mark.parametrize(("script", "recipe", "stage"), SCRIPTS)
def test_a_script_reads_and_documents_the_options_that_the_catalog_declares(
    catalog: Catalog, root: Path, script: str, recipe: RecipeName, stage: str
) -> None:
    declared = catalog.recipes[recipe].options[0].of(stage)
    text = (root / script).read_text(encoding="utf-8").replace("\\\n", " ")
    (read,) = re.findall(rf'read_options "\$\{{{stage.upper()}_OPTIONS:-\}}" (.*)', text)
    assert sorted(read.split()) == sorted(declared)
    head = text.partition("set -euo")[0]
    for option in declared:
        assert re.search(rf"(?m)^#   (\w+, )*{option}\b", head), option


def test_every_stage_with_options_has_a_script(catalog: Catalog) -> None:
    for recipe in (RecipeName.FULL, RecipeName.REFERENCE):
        stages = {stage for _, name, stage in SCRIPTS if name is recipe}
        declared = catalog.recipes[recipe].options[0]
        assert stages == {stage for stage in ("configure", "compile", "install") if declared.of(stage)}


def read_options(root: Path, text: str, *names: str) -> subprocess.CompletedProcess[str]:
    """What read_options does with ``text``, and the options that it reads, one a line."""
    show = 'for name in "${@:2}"; do echo "$name: ${option[$name]}"; done'
    script = f'. "{root}/shared/common.sh"; read_options "$@"; {show}'
    command = ["bash", "-euo", "pipefail", "-c", script, "script.sh", text, *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_values_are_data_that_no_shell_expands(root: Path, tmp_path: Path) -> None:
    flags = "-Wl,-rpath,'$$ORIGIN/../lib' $(touch x) `touch x` * a=b \\"
    done = read_options(root, f"flags={flags}\nempty=", "flags", "empty")
    assert (done.returncode, done.stdout) == (0, f"flags: {flags}\nempty: \n")


def test_an_unknown_option_is_an_error_that_names_the_known_ones(root: Path) -> None:
    done = read_options(root, "flags=-O3\nflogs=-O3", "flags", "more")
    assert done.returncode == 1
    assert done.stderr == "script.sh: unknown option 'flogs', expected one of: flags more\n"


def test_a_missing_option_is_an_error_that_says_where_to_declare_it(root: Path) -> None:
    done = read_options(root, "flags=-O3", "flags", "more")
    assert done.returncode == 1
    assert done.stderr == "script.sh: option 'more' is missing; declare it in shared/catalog.toml\n"


def test_no_script_evaluates_text_as_code(root: Path) -> None:
    for script in [*root.glob("shared/*.sh"), *root.glob("reference/*.sh")]:
        assert not re.search(r"(?m)^[^#]*\beval\b", script.read_text(encoding="utf-8")), script.name
